"""Members, keys, holders and validators change by vote: R-MEMBER-1 to R-MEMBER-7."""

from tests.scenarios.agreements import pair
from tests.scenarios.members import FOUR, act, outcome
from tieout.testing.membership import Roster, steps_of
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import (
    Workbench,
    governed_genesis,
    signing_key,
)
from tieout.wire.limits import MAX_OPEN_CHANGES
from tieout.wire.members import (
    ProposeChange,
    Remove,
    SetValidator,
)

# ---------------------------------------------------------------- votes


def test_a_change_is_proposed_voted_on_scheduled_and_takes_effect(rules: RuleBook) -> None:
    """R-MEMBER-3, R-MEMBER-4, R-MEMBER-6: more than two thirds of four are three."""
    act(
        rules,
        """
        change K by north: admit harbour
        told
            change_proposed 1 north
        vote K by south
        told
            change_voted 1 south for
        changes
            1 proposed by north for north south
        vote K against by west
        members
            north
            south
            east
            west
        vote K by east
        told
            change_voted 1 east for
            change_scheduled 1
        changes
            1 scheduled 6 by north for north south east against west
        blocks 1
        told
            change_effective 1
        changes
            none
        members
            north
            south
            east
            west
            harbour
        keys harbour
            1 publish govern 6-
            2 approve 6-
        """,
    )


def test_the_founders_may_say_how_many_votes_are_needed(rules: RuleBook) -> None:
    """R-MEMBER-4."""
    act(
        rules,
        """
        change K by north: remove west
        vote K by south
        told
            change_voted 1 south for
            change_scheduled 1
        """,
        governed_genesis(4, votes_needed=2),
    )


def test_of_a_single_member_nobody_else_is_asked(rules: RuleBook) -> None:
    """R-MEMBER-4."""
    bench = Workbench(rules, governed_genesis(1))
    assert outcome(bench, ProposeChange(steps_of("validator north 20", []), 0, 9)) == "accepted"
    bench.apply()
    assert Roster(rules.members_document(bench.state)).validators() == ["north 20"]


def test_a_change_is_outvoted_as_soon_as_it_cannot_come_any_more(rules: RuleBook) -> None:
    """R-MEMBER-4: of four members three are needed, so two against are enough."""
    act(
        rules,
        """
        change K by north: remove west
        vote K against by west
        vote K against by east
        told
            change_voted 1 east against
            change_refused 1
        changes
            none
        vote K by south -> unknown_change
        """,
    )


def test_everybody_votes_once_and_while_it_is_open(rules: RuleBook) -> None:
    """R-MEMBER-4."""
    act(
        rules,
        """
        change K from 12 by north: remove west
        vote K by north -> no_effect
        vote K against by south
        vote K by south -> no_effect
        vote J by south -> unknown_change
        vote K by north/2 -> wrong_purpose
        vote K by east
        vote K by west
        vote K by west -> not_applicable
        told
            none
        blocks 1
        told
            none
        members
            north
            south
            east
            west
        vote K by east -> unknown_change
        told
            change_effective 1
        """,
    )


def test_what_is_not_decided_in_time_expires(rules: RuleBook) -> None:
    """R-MEMBER-6: in the block of its last height it can still be voted on."""
    act(
        rules,
        """
        change K until 4 by north: remove west
        change J until 4 by north: remove east
        block
            vote K by south
            vote K by east
            vote J by south
        blocks 1
        told
            change_expired 2
            change_effective 1
        vote J by east -> unknown_change
        change I until 5 by north: remove east -> not_applicable
        """,
    )


def test_who_proposes_the_same_again_changes_nothing(rules: RuleBook) -> None:
    """R-MEMBER-3: the same steps are open already, whoever asked for them."""
    act(
        rules,
        """
        change K by north: remove west
        change J from 9 by south: remove west -> no_effect
        change J by south: remove east & remove west
        changes
            1 proposed by north for north
            2 proposed by south for south
        """,
    )


