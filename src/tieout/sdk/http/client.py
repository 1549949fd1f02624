"""A party's node, for the programs of the house: publish, wait, listen, list, prove.

The problem: a core system says what it has booked, and wants to know at once whether that ties out;
and between it and the node lie a network and a restart now and then.

The model: one call is one request, repeated as often as it takes with the same `Idempotency-Key`,
and so counts once (`connections.py`). A call returns what the node answered, as a typed message
(`forms.py`), or raises an SdkError that says whose fault it is and whether asking again may help.
A client has no state but its idle connections; several threads may use it, and each call has a
connection to itself. Send many single records at a time from many threads: they share blocks.

What is not here: signing. The node signs with its party's key; who signs for themselves submits
batches to the network (`tieout.sdk.client`).
"""

import secrets
import ssl
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import quote

import msgspec

from tieout.evidence.pack import PackReport, verify_pack
from tieout.sdk.errors import NodeConfused, RequestRefused, StillPending
from tieout.sdk.http import forms
from tieout.sdk.http.connections import Connections
from tieout.sdk.http.events import EventStream
from tieout.sdk.http.lists import Filter, Listing, decoded, in_form, query_of
from tieout.sdk.limits import MAX_PIECE_BYTES
from tieout.sdk.patience import Patience
from tieout.wire.genesis import parse_genesis

DEFAULT_TIMEOUT_S: Final = 30.0
BULK_TIMEOUT_S: Final = 900.0
JUDGED: Final = ("matched", "broken", "withdrawn")
"""What a transaction is once it is no longer pending."""

Value = str | int | Decimal | date | None
"""A value of a record; a float is none, for it is seldom what it seems. Decimals go as text."""
Record = Mapping[str, Value]
Severity = Literal["info", "notice", "warning", "alarm"]


