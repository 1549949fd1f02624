"""A node's own tables: what is not on the ledger, and no rebuild touches.

Working on breaks hangs on a break's id, which every rebuild gives again. Changes of these tables
are real ones, step by step, in `migrations`.
"""

from typing import Final

import sqlalchemy as sa

from tieout.projections.tables import document, number, small, text, words

OWN: Final = sa.MetaData()


def counted(name: str) -> sa.Column[int]:
    """A key that the database counts up."""
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, primary_key=True, autoincrement=True, nullable=False)


secrets = sa.Table(
    "secrets",
    OWN,
    words("name", key=True),
    sa.Column("value", sa.LargeBinary(), nullable=False),
)
"""Random keys of this database, such as the one that marks cursors."""

work = sa.Table(
    "work",
    OWN,
    number("break_id", key=True),
    words("assignee"),
    words("reason"),
    number("due_us", optional=True),
    number("revision"),
    number("changed_us"),
    words("changed_by"),
    sa.Index("work_by_assignee", "assignee", "break_id"),
    sa.Index("work_by_reason", "reason", "break_id"),
    sa.Index("work_by_due", "due_us", "break_id"),
)
"""How a break stands on people's desks; `revision` counts the changes."""

work_labels = sa.Table(
    "work_labels",
    OWN,
    number("break_id", key=True),
    words("label", key=True),
    sa.Index("work_labels_by_label", "label", "break_id"),
)

work_comments = sa.Table(
    "work_comments",
    OWN,
    counted("id"),
    number("break_id"),
    number("at_us"),
    words("author"),
    sa.Column("comment", text(), nullable=False),
    sa.Index("work_comments_by_break", "break_id", "id"),
)

work_attachments = sa.Table(
    "work_attachments",
    OWN,
    number("break_id", key=True),
    words("sha256", key=True),
    words("name"),
    words("media_type"),
    number("size"),
    number("at_us"),
    words("author"),
)

work_files = sa.Table(
    "work_files",
    OWN,
    words("sha256", key=True),
    sa.Column("content", sa.LargeBinary(), nullable=False),
)
"""What is attached, once for each content."""

work_history = sa.Table(
    "work_history",
    OWN,
    counted("id"),
    number("break_id"),
    number("at_us"),
    words("author"),
    words("what"),
    words("before"),
    words("after"),
    sa.Index("work_history_by_break", "break_id", "id"),
)
"""Every change, for good."""

work_reasons = sa.Table(
    "work_reasons",
    OWN,
    words("code", key=True),
    words("meaning"),
    small("is_offered"),
)

saved_filters = sa.Table(
    "saved_filters",
    OWN,
    words("owner", key=True),
    words("name", key=True),
    words("list"),
    document("filter"),
    small("is_shared"),
    number("changed_us"),
)
