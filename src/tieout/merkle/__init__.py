"""The append-only log: grow, prove, check (RFC 6962). README.md tells where to start.

The modules are imported by name: `tree` and `log` need hashlib only, `lanes` loads machine code.
"""
