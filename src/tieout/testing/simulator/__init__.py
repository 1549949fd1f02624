"""Whole networks in one process, broken on purpose, the same way each time for the same seed."""
