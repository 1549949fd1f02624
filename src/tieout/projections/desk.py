"""The desk: how people work on breaks. A node's own, not on the ledger, kept through rebuilds.

Each act is one transaction with who did it and when, and leaves a line of history for everything
that it changed: what, from what, to what. Nothing is changed without one, and history has no act
that changes it. A break has a `revision` here; who names the one they saw is told when somebody
else was quicker.

What is not here: who may do what (the node's access), and anything that is decided: approving,
acknowledging and correcting are signed, and on the ledger.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.dialects import postgresql, sqlite

from tieout.projections import tables, worktables
from tieout.projections.database import POSTGRESQL, Database
from tieout.projections.errors import BadFilter, Conflict, NotFound
from tieout.projections.limits import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    MAX_BULK,
    MAX_COMMENT_CHARACTERS,
    MAX_FILE_SIZE,
    MAX_LABEL_CHARACTERS,
    MAX_LABELS,
    MAX_NAME_CHARACTERS,
)
from tieout.projections.making import shown_id
from tieout.projections.reader import number_of
from tieout.projections.worked import Work, portions, work_on


class Comment(msgspec.Struct, frozen=True):
    """What somebody said."""

    at_us: int
    author: str
    comment: str


class Attachment(msgspec.Struct, frozen=True):
    """A file that hangs on a break, by the SHA-256 of its content; `is_kept`: the content is here.

    One that lies elsewhere is known by its hash alone: who has it can show that it is the one.
    """

    sha256: str
    name: str
    media_type: str
    size: int
    at_us: int
    author: str
    is_kept: bool = True


class Deed(msgspec.Struct, frozen=True):
    """A line of history."""

    break_id: str
    at_us: int
    author: str
    what: str
    before: str
    after: str


class Reason(msgspec.Struct, frozen=True):
    """A reason code; one that is not offered any more stays with what has it."""

    code: str
    meaning: str
    is_offered: bool


class SavedFilter(msgspec.Struct, frozen=True):
    """A list with its filter, under a name; shared: others see it too."""

    owner: str
    name: str
    list: str
    filter: dict[str, Any]
    is_shared: bool
    changed_us: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change; what is left unset stays. An empty text, or no due time, takes away."""

    assignee: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    due_us: int | UnsetType | None = UNSET
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    comment: str = ""


class Act(msgspec.Struct, frozen=True):
    """Who acts, and when."""

    author: str
    at_us: int


