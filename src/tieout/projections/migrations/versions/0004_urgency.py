"""Severities of breaks and alarms, and escalation: read models are made anew, and folded again."""

from alembic import op

from tieout.projections.schema import remake_read_models

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the read models as they are now."""
    remake_read_models(op.get_bind())