def test_nobody_can_have_more_than_a_few_changes_open(rules: RuleBook) -> None:
    """R-MEMBER-3."""
    bench = Workbench(rules, FOUR)
    proposals = [
        ProposeChange((SetValidator(2, signing_key(2, 50).public, power),), 0, 99)
        for power in range(100, 101 + MAX_OPEN_CHANGES)
    ]
    became = [outcome(bench, body) for body in proposals]
    assert became == ["accepted"] * MAX_OPEN_CHANGES + ["too_many_changes"]
    assert outcome(bench, proposals[-1], party=2) == "accepted"


# ---------------------------------------------------------------- keys


def test_a_member_changes_its_own_keys_without_asking(rules: RuleBook) -> None:
    """R-MEMBER-5, R-MEMBER-1: from that height on only the new key signs."""
    act(
        rules,
        """
        change K by north: key north/1 21 publish govern & revoke north 1
        told
            change_proposed 1 north
            change_scheduled 1
        seller T1 r1 100.00 -> key_not_valid
        seller@north/21 T2 r1 100.00
        seller T3 r1 100.00 -> key_not_valid
        keys north
            1 publish govern 1-2
            21 publish govern 3-
            2 approve 1-
            3 approve 1-
            13 approve 1-
            4 publish 4-6
            5 checkpoint 1-
        expect T2 pending
        """,
    )


def test_a_revoked_key_signs_until_its_last_height(rules: RuleBook) -> None:
    """R-MEMBER-1, R-MEMBER-2: what was signed before stays good."""
    act(
        rules,
        """
        change K from 4 by north: key north/1 21 publish govern & revoke north 1
        block
            seller T1 r1 100.00
            seller@north/21 T9 r1 100.00 -> unknown_key
        seller T2 r1 100.00 -> key_not_valid
        expect T1 pending
        bank T1 r1 100.00
        expect T1 matched
        change J by north/21: key north/1 22 publish -> accepted
        change I by north: revoke north 21 -> key_not_valid
        """,
    )


def test_the_new_key_signs_in_the_first_block_in_which_it_is_valid(rules: RuleBook) -> None:
    """R-MEMBER-6: changes come before the items of their block."""
    act(
        rules,
        """
        change K from 4 by north: key north/1 21 publish
        seller@north/21 T1 r1 100.00 -> unknown_key
        seller@north/21 T1 r1 100.00
        told
            change_effective 1
            transaction_pending T1
        """,
    )


def test_the_keys_of_another_member_are_changed_by_vote_only(rules: RuleBook) -> None:
    """R-MEMBER-5: as when a member has lost its own."""
    act(
        rules,
        """
        change K by north: revoke south 1
        changes
            1 proposed by north for north
        vote K by east
        vote K by west
        bank T1 r1 100.00 -> key_not_valid
        change J by south: key south/1 21 publish -> key_not_valid
        change J by east: key south/1 21 publish govern
        vote J by west
        vote J by north
        vote J by south/21 -> unknown_change
        bank@south/21 T1 r1 100.00
        """,
    )


def test_a_persons_key_approves_for_the_person(rules: RuleBook) -> None:
    """R-MEMBER-2: a new person, and a further key of an old one."""
    act(
        rules,
        """
        change K by north: person north 6 Cy 31 approve & key north/2 32 approve
        told
            change_proposed 1 north
            change_scheduled 1
        keys north
            1 publish govern 1-
            2 approve 1-
            3 approve 1-
            13 approve 1-
            4 publish 4-6
            5 checkpoint 1-
        blocks 1
        keys north
            1 publish govern 1-
            2 approve 1-
            32 approve 3-
            3 approve 1-
            13 approve 1-
            4 publish 4-6
            5 checkpoint 1-
            31 approve 3-
        change K by north: person north 6 Di 33 approve -> not_applicable
        change K by north: person north 7 Di 31 approve -> not_applicable
        change K by north: key north/2 32 approve -> not_applicable
        change K by north: key north/9 33 approve -> unknown_member
        """,
    )


# ---------------------------------------------------------------- members


