"""Checkpoints: one signed, readable text that commits to the whole ledger at a height.

The problem: a proof that something is in the log is worth as much as the log's root, so a stranger
needs a root that somebody answers for. The model: C2SP `tlog-checkpoint`, which is a C2SP
`signed-note`, so that witnesses and tools of transparency logs can read it. The text has the
origin, the log's size and root, and three extension lines: the block's height, its time, and the
app hash. Each signature line is of one party's key with purpose `checkpoint`.

Stricter than those notes: they let a reader skip signatures of unknown keys, here every line
counts. A checkpoint stands inside other evidence, where no byte may be free to change. Hence
signers stand in the order of their numbers, each once, and all of them must be in the genesis.

Who must have signed: on a single operator's ledger, the operator; in a consortium, more than two
thirds of the members, so that two contradicting checkpoints expose a party that signed both. Where
members change (R-MEMBER-1), whoever verifies brings the members as of the checkpoint's height.
Where the validators' votes are shown beside it (`ordering`), one member's signature is enough.

Layout and vectors: docs/formats/checkpoint.md.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tieout.evidence.errors import FormError, SignatureError, TrustError
from tieout.evidence.limits import MAX_CHECKPOINT_BYTES
from tieout.reference.members import Key, Members, members_of
from tieout.units.dates import format_time, parse_time
from tieout.units.errors import UnitsError
from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import SIGNATURE_BYTES, PrivateKey, verify
from tieout.wire.genesis import Genesis

HASH_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
ORIGIN: Final = "tieout/"
_ED25519_NOTE: Final = b"\x01"
"""Signature type of an Ed25519 signature in a signed note."""
_PART: Final = "checkpoint"
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_SIGNATURE_LINE: Final = re.compile(r"— ([0-9a-f]{16})/([1-9][0-9]{0,4}) ([A-Za-z0-9+/=]+)")
_TEXT_LINES: Final = 6


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a ledger after a block.

    `log_size` counts leaves; `log_root` and `app_hash` have 32 bytes; `time_us` is the block's time
    (microseconds UTC), 0 at height 0.
    """

    ledger_id: bytes
    log_size: int
    log_root: bytes
    height: int
    time_us: int
    app_hash: bytes

    def text(self) -> str:
        """The text that is signed, with its last newline."""
        return (
            f"{ORIGIN}{self.ledger_id.hex()}\n"
            f"{self.log_size}\n"
            f"{_base64(self.log_root)}\n"
            f"height {self.height}\n"
            f"time {format_time(self.time_us)}\n"
            f"app {_base64(self.app_hash)}\n"
        )


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line: the party, the first four bytes of the key's id, the signature (64)."""

    party: int
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and who signed it, in the order of the parties' numbers."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    def to_text(self) -> str:
        """The one form of this checkpoint as text; its UTF-8 is what is kept and sent."""
        lines = [
            f"— {key_name(self.checkpoint.ledger_id, signature.party)} "
            f"{_base64(signature.key_id + signature.signature)}\n"
            for signature in self.signatures
        ]
        return self.checkpoint.text() + "\n" + "".join(lines)

    def to_bytes(self) -> bytes:
        """UTF-8 of `to_text`."""
        return self.to_text().encode()


def key_name(ledger_id: bytes, party: int) -> str:
    """The name of a party's keys in signed notes."""
    return f"{ledger_id[:8].hex()}/{party}"


def key_id(ledger_id: bytes, party: int, public: bytes) -> bytes:
    """The four bytes by which a signed note names a key (`public` has 32 bytes)."""
    named = key_name(ledger_id, party).encode() + b"\n" + _ED25519_NOTE + public
    return hashlib.sha256(named).digest()[:KEY_ID_BYTES]


def make_checkpoint(
    checkpoint: Checkpoint, signers: Sequence[tuple[int, PrivateKey]]
) -> SignedCheckpoint:
    """Sign a checkpoint with the keys of (party, key), one for each party.

    Raises FormError for what could not be read again, such as a time after the year 9999. The
    signer is responsible for never signing two checkpoints of which one does not continue the
    other.
    """
    note = checkpoint.text().encode()
    signatures = tuple(
        NoteSignature(party, key_id(checkpoint.ledger_id, party, key.public), key.sign(note))
        for party, key in sorted(signers, key=lambda signer: signer[0])
    )
    signed = SignedCheckpoint(checkpoint, signatures)
    parse_checkpoint(signed.to_bytes())
    return signed


