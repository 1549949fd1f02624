"""Answers prepared for readers, always rebuildable: read models on SQLite and PostgreSQL."""