def test_a_party_that_is_removed_signs_nothing_any_more(rules: RuleBook) -> None:
    """R-MEMBER-1, R-MEMBER-2, R-MEMBER-7: what it said stays, and its role stays bound to it."""
    act(
        rules,
        """
        seller T1 r1 100.00 & T2 r1 100.00
        bank T1 r1 100.00
        change K by north: remove south & holders bank v1 east
        vote K by east
        vote K by west
        told
            change_voted 1 west for
            change_scheduled 1
        bank T2 r1 100.00 -> key_not_valid
        told
            change_effective 1
        members
            north
            south left 6
            east
            west
        validators
            north 10
            east 10
            west 10
        holders v1
            north
            east
        bank@east T2 r1 100.00
        expect T1 matched
        expect T2 matched
        bank@east T1 r2 99.00 -> unexpected
        expect T1 broken raised
        change K by north: remove south -> unknown_member
        change K by north: admit south 5
        """,
    )


def test_a_role_may_be_left_without_a_holder(rules: RuleBook) -> None:
    """R-MEMBER-2, R-MEMBER-7: whoever is silent then is judged as always."""
    act(
        rules,
        """
        seller T1 r1 100.00
        change K by north: remove south
        vote K by east
        vote K by west
        blocks 1
        holders v1
            north
            nobody
        bank@east T1 r1 100.00 -> not_entitled
        cutoff by south -> key_not_valid
        cutoff by north
        breaks
            T1 missing bank
        """,
    )


def test_what_would_bind_a_party_that_has_left_cannot_come_into_force(rules: RuleBook) -> None:
    """R-MEMBER-7, R-AGREE-2."""
    play(
        rules,
        """
        enact v2 by south
        change K by north: remove south
        vote K by east
        vote K by west
        blocks 1
        enact v2 by north -> malformed_agreement
        """,
        pair(),
        pair().replace("version = 1", "version = 2"),
        genesis=FOUR,
    )


def test_the_last_member_cannot_be_removed(rules: RuleBook) -> None:
    """R-MEMBER-2."""
    bench = Workbench(rules, governed_genesis(1))
    assert outcome(bench, ProposeChange((Remove(1),), 0, 9)) == "not_applicable"
    both = (*steps_of("admit south", []), Remove(1))
    assert outcome(bench, ProposeChange(both, 0, 9)) == "not_applicable", "no validator is left"
    validator = SetValidator(2, signing_key(2, 50).public, 1)
    three = (both[0], validator, both[1])
    assert outcome(bench, ProposeChange(three, 0, 9)) == "accepted"
    bench.apply()
    roster = Roster(rules.members_document(bench.state))
    assert roster.members() == ["north left 3", "south"]
    assert roster.validators() == ["south 1"]


def test_members_that_come_and_go_count_as_there_are_now(rules: RuleBook) -> None:
    """R-MEMBER-4, R-MEMBER-6: votes of who has left do not count, and fewer are needed."""
    act(
        rules,
        """
        change K by north: remove west
        change I by west: validator north 30
        change H by south: validator east 30
        change G by south: validator south 30
        vote G by west
        vote K by south
        vote K by east
        blocks 1
        told
            change_effective 1
            change_superseded 2
        changes
            3 proposed by south for south
            4 proposed by south for south
        vote G by north
        vote H by north
        told
            change_voted 3 north for
        """,
    )


def test_fewer_votes_are_needed_when_there_are_fewer_members(rules: RuleBook) -> None:
    """R-MEMBER-6, R-MEMBER-4: four of five, but three of four."""
    act(
        rules,
        """
        change K by north: remove harbour
        change J by south: validator north 20
        vote J by north
        vote J by west
        vote K by south
        vote K by east
        vote K by west
        changes
            1 scheduled 9 by north for north south east west
            2 proposed by south for north south west
        blocks 1
        told
            change_effective 1
            change_scheduled 2
        blocks 1
        told
            change_effective 2
        """,
        governed_genesis(5),
    )
