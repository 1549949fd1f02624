"""Agreements come into force by vote: R-AGREE-4 to R-AGREE-6, and R-PIN-1 across such a change."""

from typing import Any

from tests.scenarios.agreements import pair
from tests.scenarios.members import outcome
from tieout.agreement.parse import parse_agreement
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import Stage, play
from tieout.testing.workbench import Workbench, governed_genesis, newest_genesis
from tieout.wire.codes import EventKind, OperationKind
from tieout.wire.limits import MAX_HEIGHT, MAX_OPEN_CHANGES
from tieout.wire.members import ProposeChange, PutIntoForce, Remove
from tieout.wire.operations import Enact

FIVE = newest_genesis()
"""North holds the seller's role, south the bank's; east, west and harbour have no part in it."""
V1, V2, V3 = (
    pair().replace("version = 1", f"version = {number}") + more
    for number, more in ((1, ""), (2, '[deadlines]\nbank = "30s"\n'), (3, ""))
)


def act(rules: RuleBook, script: str, genesis: Any = FIVE) -> Stage:
    return play(rules, script, V1, V2, V3, genesis=genesis)


# ---------------------------------------------------------------- proposed, voted on, in force


def test_a_version_comes_into_force_when_everybody_has_agreed_whom_it_binds(
    rules: RuleBook,
) -> None:
    """R-AGREE-4, R-AGREE-5: these two, and not two thirds of five."""
    act(
        rules,
        """
        change K by north: enact v2 north south
        told
            change_proposed 1 north
        changes
            1 proposed by north for north
        vote K by south
        told
            change_voted 1 south for
            change_scheduled 1
        seller under v2 T1 r1 100.00
        told
            change_effective 1
            agreement_enacted pair 2
            transaction_pending T1
        changes
            none
        """,
    )


def test_a_version_waits_for_its_height(rules: RuleBook) -> None:
    """R-AGREE-4, R-MEMBER-6."""
    act(
        rules,
        """
        change K from 7 by north: enact v2 north south
        vote K by south
        changes
            1 scheduled 7 by north for north south
        seller under v2 T1 r1 100.00 -> unknown_agreement
        blocks 1
        seller T1 r1 100.00
        seller under v2 T2 r1 100.00
        seller under v1 T3 r1 100.00 -> wrong_version
        """,
    )


def test_a_version_that_a_party_will_not_have_is_refused_at_once(rules: RuleBook) -> None:
    """R-AGREE-5: nobody is bound against its will."""
    act(
        rules,
        """
        change K by north: enact v2 north south/east
        vote K against by east
        told
            change_voted 1 east against
            change_refused 1
        vote K by south -> unknown_change
        change L until 6 by north: enact v2 north south
        blocks 1
        changes
            2 proposed by north for north
        blocks 1
        told
            change_expired 2
        """,
    )


def test_whom_it_does_not_concern_has_no_say(rules: RuleBook) -> None:
    """R-AGREE-5."""
    act(
        rules,
        """
        change K by east: enact v2 north south -> not_entitled
        change K by north: enact v2 north south
        vote K against by east -> not_entitled
        vote K by north -> no_effect
        block
            vote K by south
            vote K by east -> not_applicable
        """,
    )


def test_nobodys_agreement_goes_on_without_them(rules: RuleBook) -> None:
    """R-AGREE-5: who holds a role of the version that is followed must agree, by either way."""
    act(
        rules,
        """
        change K by east: enact v2 east west
        vote K by west
        changes
            1 proposed by east for east west
        vote K by north
        changes
            1 proposed by east for north east west
        vote K against by south
        told
            change_voted 1 south against
            change_refused 1
        """,
    )


def test_an_enactment_needs_those_bound_by_what_it_follows(rules: RuleBook) -> None:
    """R-AGREE-1, R-AGREE-5: of version 4; before, strangers could take a name over."""
    for genesis, needed in ((governed_genesis(), [1, 2]), (FIVE, [1, 2, 3, 4])):
        bench = Workbench(rules, genesis)
        bench.enact(parse_agreement(V1), ((3,), (4,)))
        body = Enact(parse_agreement(V2).canonical, ((1,), (2,)))
        for party in needed:
            assert len(bench.results[-1].events) == (1 if party == 1 else 0)
            bench.apply(bench.sender.operation(party, OperationKind.ENACT, body))
        assert bench.results[-1].events["kind"].tolist() == [EventKind.AGREEMENT_ENACTED]


