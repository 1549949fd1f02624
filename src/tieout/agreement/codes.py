"""Codes as a comparison sees them: without what it ignores, and one for all of an equivalent group.

ASCII only, and nothing but comparing is concerned: what a party stated is kept as it came.
"""

from tieout.agreement.model import CodeRule


def settled(rule: CodeRule | None, code: bytes) -> bytes:
    """What stands for a code in comparisons (R-TOL-9, R-TOL-10)."""
    if rule is None:
        return code
    left = without_ignored(rule, code)
    return dict(rule.equivalent).get(left, left)


def without_ignored(rule: CodeRule, code: bytes) -> bytes:
    """What is left of a code when that is taken away which the rule ignores (R-TOL-9)."""
    if rule.ignores_case:
        code = code.upper()
    if rule.ignores_punctuation:
        code = bytes(byte for byte in code if bytes((byte,)).isalnum())
    if rule.ignores_leading_zeros:
        code = code[:-1].lstrip(b"0") + code[-1:]
    return code
