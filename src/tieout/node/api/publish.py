"""Publishing: one record, many, a whole signed batch, a withdrawal."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tieout.kernel.book import Book
from tieout.node import telemetry
from tieout.node.api.table import CSV, JSON, NDJSON, Call, Reply, encoded
from tieout.node.bulk import BatchReceipt, BulkReceipt, Spool, publish_spool, spool_path
from tieout.node.desk import Sending, awaited
from tieout.node.limits import (
    IDEMPOTENCY_KEPT_S,
    MAX_IDEMPOTENCY_KEY,
    MAX_SETTLING_S,
    MAX_SIGNED_BYTES,
)
from tieout.node.problems import ProblemError
from tieout.node.store import Answer
from tieout.node.verdicts import accepted
from tieout.wire.codes import ItemOutcome, RowOutcome

SIGNED: Final = "application/vnd.tieout.batch"
Originator = Annotated[int, Meta(ge=0, le=65_535)]


class RecordQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom, and how long to wait."""

    role: Annotated[str, Meta(max_length=36)] = ""
    """The role that states it; may be left out where this node speaks for one only."""
    originator: Originator = 0
    """The party in whose numbering the id counts; 0 where ids are shared by all."""
    wait: Literal["verdict", "accepted"] = "verdict"
    """Whether to answer when the verdict is there, or as soon as the record is safe."""


class WithdrawQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom."""

    role: Annotated[str, Meta(max_length=36)] = ""
    originator: Originator = 0


async def publish_records(call: Call) -> Reply:
    """One record (JSON), or many (NDJSON, CSV, each also as gzip)."""
    house, query = call.house, call.query
    media = call.media
    book = house.book(call.path["name"])
    role, party = house.role(book, query.role)
    if media == JSON:
        body = await call.body()
        key = _key(call, lambda: hashlib.sha256(body).digest())
        if key is not None and (known := await _known(call, key)):
            return known
        row = house.form(book, role).row(body, query.originator)
        return await _send(call, book, role, party, row, key)
    if media in (NDJSON, CSV):
        return await _publish_many(call, book, role, party, is_json=media == NDJSON)
    raise ProblemError("unsupported_media_type", f"send {JSON}, {NDJSON} or {CSV}")


async def withdraw_record(call: Call) -> Reply:
    """Take a role's record back."""
    house = call.house
    book = house.book(call.path["name"])
    role, party = house.role(book, call.query.role)
    row = house.form(book, role).withdrawal(call.path["transaction_id"], call.query.originator)
    key = _key(call, lambda: b"")
    if key is not None and (known := await _known(call, key)):
        return known
    return await _send(call, book, role, party, row, key)


async def _send(
    call: Call, book: Book, role: int, party: int, row: bytes, key: tuple[int, str, bytes] | None
) -> Reply:
    house = call.house
    future: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    wait = getattr(call.query, "wait", "verdict") == "verdict"
    claimed = key[:2] if key is not None else None
    if claimed is not None:
        house.in_progress.add(claimed)
    try:
        trace = telemetry.here()
        sending = Sending(book, role, party, row, wait, key, future, trace=trace)
        house.desk.send(sending)
        status, body = await _answered(sending)
    finally:
        if claimed is not None:
            house.in_progress.discard(claimed)
    house.metrics.records.labels("single").inc()
    return Reply(body, status)


async def _answered(sending: Sending) -> tuple[int, bytes]:
    """What is said to a record: its verdict, or that it is safe and its verdict takes longer."""
    # A client that goes away does not take its record back.
    done, _ = await asyncio.wait([sending.future], timeout=MAX_SETTLING_S)
    if done:
        return sending.future.result()
    if sending.is_safe:
        return 202, accepted(sending.row)
    raise ProblemError("busy", "the ledger stands still: nobody took the record yet; send it again")


# ---------------------------------------------------------------- the same answer to the same key


def _key(call: Call, digest: Callable[[], bytes]) -> tuple[int, str, bytes] | None:
    """(user, key, hash of what is asked) of a request with an Idempotency-Key."""
    key = call.request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY or not key.isprintable():
        what = f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} printable characters"
        raise ProblemError("invalid_parameter", what)
    scope = call.request.scope
    asked = hashlib.sha256(scope["method"].encode() + b"\0" + scope["path"].encode() + b"\0")
    asked.update(scope["query_string"] + b"\0")
    asked.update(digest())
    return call.who.user, key, asked.digest()


