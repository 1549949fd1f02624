"""What Alembic runs: the changes, on the connection that `schema.migrate` hands in."""

from alembic import context

from tieout.projections.schema import VERSION_TABLE, all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
