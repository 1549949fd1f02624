"""Changes of the tables, by Alembic; one file each in `versions`, never changed afterwards."""
