"""The HTTP API: one table of endpoints, and what each does."""
