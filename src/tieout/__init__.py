"""Tieout: real-time reconciliation between the parties of a transaction.

Every party publishes what it has just processed, signed, to a ledger that all of them verify. A
transaction whose records do not tie out is alarmed at once, the agreed value is decided by rules
that everyone accepted beforehand, and the party whose books deviate is told what to adjust.
"""

__version__ = "0.1.0"
