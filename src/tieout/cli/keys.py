"""`tieout keys seal`, `unseal`, `change`: the private keys beside a ledger, under a passphrase."""

from pathlib import Path
from typing import Final

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.engines import passphrase as phrases
from tieout.engines.keyfile import KeyFile

_ONCE_MORE: Final = "The same once more: "


def seal(*, ledger: Ledger = DEFAULT_LEDGER, passphrase_file: Path | None = None) -> int:
    """Seal the private keys of a ledger's directory with a passphrase.

    Parameters
    ----------
    ledger
        The ledger's directory, or that of the party's node.
    passphrase_file
        A file that holds the passphrase; the environment or a prompt otherwise.

    """
    file = _key_file(ledger, passphrase_file)
    if file.is_sealed:
        raise Failure(f"{file.path} is sealed already", "`tieout keys change` seals it anew")
    guarded(lambda: file.seal(_new(file, passphrase_file)))
    say(f"{file.path} is sealed; without the passphrase nobody signs with these keys any more")
    say("copies made before, and what the disk kept of the plain file, are still plain")
    return Outcome.COMPLETE


def unseal(*, ledger: Ledger = DEFAULT_LEDGER, passphrase_file: Path | None = None) -> int:
    """Write sealed private keys plain again.

    Parameters
    ----------
    ledger
        The ledger's directory, or that of the party's node.
    passphrase_file
        A file that holds the passphrase; the environment or a prompt otherwise.

    """
    file = _sealed(ledger, passphrase_file)
    guarded(file.unseal)
    say(f"{file.path} is plain: whoever reads it can sign with these keys")
    return Outcome.COMPLETE


def change(
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    passphrase_file: Path | None = None,
    new_passphrase_file: Path | None = None,
) -> int:
    """Seal sealed private keys with another passphrase.

    Parameters
    ----------
    ledger
        The ledger's directory, or that of the party's node.
    passphrase_file
        A file that holds the passphrase; the environment or a prompt otherwise.
    new_passphrase_file
        A file that holds the new one; a prompt otherwise.

    """
    file = _sealed(ledger, passphrase_file)

    def new() -> bytes:
        if new_passphrase_file is not None:
            return phrases.from_file(new_passphrase_file)
        return phrases.prompted_twice(f"New passphrase of {file.path}: ", _ONCE_MORE)

    guarded(lambda: file.seal(new()))
    say(f"{file.path} is sealed with the new passphrase; copies still open with the old one")
    return Outcome.COMPLETE


def _key_file(ledger: Path, passphrase_file: Path | None) -> KeyFile:
    return guarded(lambda: KeyFile(ledger, phrases.stated(passphrase_file)))


def _sealed(ledger: Path, passphrase_file: Path | None) -> KeyFile:
    file = _key_file(ledger, passphrase_file)
    if not file.is_sealed:
        raise Failure(f"{file.path} is not sealed", "`tieout keys seal` seals it")
    return file


def _new(file: KeyFile, stated: Path | None) -> bytes:
    """The passphrase of a file that is sealed for the first time; typed twice at a terminal."""
    if stated is None and not phrases.is_in_environment():
        return phrases.prompted_twice(f"Passphrase for {file.path}: ", _ONCE_MORE)
    return phrases.stated(stated)(file.path)
