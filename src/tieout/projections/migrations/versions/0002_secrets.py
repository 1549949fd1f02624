"""Random keys of a database, which no rebuild may change: the one that marks cursors."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SECRET_BYTES = 32


def upgrade() -> None:
    """Make the table, and the key for cursors."""
    name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    table = op.create_table(
        "secrets",
        sa.Column("name", name, nullable=False, primary_key=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
    )
    line = {"name": "cursors", "value": secrets.token_bytes(_SECRET_BYTES)}
    op.bulk_insert(table, [line])
