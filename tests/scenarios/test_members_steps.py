"""What changes of members can do, and what refuses them: R-MEMBER-1 to R-MEMBER-3, R-MEMBER-6."""

from itertools import pairwise

import msgspec
import pytest

from tests.scenarios.members import FOUR, act, outcome
from tieout.testing.membership import steps_of
from tieout.testing.rulebooks import RuleBook
from tieout.testing.workbench import (
    ADA,
    START_US,
    Workbench,
    governed_genesis,
    signing_key,
    workbench_genesis,
)
from tieout.wire import ids
from tieout.wire.block import Block
from tieout.wire.codes import ItemOutcome, OperationKind
from tieout.wire.limits import MAX_HEIGHT, MAX_VALIDATOR_POWER
from tieout.wire.members import (
    AddKey,
    AddPerson,
    Admit,
    NewKey,
    NewPerson,
    ProposeChange,
    Remove,
    RevokeKey,
    SetHolders,
    SetValidator,
    Step,
    Vote,
)

# ---------------------------------------------------------------- validators


def test_validators_change_by_vote_and_their_keys_are_rotated_at_once(rules: RuleBook) -> None:
    """R-MEMBER-2."""
    act(
        rules,
        """
        change K by north: validator north 10 key 51 & validator north 0 & validator west 25
        vote K by south
        vote K by east
        blocks 1
        validators
            north 10 key 51
            south 10
            east 10
            west 25
        """,
    )


@pytest.mark.parametrize(
    ("steps", "became"),
    [
        ("validator north 10", "not_applicable"),
        ("validator north 0 key 51", "not_applicable"),
        ("validator 7 10 key 51", "unknown_member"),
        (f"validator north {MAX_VALIDATOR_POWER}", "not_applicable"),
        (f"validator north {MAX_VALIDATOR_POWER - 30}", "accepted"),
        ("validator north 0 & validator south 0 & validator east 0", "accepted"),
        (
            "validator north 0 & validator south 0 & validator east 0 & validator west 0",
            "not_applicable",
        ),
        ("admit harbour & validator 5 10", "accepted"),
    ],
)
def test_somebody_must_be_left_to_order_blocks(rules: RuleBook, steps: str, became: str) -> None:
    """R-MEMBER-2."""
    bench = Workbench(rules, FOUR)
    assert outcome(bench, ProposeChange(steps_of(steps, []), 0, 9)) == became


def test_a_key_orders_blocks_for_one_party(rules: RuleBook) -> None:
    """R-MEMBER-2."""
    step = SetValidator(2, signing_key(1, 50).public, 10)
    assert outcome(Workbench(rules, FOUR), ProposeChange((step,), 0, 9)) == "not_applicable"


def test_a_ledger_that_one_process_keeps_needs_no_validators(rules: RuleBook) -> None:
    """R-MEMBER-2."""
    alone = msgspec.structs.replace(FOUR, validators=())
    bench = Workbench(rules, alone)
    assert outcome(bench, ProposeChange((Remove(2),), 0, 9)) == "accepted"


# ---------------------------------------------------------------- holders


def test_who_may_hold_a_role_must_agree_to_it(rules: RuleBook) -> None:
    """R-MEMBER-4: three of four want it, the fourth is asked too."""
    act(
        rules,
        """
        change K by north: holders bank v1 south west
        vote K by south
        vote K by east
        told
            change_voted 1 east for
        vote K by west
        told
            change_voted 1 west for
            change_scheduled 1
        bank@west T1 r1 100.00
        holders v1
            north
            south west
        change J by north: holders bank v1 south
        vote J by south
        vote J by east
        bank@west T2 r1 100.00 -> not_entitled
        change I by north: holders bank v1 south east
        vote I against by east
        told
            change_voted 3 east against
            change_refused 3
        """,
    )


@pytest.mark.parametrize(
    ("step", "became"),
    [
        (SetHolders("unheard-of", 1, 0, (1,)), "unknown_agreement"),
        (SetHolders("pair", 2, 0, (1,)), "unknown_agreement"),
        (SetHolders("pair", 1, 2, (1,)), "unknown_role"),
        (SetHolders("pair", 1, 0, (1, 5)), "unknown_member"),
        (SetHolders("pair", 1, 0, (1,)), "not_applicable"),
        (SetHolders("pair", 1, 0, (1, 2)), "accepted"),
    ],
)
def test_holders_are_set_for_what_is_in_force(
    rules: RuleBook, step: SetHolders, became: str
) -> None:
    """R-MEMBER-2."""
    stage = act(rules, "")
    assert outcome(stage.bench, ProposeChange((step,), 0, 9)) == became


