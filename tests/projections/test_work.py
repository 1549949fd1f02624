"""What people work with, on both databases: breaks with their work, records to mend, alarms."""

from collections.abc import Iterator

import pytest

from tieout.projections.answers import BreakItem
from tieout.projections.database import Database
from tieout.projections.desk import Change, Desk
from tieout.projections.errors import BadFilter, Conflict
from tieout.projections.filters import AlarmFilter, BreakFilter
from tieout.projections.lists import Turn
from tieout.projections.reader import Reader
from tieout.projections.schema import empty
from tieout.testing.histories import tell
from tieout.testing.readmodels import ADA, BEN, DAY, kept, whole

POSTGRES = pytest.param(
    "postgres_database", marks=[pytest.mark.slow, pytest.mark.xdist_group("postgres")]
)


@pytest.fixture(params=["sqlite_database", POSTGRES])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A day of some of everything, folded."""
    found: Database = request.getfixturevalue(request.param)
    with kept(tell(DAY)) as ledger:
        empty(found)
        for _ in ledger.blocks():
            pass
        ledger.follower(found).catch_up()
        yield found


def open_breaks(reader: Reader) -> list[BreakItem]:
    return list(whole(reader.breaks, BreakFilter(is_open=True)))


def test_breaks_are_told_with_the_work_on_them(database: Database) -> None:
    reader, desk = Reader(database), Desk(database)
    breaks = open_breaks(reader)
    change = Change(assignee="ada", reason="fx", due_us=7, add_labels=("b", "a"), comment="see it")
    before = desk.work_on([breaks[0].id])[0].revision
    desk.change([breaks[0].id], change, ADA)
    told = list(whole(reader.work, BreakFilter(is_open=True)))
    assert [(each.id, each.opened_us, each.kind) for each in told] == [
        (each.id, each.opened_us, each.kind) for each in breaks
    ]
    first = told[0]
    assert (first.revision, first.assignee, first.reason, first.due_us) == (
        before + 1, "ada", "fx", 7,
    )  # fmt: skip
    assert (first.labels, first.worked_us, first.worked_by) == (("a", "b"), ADA.at_us, "ada")


def test_records_to_mend_are_those_that_their_role_states_and_each_is_told_once(
    database: Database,
) -> None:
    reader = Reader(database)
    breaks = open_breaks(reader)
    expected: dict[tuple[str, int, int, str], dict[str, dict[str, str | None]]] = {}
    for each in breaks:
        found = reader.transaction(each.agreement, each.transaction_id, each.originator)
        for record in found.records:
            if record.role == each.role and record.action == "state":
                scope = (each.agreement, each.version, each.originator, each.role)
                expected.setdefault(scope, {})[each.transaction_id] = record.values
    assert expected
    for (agreement, version, originator, role), records in expected.items():
        chosen = BreakFilter(
            agreement=agreement, version=version, originator=originator, role=(role,)
        )
        told, cursor = [], None
        while True:
            page = reader.repairs(chosen, Turn(size=1, cursor=cursor))
            told += page.items
            cursor = page.next
            if cursor is None:
                break
        assert len(told) == len(records)
        assert {each.transaction_id: each.values for each in told} == records


@pytest.mark.parametrize(
    "chosen",
    [
        BreakFilter(role=("a",)),
        BreakFilter(agreement="pay", role=("a",)),
        BreakFilter(agreement="pay", version=1),
        BreakFilter(agreement="no such agreement", version=1, role=("a",)),
    ],
)
def test_records_to_mend_are_of_one_role_under_one_version(
    database: Database, chosen: BreakFilter
) -> None:
    with pytest.raises(BadFilter):
        Reader(database).repairs(chosen)


def test_an_alarm_has_a_finding_for_the_rules_and_one_for_each_confirmation(
    database: Database,
) -> None:
    reader = Reader(database)
    alarms = list(whole(reader.alarms, AlarmFilter(is_open=None)))
    told = [reader.one_alarm(each.id) for each in alarms]
    assert [alarm for alarm, _, _ in told] == alarms
    assert any(confirmations for _, confirmations, _ in told)
    for alarm, confirmations, height in told:
        assert alarm.findings == 1 + len(confirmations)
        assert alarm.found_height <= height


def test_a_file_elsewhere_is_known_by_its_hash_until_somebody_has_it_kept(
    database: Database,
) -> None:
    reader, desk, content = Reader(database), Desk(database), b"statement of the day"
    one, other = (each.id for each in open_breaks(reader)[:2])
    kept_file = desk.attach(other, "here.txt", "text/plain", content, BEN)
    twin = desk.refer(one, "there.txt", "text/plain", kept_file.sha256, len(content), ADA)
    assert twin.is_kept
    away = desk.refer(one, "tape.tar", "application/x-tar", "ab" * 32, 1 << 40, ADA)
    assert not away.is_kept
    stands = {each.name: each.is_kept for each in desk.attachments_of(one)}
    assert (stands["there.txt"], stands["tape.tar"]) == (True, False)
    with pytest.raises(Conflict):
        desk.refer(one, "again.tar", "application/x-tar", "ab" * 32, 1 << 40, ADA)
    for sha256, size in (("AB" * 32, 1), ("ab" * 31, 1), ("cd" * 32, -1)):
        with pytest.raises(BadFilter):
            desk.refer(one, "wrong", "x", sha256, size, ADA)