class Desk:
    """Working on breaks. Safe for use by several threads; all methods raise DatabaseAway."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert: Any = postgresql.insert if database.kind == POSTGRESQL else sqlite.insert

    # ------------------------------------------------------------------ looking

    def work_on(self, break_ids: Sequence[str]) -> tuple[Work, ...]:
        """How breaks stand here, in the order of the ids. Raises BadFilter."""
        if len(break_ids) > MAX_BULK:
            raise BadFilter(f"at most {MAX_BULK} breaks at once, not {len(break_ids)}")
        keys = [number_of(each) for each in break_ids]
        with self._database.reading() as connection:
            return tuple(work_on(connection, keys))

    def comments_on(self, break_id: str) -> tuple[Comment, ...]:
        """What was said about a break, the oldest first."""
        found = self._lines(worktables.work_comments, break_id)
        return tuple(Comment(each["at_us"], each["author"], each["comment"]) for each in found)

    def attachments_of(self, break_id: str) -> tuple[Attachment, ...]:
        """The files that hang on a break."""
        table, files = worktables.work_attachments, worktables.work_files
        is_kept = sa.exists().where(files.c.sha256 == table.c.sha256).label("is_kept")
        statement = sa.select(table, is_kept).where(table.c.break_id == number_of(break_id))
        order = table.primary_key.columns
        with self._database.reading() as connection:
            found = connection.execute(statement.order_by(*order)).mappings().all()
        names = Attachment.__struct_fields__
        lines = ({**each, "is_kept": bool(each["is_kept"])} for each in found)
        return tuple(Attachment(**{name: each[name] for name in names}) for each in lines)

    def history_of(self, break_id: str) -> tuple[Deed, ...]:
        """Everything that was done with a break, the oldest first."""
        found = self._lines(worktables.work_history, break_id)
        names = ("at_us", "author", "what", "before", "after")
        return tuple(Deed(break_id, *(each[name] for name in names)) for each in found)

    def file(self, sha256: str) -> bytes:
        """The content of an attachment. Raises NotFound."""
        files = worktables.work_files
        with self._database.reading() as connection:
            statement = sa.select(files.c.content).where(files.c.sha256 == sha256)
            content: bytes | None = connection.execute(statement).scalar()
        if content is None:
            raise NotFound(f"there is no file {sha256}")
        return bytes(content)

    # ------------------------------------------------------------------ acting

    def change(
        self, break_ids: Sequence[str], change: Change, act: Act, expected: int | None = None
    ) -> tuple[Work, ...]:
        """Change one break or many at once, all or none; how they stand then.

        `expected` is the revision that all of them must have. Raises NotFound for a break that the
        ledger does not have, Conflict, BadFilter.
        """
        _check(change)
        keys = sorted({number_of(each) for each in break_ids})
        if not 1 <= len(keys) <= MAX_BULK:
            raise BadFilter(f"1 to {MAX_BULK} breaks at once, not {len(keys)}")
        with self._database.writing() as connection:
            self._begin(connection, keys, act, expected)
            deeds: list[dict[str, Any]] = []
            before = {number_of(each.break_id): each for each in work_on(connection, keys)}
            for key, stood in before.items():
                changed = _changed_columns(stood, change)
                labels = _labels_after(stood, change)
                self._set_labels(connection, key, stood.labels, labels)
                told = [(name, getattr(stood, name), value) for name, value in changed.items()]
                if labels != stood.labels:
                    told.append(("labels", ", ".join(stood.labels), ", ".join(labels)))
                if change.comment:
                    told.append(("comment", "", change.comment))
                deeds += (_deed(key, act, *each) for each in told)
            self._carry_out(connection, keys, change, act)
            if deeds:
                connection.execute(sa.insert(worktables.work_history), deeds)
            return tuple(work_on(connection, [number_of(each) for each in break_ids]))

    def attach(
        self, break_id: str, name: str, media_type: str, content: bytes, act: Act
    ) -> Attachment:
        """Hang a file on a break, and keep it. Raises as `change`; Conflict when it hangs there."""
        if len(content) > MAX_ATTACHMENT_BYTES:
            raise BadFilter(f"a file has at most {MAX_ATTACHMENT_BYTES:,} bytes")
        sha256 = hashlib.sha256(content).hexdigest()
        return self._hang(break_id, name, media_type, sha256, len(content), content, act)

    def refer(
        self, break_id: str, name: str, media_type: str, sha256: str, size: int, act: Act
    ) -> Attachment:
        """Hang a file on a break that lies elsewhere, by its hash. Raises as `attach`."""
        if not _SHA256.fullmatch(sha256):
            raise BadFilter("a hash is SHA-256, 64 hexadecimal digits in lower case")
        if not 0 <= size <= MAX_FILE_SIZE:
            raise BadFilter(f"a file has 0 to {MAX_FILE_SIZE:,} bytes")
        return self._hang(break_id, name, media_type, sha256, size, None, act)

    def _hang(
        self,
        break_id: str,
        name: str,
        media_type: str,
        sha256: str,
        size: int,
        content: bytes | None,
        act: Act,
    ) -> Attachment:
        _check_length("the name of a file", name, MAX_NAME_CHARACTERS)
        _check_length("a media type", media_type, MAX_NAME_CHARACTERS)
        key = number_of(break_id)
        made = Attachment(sha256, name, media_type, size, act.at_us, act.author)
        attachments, files = worktables.work_attachments, worktables.work_files
        with self._database.writing() as connection:
            self._begin(connection, [key], act, None)
            where = attachments.c.break_id == key
            there = connection.execute(sa.select(attachments.c.sha256).where(where)).scalars().all()
            if sha256 in there:
                raise Conflict(f"this file hangs on break {break_id} already")
            if len(there) >= MAX_ATTACHMENTS:
                raise BadFilter(f"at most {MAX_ATTACHMENTS} files hang on one break")
            if content is not None:
                kept = {"sha256": sha256, "content": content}
                connection.execute(self._insert(files).values(kept).on_conflict_do_nothing())
            columns = {**msgspec.structs.asdict(made), "break_id": key}
            del columns["is_kept"]
            connection.execute(sa.insert(attachments).values(columns))
            deed = _deed(key, act, "attachment", "", f"{name} ({sha256})")
            connection.execute(sa.insert(worktables.work_history).values(deed))
            has = sa.select(files.c.sha256).where(files.c.sha256 == sha256)
            is_kept = connection.execute(has).scalar() is not None
        return msgspec.structs.replace(made, is_kept=is_kept)

    # ------------------------------------------------------------------ reasons and filters

    def set_reason(self, reason: Reason) -> None:
        """Offer a reason code, explain it anew, or offer it no more."""
        _check_length("a reason code", reason.code, MAX_LABEL_CHARACTERS)
        _check_length("its meaning", reason.meaning, MAX_COMMENT_CHARACTERS)
        line = {**msgspec.structs.asdict(reason), "is_offered": int(reason.is_offered)}
        statement = self._insert(worktables.work_reasons).values(line)
        changed = {name: line[name] for name in ("meaning", "is_offered")}
        with self._database.writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["code"], set_=changed)
            )

    def reasons(self) -> tuple[Reason, ...]:
        """All reason codes, by code."""
        table = worktables.work_reasons
        with self._database.reading() as connection:
            found = connection.execute(sa.select(table).order_by(table.c.code))
            return tuple(Reason(code, meaning, bool(offered)) for code, meaning, offered in found)

    def save_filter(self, saved: SavedFilter) -> None:
        """Keep a filter under its owner's name for it, in the place of an older one."""
        _check_length("the name of a filter", saved.name, MAX_LABEL_CHARACTERS)
        line = {**msgspec.structs.asdict(saved), "is_shared": int(saved.is_shared)}
        statement = self._insert(worktables.saved_filters).values(line)
        changed = {name: line[name] for name in ("list", "filter", "is_shared", "changed_us")}
        with self._database.writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["owner", "name"], set_=changed)
            )

    def drop_filter(self, owner: str, name: str) -> None:
        """Forget a filter. Raises NotFound."""
        table = worktables.saved_filters
        where = (table.c.owner == owner, table.c.name == name)
        with self._database.writing() as connection:
            if connection.execute(sa.delete(table).where(*where)).rowcount == 0:
                raise NotFound(f"{owner} has no filter {name}")

    def filters_for(self, owner: str) -> tuple[SavedFilter, ...]:
        """Somebody's own filters and those that are shared, by owner and name."""
        table = worktables.saved_filters
        statement = sa.select(table).where(sa.or_(table.c.owner == owner, table.c.is_shared == 1))
        with self._database.reading() as connection:
            found = connection.execute(statement.order_by(table.c.owner, table.c.name)).mappings()
            return tuple(
                SavedFilter(**{**each, "is_shared": bool(each["is_shared"])}) for each in found
            )

    # ------------------------------------------------------------------ inside

    def _lines(self, table: sa.Table, break_id: str) -> Sequence[sa.RowMapping]:
        statement = sa.select(table).where(table.c.break_id == number_of(break_id))
        with self._database.reading() as connection:
            order = table.primary_key.columns
            return connection.execute(statement.order_by(*order)).mappings().all()

    def _begin(
        self, connection: sa.Connection, keys: Sequence[int], act: Act, expected: int | None
    ) -> None:
        """Count up the revisions, which also makes everybody else wait. Raises as `change`."""
        for some in portions(keys):
            there = set(
                connection.execute(
                    sa.select(tables.breaks.c.id).where(tables.breaks.c.id.in_(some))
                ).scalars()
            )
            if len(there) < len(some):
                lacking = min(set(some) - there)
                raise NotFound(f"there is no break {shown_id(lacking)}")
        work = worktables.work
        first = {"assignee": "", "reason": "", "due_us": None, "revision": 1}
        told = {"changed_us": act.at_us, "changed_by": act.author}
        statement = self._insert(work).on_conflict_do_update(
            index_elements=["break_id"], set_={"revision": work.c.revision + 1, **told}
        )
        connection.execute(statement, [{"break_id": key, **first, **told} for key in keys])
        if expected is None:
            return
        for some in portions(keys):
            others = connection.execute(
                sa.select(work.c.break_id).where(
                    work.c.break_id.in_(some), work.c.revision != expected + 1
                )
            ).scalar()
            if others is not None:
                raise Conflict(
                    f"somebody else has changed the work on break {shown_id(others)} meanwhile",
                    "look at it again, then decide",
                )

    def _carry_out(
        self, connection: sa.Connection, keys: Sequence[int], change: Change, act: Act
    ) -> None:
        """Set what is the same for all of them, and say what is to be said."""
        chosen = {name: getattr(change, name) for name in _COLUMNS}
        values = {name: value for name, value in chosen.items() if value is not UNSET}
        for some in portions(keys) if values else ():
            where = worktables.work.c.break_id.in_(some)
            connection.execute(sa.update(worktables.work).where(where).values(values))
        if change.comment:
            said = {"at_us": act.at_us, "author": act.author, "comment": change.comment}
            lines = [{"break_id": key, **said} for key in keys]
            connection.execute(sa.insert(worktables.work_comments), lines)

    @staticmethod
    def _set_labels(
        connection: sa.Connection, key: int, before: tuple[str, ...], after: tuple[str, ...]
    ) -> None:
        table = worktables.work_labels
        gone = sorted(set(before) - set(after))
        new = sorted(set(after) - set(before))
        if gone:
            where = (table.c.break_id == key, table.c.label.in_(gone))
            connection.execute(sa.delete(table).where(*where))
        if new:
            lines = [{"break_id": key, "label": label} for label in new]
            connection.execute(sa.insert(table), lines)


