"""Working on breaks: assignee, reason, due time, labels, comments, attachments, and history."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=False, primary_key=key)


def _number(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=optional, primary_key=key, autoincrement=False)


def _counted(name: str) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=False, primary_key=True, autoincrement=True)


def _flag(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, autoincrement=False)


def upgrade() -> None:
    """Make the tables."""
    _make_work()
    _make_what_hangs_on_it()
    op.create_table("work_reasons", _text("code", key=True), _text("meaning"), _flag("is_offered"))
    op.create_table(
        "saved_filters",
        _text("owner", key=True),
        _text("name", key=True),
        _text("list"),
        sa.Column("filter", sa.JSON(), nullable=False),
        _flag("is_shared"),
        _number("changed_us"),
    )


def _make_work() -> None:
    op.create_table(
        "work",
        _number("break_id", key=True),
        _text("assignee"),
        _text("reason"),
        _number("due_us", optional=True),
        _number("revision"),
        _number("changed_us"),
        _text("changed_by"),
    )
    for name, column in (("assignee", "assignee"), ("reason", "reason"), ("due", "due_us")):
        op.create_index(f"work_by_{name}", "work", [column, "break_id"])


def _make_what_hangs_on_it() -> None:
    op.create_table("work_labels", _number("break_id", key=True), _text("label", key=True))
    op.create_index("work_labels_by_label", "work_labels", ["label", "break_id"])
    op.create_table(
        "work_comments",
        _counted("id"),
        _number("break_id"),
        _number("at_us"),
        _text("author"),
        _text("comment"),
    )
    op.create_index("work_comments_by_break", "work_comments", ["break_id", "id"])
    op.create_table(
        "work_attachments",
        _number("break_id", key=True),
        _text("sha256", key=True),
        _text("name"),
        _text("media_type"),
        _number("size"),
        _number("at_us"),
        _text("author"),
    )
    op.create_table(
        "work_files",
        _text("sha256", key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "work_history",
        _counted("id"),
        _number("break_id"),
        _number("at_us"),
        _text("author"),
        _text("what"),
        _text("before"),
        _text("after"),
    )
    op.create_index("work_history_by_break", "work_history", ["break_id", "id"])
