"""The read models, for the first time.

Read models are made again from the journal, so a revision that changes them drops and makes them as
they are now; only a node's own tables are changed step by step.
"""

from alembic import op

from tieout.projections.schema import remake_read_models

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    remake_read_models(op.get_bind())
