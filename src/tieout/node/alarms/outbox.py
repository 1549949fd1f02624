"""What is still to be said, and what was said: one SQLite file, each step one transaction.

A step takes findings in together with the place in the ledger up to which they reach, so nothing is
lost or gathered twice when the node is killed; a notice has its id and its bytes from then on, so a
receiver that gets it twice can tell. A commit is synced before it returns.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tieout.node.alarms.findings import MAX_TOLD, Finding, body_of, notice_id, title_of, wants
from tieout.node.alarms.rulefile import AlarmFile, Rule
from tieout.node.stream import Position
from tieout.node.tables import open_tables

STEPS: Final[tuple[str, ...]] = ()
"""What changed in tables that are there already; see `tables`."""
ENDS: Final = frozenset({"alarm_cleared", "alarm_acknowledged"})
"""Kinds of what ends the wait for an alarm to grow old."""
_OLD_AT_ONCE: Final = 500
"""Alarms that have grown old, taken at once; others may look meanwhile."""
_FORGOTTEN_AT_ONCE: Final = 10_000
"""What an hour forgets at most; the lock is held for as long as that takes."""
_NOTICE: Final = (
    "SELECT number, id, channel, rule, title, body, state, attempts, created_us, next_us,"
    " delivered_us, answer FROM notices"
)
_FINDINGS: Final = msgspec.json.Decoder(list[Finding])


class Notice(NamedTuple):
    """A message for one channel. `state`: waiting, delivered or failed; times are µs UTC."""

    number: int
    id: str
    channel: str
    rule: str
    title: str
    body: bytes
    state: str
    attempts: int
    created_us: int
    next_us: int
    delivered_us: int
    answer: str


class Attempt(NamedTuple):
    """One attempt to deliver a notice: when, how long it took, and what came of it."""

    number: int
    time_us: int
    took_us: int
    answer: str


class Outbox:
    """The open file. Any thread may call; one works at a time. Close it."""

    def __init__(self, path: Path, alarms: AlarmFile, ledger_id: bytes) -> None:
        """Raises NodeError when the file cannot be used."""
        self._alarms = alarms
        self._ledger_id = ledger_id
        self._rules = {rule.name: rule for rule in alarms.rules}
        self._lock = threading.Lock()
        schema = resources.files("tieout.node.alarms").joinpath("outbox.sql")
        self._connection = open_tables(path, schema, STEPS)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # ------------------------------------------------------------------ taking findings in

    def position(self) -> Position | None:
        """Up to where the ledger was taken in; None before the first time."""
        with self._reading() as connection:
            row = connection.execute("SELECT height, event FROM position").fetchone()
        return Position(*row) if row else None

    def take(self, findings: Sequence[Finding], reached: Position, now_us: int) -> None:
        """Take in what happened up to a place in the ledger, in its order, at once."""
        with self._writing() as connection:
            for finding in findings:
                if finding.told.kind in ENDS:
                    connection.execute(
                        "DELETE FROM waits WHERE agreement = ? AND originator = ?"
                        " AND transaction_id = ?",
                        _transaction_of(finding),
                    )
                for rule in self._alarms.rules:
                    if wants(rule, finding):
                        _take_one(connection, rule, finding, now_us)
            connection.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", reached)

    def tell_due(self, now_us: int) -> int:
        """Make notices of what is due, of some of it where it is much; how many."""
        with self._writing() as connection:
            for rule, data in connection.execute(
                "DELETE FROM waits WHERE (rule, agreement, originator, transaction_id) IN"
                " (SELECT rule, agreement, originator, transaction_id FROM waits"
                " WHERE due_us <= ? ORDER BY due_us LIMIT ?) RETURNING rule, finding",
                (now_us, _OLD_AT_ONCE),
            ).fetchall():
                if rule in self._rules:
                    finding = msgspec.structs.replace(
                        msgspec.json.decode(data, type=Finding), is_escalated=True
                    )
                    _gather(connection, self._rules[rule], finding, now_us)
            due = connection.execute(
                "SELECT rule, cause, count, findings FROM groups WHERE due_us <= ?", (now_us,)
            ).fetchall()
            told = 0
            for rule, cause, count, data in due:
                told += self._tell(connection, (rule, cause), count, data, now_us)
            return told

    def next_due_us(self) -> int | None:
        """When something will be due without anything happening; None: never."""
        with self._reading() as connection:
            (due_us,) = connection.execute(
                "SELECT min(due_us) FROM (SELECT due_us FROM groups UNION SELECT due_us FROM waits)"
            ).fetchone()
        return due_us if due_us is None else int(due_us)

    def _tell(
        self,
        connection: sqlite3.Connection,
        group: tuple[str, str],
        count: int,
        data: bytes,
        now_us: int,
    ) -> int:
        """One notice for each channel of a rule; the group then gathers on, or is forgotten."""
        name, _ = group
        rule = self._rules.get(name)
        if rule is None or count == 0:
            connection.execute("DELETE FROM groups WHERE rule = ? AND cause = ?", group)
            return 0
        findings = _FINDINGS.decode(data)
        body = body_of(self._ledger_id, name, findings, count)
        title = title_of(findings, count)
        for channel in rule.channels:
            connection.execute(
                "INSERT OR IGNORE INTO notices"
                " (id, channel, rule, title, body, state, created_us, next_us)"
                " VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?)",
                (
                    notice_id(self._ledger_id, name, channel, findings[0]),
                    *(channel, name, title, body, now_us, now_us),
                ),
            )
        connection.execute(
            "UPDATE groups SET count = 0, findings = x'5b5d', due_us = ?"
            " WHERE rule = ? AND cause = ?",
            (now_us + rule.gather_us, *group),
        )
        return len(rule.channels)

    def bring_forward(self, by_us: int) -> None:
        """Let everything that waits be due so much earlier: the clock was set back."""
        with self._writing() as connection:
            connection.execute("UPDATE groups SET due_us = due_us - ?", (by_us,))
            connection.execute("UPDATE waits SET due_us = due_us - ?", (by_us,))
            connection.execute(
                "UPDATE notices SET next_us = next_us - ? WHERE state = 'waiting'", (by_us,)
            )

    def forget(self, before_us: int) -> None:
        """Drop some notices of before a time that wait for nothing, with their attempts."""
        with self._writing() as connection:
            old = connection.execute(
                "SELECT number FROM notices WHERE created_us < ? AND state <> 'waiting'"
                " ORDER BY created_us LIMIT ?",
                (before_us, _FORGOTTEN_AT_ONCE),
            ).fetchall()
            connection.executemany("DELETE FROM attempts WHERE notice = ?", old)
            connection.executemany("DELETE FROM notices WHERE number = ?", old)

    # ------------------------------------------------------------------ delivering

    def due_notice(self, channel: str, now_us: int) -> Notice | None:
        """The notice of a channel whose turn it is."""
        where = "WHERE channel = ? AND state = 'waiting' AND next_us <= ? ORDER BY next_us LIMIT 1"
        with self._reading() as connection:
            row = connection.execute(f"{_NOTICE} {where}", (channel, now_us)).fetchone()
        return Notice(*row) if row else None

    def next_attempt_us(self, channel: str) -> int | None:
        """When the next notice of a channel is to be tried; None: there is none."""
        with self._reading() as connection:
            (next_us,) = connection.execute(
                "SELECT min(next_us) FROM notices WHERE channel = ? AND state = 'waiting'",
                (channel,),
            ).fetchone()
        return next_us if next_us is None else int(next_us)

    def note_attempt(
        self, notice: Notice, time_us: int, took_us: int, answer: str, state: str, next_us: int
    ) -> None:
        """Keep what came of an attempt. `next_us` counts while the notice still waits."""
        with self._writing() as connection:
            number = notice.attempts + 1
            connection.execute(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?)",
                (notice.number, number, time_us, took_us, answer),
            )
            delivered_us = time_us + took_us if state == "delivered" else 0
            connection.execute(
                "UPDATE notices SET state = ?, attempts = ?, next_us = ?, delivered_us = ?,"
                " answer = ? WHERE number = ?",
                (state, number, next_us, delivered_us, answer, notice.number),
            )

    def replay(self, name: str, now_us: int) -> bool:
        """Let a notice be delivered once more, with its id and bytes; whether there is one."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE notices SET state = 'waiting', next_us = ? WHERE id = ?", (now_us, name)
            )
            return changed.rowcount == 1

    # ------------------------------------------------------------------ looking

    def notices(
        self, before: int, count: int, *, channel: str = "", state: str = ""
    ) -> list[Notice]:
        """Notices with a smaller number, newest first."""
        sql = f"{_NOTICE} WHERE number < ?"
        values: list[Any] = [before]
        for column, wanted in (("channel", channel), ("state", state)):
            if wanted:
                sql += f" AND {column} = ?"
                values.append(wanted)
        with self._reading() as connection:
            rows = connection.execute(f"{sql} ORDER BY number DESC LIMIT ?", (*values, count))
            return [Notice(*row) for row in rows]

    def notice(self, name: str) -> Notice | None:
        """The notice of an id."""
        with self._reading() as connection:
            row = connection.execute(f"{_NOTICE} WHERE id = ?", (name,)).fetchone()
        return Notice(*row) if row else None

    def attempts(self, notice: int) -> list[Attempt]:
        """All attempts to deliver a notice, in their order."""
        sql = "SELECT number, time_us, took_us, answer FROM attempts WHERE notice = ?"
        with self._reading() as connection:
            return [
                Attempt(*row) for row in connection.execute(f"{sql} ORDER BY number", (notice,))
            ]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many notices, by channel and state."""
        sql = "SELECT channel, state, count(*) FROM notices GROUP BY channel, state"
        with self._reading() as connection:
            return {(channel, state): n for channel, state, n in connection.execute(sql)}

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _take_one(connection: sqlite3.Connection, rule: Rule, finding: Finding, now_us: int) -> None:
    if rule.after_us == 0:
        _gather(connection, rule, finding, now_us)
        return
    connection.execute(
        "INSERT OR IGNORE INTO waits VALUES (?, ?, ?, ?, ?, ?)",
        (
            *(rule.name, *_transaction_of(finding), now_us + rule.after_us),
            msgspec.json.encode(finding),
        ),
    )


def _gather(connection: sqlite3.Connection, rule: Rule, finding: Finding, now_us: int) -> None:
    """Put a finding to those of its cause; the first waits `hold`, or until `gather` is over."""
    key = (rule.name, finding.cause)
    row = connection.execute(
        "SELECT count, findings, due_us FROM groups WHERE rule = ? AND cause = ?", key
    ).fetchone()
    count, findings, due_us = row or (0, b"[]", now_us + rule.hold_us)
    if count < MAX_TOLD:
        findings = msgspec.json.encode([*_FINDINGS.decode(findings), finding])
    connection.execute(
        "INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?, ?)", (*key, count + 1, findings, due_us)
    )


def _transaction_of(finding: Finding) -> tuple[str, int, str]:
    told = finding.told
    return told.agreement, told.originator, told.transaction_id
