"""Working on breaks: who has one, why it is there, what is said of it, which files belong to it.

None of it is on the ledger: it is the node's own, beside the read models, and a rebuild leaves it
alone. Every change leaves its line in the break's history, and every request its line in the audit
log. What is signed stands elsewhere: approving, acknowledging, correcting.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from tieout.node.access import ROLES, Permission, Role
from tieout.node.api.asking import asking
from tieout.node.api.forms import csv_of, given
from tieout.node.api.listing import QUERIES
from tieout.node.api.looking import as_of
from tieout.node.api.table import CSV, JSON, OCTETS, Call, Reply, encoded
from tieout.node.limits import MAX_ATTACHING, MAX_FILTERS, MAX_WORK_BYTES
from tieout.node.problems import ProblemError
from tieout.projections.answers import BreakItem
from tieout.projections.desk import Act, Attachment, Change, Comment, Deed, Reason, SavedFilter
from tieout.projections.limits import (
    MAX_ATTACHMENT_BYTES,
    MAX_BULK,
    MAX_COMMENT_CHARACTERS,
    MAX_FILE_SIZE,
    MAX_LABEL_CHARACTERS,
    MAX_LABELS,
    MAX_NAME_CHARACTERS,
    MAX_TIME_US,
)
from tieout.projections.worked import Work

Answered = TypeVar("Answered")
ID: Final = "^[0-9]{1,9}-[0-9]{1,9}$"
"""An id of the read models, HEIGHT-INDEX."""
NAME: Final = r"^[^\x00-\x20./\\%][^\x00-\x1f/\\%]{0,63}$"
"""The name of a reason code or a filter: a part of a path whoever encodes it."""
SHA256: Final = "^[0-9a-f]{64}$"
_SAID: Final = r"^[^\x00]*[^\x00\s][^\x00]*$"
"""Something, and no NUL in it."""
_NO_NUL: Final = r"^[^\x00]*$"

BreakId = Annotated[str, Meta(pattern=ID)]
Text = Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS, pattern=_NO_NUL)]
Said = Annotated[str, Meta(max_length=MAX_COMMENT_CHARACTERS, pattern=_SAID)]
Label = Annotated[str, Meta(max_length=MAX_LABEL_CHARACTERS, pattern=_SAID)]
Labels = Annotated[tuple[Label, ...], Meta(max_length=MAX_LABELS)]
FileName = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS, pattern=_SAID)]
MediaType = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS, pattern=r"^[\x21-\x7e]+$")]
Revision = Annotated[int, Meta(ge=0, le=(1 << 53))]


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In which form."""

    format: Literal["json", "csv"] = "json"


class AttachQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file that is sent as a body is called; a reference says so itself."""

    name: FileName = "file"
    media_type: MediaType = OCTETS


class WorkChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which breaks are to change, and what; what is left out stays.

    An empty text takes away, and so does null for the due time (microseconds UTC). `expected` is
    the revision that all of them have to have: whoever saw another is told so.
    """

    breaks: Annotated[tuple[BreakId, ...], Meta(min_length=1, max_length=MAX_BULK)]
    expected: Revision | None = None
    assignee: Annotated[str, Meta(max_length=MAX_LABEL_CHARACTERS)] | UnsetType = UNSET
    reason: Annotated[str, Meta(max_length=MAX_LABEL_CHARACTERS)] | UnsetType = UNSET
    due_us: Annotated[int, Meta(ge=0, le=MAX_TIME_US)] | UnsetType | None = UNSET
    add_labels: Labels = ()
    remove_labels: Labels = ()
    comment: Text = ""


class NewComment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be said; with `expected` only while the break's work has that revision."""

    comment: Said
    expected: Revision | None = None


class FileReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that stays where it is, by the SHA-256 of its content."""

    sha256: Annotated[str, Meta(pattern=SHA256)]
    name: FileName
    size: Annotated[int, Meta(ge=0, le=MAX_FILE_SIZE)]
    media_type: MediaType = OCTETS


class BreakStory(msgspec.Struct, frozen=True):
    """A break, open or closed, and the work on it, the oldest first."""

    what: BreakItem = msgspec.field(name="break")
    work: Work
    comments: tuple[Comment, ...]
    attachments: tuple[Attachment, ...]


class ReasonChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reason code means, and whether it is offered from now on."""

    meaning: Said
    is_offered: bool = True


class Assignee(msgspec.Struct, frozen=True):
    """Somebody who may work on breaks."""

    name: str
    role: str


class FilterChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list, what is chosen of it (its parameters, as JSON), and whether others see it too."""

    list: str
    filter: dict[str, Any]
    is_shared: bool = False


class FilterView(msgspec.Struct, frozen=True):
    """A saved filter; `path` asks for what it chooses now."""

    owner: str
    name: str
    list: str
    filter: dict[str, Any]
    is_shared: bool
    is_own: bool
    path: str


# ---------------------------------------------------------------- looking


async def tell_break(call: Call) -> Reply:
    """A break with the work on it."""
    name, desk = call.path["break"], call.house.work

    def read() -> tuple[BreakStory, int]:
        item, height = call.house.reader.one_break(name)
        (own,) = desk.work_on([name])
        return BreakStory(item, own, desk.comments_on(name), desk.attachments_of(name)), height

    told, height = await _asked(read)
    return Reply(encoded(told), headers=as_of(height))


async def tell_history(call: Call) -> Reply:
    """Everything that was done with a break, the oldest first."""
    name = call.path["break"]

    def read() -> tuple[Deed, ...]:
        call.house.reader.one_break(name)
        return call.house.work.history_of(name)

    deeds = await _asked(read)
    if call.query.format == "csv":
        return Reply(csv_of(deeds, Deed.__struct_fields__), media=CSV)
    return Reply(encoded(deeds))


async def list_assignees(call: Call) -> Reply:
    """Who may work on breaks."""
    users = await asyncio.to_thread(call.house.store.users)
    told = [Assignee(each.name, each.role) for each in users if _may_work(each)]
    return given(call, told, Assignee)


def _may_work(user: Any) -> bool:
    return not user.disabled and Permission.WORK in ROLES[Role(user.role)]


# ---------------------------------------------------------------- acting


async def change_work(call: Call) -> Reply:
    """Change the work on one break, or on many at once: all of them, or none."""
    asked = await call.message(WorkChange, MAX_WORK_BYTES)
    chosen = {name: getattr(asked, name) for name in Change.__struct_fields__}
    change = Change(**chosen)
    if change == Change():
        raise ProblemError("invalid_value", "say what is to change")

    def act() -> tuple[Work, ...]:
        _check_assignee(call, change.assignee)
        _check_reason(call, change.reason)
        return call.house.work.change(asked.breaks, change, _act(call), asked.expected)

    works = await _asked(act, unfit="invalid_value")
    named = [name for name, value in asdict(change).items() if value != getattr(Change(), name)]
    about = asked.breaks[0] if len(works) == 1 else f"{len(works)} breaks from {asked.breaks[0]}"
    await asyncio.to_thread(call.audit, "work on breaks", f"{about}: {', '.join(named)}")
    return Reply(encoded(works))


def _check_assignee(call: Call, name: str | UnsetType) -> None:
    if name is UNSET or not name:
        return
    user = call.house.store.user_named(name)
    if user is None or not _may_work(user):
        what = "no user of this name may work on breaks; see /v1/assignees"
        raise ProblemError("invalid_value", what, field="assignee")


def _check_reason(call: Call, code: str | UnsetType) -> None:
    if code is UNSET or not code:
        return
    if not any(each.code == code and each.is_offered for each in call.house.work.reasons()):
        what = "no reason of this code is offered; see /v1/reasons"
        raise ProblemError("invalid_value", what, field="reason")


async def add_comment(call: Call) -> Reply:
    """Say something about a break."""
    asked, name = await call.message(NewComment), call.path["break"]
    change = Change(comment=asked.comment)

    def act() -> Work:
        return call.house.work.change([name], change, _act(call), asked.expected)[0]

    own = await _asked(act)
    await asyncio.to_thread(call.audit, "comment on break", name)
    return Reply(encoded(own), 201)


async def attach(call: Call) -> Reply:
    """Hang a file on a break: a body to be kept, or the hash of a file that stays elsewhere."""
    name, desk = call.path["break"], call.house.work
    if call.media == JSON:
        asked = await call.message(FileReference)

        def act() -> Attachment:
            about = (asked.name, asked.media_type, asked.sha256, asked.size)
            return desk.refer(name, *about, _act(call))
    elif call.media == OCTETS:
        with _attaching(call):
            content = await call.body(MAX_ATTACHMENT_BYTES)

        def act() -> Attachment:
            return desk.attach(name, call.query.name, call.query.media_type, content, _act(call))
    else:
        what = f"send {OCTETS} to be kept, or {JSON} for a file that stays elsewhere"
        raise ProblemError("unsupported_media_type", what)
    made = await _asked(act)
    await asyncio.to_thread(call.audit, "attach to break", f"{name}: {made.sha256}")
    return Reply(encoded(made), 201)


@contextmanager
def _attaching(call: Call) -> Iterator[None]:
    """Bodies are held in memory until they are kept, and only so many at a time."""
    house = call.house
    if house.attaching >= MAX_ATTACHING:
        raise ProblemError("busy", "other files are being attached")
    house.attaching += 1
    try:
        yield
    finally:
        house.attaching -= 1


async def give_attachment(call: Call) -> Reply:
    """The content of a file that hangs on a break."""
    name, sha256, desk = call.path["break"], call.path["hash"], call.house.work

    def read() -> tuple[str, bytes]:
        found = [each for each in desk.attachments_of(name) if each.sha256 == sha256]
        if not found:
            raise ProblemError("not_found", "no such file hangs on this break")
        if not found[0].is_kept:
            raise ProblemError("not_found", "this file is not kept here, only its hash is")
        return found[0].name, desk.file(sha256)

    shown, content = await _asked(read)
    # Never shown by a browser as a page of ours, whatever somebody said that it is.
    told = f"attachment; filename*=UTF-8''{quote(shown, safe='')}"
    return Reply(content, media=OCTETS, headers={"Content-Disposition": told})


# ---------------------------------------------------------------- reasons and filters


async def list_reasons(call: Call) -> Reply:
    """All reason codes, by code; those, too, that are not offered any more."""
    return given(call, await _asked(call.house.work.reasons), Reason)


async def set_reason(call: Call) -> Reply:
    """Offer a reason code, explain it anew, or offer it no more."""
    asked, code = await call.message(ReasonChange), _name(call, "code")
    reason = Reason(code, asked.meaning, asked.is_offered)
    await _asked(lambda: call.house.work.set_reason(reason))
    told = "offered" if reason.is_offered else "not offered"
    await asyncio.to_thread(call.audit, "set reason", f"{code}: {told}")
    return Reply(encoded(reason))


async def list_filters(call: Call) -> Reply:
    """One's own filters, and those that others share."""
    owner = call.who.name
    found = await _asked(lambda: call.house.work.filters_for(owner))
    return given(call, [_filter_view(each, owner) for each in found], FilterView)


