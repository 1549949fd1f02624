"""The other ledger of the demonstration: a bank and its custodian, while the fund ledger is busy.

The bank's node serves both. What is said here reaches the custodian and nobody else, and an alarm
there is none here.
"""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.consensus.quorum import faults_borne
from tieout.demo.consortium.member import Member, Rows, raw
from tieout.engines.cometbft.places import JOURNAL
from tieout.journal.frame import Entry
from tieout.journal.journal import Journal
from tieout.wire.codes import EventKind, OperationKind, Purpose
from tieout.wire.operations import Enact

AGREEMENT_FILE: Final = "custody-settlement.toml"
LEDGER: Final = "custody"
MEMBERS: Final = ("bank", "custodian")
DELIVERIES: Final = 60
ALL_FIELDS: Final = 0b111


class CustodyResult(msgspec.Struct, frozen=True):
    """What was found on the disks of the two: everything matched, and nobody was alarmed."""

    ledger_id: str
    members: tuple[str, ...]
    may_fail: int
    transactions: int
    matched: int
    alarms: int
    blocks: int
    app_hash_disagreements: int


class Custody:
    """The two members, from the first agreement to what is left on their disks."""

    def __init__(self, members: Sequence[Member]) -> None:
        """`members` are the copies of the custody ledger, in the order of MEMBERS."""
        self._members = list(members)
        text = (files("tieout.demo.consortium") / AGREEMENT_FILE).read_text(encoding="utf-8")
        self._agreement = parse_agreement(text, AGREEMENT_FILE)

    @property
    def may_fail(self) -> int:
        """How many of the two may fail: none, as two are fewer than four."""
        return faults_borne([each.power for each in self._members[0].genesis.validators])

    def enact(self) -> int:
        """Put the agreement into force; the height."""
        body = Enact(self._agreement.canonical, ((1,), (2,)))
        height = 0
        for member in self._members:
            member.await_height(1)
            height = member.operate(OperationKind.ENACT, body, Purpose.GOVERN)
        return height

    def publish(self, first: int) -> int:
        """Both publish half of the deliveries, from `first` on; the height of the last block."""
        height = 0
        for role, member in enumerate(self._members):
            rows = deliveries(self._agreement, range(first, first + DELIVERIES // 2))
            height = member.publish(self._agreement, role, rows)
        return height

    def alarms(self) -> int:
        """How many alarms the two have written down by now, after everything that was published."""
        height = max(member.height() for member in self._members)
        for member in self._members:
            member.await_height(height + 1)
        return sum(self._count(member, EventKind.ALARM_RAISED) for member in self._members)

    def judge(self) -> CustodyResult:
        """What the two disks say, with the nodes stopped."""
        hashes = [[entry.header.app_hash for entry in kept(member)] for member in self._members]
        blocks = min(len(each) for each in hashes)
        return CustodyResult(
            ledger_id=self._members[0].genesis.ledger_id().hex(),
            members=tuple(member.name for member in self._members),
            may_fail=self.may_fail,
            transactions=DELIVERIES,
            matched=min(self._count(each, EventKind.TRANSACTION_MATCHED) for each in self._members),
            alarms=sum(self._count(each, EventKind.ALARM_RAISED) for each in self._members),
            blocks=blocks,
            app_hash_disagreements=sum(
                len({each[i] for each in hashes}) > 1 for i in range(blocks)
            ),
        )

    def _count(self, member: Member, kind: EventKind) -> int:
        return sum(list(each.result.events["kind"]).count(kind) for each in kept(member))


def kept(member: Member) -> Iterator[Entry]:
    """The blocks on a member's disk."""
    ledger_id = member.genesis.ledger_id()
    with Journal.open(member.directory / JOURNAL, ledger_id, read_only=True) as journal:
        yield from journal.entries()


def deliveries(agreement: Agreement, numbers: Sequence[int]) -> Rows:
    """What either books about deliveries: the same, as it should be."""
    rows = np.zeros(len(numbers), agreement.layout.dtype())
    rows["revision"] = 1
    rows["presence"] = ALL_FIELDS
    for row, number in zip(rows, numbers, strict=True):
        row["id"] = f"DLV-{number:06d}".encode()
        row["f_security"] = b"CND100034561"
        row["f_units"] = 500 + 25 * number
        row["f_settle_date"] = 20_348
    return raw(agreement, rows)