async def _known(call: Call, key: tuple[int, str, bytes]) -> Reply | None:
    """The answer that was given to this key. Raises ProblemError where it meant something else."""
    house = call.house
    if key[:2] in house.in_progress:
        raise ProblemError("in_progress", "the first request with this key has no answer yet")
    answer = house.store.answer(*key[:2])
    if answer is None:
        return None
    if answer.request != key[2]:
        raise ProblemError("key_reused", "this Idempotency-Key came with another request before")
    return Reply(answer.body, answer.status, headers={"Idempotent-Replayed": "true"})


# ---------------------------------------------------------------- many records


async def _publish_many(call: Call, book: Book, role: int, party: int, *, is_json: bool) -> Reply:
    house, request = call.house, call.request
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise ProblemError("unsupported_media_type", "Content-Encoding is gzip, or left out")
    spool = Spool(
        spool_path(house.spool), book.agreement, role,
        is_json=is_json, is_gzip=encoding == "gzip",
        max_bytes=house.settings.publishing.max_bulk_bytes,
    )  # fmt: skip
    hashed = hashlib.sha256()
    with spool:
        async for piece in _pieces(call):
            hashed.update(piece)
            await asyncio.to_thread(spool.write, piece)
        await asyncio.to_thread(spool.finish)
        key = _key(call, hashed.digest)
        if key is not None and (known := await _known(call, key)):
            return known
        if key is not None:
            house.in_progress.add(key[:2])
        try:
            work = partial(publish_spool, house.desk, spool, book, role, party,
                           call.query.originator, is_json=is_json)  # fmt: skip
            receipt = await asyncio.shield(asyncio.to_thread(work))
            body = encoded(receipt)
            if key is not None:
                now_us = house.clock()
                kept = [Answer(*key, 200, body)]
                await asyncio.to_thread(
                    house.store.keep_answers, kept, now_us, now_us - IDEMPOTENCY_KEPT_S * 1_000_000
                )
        finally:
            if key is not None:
                house.in_progress.discard(key[:2])
    house.metrics.records.labels("bulk").inc(receipt.published)
    house.metrics.records.labels("refused").inc(receipt.refused_count)
    return Reply(body)


async def _pieces(call: Call) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte, so that threads are not asked for every packet."""
    parts, size = [], 0
    async for part in call.request.stream():
        parts.append(part)
        size += len(part)
        if size >= 1 << 20:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


# ---------------------------------------------------------------- signed elsewhere


class SignedReceipt(msgspec.Struct, frozen=True):
    """Where a batch stands that was signed elsewhere, and what became of its rows."""

    outcome: str
    batch: BatchReceipt
    rows: dict[str, int]


async def publish_signed(call: Call) -> Reply:
    """A batch that a party signed itself, byte for byte."""
    if call.media != SIGNED:
        raise ProblemError("unsupported_media_type", f"send {SIGNED}")
    item = await call.body(MAX_SIGNED_BYTES)
    ordering = call.house.ordering
    future = await asyncio.wrap_future(call.house.desk.run(lambda: ordering.hand_in(item)))
    receipt = (await awaited(future)).receipt
    outcome = receipt.result.outcome
    if outcome is not ItemOutcome.ACCEPTED:
        name = outcome.name.lower()
        raise ProblemError("refused_by_the_rules", f"the batch was refused: {name}", outcome=name)
    rows = receipt.result.rows
    count = sum(rows)
    told = BatchReceipt(
        receipt.height,
        receipt.item,
        receipt.result.leaf or 0,
        count,
        count - rows[RowOutcome.ACCEPTED],
    )
    by_outcome = {each.name.lower(): rows[each] for each in RowOutcome if rows[each]}
    return Reply(encoded(SignedReceipt("accepted", told, by_outcome)))


__all__ = [
    "SIGNED",
    "BulkReceipt",
    "RecordQuery",
    "SignedReceipt",
    "WithdrawQuery",
    "publish_records",
    "publish_signed",
    "withdraw_record",
]