class NodeClient:
    """One node, as one user. May be used by several threads; `with` closes idle connections.

    Every method raises NodeUnreachable, NodeConfused, or RequestRefused.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`timeout_s` bounds each wait for bytes, `patience` how long a request is repeated.

        `tls` is for an https node whose certificate the system does not trust by itself. Nothing
        is sent yet. Raises ValueError for a URL that is none.
        """
        self._connections = Connections(url, token, timeout_s, patience or Patience(), tls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    # ------------------------------------------------------------ publishing

    def publish(
        self,
        agreement: str,
        record: Record,
        *,
        role: str = "",
        originator: int = 0,
        wait: Literal["verdict", "accepted"] = "verdict",
        key: str | None = None,
    ) -> forms.Receipt:
        """Publish one record, and say what became of it and how its transaction stands.

        Returns when the record's block is on the node's disk. `role` may be left out where the
        node speaks for one only. A `key` of one's own, at most 255 characters, makes the call
        repeatable even after this program was killed; without it every call has a fresh one.
        """
        target = _records(agreement) + query_of(_spoken(role, originator) | {"wait": wait})
        headers = {"Content-Type": "application/json", **_key(key)}
        said = self._connections.ask("POST", target, _encoded(record), headers)
        return in_form(self._connections, said.body, forms.Receipt)

    def publish_many(
        self,
        agreement: str,
        records: Iterable[Record],
        *,
        role: str = "",
        originator: int = 0,
        key: str | None = None,
        timeout_s: float = BULK_TIMEOUT_S,
    ) -> forms.BulkReceipt:
        """Publish as many records as there are, as one body, and say what became of them.

        The iterator is read once and never held in memory: the body waits in a temporary file
        (deleted by the system, whatever happens), so that it can be sent again after a broken
        connection. Good records are taken whatever stands beside them; see `refused`.
        """
        target = _records(agreement) + query_of(_spoken(role, originator))
        headers = {"Content-Type": "application/x-ndjson", **_key(key)}
        with tempfile.SpooledTemporaryFile(max_size=MAX_PIECE_BYTES) as body:
            for record in records:
                body.write(_encoded(record) + b"\n")
            said = self._connections.ask("POST", target, body, headers, timeout_s)
        return in_form(self._connections, said.body, forms.BulkReceipt)

    def withdraw(
        self,
        agreement: str,
        transaction_id: str,
        *,
        role: str = "",
        originator: int = 0,
        key: str | None = None,
    ) -> forms.Receipt:
        """Take a role's record back. `key` as for `publish`."""
        target = f"{_records(agreement)}/{quote(transaction_id, safe='')}"
        target += query_of(_spoken(role, originator))
        said = self._connections.ask("DELETE", target, headers=_key(key))
        return in_form(self._connections, said.body, forms.Receipt)

    # ------------------------------------------------------------ waiting and listening

    def wait(
        self,
        agreement: str,
        transaction_id: str,
        *,
        originator: int = 0,
        until: Collection[str] = JUDGED,
        timeout_s: float = 60.0,
    ) -> forms.Transaction:
        """Wait until a transaction stands as one of `until`, and tell all about it.

        Nobody needs to have spoken of it yet. What was true only for a moment may be missed.
        Raises StillPending after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        # The place first, the look after it: what happens in between is heard, not lost.
        height = self.ledger().height
        status = ""
        while True:
            try:
                found = self.transaction(agreement, transaction_id, originator=originator)
            except RequestRefused as error:
                if error.code != "not_found" or agreement not in self.ledger().agreements:
                    raise
            else:
                status, height = found.status, max(height, found.as_of)
                if status in until:
                    return found
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise StillPending(transaction_id, status, timeout_s)
            with self.stream(after=height, agreements=(agreement,), timeout_s=left_s) as events:
                for event in events:
                    height = event.height
                    if (event.transaction_id, event.originator) == (transaction_id, originator):
                        break

    def stream(
        self,
        *,
        after: int | str | None = None,
        kinds: Collection[str] = (),
        agreements: Collection[str] = (),
        roles: Collection[str] = (),
        severity: Severity = "info",
        timeout_s: float | None = None,
    ) -> EventStream:
        """What happens, as it happens: every event once, in order, also over reconnects.

        `after` is where to begin: behind the block of a height (0: from the very first), behind
        the event of an id, or, without it, now. Nothing stated is everything; `severity` is the
        least. Ends after `timeout_s`, where that is stated.
        """
        if after is None:
            after = self.ledger().height
        target = "/v1/stream" + query_of(
            {
                "kind": tuple(kinds),
                "agreement": tuple(agreements),
                "role": tuple(roles),
                "severity": severity,
            }
        )
        return EventStream(self._connections, target, after, timeout_s)

    # ------------------------------------------------------------ looking

    def transaction(
        self, agreement: str, transaction_id: str, *, originator: int = 0
    ) -> forms.Transaction:
        """One transaction: status, values, breaks, correcting entries, and its story."""
        target = _transaction(agreement, transaction_id) + query_of({"originator": originator})
        return decoded(self._connections, target, forms.Transaction)

    def ledger(self) -> forms.Ledger:
        """Where the ledger stands."""
        return decoded(self._connections, "/v1/ledger", forms.Ledger)

    def transactions(self, **filters: Filter | None) -> Listing[forms.TransactionItem]:
        """Transactions. `filters` are the parameters of the list, as `/docs` of a node tells."""
        return Listing(self._connections, "transactions", forms.TransactionItem, filters)

    def breaks(self, **filters: Filter | None) -> Listing[forms.BreakItem]:
        """Breaks; open ones, unless `is_open` says otherwise."""
        return Listing(self._connections, "breaks", forms.BreakItem, filters)

    def alarms(self, **filters: Filter | None) -> Listing[forms.AlarmItem]:
        """Alarms; open ones, unless `is_open` says otherwise."""
        return Listing(self._connections, "alarms", forms.AlarmItem, filters)

    def adjustments(self, **filters: Filter | None) -> Listing[forms.AdjustmentItem]:
        """Correcting entries."""
        return Listing(self._connections, "adjustments", forms.AdjustmentItem, filters)

    def blocks(self, **filters: Filter | None) -> Listing[forms.BlockItem]:
        """Blocks."""
        return Listing(self._connections, "blocks", forms.BlockItem, filters)

    def batches(self, **filters: Filter | None) -> Listing[forms.BatchItem]:
        """Batches, refused ones too."""
        return Listing(self._connections, "batches", forms.BatchItem, filters)

    def operations(self, **filters: Filter | None) -> Listing[forms.OperationItem]:
        """Operations, refused ones too."""
        return Listing(self._connections, "operations", forms.OperationItem, filters)

    def cutoffs(self, **filters: Filter | None) -> Listing[forms.CutoffItem]:
        """Cut-offs."""
        return Listing(self._connections, "cutoffs", forms.CutoffItem, filters)

    # ------------------------------------------------------------ proofs

    def genesis(self) -> bytes:
        """The node's genesis. It is what a verifier trusts, so have it from elsewhere, too."""
        return self._connections.ask("GET", "/v1/genesis").body

    def evidence(self, agreement: str, transaction_id: str, *, originator: int = 0) -> bytes:
        """The evidence pack of one transaction, for `verify`, here or at anybody's."""
        target = _transaction(agreement, transaction_id) + "/evidence"
        return self._connections.ask("GET", target + query_of({"originator": originator})).body

    def certificate(self, agreement: str, cutoff: str | None = None) -> bytes:
        """The signed tie-out certificate of a cut-off (ISO 8601), or of the last one."""
        target = f"/v1/agreements/{quote(agreement, safe='')}/certificate"
        return self._connections.ask("GET", target + query_of({"cutoff": cutoff})).body

    def drill(
        self, agreement: str, role: str, question: bytes, **chosen: Filter | None
    ) -> tuple[bytes, int]:
        """The answer to a question about parts of what the ledger holds of a role, and how many.

        Hashes only: docs/formats/set-hash.md says of what, `tieout.merkle.drill` asks. `chosen` are
        `after` and `until` (ISO 8601) and `with_role`, whose compared fields alone are hashed.
        """
        query = {"with" if name == "with_role" else name: value for name, value in chosen.items()}
        target = f"/v1/agreements/{quote(agreement, safe='')}/roles/{quote(role, safe='')}/drill"
        answer = self._connections.ask("POST", target + query_of(query), question, _OCTETS)
        records = answer.headers.get("tieout-records", "")
        if not records.isdecimal():
            raise NodeConfused(self._connections.name, "it does not say how many records it holds")
        return answer.body, int(records)


def verify(pack: bytes, genesis: bytes) -> PackReport:
    """Check an evidence pack against the genesis that you trust, offline, and say what it proves.

    Nobody's word is taken: signatures, proofs and the verdict itself are computed anew. Raises
    EvidenceError for the first part that does not hold, WireError for a genesis that is none.
    """
    return verify_pack(pack, parse_genesis(genesis))


_OCTETS: Final = {"Content-Type": "application/octet-stream"}
_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


def _encoded(record: Record) -> bytes:
    for field, value in record.items():
        if isinstance(value, float):
            # Not left to the node: JSON has no NaN, which would arrive as a value left blank.
            raise TypeError(f"{field} is the float {value!r}; a number with decimals is a Decimal")
    return _ENCODER.encode(record)


def _records(agreement: str) -> str:
    return f"/v1/agreements/{quote(agreement, safe='')}/records"


def _transaction(agreement: str, transaction_id: str) -> str:
    return (
        f"/v1/agreements/{quote(agreement, safe='')}/transactions/{quote(transaction_id, safe='')}"
    )


def _spoken(role: str, originator: int) -> dict[str, Filter | None]:
    return {"role": role or None, "originator": originator}


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(16) if key is None else key}
