"""Scenarios: the rules told as a little play, that any implementation can be made to act out.

A script has one step a line; a list is indented under its heading. Parties are called north, south,
east, west and harbour; the roles of an agreement are held by them in this order unless bound
otherwise. Every step is a block of its own, at the time that it is then.

    seller T1 r1 100.00 CNY      the holder of the role states its fields in the agreement's order;
                                 `-` is a blank
    seller T1 r2 withdrawn       takes its record back
    seller@west T1 r1 100.00 -   another party speaks for the role; `seller@west/21` with key 21
    seller under v1 T1 r1 100.00 under an older version
    ... & T2 r1 50.00            a further row in the same batch
    seller T1/ordered r1 100.00  at a stage, where the agreement has some: everywhere so named
    block                        the indented items make up one block
    wait 30s                     time passes; an empty block (s, m, h, d, us)
    cutoff                       now; `cutoff -30s` as of earlier; `cutoff by west`
    confirm T1 by west           the current episode; `confirm T1 episode 1 by west` another one
    acknowledge T1 by west/2     by person 2 of a party: 2 is Ada, 3 is Ben
    propose T1 bank by east/2
    approve T1 bank by east/2    the latest adjustment of the role; also refuse, posted, failed
    enact v2 by north            one party enacts a version; `enact v2`: everybody whom it binds
    change K by north: remove west      proposes a change of members (see `membership`), called K;
                                 `from 9 until 12 by north/21`: heights, and a key
    vote K by south              in favour; `vote K against by south`
    dispute T1 bank: we sold none       what people do about a transaction: see `acts`
    state seller 0:1-2,4         the holder states what its books hold of everything that was opened
        T1 100.00 CNY            before now, which follows, and which numbers of a stream it used;
                                 `after 1h until 30m`: how long ago; `by west`
    blocks 3                     so many empty blocks

A step may end in `-> stale`: what became of the row, of each row, or of the item. Without it,
everything must have been accepted. What then must hold is said by

    expect T1 broken raised      status, and the alarm when there is one
    breaks                       exactly the open breaks follow, indented; `none` if there are none
        T1 missing registrar
        T1 mismatch amount bank 100.05 against 100.00 seller +0.05
        T1 mismatch amount bank 100.05 undecided
    adjustments                  exactly these follow, likewise, in the order of proposal
        T1 bank posted amount 100.00
    told                         exactly the events of the last block follow, likewise
        break_opened mismatch amount bank T1 decided
    members, validators, changes, keys north, holders v1
                                 exactly these follow, likewise (see `membership.Roster`)

so that a scenario reads like the day on which it happened.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.agreement.stages import at_stage
from tieout.testing.acts import MOVING, VERBS, Acts
from tieout.testing.completing import numbers_of, statement_of
from tieout.testing.images import read_adjustments, read_slots
from tieout.testing.membership import Roster, steps_of
from tieout.testing.rulebooks import RuleBook
from tieout.testing.wording import (
    name_at_stage,
    value_of,
    words_of_adjustment,
    words_of_break,
    words_of_event,
)
from tieout.testing.workbench import ADA, PARTIES, SYSTEM, Workbench, row_bytes
from tieout.units.durations import parse_duration
from tieout.wire.block import BlockResult, ItemResult
from tieout.wire.codes import (
    Action,
    AlarmState,
    EventKind,
    ItemOutcome,
    OperationKind,
    RowOutcome,
    Status,
)
from tieout.wire.genesis import Genesis
from tieout.wire.ids import adjustment_id
from tieout.wire.limits import MAX_HEIGHT
from tieout.wire.members import ProposeChange, Vote
from tieout.wire.operations import (
    Acknowledge,
    AdjustmentStep,
    Body,
    CloseCutoff,
    Confirm,
    Enact,
    Propose,
    parse_operation,
)
from tieout.wire.statements import StateDay

_ABOUT_ALARMS: Final[dict[str, tuple[OperationKind, type[Confirm | Acknowledge], int]]] = {
    "confirm": (OperationKind.CONFIRM, Confirm, SYSTEM),
    "acknowledge": (OperationKind.ACKNOWLEDGE, Acknowledge, ADA),
}
_ABOUT_ADJUSTMENTS: Final = {
    "approve": (OperationKind.APPROVE, ADA),
    "refuse": (OperationKind.REFUSE, ADA),
    "posted": (OperationKind.POSTED, SYSTEM),
    "failed": (OperationKind.FAILED, SYSTEM),
}
_BLANK: Final = "-"


def play(
    rules: RuleBook,
    script: str,
    *agreements: str,
    holders: Mapping[str, str] | None = None,
    genesis: Genesis | None = None,
) -> "Stage":
    """Act out a script under a rule book, and assert what it expects.

    `agreements` are texts of agreement files in the order in which they come into force: the first
    before the script begins, the further ones by steps such as `enact v2`. `holders` bind roles to
    other parties, such as `{"bank": "east west"}`. `genesis` is the workbench's unless given.
    Returns the stage as it is in the end.
    """
    scripts = [parse_agreement(text) for text in agreements]
    stage = Stage(rules, scripts, holders or {}, genesis)
    stage.act_enact([f"v{stage.scripts[0].version}"])
    for line, below in _steps(script):
        stage.act(line, below)
    return stage


def _steps(script: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of a script, each with the lines that are indented under it."""
    lines = [line.split("#")[0].rstrip() for line in script.splitlines()]
    lines = [line for line in lines if line]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    at = 0
    while at < len(lines):
        below = list(takewhile(lambda line: line[margin] == " ", lines[at + 1 :]))
        yield lines[at].strip(), [" ".join(line.split()) for line in below]
        at += 1 + len(below)


