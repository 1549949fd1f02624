"""A node's own tables: what is not on the ledger, and no rebuild touches.

Changes of these tables are real ones, step by step, in `migrations`.
"""

from typing import Final

import sqlalchemy as sa

from tieout.projections.tables import words

OWN: Final = sa.MetaData()

secrets = sa.Table(
    "secrets",
    OWN,
    words("name", key=True),
    sa.Column("value", sa.LargeBinary(), nullable=False),
)
"""Random keys of this database, such as the one that marks cursors."""
