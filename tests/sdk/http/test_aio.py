"""The client for asyncio: many at a time, nothing lost by being cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.node.running import Node
from tieout.sdk.errors import RequestRefused
from tieout.sdk.http.aio import AsyncNodeClient

pytestmark = pytest.mark.xdist_group("sdk-aio")  # one node for all


def record(name: str, amount: str) -> dict[str, str]:
    return {"transaction_id": name, "amount": amount}


@pytest.fixture(scope="module")
def run(node: Node) -> Callable[[Callable[[AsyncNodeClient], Awaitable[Any]]], Any]:
    token = node.token("operator", "")

    def runner(work: Callable[[AsyncNodeClient], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            async with AsyncNodeClient(f"http://127.0.0.1:{node.port}", token) as client:
                return await asyncio.wait_for(work(client), 60)

        return asyncio.run(main())

    return runner


Runner = Callable[[Callable[[AsyncNodeClient], Awaitable[Any]]], Any]


def test_many_records_at_a_time_and_as_many_waits_for_them(run: Runner) -> None:
    async def work(client: AsyncNodeClient) -> list[str]:
        names = [f"A-{number}" for number in range(40)]
        waits = [asyncio.create_task(client.wait("pay", name)) for name in names]
        for role in ("seller", "bank"):
            said = (client.publish("pay", record(name, "1.00"), role=role) for name in names)
            await asyncio.gather(*said)
        return [(await each).status for each in waits]

    assert run(work) == ["matched"] * 40


def test_an_event_is_not_lost_by_giving_up_on_it(run: Runner) -> None:
    async def work(client: AsyncNodeClient) -> list[str]:
        async with await client.stream(kinds=("transaction_pending",)) as events:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.01)
            for number in range(3):
                await client.publish("pay", record(f"B-{number}", "1.00"), role="seller")
            return [(await anext(events)).transaction_id for _ in range(3)]

    assert run(work) == ["B-0", "B-1", "B-2"]


def test_a_stream_that_is_closed_ends_for_whoever_waits(run: Runner) -> None:
    async def work(client: AsyncNodeClient) -> list[str]:
        events = await client.stream()

        async def read() -> list[str]:
            return [event.id async for event in events]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        events.close()
        return await reading

    assert run(work) == []


async def shown(client: AsyncNodeClient, height: int) -> None:
    """Wait until lists hold as of a block, for a while."""
    for _ in range(1_000):
        if (await client.blocks(size=1, newest_first=True)).height >= height:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"lists do not reach block {height}")


def test_lists_bulk_withdrawal_and_proofs(run: Runner) -> None:
    async def work(client: AsyncNodeClient) -> None:
        many = (record(f"D-{number}", "2.00") for number in range(5))
        assert (await client.publish_many("pay", many, role="seller")).published == 5
        told = await client.withdraw("pay", "D-4", role="seller")
        assert told.block is not None
        await shown(client, told.block.height)
        found = await client.transactions(id_prefix="D-", status=("pending",), size=2)
        assert [each.transaction_id async for each in found] == [f"D-{n}" for n in range(4)]
        assert b"D-1" in await client.evidence("pay", "D-1")
        with pytest.raises(RequestRefused) as caught:
            await client.transaction("pay", "D-9")
        assert caught.value.code == "not_found"

    run(work)