def parse_checkpoint(data: bytes) -> SignedCheckpoint:
    """Read the one form of a checkpoint; signatures are not judged.

    Raises FormError for anything that `to_bytes` would not have written: other lines, doubled or
    unsorted signatures, other spellings of numbers, times or base64.
    """
    if len(data) > MAX_CHECKPOINT_BYTES:
        raise FormError(_PART, f"more than {MAX_CHECKPOINT_BYTES} bytes")
    try:
        note, separator, rest = data.decode("utf-8").partition("\n\n")
        lines = note.split("\n")
        if not separator or len(lines) != _TEXT_LINES or not rest.endswith("\n"):
            raise FormError(_PART, "it has six lines, a blank line, and signature lines")
        checkpoint = _checkpoint(*lines)
        signatures = tuple(_signature(line, checkpoint.ledger_id) for line in rest[:-1].split("\n"))
    except (UnitsError, ValueError) as error:
        raise FormError(_PART, str(error)) from error
    parties = [signature.party for signature in signatures]
    if any(first >= second for first, second in pairwise(parties)):
        raise FormError(_PART, "signatures stand in the order of their parties, each once")
    signed = SignedCheckpoint(checkpoint, signatures)
    if signed.to_bytes() != data:
        raise FormError(_PART, "it is not in its one form")
    return signed


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read the text of a checkpoint that stands without signatures. Raises FormError."""
    lines = text.split("\n")
    if len(lines) != _TEXT_LINES + 1 or lines[-1]:
        raise FormError(_PART, "its text has six lines")
    try:
        checkpoint = _checkpoint(*lines[:-1])
    except (UnitsError, ValueError) as error:
        raise FormError(_PART, str(error)) from error
    if checkpoint.text() != text:
        raise FormError(_PART, "it is not in its one form")
    return checkpoint


def verify_checkpoint(
    data: bytes, genesis: Genesis, members: Members | None = None, *, needs_quorum: bool = True
) -> SignedCheckpoint:
    """Read a checkpoint and judge all its signatures by the keys of the members.

    `members` are those after the checkpoint's block; without them, the founders of `genesis`.
    Without `needs_quorum` one signer is enough: somebody else vouches for what it says. Raises
    FormError, TrustError (another ledger, an unknown or expired key, too few signers), or
    SignatureError.
    """
    signed = parse_checkpoint(data)
    members = members or members_of(genesis)
    ledger_id = genesis.ledger_id()
    if signed.checkpoint.ledger_id != ledger_id:
        raise TrustError(_PART, "it is of another ledger than the genesis")
    note = signed.checkpoint.text().encode()
    for signature in signed.signatures:
        _check_signature(signature, note, members, ledger_id, signed.checkpoint.height)
    if needs_quorum:
        check_quorum(genesis, members, [signature.party for signature in signed.signatures], _PART)
    return signed


def checkpoint_keys(members: Members, party: int, height: int) -> tuple[Key, ...]:
    """The keys with which a party may sign checkpoints and certificates at a height."""
    known = members.find(party)
    return tuple(
        key
        for person in (known.persons if known else ())
        for key in person.keys
        if Purpose.CHECKPOINT in key.purposes
        and key.from_height <= max(height, 1)
        and not key.has_ended_before(height)
    )


def quorum(members: Members) -> int:
    """How many of the members speak for a consortium: more than two thirds."""
    return quorum_of(members.count())


def quorum_of(count: int) -> int:
    """More than two thirds of so many members."""
    return 2 * count // 3 + 1


def check_quorum(genesis: Genesis, members: Members, parties: Sequence[int], part: str) -> None:
    """Raise TrustError unless the parties that signed are enough to speak for the ledger."""
    if genesis.operator != 0:
        if genesis.operator not in parties:
            name = genesis.parties[genesis.operator - 1].name
            raise TrustError(part, f"the operator {name!r} has not signed it")
        return
    if len(parties) < quorum(members):
        names = ", ".join(each.name for number in parties if (each := members.find(number)))
        raise TrustError(
            part,
            f"{len(parties)} of {members.count()} parties have signed it"
            f"{f' ({names})' if names else ''}; more than two thirds must: {quorum(members)}",
        )


def _checkpoint(origin: str, size: str, root: str, height: str, time: str, app: str) -> Checkpoint:
    ledger_id = bytes.fromhex(_after(origin, ORIGIN))
    if len(ledger_id) != HASH_BYTES:
        raise FormError(_PART, "a ledger id has 64 hex digits")
    return Checkpoint(
        ledger_id=ledger_id,
        log_size=_number(size),
        log_root=_unbase64(root, HASH_BYTES),
        height=_number(_after(height, "height ")),
        time_us=parse_time(_after(time, "time ")),
        app_hash=_unbase64(_after(app, "app "), HASH_BYTES),
    )


def _signature(line: str, ledger_id: bytes) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise FormError(_PART, "a signature line is: — ledger/party base64")
    party = int(match[2])
    if key_name(ledger_id, party) != f"{match[1]}/{match[2]}":
        raise FormError(_PART, "a signature is named after another ledger")
    raw = _unbase64(match[3], KEY_ID_BYTES + SIGNATURE_BYTES)
    return NoteSignature(party, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _check_signature(
    signature: NoteSignature, note: bytes, members: Members, ledger_id: bytes, height: int
) -> None:
    party = signature.party
    publics = [key.public for key in checkpoint_keys(members, party, height)]
    known = [public for public in publics if key_id(ledger_id, party, public) == signature.key_id]
    if not known:
        raise TrustError(_PART, f"party {party} has no such key for checkpoints at that height")
    if not any(verify(public, note, signature.signature) for public in known):
        raise SignatureError(_PART, f"the signature of party {party} is not of this text")


def _after(line: str, prefix: str) -> str:
    if not line.startswith(prefix):
        raise FormError(_PART, f"a line should begin with {prefix!r}")
    return line[len(prefix) :]


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise FormError(_PART, "a number has digits only, without leading zeros")
    return int(text)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unbase64(text: str, size: int) -> bytes:
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise FormError(_PART, f"not base64: {error}") from error
    if len(raw) != size:
        raise FormError(_PART, f"{size} bytes are needed in base64, not {len(raw)}")
    return raw
