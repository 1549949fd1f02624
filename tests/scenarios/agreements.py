"""The agreements under which the scenarios play. Small on purpose: one rule each."""

PAIR = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
"""
"""Two roles, one amount, nothing else said: majority, equality, notify."""

TRIO = """
name = "trio"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "money"
scale = 2
"""


def pair(more: str = "", field: str = "") -> str:
    """PAIR with further tables, and further keys of its amount."""
    return PAIR + field + more


def trio(more: str = "", field: str = "") -> str:
    """TRIO with further tables, and further keys of its amount."""
    return TRIO + field + more
