"""A party's house: its own books, and the process that publishes them and carries adjustments out.

The problem: what the rules decide becomes money only in somebody's books, through a program that
may stop between any two things it does. Then nothing may be posted twice, or forgotten.

The model: the books are real ones (`connectors.books_sqlite`), in a database that outlives the
process; the process remembers nothing that it could not do again. When it works it looks at the
state of its party's node: it carries out what is approved there, says so, and publishes what its
books say where the ledger has something else. What it sends may be lost, late or doubled
(`outbox.py`). The business books and corrects without asking it.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tieout import kernel
from tieout.agreement.model import NUMBERS, Agreement, Field, FieldType
from tieout.connectors.adjuster import REVISION_BYTES, Adjuster, Carried, Correction
from tieout.connectors.books_config import BooksConfig
from tieout.connectors.books_sqlite import SqliteBooks
from tieout.connectors.csv_known import REVISION_OFFSET
from tieout.kernel import listing
from tieout.kernel.book import Book
from tieout.testing.dice import Dice
from tieout.testing.simulator.disk import Stopped
from tieout.testing.simulator.outbox import Outbox, Sign
from tieout.testing.workbench import FOREVER_US, Sender, signing_key
from tieout.units.dates import format_date, format_time
from tieout.wire.codes import AdjustmentStatus, OperationKind, Purpose
from tieout.wire.operations import AdjustmentStep

SYSTEM_STREAM, PEOPLE_STREAM = 2, 3
"""Apart from the streams of those who sign in the party's name without asking it."""
VALIDITY_US: Final = 5_400_000_000
"""What a house signs is good for an hour and a half by its own clock: not when two are wrong."""
KEY, ADJUSTMENT, REASON = "transaction_id", "adjustment", "reason"
_CARRIED_OUT: Final = (AdjustmentStatus.APPROVED, AdjustmentStatus.POSTED)


@dataclass(frozen=True, slots=True)
class Deal:
    """What stands in the books for a role under one id."""

    role: str
    transaction_id: str


class BooksConnection(sqlite3.Connection):
    """A way into the books that fails when told to, and stops its process in mid-posting."""

    stop_after = 0
    """Stop at the beginning or end of a statement, counted from now; 0: at none."""
    fails_commit = False
    does_so_first = False
    """Whether the commit that fails has happened nevertheless."""
    is_full = False
    """Every insertion is refused."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement, unless something goes wrong."""
        self._pass()
        if self.is_full and sql.startswith("INSERT"):
            raise sqlite3.OperationalError("database or disk is full")
        if sql == "COMMIT" and self.fails_commit:
            self.fails_commit = False
            if self.does_so_first:
                super().execute(sql)
            raise sqlite3.OperationalError("disk I/O error")
        cursor = super().execute(sql, parameters)
        self._pass()
        return cursor

    def mend(self) -> None:
        """Nothing goes wrong any more; a transaction that was under way did not happen."""
        self.stop_after = 0
        self.fails_commit = self.is_full = False
        if self.in_transaction:
            self.rollback()

    def _pass(self) -> None:
        if self.stop_after:
            self.stop_after -= 1
            if not self.stop_after:
                raise Stopped


