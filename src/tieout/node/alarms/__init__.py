"""Alarms that reach people: which, through which channel, gathered, and delivered for certain."""
