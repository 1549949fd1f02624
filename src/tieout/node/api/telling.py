"""Notices: what the node has told people, whether it arrived, and telling it once more."""

import asyncio
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tieout.node.alarms.outbox import Notice
from tieout.node.api.forms import FormQuery, given
from tieout.node.api.table import Call, Reply, encoded
from tieout.node.limits import MAX_PAGE_ROWS, PAGE_ROWS
from tieout.node.problems import ProblemError
from tieout.units.dates import format_time

Word = Annotated[str, Meta(max_length=64)]


class NoticeQuery(FormQuery, frozen=True, forbid_unknown_fields=True):
    """Newest first; `before` is the number of the last one on the page before."""

    before: Annotated[int, Meta(ge=0, le=(1 << 62))] = 1 << 62
    size: Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)] = PAGE_ROWS
    channel: Word = ""
    state: Literal["", "waiting", "delivered", "failed"] = ""


class NoticeView(msgspec.Struct, frozen=True):
    """A notice. Times are ISO 8601, empty where it did not happen; `answer` is the last one."""

    number: int
    id: str
    channel: str
    rule: str
    title: str
    state: str
    attempts: int
    created: str
    next_attempt: str
    delivered: str
    answer: str


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt to deliver it."""

    number: int
    time: str
    took_ms: int
    answer: str


class NoticeStory(msgspec.Struct, frozen=True):
    """A notice, the message that it carries, and every attempt."""

    notice: NoticeView
    message: msgspec.Raw
    attempts: list[AttemptView]


class Replayed(msgspec.Struct, frozen=True):
    """It will be delivered once more, with the same id."""

    id: str


async def list_notices(call: Call) -> Reply:
    """What was told to people, and whether it arrived; newest first."""
    query, outbox = call.query, call.house.alarms.outbox
    notices = await asyncio.to_thread(
        outbox.notices, query.before, query.size, channel=query.channel, state=query.state
    )
    return given(call, [_view(notice) for notice in notices], NoticeView)


async def tell_notice(call: Call) -> Reply:
    """One notice: its message, and what came of every attempt."""
    outbox = call.house.alarms.outbox
    notice = await asyncio.to_thread(outbox.notice, call.path["id"])
    if notice is None:
        raise ProblemError("not_found", "there is no such notice")
    attempts = [
        AttemptView(each.number, format_time(each.time_us), each.took_us // 1_000, each.answer)
        for each in await asyncio.to_thread(outbox.attempts, notice.number)
    ]
    return Reply(encoded(NoticeStory(_view(notice), msgspec.Raw(notice.body), attempts)))


async def replay_notice(call: Call) -> Reply:
    """Deliver a notice once more, with its id and its bytes."""
    name = call.path["id"]
    if not await asyncio.to_thread(call.house.alarms.replay, name):
        raise ProblemError("not_found", "there is no such notice")
    call.audit("replay notice", name)
    return Reply(encoded(Replayed(name)))


def _view(notice: Notice) -> NoticeView:
    waits = notice.state == "waiting"
    return NoticeView(
        number=notice.number,
        id=notice.id,
        channel=notice.channel,
        rule=notice.rule,
        title=notice.title,
        state=notice.state,
        attempts=notice.attempts,
        created=format_time(notice.created_us),
        next_attempt=format_time(notice.next_us) if waits else "",
        delivered=format_time(notice.delivered_us) if notice.delivered_us else "",
        answer=notice.answer,
    )