class House:
    """One party's books and adjuster. `agreement` is any version: their fields are the same."""

    def __init__(self, party: int, agreement: Agreement, sender: Sender) -> None:
        self.party = party
        self.deals: dict[Deal, None] = {}
        """All that the business has booked, in order."""
        self.clock_us = 0
        """How far its clock is off."""
        self.books = sqlite3.connect(":memory:", isolation_level=None, factory=BooksConnection)
        self._agreement = agreement
        self._sender = sender
        self._adjusters: dict[tuple[int, int], Adjuster] = {}
        self._system = Outbox()
        self._people = Outbox()
        for number, role in enumerate(agreement.roles):
            columns = "".join(
                f", {column_of(f)} {'INTEGER' if field.type in NUMBERS else 'TEXT'}"
                for f, field in reported(agreement, number)
            )
            self.books.execute(
                f"CREATE TABLE {role} ({KEY} TEXT, {ADJUSTMENT} TEXT, {REASON} TEXT{columns})"
            )

    def close(self) -> None:
        """Give the books up."""
        self.books.close()

    @property
    def is_waiting(self) -> bool:
        """Whether something that it said is under way."""
        return self._system.is_waiting or self._people.is_waiting

    def enter(self, deal: Deal, values: Mapping[int, int | bytes]) -> None:
        """The business books a deal, in the place of what it booked before."""
        fields = self._agreement.fields
        cells = {column_of(f): _cell(fields[f], value) for f, value in values.items()}
        names = ", ".join([KEY, *cells])
        places = ", ".join("?" * (1 + len(cells)))
        # Not by way of the connection, whose faults are those of the adjuster's process.
        business = self.books.cursor()
        business.execute(f"DELETE FROM {deal.role} WHERE {KEY} = ?", (deal.transaction_id,))  # noqa: S608 - a role's name
        business.execute(
            f"INSERT INTO {deal.role} ({names}) VALUES ({places})",  # noqa: S608 - names of fields
            (deal.transaction_id, *cells.values()),
        )
        self.deals[deal] = None

    def restart(self) -> None:
        """The process ended, and begins anew with its books alone."""
        self.books.mend()
        self._adjusters.clear()
        self._system.stale()
        self._people.stale()

    # ------------------------------------------------------------------ work

    def work(
        self, state: kernel.State, deals: Sequence[Deal], now_us: int, people: Dice | None
    ) -> Iterator[bytes]:
        """What it has to say about these deals, as its node sees the ledger.

        `people` choose whether somebody approves what waits; without them nobody does. Raises
        Stopped.
        """
        yield from self._system.again(state, lambda: self.key_for(state, Purpose.PUBLISH))
        yield from self._people.again(state, lambda: self.key_for(state, Purpose.APPROVE))
        for deal in deals:
            yield from self._look_at(state, deal, now_us + self.clock_us, people)

    def _look_at(
        self, state: kernel.State, deal: Deal, now_us: int, people: Dice | None
    ) -> Iterator[bytes]:
        name = self._agreement.name
        key = deal.transaction_id.encode()
        found = kernel.transaction(state, name, 0, key)
        book = state.books[found.agreement - 1] if found else state.newest.get(name)
        if book is None or deal.role not in book.agreement.roles:
            return
        role = book.agreement.roles.index(deal.role)
        adjuster = self._adjuster(book.agreement, role)
        standing = found.roles[role] if found else None
        if found and standing and standing.party == self.party and standing.adjustment is not None:
            adjustment = kernel.adjustment(state, found.agreement, standing.adjustment)
            if people and adjustment.status is AdjustmentStatus.PROPOSED and people.happens(60):
                yield from self._approve(state, name, adjustment)
            elif adjustment.status in _CARRIED_OUT:
                yield from self._carry_out(state, adjuster, adjustment, standing, now_us)
        yield from self._publish(state, book, role, adjuster, deal, now_us)

    def _carry_out(
        self,
        state: kernel.State,
        adjuster: Adjuster,
        adjustment: kernel.Adjustment,
        standing: kernel.Standing,
        now_us: int,
    ) -> Iterator[bytes]:
        correction = Correction(
            adjustment_id=adjustment.id,
            transaction_id=adjustment.transaction_id.decode(),
            fields=adjustment.fields,
            benchmarks=adjustment.benchmarks,
            presence=standing.presence,
            values=standing.values,
        )
        fate = adjuster.carry_out(correction, "agreed", now_us)
        if fate is Carried.FAILED:
            yield from self._report(state, OperationKind.FAILED, adjustment, now_us)
        elif fate is Carried.POSTED and adjustment.status is AdjustmentStatus.APPROVED:
            yield from self._report(state, OperationKind.POSTED, adjustment, now_us)

    def _publish(
        self,
        state: kernel.State,
        book: Book,
        role: int,
        adjuster: Adjuster,
        deal: Deal,
        now_us: int,
    ) -> Iterator[bytes]:
        status, revision, row = self._standing(state, book, role, adjuster, deal)
        if status not in (listing.NEW, listing.CHANGED) or not self._system.is_free_for(deal):
            return
        key = self.key_for(state, Purpose.PUBLISH)
        if key is None:
            return
        agreement, rows = book.agreement, [_with_revision(row, revision + 1)]
        until = {"stream": SYSTEM_STREAM, "valid_until_us": now_us + VALIDITY_US}

        def sign(key: int, number: int) -> bytes:
            changes = {**until, "key": key, "sequence": number}
            return self._sender.batch(agreement, self.party, role, rows, **changes)

        yield self._system.say(deal, sign, key, state.height)

    def _standing(
        self, state: kernel.State, book: Book, role: int, adjuster: Adjuster, deal: Deal
    ) -> tuple[int, int, bytes]:
        """How what the books say stands to the ledger; UNCHANGED when it is not this party's."""
        row = adjuster.restated(deal.transaction_id, 1)
        agreement = book.agreement
        found = kernel.transaction(state, agreement.name, 0, deal.transaction_id.encode())
        bound = found.roles[role].party if found else 0
        if row is None or bound not in (0, self.party) or self.party not in book.holders[role]:
            return listing.UNCHANGED, 0, b""
        rows = np.frombuffer(row, np.uint8).reshape(1, -1)
        status, revisions = kernel.standing(
            state, agreement.name, deal.role, rows, agreement.version, state.time_us
        )
        return int(status[0]), int(revisions[0]), row

    def _approve(
        self, state: kernel.State, name: str, adjustment: kernel.Adjustment
    ) -> Iterator[bytes]:
        behind = {code & 0xFFFF for code in (adjustment.proposer, *adjustment.approvers)}
        key = self.key_for(state, Purpose.APPROVE, behind)
        kind = OperationKind.APPROVE
        if key is None or not self._people.is_free_for((kind, adjustment.id)):
            return
        sign = self._signs(kind, _step(name, adjustment), PEOPLE_STREAM, FOREVER_US)
        yield self._people.say((kind, adjustment.id), sign, key, state.height)

    def _report(
        self, state: kernel.State, kind: OperationKind, adjustment: kernel.Adjustment, now_us: int
    ) -> Iterator[bytes]:
        key = self.key_for(state, Purpose.PUBLISH)
        if key is None or not self._system.is_free_for((kind, adjustment.id)):
            return
        step = _step(self._agreement.name, adjustment)
        sign = self._signs(kind, step, SYSTEM_STREAM, now_us + VALIDITY_US)
        yield self._system.say((kind, adjustment.id), sign, key, state.height)

    def _signs(self, kind: OperationKind, step: AdjustmentStep, stream: int, until_us: int) -> Sign:
        def sign(key: int, number: int) -> bytes:
            changes = {"stream": stream, "sequence": number, "valid_until_us": until_us}
            return self._sender.operation(self.party, kind, step, key=key, **changes)

        return sign

    # ------------------------------------------------------------------ what is so

    def key_for(
        self, state: kernel.State, purpose: Purpose, without: Collection[int] = ()
    ) -> int | None:
        """A key that it holds and that is valid in the next block, of a person not in `without`."""
        for person in kernel.parties(state)[self.party - 1].persons:
            for key in person.keys:
                if (
                    person.number not in without
                    and purpose in key.purposes
                    and key.from_height <= state.height + 1
                    and (key.until_height == 0 or key.until_height > state.height)
                    and key.public == signing_key(self.party, key.number).public
                ):
                    return key.number
        return None

    def unsettled(self, state: kernel.State) -> str | None:
        """What the ledger does not have as the books have it, although it could; None: nothing."""
        name = self._agreement.name
        if state.newest.get(name) is None or self.key_for(state, Purpose.PUBLISH) is None:
            return None
        for deal in self.deals:
            found = kernel.transaction(state, name, 0, deal.transaction_id.encode())
            book = state.books[found.agreement - 1] if found else state.newest[name]
            if deal.role not in book.agreement.roles:
                continue
            role = book.agreement.roles.index(deal.role)
            if self.party not in book.holders[role]:
                continue  # R-MEMBER-7: it may not speak, and nobody else for it
            adjuster = self._adjuster(book.agreement, role)
            told = f"{deal.transaction_id} as {deal.role} of party {self.party}"
            status, *_ = self._standing(state, book, role, adjuster, deal)
            if status in (listing.NEW, listing.CHANGED):
                return f"the ledger does not have what the books have: {told}"
            standing = found.roles[role] if found else None
            if standing is None or standing.party != self.party or standing.adjustment is None:
                continue
            adjustment = kernel.adjustment(state, book.number, standing.adjustment)
            if adjustment.status in _CARRIED_OUT:
                return f"an approved adjustment was never carried out: {told}"
        return None

    def _adjuster(self, agreement: Agreement, role: int) -> Adjuster:
        found = self._adjusters.get((agreement.version, role))
        if found is None:
            config = BooksConfig(
                database=":memory:",
                table=agreement.roles[role],
                id_column=KEY,
                columns={field.name: column_of(f) for f, field in reported(agreement, role)},
                reason_column=REASON,
                adjustment_column=ADJUSTMENT,
            )
            found = Adjuster(SqliteBooks(config, agreement, role, self.books))
            self._adjusters[agreement.version, role] = found
        return found


def reported(agreement: Agreement, role: int) -> list[tuple[int, Field]]:
    """The fields that a role reports, with their numbers."""
    return [(f, field) for f, field in enumerate(agreement.fields) if role in field.roles]


def _with_revision(row: bytes, revision: int) -> bytes:
    end = REVISION_OFFSET + REVISION_BYTES
    return row[:REVISION_OFFSET] + revision.to_bytes(REVISION_BYTES, "little") + row[end:]


def _step(name: str, adjustment: kernel.Adjustment) -> AdjustmentStep:
    return AdjustmentStep(
        name,
        adjustment.originator,
        adjustment.transaction_id.decode(),
        adjustment.role,
        adjustment.id,
        "",
    )


def column_of(field: int) -> str:
    """The column of a field."""
    return f"f{field}"


def _cell(field: Field, value: int | bytes) -> int | str:
    """A value as its column holds it."""
    match value:
        case bytes():
            return value.decode()
        case int() if field.type is FieldType.DATE:
            return format_date(value)
        case int() if field.type is FieldType.TIME:
            return format_time(value)
    return value