@dataclass(frozen=True, slots=True)
class Cue:
    """An item, and what is expected to become of it: a word, or one for each row."""

    line: str
    item: bytes
    expected: str


class Stage:
    """A ledger on which a script is acted out."""

    def __init__(
        self,
        rules: RuleBook,
        agreements: Sequence[Agreement],
        holders: Mapping[str, str],
        genesis: Genesis | None = None,
    ) -> None:
        self.bench = Workbench(rules, genesis)
        self.rules = rules
        self.scripts = list(agreements)
        self.books: list[Agreement] = []
        self._holders = holders
        self._changes: dict[str, bytes] = {}
        self._acts = Acts(self.bench.sender, self._bound_party)

    # ------------------------------------------------------------ steps

    def act(self, line: str, below: list[str]) -> None:
        """Take one step of a script."""
        verb, *words = line.split()
        match verb:
            case "wait":
                self.bench.wait(parse_duration(words[0]))
            case "blocks":
                for _ in range(int(words[0])):
                    self._apply([])
            case "block":
                self._apply([self._cue(each) for each in below])
            case "enact" if "by" not in words:
                self.act_enact(words)
            case "expect":
                self._expect(line, words)
            case "breaks":
                _agree(line, self.breaks(), below)
            case "adjustments":
                _agree(line, self.adjustments(), below)
            case "told":
                _agree(line, self.told(), below)
            case "state":
                self._apply([self._statement(line, below)])
            case "members" | "validators" | "changes" | "keys" | "holders":
                _agree(line, self._roster(verb, words), below)
            case _:
                self._apply([self._cue(line)])

    def act_enact(self, words: list[str]) -> None:
        """Everybody whom a version binds enacts it."""
        agreement = self._version(words[0])
        body = Enact(agreement.canonical, self._bindings(agreement))
        bound = sorted({party for parties in body.holders for party in parties})
        enact = OperationKind.ENACT
        items = [self.bench.sender.operation(party, enact, body) for party in bound]
        self._apply([Cue(f"enact {words[0]}", item, "accepted") for item in items])

    def _apply(self, cues: Sequence[Cue]) -> None:
        result = self.bench.apply(*(cue.item for cue in cues))
        for event in result.events[result.events["kind"] == EventKind.AGREEMENT_ENACTED]:
            self.books.append(self.scripts[int(event["agreement"]) - 1])
        for index, cue in enumerate(cues):
            _agree(cue.line, [_outcome(result, index)], [cue.expected])

    def _cue(self, line: str) -> Cue:
        """The item that a line stands for."""
        said, _, expected = line.partition("->")
        verb, *words = said.split()
        if verb in VERBS:
            head, _, reason = said.partition(":")
            words = head.split()[1:]
            speaker, now_us = self._speaker(words), self.bench.time_us
            item = self._acts.item(self.books[-1], verb, words, reason.strip(), speaker, now_us)
            if verb in MOVING and not expected:
                self._acts.keep_motion()
            return Cue(line, item, expected.strip() or "accepted")
        party, person = self._speaker(words)
        if verb == "cutoff":
            item = self._cutoff(words, party)
        elif verb == "enact":
            agreement = self._version(words[0])
            body = Enact(agreement.canonical, self._bindings(agreement))
            item = self.bench.sender.operation(party, OperationKind.ENACT, body)
        elif verb == "change":
            item = self._change(words, party, person)
        elif verb == "vote":
            in_favour = "against" not in words
            vote = Vote(self._changes.get(words[0], bytes(32)), in_favour)
            item = self._govern(party, OperationKind.VOTE, vote, person)
        elif verb in _ABOUT_ALARMS:
            item = self._about_alarm(verb, words, party, person)
        elif verb == "propose":
            transaction = self._key(words[0])
            propose = Propose(*transaction, self._role(words[1]), stage=self._stage(words[0]))
            person = person or ADA
            item = self.bench.sender.operation(party, OperationKind.PROPOSE, propose, key=person)
        elif verb in _ABOUT_ADJUSTMENTS:
            item = self._about_adjustment(verb, words, party, person)
        else:
            return self._batch(said, expected.strip())
        return Cue(line, item, expected.strip() or "accepted")

    def _batch(self, said: str, expected: str) -> Cue:
        """Rows of one role: `seller@west under v1 T1 r1 100.00 & T2 r1 50.00`."""
        first, *others = said.split("&")
        speaker, *words = first.split()
        role_name, _, party_name = speaker.partition("@")
        party_name, _, key = party_name.partition("/")
        agreement = self.books[-1]
        if words[0] == "under":
            agreement = self._version(words[1])
            words = words[2:]
        role = agreement.roles.index(role_name)
        holder = self._bindings(agreement)[role][0]
        party = 1 + PARTIES.index(party_name) if party_name else holder
        rows = [_row(agreement, role, each) for each in (words, *(each.split() for each in others))]
        key_number = int(key or SYSTEM)
        item = self.bench.sender.batch(agreement, party, role, rows, key=key_number)
        return Cue(said, item, expected or " ".join(["accepted"] * len(rows)))

    def _statement(self, line: str, below: list[str]) -> Cue:
        """`state seller 0:1-3 after 1h until 30m by west`, and what its books hold."""
        said, _, expected = line.partition("->")
        words = said.split()[1:]
        party, _ = self._speaker(words)
        body = self.statement(" ".join(words), below)
        party = party or self._bindings(self.books[-1])[body.role][0]
        item = self.bench.sender.operation(party, OperationKind.STATE_DAY, body)
        return Cue(line, item, expected.strip() or "accepted")

    def statement(self, said: str, held: list[str]) -> StateDay:
        """What `seller 0:1-3 after 1h until 30m` stands for; what the books hold, line by line."""
        words = said.split()
        agreement, ago_us = self.books[-1], {"after": self.bench.time_us, "until": 1}
        for word in ("after", "until"):
            if word in words:
                at = words.index(word)
                ago_us[word] = parse_duration(words[at + 1])
                del words[at : at + 2]
        role = agreement.roles.index(words[0])
        records = [line.split() for line in held]
        return statement_of(
            agreement,
            role,
            [_row(agreement, role, [name, "r1", *stated]) for name, *stated in records],
            (self.bench.time_us - ago_us["after"], self.bench.time_us - ago_us["until"]),
            numbers_of(" ".join(words[1:])),
        )

    def _change(self, words: list[str], party: int, key: int) -> bytes:
        """`change K from 9 until 12: remove west`, without who asks."""
        head, _, said = " ".join(words).partition(":")
        name, *limits = head.split()
        heights = dict(zip(limits[::2], map(int, limits[1::2]), strict=True))
        steps = steps_of(said, self.scripts)
        body = ProposeChange(steps, heights.get("from", 0), heights.get("until", MAX_HEIGHT))
        item = self._govern(party, OperationKind.PROPOSE_CHANGE, body, key)
        self._changes[name] = parse_operation(item).digest()
        return item

    def _govern(self, party: int, kind: OperationKind, body: Body, key: int) -> bytes:
        return self.bench.sender.operation(party, kind, body, key=key or SYSTEM)

    def _roster(self, verb: str, words: list[str]) -> list[str]:
        roster = Roster(self.rules.members_document(self.bench.state))
        match verb:
            case "keys":
                return roster.keys(words[0])
            case "holders":
                return roster.holders(1 + self.books.index(self._version(words[0])))
            case "validators":
                return roster.validators()
            case "changes":
                return roster.changes()
            case _:
                return roster.members()

    def _cutoff(self, words: list[str], party: int) -> bytes:
        sooner_us = parse_duration(words[0].lstrip("-")) if words else 0
        body = CloseCutoff(self.books[-1].name, self.bench.time_us - sooner_us)
        return self.bench.sender.operation(party or 1, OperationKind.CLOSE_CUTOFF, body)

    def _about_alarm(self, verb: str, words: list[str], party: int, person: int) -> bytes:
        kind, form, key = _ABOUT_ALARMS[verb]
        transaction = self._key(words[0])
        episode = int(words[2]) if "episode" in words else int(self._slot(words[0])["episode"])
        body = form(*transaction, episode, stage=self._stage(words[0]))
        return self.bench.sender.operation(party, kind, body, key=person or key)

    def _about_adjustment(self, verb: str, words: list[str], party: int, person: int) -> bytes:
        kind, key = _ABOUT_ADJUSTMENTS[verb]
        role = self._role(words[1])
        name = self.adjustment_id(words[0], role)
        stage = self._stage(words[0])
        body = AdjustmentStep(*self._key(words[0]), role, name, "", stage=stage)
        party = party or int(self._slot(words[0])["roles"]["party"][role])
        return self.bench.sender.operation(party, kind, body, key=person or key)

    # ------------------------------------------------------------ what is so

    def _expect(self, line: str, words: list[str]) -> None:
        slot = self._slot(words[0])
        actual = [Status(int(slot["status"])).name.lower()]
        if slot["alarm"]:
            actual.append(AlarmState(int(slot["alarm"])).name.lower())
        _agree(line, actual, words[1:])

    def breaks(self) -> list[str]:
        """The open breaks, in words."""
        rows = self.rules.breaks(self.bench.state, self.books[-1].name)
        return [words_of_break(self.books[row.agreement - 1], row) for row in rows]

    def adjustments(self) -> list[str]:
        """The adjustments of all books, in words."""
        return [
            words_of_adjustment(agreement, self._ids(number)[int(each["serial"])], each)
            for number, agreement in enumerate(self.books, start=1)
            for each in self._adjustments(number)
        ]

    def told(self) -> list[str]:
        """The events of the last block, in words."""
        ids = [self._ids(number) for number in range(1, 1 + len(self.books))]
        events = self.bench.results[-1].events
        return [words_of_event(self.books, ids, event) for event in events]

    def adjustment_id(self, transaction_id: str, role: int) -> bytes:
        """The id of a role's latest adjustment (R-ADJ-2)."""
        number, slot = self._find(transaction_id)
        agreement = self.books[number - 1]
        adjustment = self._adjustments(number)[int(slot["roles"]["adjustment"][role]) - 1]
        return adjustment_id(
            self.bench.genesis.ledger_id(),
            agreement.hash,
            int(slot["originator"]),
            bytes(slot["id"]).ljust(36, b"\0"),
            role,
            int(adjustment["revision"]),
            int(adjustment["fields"]),
            adjustment["benchmarks"].tobytes(),
            int(slot["stage"]),
        )

    def _slots(self, number: int) -> NDArray[np.void]:
        images = self.rules.slot_images(self.bench.state, number)
        return read_slots(self.books[number - 1], images)

    def _adjustments(self, number: int) -> NDArray[np.void]:
        images = self.rules.adjustment_images(self.bench.state, number)
        return read_adjustments(self.books[number - 1], images)

    def _ids(self, number: int) -> list[str]:
        agreement = self.books[number - 1]
        return [
            name_at_stage(agreement, bytes(slot["id"]), int(slot["stage"]))
            for slot in self._slots(number)
        ]

    def _find(self, transaction_id: str) -> tuple[int, np.void]:
        for number in range(1, 1 + len(self.books)):
            for slot, name in zip(self._slots(number), self._ids(number), strict=True):
                if name == transaction_id:
                    return number, slot
        raise KeyError(transaction_id)

    def _slot(self, transaction_id: str) -> np.void:
        return self._find(transaction_id)[1]

    # ------------------------------------------------------------ names

    def _version(self, word: str) -> Agreement:
        return next(each for each in self.scripts if f"v{each.version}" == word)

    def _bindings(self, agreement: Agreement) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(1 + PARTIES.index(name) for name in self._holders[role].split())
            if role in self._holders
            else (1 + place,)
            for place, role in enumerate(agreement.roles)
        )

    def _speaker(self, words: list[str]) -> tuple[int, int]:
        """Party and person behind `by west/2`; 0 for what is not said. Takes the words out."""
        if "by" not in words:
            return 0, 0
        at = words.index("by")
        party, _, person = words[at + 1].removesuffix(":").partition("/")
        if words[at + 1].endswith(":"):
            words[at - 1] += ":"
        del words[at : at + 2]
        return 1 + PARTIES.index(party), int(person or 0)

    def _bound_party(self, transaction_id: str, role: int) -> int:
        """Who speaks for a role of a transaction, else who would first be entitled to."""
        bound = int(self._slot(transaction_id)["roles"]["party"][role])
        return bound or self._bindings(self.books[-1])[role][0]

    def _role(self, word: str) -> int:
        return self.books[-1].roles.index(word)

    def _key(self, transaction_id: str) -> tuple[str, int, str]:
        return self.books[-1].name, 0, transaction_id.partition("/")[0]

    def _stage(self, name: str) -> int:
        return _stage_of(self.books[-1], name)


