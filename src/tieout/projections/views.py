"""Views for people's own SQL and for BI tools (docs/views.md). Their names and columns stay."""

import sqlalchemy as sa


def create_views(connection: sa.Connection) -> None:
    """Create all views."""


def drop_views(connection: sa.Connection) -> None:
    """Drop all views."""