async def save_filter(call: Call) -> Reply:
    """Keep a filter under a name of one's own, in the place of an older one."""
    asked, name = await call.message(FilterChange), _name(call, "filter")
    query = QUERIES.get(asked.list)
    if query is None:
        what = f"there is no list {asked.list}; there are {', '.join(QUERIES)}"
        raise ProblemError("invalid_value", what, field="list")
    if {"cursor", "size", "format"} & set(asked.filter):
        raise ProblemError("invalid_value", "a filter chooses, it does not turn pages")
    if r"\u0000" in encoded(asked.filter).decode():
        raise ProblemError("invalid_value", "a filter has no NUL in it")
    try:
        msgspec.convert(asked.filter, query)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_value", str(error), field="filter") from error
    owner, desk = call.who.name, call.house.work
    saved = SavedFilter(owner, name, asked.list, asked.filter, asked.is_shared, call.house.clock())

    def act() -> None:
        others = [
            each for each in desk.filters_for(owner) if each.owner == owner and each.name != name
        ]
        if len(others) >= MAX_FILTERS:
            raise ProblemError("conflict", f"a user has at most {MAX_FILTERS} filters")
        desk.save_filter(saved)

    await _asked(act)
    return Reply(encoded(_filter_view(saved, owner)))


async def drop_filter(call: Call) -> Reply:
    """Forget a filter of one's own."""
    name, owner = _name(call, "filter"), call.who.name
    await _asked(lambda: call.house.work.drop_filter(owner, name))
    return Reply(status=204)


def _filter_view(saved: SavedFilter, owner: str) -> FilterView:
    chosen = {name: _parameter(value) for name, value in saved.filter.items() if value is not None}
    query = urlencode(chosen, doseq=True)
    return FilterView(
        saved.owner,
        saved.name,
        saved.list,
        saved.filter,
        saved.is_shared,
        saved.owner == owner,
        f"/v1/{saved.list}" + (f"?{query}" if query else ""),
    )


def _parameter(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


# ---------------------------------------------------------------- small things


def _name(call: Call, part: str) -> str:
    name = call.path[part]
    if re.search(NAME, name) is None:
        what = "a name has 1 to 64 characters, no slash, per cent or line break among them"
        raise ProblemError("invalid_parameter", what)
    return name


def _act(call: Call) -> Act:
    return Act(call.who.name, call.house.clock())


async def _asked(work: Callable[[], Answered], unfit: str = "invalid_parameter") -> Answered:
    """What the database answers, in a thread. Raises ProblemError; `unfit`: as in `asking`."""

    def run() -> Answered:
        with asking(unfit):
            return work()

    return await asyncio.to_thread(run)