def test_who_has_left_is_not_waited_for(rules: RuleBook) -> None:
    """R-AGREE-5: by an enactment; the next that says so again puts it into force."""
    act(
        rules,
        """
        change K by north: holders bank v1 south east
        vote K by south
        vote K by west
        vote K by east
        enact v2 by north
        enact v2 by south
        enact v2 by south -> no_effect
        change L by north: remove east
        vote L by south
        vote L by west
        vote L by harbour
        enact v2 by south
        told
            change_effective 2
            agreement_enacted pair 2
        """,
    )


# ---------------------------------------------------------------- with other steps


def test_a_member_is_admitted_and_an_agreement_put_into_force_at_one_height(
    rules: RuleBook,
) -> None:
    """R-AGREE-4: a change with other steps needs the votes of members, and of whom it binds."""
    act(
        rules,
        """
        change K by north: admit harbour & enact v2 north south
        vote K by east
        vote K by west
        changes
            1 proposed by north for north east west
        vote K by south
        blocks 1
        told
            change_effective 1
            agreement_enacted pair 2
        members
            north
            south
            east
            west
            harbour
        """,
        newest_genesis(4),
    )


def test_members_may_outvote_those_bound_by_what_is_followed(rules: RuleBook) -> None:
    """R-AGREE-5: as they may give a role to others; but not those whom it binds."""
    act(
        rules,
        """
        change K by west: validator west 7 & enact v2 east west
        vote K by east
        vote K against by south
        vote K by north
        vote K by harbour
        blocks 1
        told
            change_effective 1
            agreement_enacted pair 2
        change L by west: validator west 8 & enact v3 east west
        vote L against by east
        told
            change_voted 2 east against
            change_refused 2
        """,
    )


def test_who_is_only_admitted_cannot_have_agreed(rules: RuleBook) -> None:
    """R-AGREE-4; nor can one be bound that leaves with the same change."""
    act(
        rules,
        """
        change K by north: admit harbour & enact v2 north 5 -> unknown_member
        change K by north: remove west & enact v2 north west -> unknown_member
        change K by north: enact v2 north west & remove west -> not_applicable
        change K by north: enact v2 north 99 -> unknown_member
        """,
        newest_genesis(4),
    )


def test_several_agreements_come_into_force_in_the_order_of_the_steps(rules: RuleBook) -> None:
    """R-AGREE-4: also one that follows the other."""
    act(
        rules,
        """
        change K by north: enact v3 north south & enact v2 north south -> wrong_version
        change K by north: enact v2 north south & enact v2 south north -> wrong_version
        change K by north: enact v2 north south & enact v3 north east
        vote K by south
        vote K by east
        blocks 1
        told
            change_effective 1
            agreement_enacted pair 2
            agreement_enacted pair 3
        """,
    )


# ---------------------------------------------------------------- what cannot be put into force


def test_a_version_is_refused_for_what_an_enactment_would_be(rules: RuleBook) -> None:
    """R-AGREE-4, R-AGREE-2, R-AGREE-3."""
    bench = Workbench(rules, FIVE)
    text = parse_agreement(V1).canonical
    eager = parse_agreement(pair("[alarm]\nquorum = 4\n")).canonical
    for asked, expected in (
        (PutIntoForce(text[:-1], ((1,), (2,))), "malformed_agreement"),
        (PutIntoForce(b"", ()), "malformed_agreement"),
        (PutIntoForce(text, ((1,),)), "malformed_agreement"),
        (PutIntoForce(text, ((1,), (2,), (3,))), "malformed_agreement"),
        (PutIntoForce(text, ((1,), ())), "malformed_agreement"),
        (PutIntoForce(text, ((1,), (3, 2))), "malformed_agreement"),
        (PutIntoForce(text, ((1,), (2, 2))), "malformed_agreement"),
        (PutIntoForce(eager, ((1,), (2,))), "malformed_agreement"),
        (PutIntoForce(text, ((0,), (2,))), "unknown_member"),
        (PutIntoForce(text, ((1,), (2,))), "accepted"),
        (PutIntoForce(text, ((1,), (2,))), "no_effect"),
    ):
        assert outcome(bench, ProposeChange((asked,), 0, MAX_HEIGHT)) == expected


