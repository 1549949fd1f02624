"""The tables of the read models, once, for both databases.

Conventions. `transaction_key` is agreement number × 2^40 + serial, the same in every database of
one ledger. An `id` of something that began with an event is height × 2^32 + index of the event in
its block: it sorts by beginning, and a rebuild gives it again. `*_us` is microseconds UTC. A value
of a field is an exact integer (scaled, days, microseconds) in `*_exact` and its printed form beside
it; nothing is a binary fraction. Texts compare by code point on both databases.

Everything here is computed from the journal and can be dropped (`READ_MODEL`); what a node knows of
its own stands in `worktables`.
"""

from typing import Final

import sqlalchemy as sa

KEY_SHIFT: Final = 40
"""transaction_key = agreement number << KEY_SHIFT | serial; serials stay below 2^32."""
ID_SHIFT: Final = 32
"""id = height << ID_SHIFT | index of the event in its block."""

READ_MODEL: Final = sa.MetaData()


def text() -> sa.types.TypeEngine[str]:
    """Text that sorts and compares by code point: SQLite does, PostgreSQL is told to."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def number(name: str, *, optional: bool = False, key: bool = False) -> sa.Column[int]:
    """A column of 64-bit integers."""
    return sa.Column(name, sa.BigInteger(), nullable=optional, primary_key=key, autoincrement=False)


def small(name: str, *, key: bool = False) -> sa.Column[int]:
    """A column of small integers."""
    return sa.Column(name, sa.Integer(), nullable=False, primary_key=key, autoincrement=False)


def words(name: str, *, optional: bool = False, key: bool = False) -> sa.Column[str]:
    """A column of text; where there is nothing to say it is empty, unless it is optional."""
    return sa.Column(name, text(), nullable=optional, primary_key=key)


def document(name: str) -> sa.Column[object]:
    """A column with a JSON document."""
    return sa.Column(name, sa.JSON(), nullable=False)


ledger = sa.Table(
    "ledger",
    READ_MODEL,
    small("one", key=True),
    words("ledger_id"),
    words("name"),
    small("rules_version"),
    number("height"),
    number("time_us"),
    number("log_size"),
    words("frame_hash"),
    words("app_hash"),
    sa.CheckConstraint("one = 1", name="ledger_is_one"),
)
"""One row: which ledger this is, and the block up to which everything here holds."""

blocks = sa.Table(
    "blocks",
    READ_MODEL,
    number("height", key=True),
    number("time_us"),
    small("items"),
    small("events"),
    number("log_size"),
    words("app_hash"),
    sa.Index("blocks_by_time", "time_us", "height"),
)

batches = sa.Table(
    "batches",
    READ_MODEL,
    number("height", key=True),
    number("item", key=True),
    number("leaf", optional=True),
    words("outcome"),
    small("party"),
    words("role"),
    words("agreement"),
    number("version"),
    small("stream"),
    number("sequence"),
    number("rows"),
    small("accepted"),
    small("wrong_version"),
    small("expired"),
    small("unexpected"),
    small("stale"),
    small("repeated"),
    small("duplicate"),
    sqlite_with_rowid=False,
)

operations = sa.Table(
    "operations",
    READ_MODEL,
    number("height", key=True),
    number("item", key=True),
    number("leaf", optional=True),
    words("outcome"),
    words("kind"),
    small("party"),
    number("key_number"),
    words("agreement"),
    number("originator"),
    words("transaction_id"),
    words("reason"),
    sqlite_with_rowid=False,
)

transactions = sa.Table(
    "transactions",
    READ_MODEL,
    number("transaction_key", key=True),
    small("agreement"),
    small("originator"),
    words("transaction_id"),
    small("stage"),
    words("status"),
    number("opened_height"),
    number("opened_us"),
    number("changed_height"),
    number("changed_us"),
    number("episode"),
    sa.Index("transactions_by_opening", "opened_height", "transaction_key"),
    sa.Index("transactions_by_status", "agreement", "status", "transaction_key"),
    sa.Index("transactions_by_id", "transaction_id", "transaction_key"),
    sa.Index(
        "transactions_unmatched",
        "status",
        "opened_height",
        "transaction_key",
        sqlite_where=sa.text("status <> 'matched'"),
        postgresql_where=sa.text("status <> 'matched'"),
    ),
)

standing_records = sa.Table(
    "standing_records",
    READ_MODEL,
    number("transaction_key", key=True),
    small("role", key=True),
    small("party"),
    words("action"),
    number("revision"),
    number("leaf"),
    small("row"),
    number("height"),
    number("time_us"),
    document("texts"),
    document("exact"),
    sqlite_with_rowid=False,
)

breaks = sa.Table(
    "breaks",
    READ_MODEL,
    number("id", key=True),
    number("transaction_key"),
    small("agreement"),
    small("originator"),
    words("transaction_id"),
    words("kind"),
    small("field_number"),
    words("field"),
    small("role_number"),
    words("role"),
    small("party"),
    words("status"),
    words("reported"),
    words("benchmark"),
    words("basis"),
    words("difference"),
    words("currency"),
    number("reported_exact", optional=True),
    number("benchmark_exact", optional=True),
    number("difference_exact", optional=True),
    small("scale"),
    number("opened_height"),
    number("opened_us"),
    number("changed_height"),
    number("changed_us"),
    number("closed_height", optional=True),
    number("closed_us", optional=True),
    words("severity"),
    sa.Index("breaks_by_transaction", "transaction_key", "id"),
    sa.Index("breaks_by_transaction_id", "transaction_id", "id"),
    sa.Index(
        "breaks_open",
        "id",
        sqlite_where=sa.text("closed_height IS NULL"),
        postgresql_where=sa.text("closed_height IS NULL"),
    ),
)

alarms = sa.Table(
    "alarms",
    READ_MODEL,
    number("id", key=True),
    number("transaction_key"),
    small("agreement"),
    small("originator"),
    words("transaction_id"),
    number("episode"),
    words("state"),
    small("quorum"),
    small("findings"),
    number("found_height"),
    number("found_us"),
    number("raised_height", optional=True),
    number("raised_us", optional=True),
    number("acknowledged_height", optional=True),
    number("acknowledged_us", optional=True),
    small("acknowledged_party"),
    small("acknowledged_person"),
    number("cleared_height", optional=True),
    number("cleared_us", optional=True),
    words("severity"),
    small("escalation_step"),
    words("escalated_to"),
    number("escalated_height", optional=True),
    number("escalated_us", optional=True),
    sa.Index("alarms_by_transaction", "transaction_key", "id"),
    sa.Index("alarms_by_transaction_id", "transaction_id", "id"),
    sa.Index(
        "alarms_open",
        "id",
        sqlite_where=sa.text("cleared_height IS NULL"),
        postgresql_where=sa.text("cleared_height IS NULL"),
    ),
)

confirmations = sa.Table(
    "confirmations",
    READ_MODEL,
    number("id", key=True),
    number("alarm_id"),
    small("party"),
    number("height"),
    number("time_us"),
    sa.Index("confirmations_by_alarm", "alarm_id", "id"),
)

adjustments = sa.Table(
    "adjustments",
    READ_MODEL,
    number("id", key=True),
    words("adjustment_id"),
    number("transaction_key"),
    small("agreement"),
    small("originator"),
    words("transaction_id"),
    small("role_number"),
    words("role"),
    small("party"),
    words("status"),
    number("revision"),
    small("at_once"),
    small("proposer_party"),
    small("proposer_person"),
    document("approvers"),
    document("fields"),
    number("proposed_height"),
    number("proposed_us"),
    number("changed_height"),
    number("changed_us"),
    sa.Index("adjustments_by_transaction", "transaction_key", "id"),
    sa.Index("adjustments_by_transaction_id", "transaction_id", "id"),
    sa.Index("adjustments_by_status", "status", "id"),
    sa.Index("adjustments_by_adjustment_id", "adjustment_id"),
)

agreements = sa.Table(
    "agreements",
    READ_MODEL,
    small("number", key=True),
    words("name"),
    small("version"),
    words("hash"),
    words("text"),
    words("mode"),
    small("quorum"),
    number("enacted_height"),
    number("enacted_us"),
    number("judged"),
    number("pending"),
    number("matched"),
    number("broken"),
    number("withdrawn"),
)

roles = sa.Table(
    "roles",
    READ_MODEL,
    small("agreement", key=True),
    small("number", key=True),
    words("name"),
    document("holders"),
)

fields = sa.Table(
    "fields",
    READ_MODEL,
    small("agreement", key=True),
    small("number", key=True),
    words("name"),
    words("type"),
    small("scale"),
)

parties = sa.Table(
    "parties",
    READ_MODEL,
    small("number", key=True),
    words("name"),
    number("until_height"),
)

persons = sa.Table(
    "persons",
    READ_MODEL,
    small("party", key=True),
    small("number", key=True),
    words("name"),
)

member_keys = sa.Table(
    "member_keys",
    READ_MODEL,
    small("party", key=True),
    number("number", key=True),
    small("person"),
    words("public_key"),
    document("purposes"),
    number("from_height"),
    number("until_height"),
)

validators = sa.Table(
    "validators",
    READ_MODEL,
    small("party", key=True),
    words("public_key", key=True),
    number("power"),
)

cutoffs = sa.Table(
    "cutoffs",
    READ_MODEL,
    number("height", key=True),
    number("item", key=True),
    words("agreement"),
    number("cutoff_us"),
    number("time_us"),
    small("party"),
    number("judged"),
    number("transactions"),
    number("pending"),
    number("matched"),
    number("broken"),
    number("withdrawn"),
)

events = sa.Table(
    "events",
    READ_MODEL,
    number("id", key=True),
    number("height"),
    words("kind"),
    small("agreement"),
    number("transaction_key", optional=True),
    small("role"),
    small("field"),
    small("detail"),
    number("extra"),
    number("item"),
    small("row"),
    number("serial"),
    sa.Index("events_by_transaction", "transaction_key", "id"),
)
"""Events as docs/formats/events.md has them; what a kind does not use is −1."""
