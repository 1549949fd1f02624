"""Shipped test tools: random agreements and records, simulators, and suites for implementations.

They are part of the package, so that an engine, projection or connector written elsewhere can be
put through the same tests. They need the packages of the `dev` extra; nothing else in the package
imports them.
"""