def _agree(line: str, actual: list[str], expected: list[str]) -> None:
    """Assert that what is so is what a line of the script expects; `none` is nothing."""
    if actual != ([] if expected == ["none"] else expected):
        so, not_so = "\n    ".join(actual), "\n    ".join(expected)
        raise AssertionError(f"{line}\n  expected:\n    {not_so}\n  actual:\n    {so}")


def _stage_of(agreement: Agreement, name: str) -> int:
    """The stage that is named behind the id, 0 where there are none."""
    stage = name.partition("/")[2]
    return [each.name for each in agreement.stages].index(stage) if stage else 0


def _row(agreement: Agreement, role: int, words: list[str]) -> bytes:
    """One row: `T1 r1 100.00 CNY` or `T1 r2 withdrawn`."""
    name, revision, *stated = words
    stage = _stage_of(agreement, name)
    transaction_id = name.partition("/")[0]
    number = int(revision.removeprefix("r"))
    if stated == ["withdrawn"]:
        action = Action.WITHDRAW
        return row_bytes(agreement, transaction_id, number, {}, action=action, stage=stage)
    terms = at_stage(agreement, stage)
    fields = [f for f, field in enumerate(terms.fields) if role in field.roles]
    values = {
        f: value_of(agreement.fields[f], word)
        for f, word in zip(fields, stated, strict=True)
        if word != _BLANK
    }
    return row_bytes(agreement, transaction_id, number, values, stage=stage)


def _outcome(result: BlockResult, index: int) -> str:
    """What became of an item, or of each row of an accepted batch."""
    item: ItemResult = result.items[index]
    if item.outcome is not ItemOutcome.ACCEPTED or not item.rows:
        return item.outcome.name.lower()
    outcomes = [RowOutcome.ACCEPTED] * sum(item.rows)
    for event in result.events:
        if event["kind"] == EventKind.ROW_NOT_APPLIED and event["item"] == index:
            outcomes[event["row"]] = RowOutcome(int(event["detail"]))
    return " ".join(outcome.name.lower() for outcome in outcomes)