def test_a_party_that_is_only_being_admitted_holds_nothing_yet(rules: RuleBook) -> None:
    """R-MEMBER-2: it could not agree."""
    stage = act(rules, "")
    steps = (*steps_of("admit harbour", []), SetHolders("pair", 1, 0, (1, 5)))
    assert outcome(stage.bench, ProposeChange(steps, 0, 9)) == "unknown_member"


# ---------------------------------------------------------------- what contradicts


def test_of_two_changes_that_contradict_each_other_the_first_is_made(rules: RuleBook) -> None:
    """R-MEMBER-6: in the order of their numbers, when both are due."""
    act(
        rules,
        """
        change K from 8 by north: admit harbour
        change J from 8 by south: admit sixth 5
        block
            vote J by north
            vote J by east
        block
            vote K by south
            vote K by east
        changes
            1 scheduled 8 by north for north south east
            2 scheduled 8 by south for north south east
        blocks 3
        told
            change_effective 1
            change_superseded 2
        members
            north
            south
            east
            west
            harbour
        """,
    )


def test_what_has_become_impossible_is_superseded(rules: RuleBook) -> None:
    """R-MEMBER-6."""
    act(
        rules,
        """
        change K by north: revoke north 21 -> unknown_member
        change K by north: key north/1 21 publish
        change J from 9 by north: revoke north 21
        change I from 6 by north: revoke north 21 & revoke north 2
        blocks 1
        told
            change_effective 3
            change_superseded 2
        """,
    )


def test_a_key_that_ends_by_itself_cannot_be_revoked_later(rules: RuleBook) -> None:
    """R-MEMBER-2: the leaver's last height is 6."""
    act(
        rules,
        """
        change K from 7 by north: revoke north 4 -> not_applicable
        change K from 6 by north: revoke north 4
        blocks 3
        keys north
            1 publish govern 1-
            2 approve 1-
            3 approve 1-
            13 approve 1-
            4 publish 4-5
            5 checkpoint 1-
        """,
    )


# ---------------------------------------------------------------- what is malformed

KEY = NewKey(21, signing_key(1, 21).public, (1,))
MALFORMED: dict[str, Step] = {
    "number 0": Admit(0, "x", ()),
    "a number beyond all": Admit(1 << 16, "x", ()),
    "no name": Admit(5, "", ()),
    "a name of 37 bytes": Admit(5, "x" * 37, ()),
    "a person that is not the first": Admit(5, "x", (NewPerson(2, "Ada", ()),)),
    "a person without a name": Admit(5, "x", (NewPerson(1, "", ()),)),
    "one key number twice": Admit(5, "x", (NewPerson(1, "A", (KEY,)), NewPerson(2, "B", (KEY,)))),
    "one key number twice of a person": AddPerson(1, NewPerson(6, "Cy", (KEY, KEY))),
    "person 0": AddPerson(1, NewPerson(0, "Cy", ())),
    "party 0": Remove(0),
    "a negative party": Remove(-1),
    "a key of person 0": AddKey(1, 0, KEY),
    "key 0": AddKey(1, 1, NewKey(0, KEY.public, (1,))),
    "a key of 31 bytes": AddKey(1, 1, NewKey(21, KEY.public[:31], (1,))),
    "a key of small order": AddKey(1, 1, NewKey(21, bytes(32), (1,))),
    "no purpose": AddKey(1, 1, NewKey(21, KEY.public, ())),
    "a purpose that nobody knows": AddKey(1, 1, NewKey(21, KEY.public, (1, 5))),
    "purposes that descend": AddKey(1, 1, NewKey(21, KEY.public, (3, 1))),
    "a purpose twice": AddKey(1, 1, NewKey(21, KEY.public, (1, 1))),
    "revoking key 0": RevokeKey(1, 0),
    "a negative power": SetValidator(1, KEY.public, -1),
    "more power than there may be": SetValidator(1, KEY.public, MAX_VALIDATOR_POWER + 1),
    "a validator of small order": SetValidator(1, bytes(32), 1),
    "no holder": SetHolders("pair", 1, 0, ()),
    "holders that descend": SetHolders("pair", 1, 0, (2, 1)),
    "a negative role": SetHolders("pair", 1, -1, (1,)),
    "a negative version": SetHolders("pair", -1, 0, (1,)),
}


@pytest.mark.parametrize("step", MALFORMED.values(), ids=MALFORMED)
def test_a_step_that_does_not_hold_together_is_malformed(rules: RuleBook, step: Step) -> None:
    """R-MEMBER-3: also behind one that cannot be done."""
    body = ProposeChange((Remove(99), step), 0, 9)
    assert outcome(Workbench(rules, FOUR), body) == "malformed_change"


