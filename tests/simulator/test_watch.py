"""What nodes and reference would tell alike, and wrongly, is found by holding blocks together."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tieout.testing.simulator.promises import Broken, Promise
from tieout.testing.simulator.watch import Watch
from tieout.testing.simulator.world import World
from tieout.wire.block import BlockResult
from tieout.wire.codes import EventKind, ItemOutcome

SEED, STEPS = 1, 700


def without_conflicts(result: BlockResult) -> BlockResult:
    kept: Any = result.events["kind"] != np.uint8(EventKind.EQUIVOCATION)
    return replace(result, events=result.events[kept])


def with_conflicts_accepted(result: BlockResult) -> BlockResult:
    items = tuple(
        replace(item, outcome=ItemOutcome.ACCEPTED)
        if item.outcome is ItemOutcome.EQUIVOCATION
        else item
        for item in result.items
    )
    return replace(result, items=items)


def with_postings_told_twice(result: BlockResult) -> BlockResult:
    posted: Any = result.events["kind"] == np.uint8(EventKind.ADJUSTMENT_POSTED)
    return replace(result, events=np.concatenate([result.events, result.events[posted]]))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(SEED, 1, Path(tmp_path_factory.mktemp("world")))
    for number in range(1, STEPS + 1):
        world.step(number)
    world.finish()
    return world


def watched(world: World, changed: Callable[[BlockResult], BlockResult]) -> None:
    watch = Watch(world.genesis)
    for block, result in zip(world.watch.blocks, world.watch.expected, strict=True):
        watch.check_first_judged(block, changed(result))


@pytest.mark.parametrize(
    ("changed", "promise"),
    [
        (without_conflicts, Promise.CONFLICTS),
        (with_conflicts_accepted, Promise.SEQUENCES),
        (with_postings_told_twice, Promise.POSTINGS),
    ],
)
def test_what_contradicts_earlier_blocks_is_found(
    world: World, changed: Callable[[BlockResult], BlockResult], promise: Promise
) -> None:
    watched(world, lambda result: result)
    with pytest.raises(Broken) as broken:
        watched(world, changed)
    assert broken.value.promise is promise