_COLUMNS: Final = ("assignee", "reason", "due_us")
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _check(change: Change) -> None:
    for what, value, most in (
        ("an assignee", change.assignee, MAX_NAME_CHARACTERS),
        ("a reason code", change.reason, MAX_LABEL_CHARACTERS),
        ("a comment", change.comment, MAX_COMMENT_CHARACTERS),
    ):
        if isinstance(value, str):
            _check_length(what, value, most)
    for label in (*change.add_labels, *change.remove_labels):
        _check_length("a label", label, MAX_LABEL_CHARACTERS)
        if not label.strip():
            raise BadFilter("a label has a name")


def _check_length(what: str, value: str, most: int) -> None:
    if len(value) > most or "\0" in value:
        raise BadFilter(f"{what} has at most {most} characters, none of them NUL")


def _changed_columns(stood: Work, change: Change) -> dict[str, str | int | None]:
    chosen = {name: getattr(change, name) for name in _COLUMNS}
    return {
        name: value
        for name, value in chosen.items()
        if value is not UNSET and value != getattr(stood, name)
    }


def _labels_after(stood: Work, change: Change) -> tuple[str, ...]:
    labels = (set(stood.labels) | set(change.add_labels)) - set(change.remove_labels)
    if len(labels) > MAX_LABELS:
        raise BadFilter(f"a break has at most {MAX_LABELS} labels")
    return tuple(sorted(labels))


def _deed(
    key: int, act: Act, what: str, before: str | int | None, after: str | int | None
) -> dict[str, Any]:
    told = {"before": before, "after": after}
    texts = {name: "" if value is None else str(value) for name, value in told.items()}
    return {"break_id": key, "at_us": act.at_us, "author": act.author, "what": what, **texts}