def test_earlier_rules_do_not_know_of_such_a_change(rules: RuleBook) -> None:
    """R-AGREE-4, R-ITEM-1."""
    asked = PutIntoForce(parse_agreement(V1).canonical, ((1,), (2,)))
    bench = Workbench(rules, governed_genesis())
    assert outcome(bench, ProposeChange((asked,), 0, MAX_HEIGHT)) == "malformed"
    assert outcome(bench, ProposeChange((Remove(2), asked), 0, MAX_HEIGHT)) == "malformed"


def test_a_party_has_only_so_many_open_at_a_time(rules: RuleBook) -> None:
    """R-MEMBER-3."""
    bench = Workbench(rules, FIVE)
    first = parse_agreement(V1)
    for number in range(MAX_OPEN_CHANGES + 1):
        text = parse_agreement(V1.replace("pair", f"pair-{number}")).canonical
        body = ProposeChange((PutIntoForce(text, ((1,), (2,))),), 0, MAX_HEIGHT)
        expected = "accepted" if number < MAX_OPEN_CHANGES else "too_many_changes"
        assert outcome(bench, body) == expected
    assert first.name == "pair"


# ---------------------------------------------------------------- overtaken


def test_what_another_version_has_overtaken_is_superseded(rules: RuleBook) -> None:
    """R-AGREE-6: by a change, at its height, whether proposed or scheduled."""
    act(
        rules,
        """
        change K from 9 by north: enact v2 north south
        change L by north: enact v2 north east
        change M by south: enact v2 south north
        vote K by south
        vote M by north
        blocks 1
        told
            change_effective 3
            agreement_enacted pair 2
            change_superseded 1
            change_superseded 2
        vote K by south -> unknown_change
        """,
    )


def test_an_enactment_overtakes_too(rules: RuleBook) -> None:
    """R-AGREE-6: at once, and it is told of the enactment's item."""
    stage = act(
        rules,
        """
        change K by north: enact v2 south north
        enact v2
        told
            agreement_enacted pair 2
            change_superseded 1
        """,
    )
    assert stage.bench.results[-1].events["item"].tolist() == [1, 1]


def test_a_version_is_superseded_when_whom_it_binds_has_left(rules: RuleBook) -> None:
    """R-AGREE-4, R-MEMBER-6."""
    act(
        rules,
        """
        change K by north: enact v2 north west
        change L by north: remove west
        vote L by south
        vote L by east
        vote L by harbour
        blocks 1
        told
            change_effective 2
            change_superseded 1
        """,
    )


def test_another_holder_of_what_is_followed_must_agree_from_then_on(rules: RuleBook) -> None:
    """R-AGREE-5: counted as it is when it is decided."""
    act(
        rules,
        """
        change K by north: enact v2 north south
        change L by north: holders bank v1 east
        vote L by east
        vote L by west
        vote L by harbour
        vote K by south
        changes
            1 proposed by north for north south
        vote K by east
        changes
            1 scheduled 9 by north for north south east
        """,
    )


# ---------------------------------------------------------------- running transactions


def test_running_transactions_finish_under_the_version_they_began_with(rules: RuleBook) -> None:
    """R-PIN-1, R-AGREE-4: the second version has a deadline, the first one has none."""
    act(
        rules,
        """
        seller T1 r1 100.00
        change K by north: enact v2 north south
        vote K by south
        seller under v2 T2 r1 100.00
        wait 31s
        expect T1 pending
        expect T2 broken raised
        bank under v2 T1 r1 100.00 -> wrong_version
        bank under v1 T1 r1 100.00
        bank under v1 T2 r1 100.00 -> wrong_version
        bank under v2 T2 r1 100.00
        expect T1 matched
        expect T2 matched
        """,
    )
