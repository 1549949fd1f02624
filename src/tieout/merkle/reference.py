"""The tree as RFC 6962 section 2.1 defines it: recursive, over the leaves' data, nothing kept.

The slow twin of `tree`, `log` and `lanes`, written to be compared with the text of the RFC. Only
tests and the auditor use it.
"""

from collections.abc import Sequence
from hashlib import sha256


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n]), section 2.1."""
    n = len(entries)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = _split(n)
    return sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def audit_path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]), section 2.1.1, for 0 <= m < n."""
    n = len(entries)
    if n == 1:
        return []
    k = _split(n)
    if m < k:
        return [*audit_path(m, entries[:k]), tree_hash(entries[k:])]
    return [*audit_path(m - k, entries[k:]), tree_hash(entries[:k])]


def consistency_proof(m: int, entries: Sequence[bytes], *, known: bool = True) -> list[bytes]:
    """PROOF(m, D[n]) = SUBPROOF(m, D[n], true), section 2.1.2, for 0 < m <= n."""
    n = len(entries)
    if m == n:
        return [] if known else [tree_hash(entries)]
    k = _split(n)
    if m <= k:
        return [*consistency_proof(m, entries[:k], known=known), tree_hash(entries[k:])]
    return [*consistency_proof(m - k, entries[k:], known=False), tree_hash(entries[:k])]


def _split(n: int) -> int:
    """The largest power of two smaller than n, for n > 1."""
    return 1 << ((n - 1).bit_length() - 1)