@pytest.mark.parametrize(
    "body",
    [
        ProposeChange((), 0, 9),
        ProposeChange((Remove(2),) * 17, 0, 9),
        ProposeChange((Remove(2),), -1, 9),
        ProposeChange((Remove(2),), MAX_HEIGHT + 1, 9),
        ProposeChange((Remove(2),), 0, -1),
        ProposeChange((Remove(2),), 0, MAX_HEIGHT + 1),
    ],
)
def test_a_change_has_some_steps_and_heights_that_there_are(
    rules: RuleBook, body: ProposeChange
) -> None:
    """R-MEMBER-3."""
    assert outcome(Workbench(rules, FOUR), body) == "malformed_change"


@pytest.mark.parametrize(
    ("steps", "became"),
    [
        ("remove 5", "unknown_member"),
        ("person 5 1 Cy 31 approve", "unknown_member"),
        ("key 5/1 21 publish", "unknown_member"),
        ("revoke 5 1", "unknown_member"),
        ("revoke south 99", "unknown_member"),
        ("admit north 5", "not_applicable"),
        ("admit harbour 6", "not_applicable"),
        ("admit harbour & remove 5", "accepted"),
        ("remove south & remove south", "unknown_member"),
        ("revoke south 1 & revoke south 1", "not_applicable"),
        ("remove south & admit south 5", "accepted"),
    ],
)
def test_a_step_is_refused_by_what_it_finds(rules: RuleBook, steps: str, became: str) -> None:
    """R-MEMBER-3, R-MEMBER-2."""
    bench = Workbench(rules, FOUR)
    assert outcome(bench, ProposeChange(steps_of(steps, []), 0, 9)) == became


# ---------------------------------------------------------------- what is hashed, and what is not


def test_under_version_1_nobody_can_change_the_members(rules: RuleBook) -> None:
    """R-ITEM-1: to these rules the operations are nothing, as they always were."""
    bench = Workbench(rules, workbench_genesis())
    for kind, body in (
        (OperationKind.PROPOSE_CHANGE, ProposeChange((Remove(2),), 0, 9)),
        (OperationKind.VOTE, Vote(bytes(32), in_favour=True)),
    ):
        item = bench.sender.operation(1, kind, body)
        result = bench.apply(item).items[0]
        assert (result.outcome, result.leaf) == (ItemOutcome.MALFORMED, None)


def test_the_app_hash_covers_the_members_as_they_are_now(rules: RuleBook) -> None:
    """R-MEMBER-1, R-BLOCK-3: it stays while nothing happens, however many blocks there are."""
    bench = Workbench(rules, FOUR)
    hashes = [bench.apply().app_hash, bench.apply().app_hash]
    step = ProposeChange(steps_of("key north/1 21 publish", []), 9, 9)
    assert outcome(bench, step) == "accepted"
    hashes += [bench.results[-1].app_hash, bench.apply().app_hash]
    while len(bench.results) < 10:
        bench.apply()
    hashes += [result.app_hash for result in bench.results[-3:]]
    assert [later == sooner for sooner, later in pairwise(hashes)] == [
        *(True, False, True, True, False, True),
    ]


def test_the_document_of_the_founders_follows_from_the_genesis(rules: RuleBook) -> None:
    """R-MEMBER-1: written down here once more, from docs/formats/state.md alone."""
    genesis = governed_genesis(2)
    purposes = {"publish": 1, "approve": 2, "govern": 3, "checkpoint": 4}
    parties = [
        [
            party.number,
            party.name,
            0,
            [
                [
                    person.number,
                    person.name,
                    [
                        [
                            key.number,
                            bytes.fromhex(key.public),
                            sorted(purposes[each] for each in key.purposes),
                            key.from_height,
                            key.until_height,
                        ]
                        for key in person.keys
                    ],
                ]
                for person in party.persons
            ],
        ]
        for party in genesis.parties
    ]
    validators = [[each.party, bytes.fromhex(each.public), 10] for each in genesis.validators]
    document = msgspec.msgpack.encode([parties, validators, [], 0, []])
    state = rules.initial_state(genesis)
    assert rules.members_document(state) == document
    _, result = rules.apply_block(state, Block(1, START_US, ()))
    assert result.app_hash == ids.app_hash(
        genesis.ledger_id(),
        0,
        bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ids.NO_EVENTS,
        ids.governed_members_hash(document),
        ids.agreements_hash(()),
        bytes(32),
    )


def test_only_a_key_for_governing_may_ask(rules: RuleBook) -> None:
    """R-OP-1."""
    body = ProposeChange((Remove(2),), 0, 9)
    assert outcome(Workbench(rules, FOUR), body, key=ADA) == "wrong_purpose"
