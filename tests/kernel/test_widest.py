"""The widest agreements: 64 fields use every bit of a word, 16 roles every line of the cursor."""

import random

import pytest

from tieout import kernel, reference
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.testing.workbench import START_US, Sender, row_bytes, workbench_genesis
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind
from tieout.wire.limits import MAX_FIELDS, MAX_ROLES
from tieout.wire.operations import CloseCutoff, Enact


def widest(field_count: int, role_count: int) -> Agreement:
    """Quantities that are adjusted at once, the last field among them."""
    fields = "".join(
        f'[fields.q{i:02d}]\ntype = "quantity"\nscale = 0\ntolerance = {{ absolute = "1" }}\n'
        for i in range(field_count)
    )
    limits = ", ".join(f'q{i:02d} = "5"' for i in range(field_count))
    roles = ", ".join(f'"role{i}"' for i in range(role_count))
    return parse_agreement(
        f'name = "widest"\nversion = 1\nroles = [{roles}]\n{fields}'
        f'[adjustment]\nmode = "replace"\nautomatic_up_to = {{ {limits} }}\n'
    )


@pytest.mark.parametrize(("field_count", "role_count"), [(MAX_FIELDS, 3), (3, MAX_ROLES), (64, 2)])
@pytest.mark.parametrize("apart", [0, 3, MAX_FIELDS])
def test_every_bit_is_kept(field_count: int, role_count: int, apart: int) -> None:
    generator = random.Random(field_count * 100 + role_count + apart)
    agreement = widest(field_count, role_count)
    genesis = workbench_genesis()
    sender = Sender(genesis.ledger_id())
    parties = [1 + role % 5 for role in range(role_count)]
    body = Enact(agreement.canonical, tuple((party,) for party in parties))
    items = [sender.operation(p, OperationKind.ENACT, body) for p in sorted(set(parties))]
    states = (reference.initial_state(genesis), kernel.initial_state(genesis))
    for height in range(1, 8):
        block = Block(height, START_US + height, tuple(items))
        _, expected = reference.apply_block(states[0], block)
        _, actual = kernel.apply_block(states[1], block)
        assert actual.items == expected.items
        assert actual.events.tolist() == expected.events.tolist()
        assert actual.app_hash == expected.app_hash
        items = []
        for role, party in enumerate(parties):
            others = generator.sample(range(field_count), min(apart, field_count))
            rows = [
                row_bytes(
                    agreement,
                    f"T{n}",
                    height,
                    {
                        f: 100 + (generator.randrange(-4, 5) if f in others else 0)
                        for f in range(field_count)
                        if f not in others[:1] or generator.random() < 0.9
                    },
                )
                for n in range(3)
            ]
            items.append(sender.batch(agreement, party, role, rows))
        if height == 4:
            close = CloseCutoff("widest", START_US + 5)
            items.append(sender.operation(1, OperationKind.CLOSE_CUTOFF, close))
    assert kernel.slot_images(states[1], 1) == reference.slot_images(states[0], 1)
    assert kernel.adjustment_images(states[1], 1) == reference.adjustment_images(states[0], 1)
    assert kernel.breaks(states[1], "widest") == reference.breaks(states[0], "widest")
    assert kernel.state_digest(states[1]) == reference.state_digest(states[0])
