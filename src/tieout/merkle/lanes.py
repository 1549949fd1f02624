"""Many SHA-256 at once: leaf hashes and tree roots of equal-length rows (compiled).

The problem: every record is a leaf of its batch's tree, so a row costs one leaf hash and one
interior hash, each of two blocks of SHA-256 for a usual row. Calling a library for each of them
costs more in calls than in hashing.

The model: rows of one batch have one length, so sixteen of them need exactly the same steps.
Sixteen *lanes* run in step. The compression function is written for one lane, as straight-line
code inside a loop over lanes; that is the shape that a compiler turns into vector instructions
of whatever width the machine has. A *group* holds sixteen digests, word j of all of them side by
side. All working memory of the loop is one flat scratch array with constant offsets, because
that is what lets the compiler prove that the lanes do not touch each other.

A tree is folded level by level: neighbours are hashed in pairs, and a node without a sibling
moves up as it is. Rows are taken in chunks of 512 that are folded to one group while they are in
the nearest cache, so that a call needs little memory, which belongs to that call alone. Calls
release the interpreter lock and may run at the same time.

Few rows, rows too short or too long for the lanes, and all rows under NUMBA_DISABLE_JIT=1 are
hashed with hashlib: same bytes. The lanes are right as plain Python too, where they can be
stepped through, but a hundred times slower than hashlib. Nothing depends on the byte order of
the machine.

What is not here: rows of different lengths, checks of proofs (`tree`), state that grows (`log`).

Sources: FIPS 180-4 (SHA-256), RFC 6962 section 2.1 and RFC 9162 section 2.1 (the tree).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tieout.compiled.loops import (
    FIXED_TABLE8,
    FLAG,
    MODE,
    NOTHING,
    TABLE8,
    TABLE32,
    WORDS32,
    Mode,
    entry,
    helper,
    inlined,
    merged,
)
from tieout.compiled.memory import widest_vectors
from tieout.merkle import tree
from tieout.merkle.errors import MerkleError, SelfTestError

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

# Every value of the compression is a uint32 and wraps. numba widens the result of each
# operation, hence the casts; plain Python (NUMBA_DISABLE_JIT=1) needs them for the same reason.
U32: Final = np.uint32
UINT: Final = np.uintp

COMPILED: Final = MODE is not Mode.INTERPRETED

CUTOVER_ROWS: Final = 4
"""Below so many leaves hashlib in a loop is as fast, by measurement."""

MIN_WIDTH: Final = 4
"""Rows are read four bytes at a time, up to their last byte."""

MAX_WIDTH: Final = 1 << 16
"""Memory of a call stays near one megabyte; longer rows are hashed with hashlib."""

# Rows and widths of the self-test: whole and broken groups and chunks, and every way in which a
# row can end within its last block, or leave a block to the padding alone.
SELF_TEST_SHAPES: Final = (
    *((17, width) for width in (80, 4, 5, 6, 7, 53, 54, 55, 56, 63, 64, 117, 119, 120, 300)),
    *((count, 8) for count in (1, 2, 3, 15, 16, 31, 32, 33, 511, 512, 513, 1057)),
)

LANES: Final = 16
GROUP: Final = 8 * LANES  # the words of sixteen digests
CHUNK_ROWS: Final = 512
CHUNK_HALVINGS: Final = 5  # 512 rows become one group of sixteen nodes

# Layout of the scratch array: words of sixteen lanes side by side.
STATE: Final = 0  # 8 words: the chaining value, afterwards the digest
BLOCK: Final = 128  # 16 words: the message block
LAST: Final = 384  # 1 word: begins the second block of an interior node
CHILDREN: Final = 400  # 16 words: left and right digest of each pair
LONE: Final = 656  # 8 words of one lane: the digest of a node without a sibling
SCRATCH: Final = 664


def _words(text: str) -> tuple[np.uint32, ...]:
    """Return words written as FIPS 180-4 prints them."""
    return tuple(U32(int(word, 16)) for word in text.split())


INITIAL_STATE: Final = _words(
    "6a09e667 bb67ae85 3c6ef372 a54ff53a 510e527f 9b05688c 1f83d9ab 5be0cd19"
)
ROUND_CONSTANTS: Final = (
    _words(
        "428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5 "
        "d807aa98 12835b01 243185be 550c7dc3 72be5d74 80deb1fe 9bdc06a7 c19bf174"
    ),
    _words(
        "e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da "
        "983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967"
    ),
    _words(
        "27b70a85 2e1b2138 4d2c6dfc 53380d13 650a7354 766a0abb 81c2c92e 92722c85 "
        "a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070"
    ),
    _words(
        "19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3 "
        "748f82ee 78a5636f 84c87814 8cc70208 90befffa a4506ceb bef9a3f7 c67178f2"
    ),
)


@inlined
def _rotated(x: Any, by: Any) -> Any:
    """Return x rotated right by 1 to 31 bits."""
    return U32(U32(x >> by) | U32(x << U32(U32(32) - by)))


@inlined
def _round(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, k: Any, w: Any) -> Any:
    """Return the new d and h of one round; the caller renames the others (FIPS 180-4, 6.2.2)."""
    sum1 = _rotated(e, U32(6)) ^ _rotated(e, U32(11)) ^ _rotated(e, U32(25))
    chosen = U32((e & f) ^ (~e & g))
    t1 = U32(h + sum1 + chosen + k + w)
    sum0 = _rotated(a, U32(2)) ^ _rotated(a, U32(13)) ^ _rotated(a, U32(22))
    # The majority of a, b and c in a form that becomes one three-way instruction, and whose
    # a ^ b is the b ^ c of the next round.
    majority = U32(b ^ ((a ^ b) & (b ^ c)))
    return U32(d + t1), U32(t1 + U32(sum0 + majority))


@inlined
def _expand(w0: Any, w1: Any, w9: Any, w14: Any) -> Any:
    """Return the word sixteen places after w0 in the message schedule."""
    sigma0 = _rotated(w1, U32(7)) ^ _rotated(w1, U32(18)) ^ U32(w1 >> U32(3))
    sigma1 = _rotated(w14, U32(17)) ^ _rotated(w14, U32(19)) ^ U32(w14 >> U32(10))
    return U32(w0 + sigma0 + w9 + sigma1)


@inlined
def _rounds16(k: Any, state: Any, w: Any) -> Any:
    """Return the eight working variables after sixteen rounds with constants k and words w."""
    a, b, c, d, e, f, g, h = state
    d, h = _round(a, b, c, d, e, f, g, h, k[0], w[0])
    c, g = _round(h, a, b, c, d, e, f, g, k[1], w[1])
    b, f = _round(g, h, a, b, c, d, e, f, k[2], w[2])
    a, e = _round(f, g, h, a, b, c, d, e, k[3], w[3])
    h, d = _round(e, f, g, h, a, b, c, d, k[4], w[4])
    g, c = _round(d, e, f, g, h, a, b, c, k[5], w[5])
    f, b = _round(c, d, e, f, g, h, a, b, k[6], w[6])
    e, a = _round(b, c, d, e, f, g, h, a, k[7], w[7])
    d, h = _round(a, b, c, d, e, f, g, h, k[8], w[8])
    c, g = _round(h, a, b, c, d, e, f, g, k[9], w[9])
    b, f = _round(g, h, a, b, c, d, e, f, k[10], w[10])
    a, e = _round(f, g, h, a, b, c, d, e, k[11], w[11])
    h, d = _round(e, f, g, h, a, b, c, d, k[12], w[12])
    g, c = _round(d, e, f, g, h, a, b, c, k[13], w[13])
    f, b = _round(c, d, e, f, g, h, a, b, k[14], w[14])
    e, a = _round(b, c, d, e, f, g, h, a, k[15], w[15])
    return a, b, c, d, e, f, g, h


@inlined
def _expand16(w: Any) -> Any:
    """Return the next sixteen words of the message schedule after the sixteen in `w`."""
    w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15 = w
    w0 = _expand(w0, w1, w9, w14)
    w1 = _expand(w1, w2, w10, w15)
    w2 = _expand(w2, w3, w11, w0)
    w3 = _expand(w3, w4, w12, w1)
    w4 = _expand(w4, w5, w13, w2)
    w5 = _expand(w5, w6, w14, w3)
    w6 = _expand(w6, w7, w15, w4)
    w7 = _expand(w7, w8, w0, w5)
    w8 = _expand(w8, w9, w1, w6)
    w9 = _expand(w9, w10, w2, w7)
    w10 = _expand(w10, w11, w3, w8)
    w11 = _expand(w11, w12, w4, w9)
    w12 = _expand(w12, w13, w5, w10)
    w13 = _expand(w13, w14, w6, w11)
    w14 = _expand(w14, w15, w7, w12)
    w15 = _expand(w15, w0, w8, w13)
    return w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15


@inlined
def _rounds64(state: Any, w: Any) -> Any:
    """Return the eight working variables after all rounds of the block w."""
    state = _rounds16(ROUND_CONSTANTS[0], state, w)
    w = _expand16(w)
    state = _rounds16(ROUND_CONSTANTS[1], state, w)
    w = _expand16(w)
    state = _rounds16(ROUND_CONSTANTS[2], state, w)
    w = _expand16(w)
    return _rounds16(ROUND_CONSTANTS[3], state, w)


@inlined
def _state_of(x: Any, lane: int) -> Any:
    """Return the eight words of a lane's chaining value."""
    return (
        x[STATE + 0 + lane],
        x[STATE + 16 + lane],
        x[STATE + 32 + lane],
        x[STATE + 48 + lane],
        x[STATE + 64 + lane],
        x[STATE + 80 + lane],
        x[STATE + 96 + lane],
        x[STATE + 112 + lane],
    )


@inlined
def _add_to_state(x: Any, lane: int, state: Any) -> None:
    """Add the working variables to a lane's chaining value."""
    a, b, c, d, e, f, g, h = state
    x[STATE + 0 + lane] = U32(x[STATE + 0 + lane] + a)
    x[STATE + 16 + lane] = U32(x[STATE + 16 + lane] + b)
    x[STATE + 32 + lane] = U32(x[STATE + 32 + lane] + c)
    x[STATE + 48 + lane] = U32(x[STATE + 48 + lane] + d)
    x[STATE + 64 + lane] = U32(x[STATE + 64 + lane] + e)
    x[STATE + 80 + lane] = U32(x[STATE + 80 + lane] + f)
    x[STATE + 96 + lane] = U32(x[STATE + 96 + lane] + g)
    x[STATE + 112 + lane] = U32(x[STATE + 112 + lane] + h)


@helper
def _compress(x: Any) -> None:
    """Compress the block of each lane into its chaining value."""
    widest_vectors()
    for lane in range(LANES):
        w = (
            x[BLOCK + 0 + lane],
            x[BLOCK + 16 + lane],
            x[BLOCK + 32 + lane],
            x[BLOCK + 48 + lane],
            x[BLOCK + 64 + lane],
            x[BLOCK + 80 + lane],
            x[BLOCK + 96 + lane],
            x[BLOCK + 112 + lane],
            x[BLOCK + 128 + lane],
            x[BLOCK + 144 + lane],
            x[BLOCK + 160 + lane],
            x[BLOCK + 176 + lane],
            x[BLOCK + 192 + lane],
            x[BLOCK + 208 + lane],
            x[BLOCK + 224 + lane],
            x[BLOCK + 240 + lane],
        )
        _add_to_state(x, lane, _rounds64(_state_of(x, lane), w))


@helper
def _compress_last(x: Any) -> None:
    """Compress the second block of an interior node: the LAST word, padding, a length of 520 bits.

    It is a copy of `_compress` for a block that is constant but for one word, so that the
    compiler leaves out the part of the message schedule that does not depend on it.
    """
    widest_vectors()
    zero = U32(0)
    for lane in range(LANES):
        w = (
            x[LAST + lane], zero, zero, zero, zero, zero, zero, zero,
            zero, zero, zero, zero, zero, zero, zero, U32(520),
        )  # fmt: skip
        _add_to_state(x, lane, _rounds64(_state_of(x, lane), w))


@merged
def _restart(x: Any) -> None:
    """Set the chaining value of every lane to SHA-256's initial value."""
    for j in range(8):
        for lane in range(LANES):
            x[STATE + 16 * j + lane] = INITIAL_STATE[j]


@merged
def _hash_pairs(left: Any, right: Any, x: Any) -> None:
    """Hash the pairs of two groups: nodes 0 to 15 of `left`, then those of `right`, become sixteen.

    A node is 0x01, left digest, right digest: the prefix moves every byte by one place.
    """
    for j in range(8):
        for i in range(8):
            x[CHILDREN + 16 * j + i] = left[16 * j + 2 * i]
            x[CHILDREN + 16 * j + i + 8] = right[16 * j + 2 * i]
            x[CHILDREN + 16 * j + i + 128] = left[16 * j + 2 * i + 1]
            x[CHILDREN + 16 * j + i + 136] = right[16 * j + 2 * i + 1]
    for i in range(16):
        x[BLOCK + i] = U32(U32(0x01000000) | U32(x[CHILDREN + i] >> U32(8)))
        x[LAST + i] = U32(U32(x[CHILDREN + 240 + i] << U32(24)) | U32(0x00800000))
    for i in range(240):
        x[BLOCK + 16 + i] = U32(
            U32(x[CHILDREN + i] << U32(24)) | U32(x[CHILDREN + 16 + i] >> U32(8))
        )
    _restart(x)
    _compress(x)
    _compress_last(x)


@merged
def _halve(groups: Any, count: int, x: Any) -> int:
    """Hash `count` nodes pairwise, in place; a last one without a sibling stays. Return how many.

    `groups` is uint32[g, 128], sixteen nodes in each group, with one to spare when g is odd.
    """
    pairs = count >> 1
    lone = count - 1
    for j in range(8):
        x[LONE + j] = groups[lone >> 4, 16 * j + (lone & 15)]
    for g in range((pairs + 15) >> 4):
        _hash_pairs(groups[2 * g], groups[2 * g + 1], x)
        for i in range(GROUP):
            groups[g, i] = x[STATE + i]
    if count & 1:
        for j in range(8):
            groups[pairs >> 4, 16 * j + (pairs & 15)] = x[LONE + j]
    return count - pairs


@inlined
def _big_endian(rows: Any, row: int, at: Any) -> Any:
    """Return bytes at to at + 3 of a row as one word."""
    return U32(
        (U32(rows[row, at]) << U32(24))
        | (U32(rows[row, at + UINT(1)]) << U32(16))
        | (U32(rows[row, at + UINT(2)]) << U32(8))
        | U32(rows[row, at + UINT(3)])
    )


@merged
def _fill_block(rows: Any, block: int, x: Any) -> None:
    """Write block `block` of the padded messages of sixteen rows: 0x00, row, 0x80, zeros, bits.

    Word j of a message is bytes 4j - 1 to 4j + 2 of its row, because of the prefix.
    """
    width = rows.shape[1]
    last = (width + 1) >> 2  # the word that the 0x80 is in
    for i in range(16):
        word = 16 * block + i
        at = BLOCK + 16 * i
        if word == 0:
            for lane in range(LANES):
                x[at + lane] = _big_endian(rows, lane, UINT(0)) >> U32(8)
        elif word < last:
            o = UINT(4 * word - 1)
            for lane in range(LANES):
                x[at + lane] = _big_endian(rows, lane, o)
        elif word == last:
            _fill_tail(rows, at, x)
        else:
            for lane in range(LANES):
                x[at + lane] = U32(0)
    if 16 * block + 15 > last + 1:
        for lane in range(LANES):
            x[BLOCK + 240 + lane] = U32(8 * (width + 1))


@merged
def _fill_tail(rows: Any, at: int, x: Any) -> None:
    """Write the word that ends each row: its last 0 to 3 bytes, then 0x80."""
    width = rows.shape[1]
    rest = (width + 1) & 3
    keep = U32(0xFFFFFFFF if rest else 0)
    mark = U32(0x80 << (24 - 8 * rest))
    shift = U32((32 - 8 * rest) & 31)
    for lane in range(LANES):
        x[at + lane] = U32(U32(_big_endian(rows, lane, UINT(width - 4)) << shift) & keep) | mark


@merged
def _hash_rows(rows: Any, first: int, chunk: Any, count: int, spare: Any, x: Any) -> None:
    """Hash `count` rows from `first` on as leaves into the chunk.

    Lanes beyond the last row hash what happens to be in `spare`; nobody reads their digests.
    """
    for g in range((count + LANES - 1) // LANES):
        group = rows[first + g * LANES : first + (g + 1) * LANES]
        if group.shape[0] < LANES:
            for lane in range(group.shape[0]):
                for i in range(group.shape[1]):
                    spare[lane, i] = group[lane, i]
            group = spare
        _restart(x)
        for block in range(((rows.shape[1] + 9) >> 6) + 1):
            _fill_block(group, block, x)
            _compress(x)
        for i in range(GROUP):
            chunk[g, i] = x[STATE + i]


@entry(NOTHING, FIXED_TABLE8, FLAG, TABLE32, FLAG, WORDS32, WORDS32, TABLE8, TABLE32, TABLE32)
def _hash_all(
    rows: Any,
    from_rows: bool,
    hashes: Any,
    to_root: bool,
    root: Any,
    x: Any,
    spare: Any,
    chunk: Any,
    tops: Any,
) -> None:
    """Hash `rows`, or take `hashes` (uint32[n, 8]); write `root` (uint32[8]), or write `hashes`.

    One function for all three uses, since each entry would be compiled with all that it calls.
    """
    count = rows.shape[0] if from_rows else hashes.shape[0]
    for start in range(0, count, CHUNK_ROWS):
        nodes = min(CHUNK_ROWS, count - start)
        if from_rows:
            _hash_rows(rows, start, chunk, nodes, spare, x)
        else:
            for i in range(nodes):
                for j in range(8):
                    chunk[i >> 4, 16 * j + (i & 15)] = hashes[start + i, j]
        if to_root:
            for _ in range(CHUNK_HALVINGS):
                nodes = _halve(chunk, nodes, x)
            for i in range(GROUP):
                tops[start // CHUNK_ROWS, i] = chunk[0, i]
        else:
            for i in range(nodes):
                for j in range(8):
                    hashes[start + i, j] = chunk[i >> 4, 16 * j + (i & 15)]
    if to_root:
        nodes = (count + (1 << CHUNK_HALVINGS) - 1) >> CHUNK_HALVINGS
        while nodes > 1:
            nodes = _halve(tops, nodes, x)
        for j in range(8):
            root[j] = tops[0, 16 * j]


if not COMPILED:
    # A numpy scalar warns when it wraps, which is what SHA-256 asks of it.
    _hash_all = np.errstate(over="ignore")(_hash_all)


def _run(rows: Bytes, from_rows: bool, hashes: Words, to_root: bool, root: Words) -> None:
    """Call `_hash_all` with working memory that belongs to this call."""
    count = len(rows) if from_rows else len(hashes)
    _hash_all(
        rows,
        from_rows,
        hashes,
        to_root,
        root,
        np.empty(SCRATCH, np.uint32),
        np.empty((LANES, rows.shape[1]), np.uint8),
        np.empty((CHUNK_ROWS // LANES, GROUP), np.uint32),
        np.empty((count // CHUNK_ROWS + 2, GROUP), np.uint32),
    )


_NO_ROWS: Final = np.empty((0, 0), np.uint8)
_NO_HASHES: Final = np.empty((0, 8), np.uint32)


def _leaf_words(rows: Bytes) -> Words:
    """Return the leaf hashes of rows that suit the lanes, as uint32[n, 8]."""
    hashes = np.empty((len(rows), 8), np.uint32)
    _run(rows, True, hashes, False, hashes[0])
    return hashes


def _root_bytes(rows: Bytes, hashes: Words) -> bytes:
    """Return the root over rows that suit the lanes or, when there are none, over hashes."""
    root = np.empty(8, np.uint32)
    _run(rows, len(rows) > 0, hashes, True, root)
    return root.astype(">u4").tobytes()


# ---------------------------------------------------------------- the room's face


def leaf_hashes(rows: Bytes) -> Bytes:
    """Return the RFC 6962 leaf hash of each row: uint8[n, width] in, uint8[n, 32] out.

    MerkleError unless rows is a two-dimensional array of uint8.
    """
    rows = _checked("rows", rows)
    if not _suits(rows):
        hashed = bytearray().join(tree.leaf_hash(row.tobytes()) for row in rows)
        return np.frombuffer(hashed, np.uint8).reshape(-1, tree.HASH_BYTES)
    return _leaf_words(rows).astype(">u4").view(np.uint8)


def tree_root(hashes: Bytes) -> bytes:
    """Return the root of the tree over leaf hashes, uint8[n, 32]; EMPTY_ROOT if none.

    MerkleError unless hashes is an array of that shape and type.
    """
    hashes = _checked("hashes", hashes)
    if hashes.shape[1] != tree.HASH_BYTES:
        raise MerkleError(f"hashes have {hashes.shape[1]} bytes, not {tree.HASH_BYTES}")
    if not _suits(hashes):
        return tree.root([row.tobytes() for row in hashes])
    return _root_bytes(_NO_ROWS, hashes.view(">u4").astype(np.uint32))


def rows_root(rows: Bytes) -> bytes:
    """Return the root of the tree whose leaves are the rows, uint8[n, width]; EMPTY_ROOT if none.

    MerkleError unless rows is a two-dimensional array of uint8.
    """
    rows = _checked("rows", rows)
    if not _suits(rows):
        return tree.root([tree.leaf_hash(row.tobytes()) for row in rows])
    return _root_bytes(rows, _NO_HASHES)


def row_path(rows: Bytes, index: int) -> list[bytes]:
    """Return the path that proves row `index` under `rows_root(rows)`, as `tree.inclusion_path`.

    MerkleError as `rows_root`, RangeError unless 0 <= index < n.
    """
    hashes = leaf_hashes(rows)
    ranges = tree.inclusion_ranges(index, len(hashes))
    return [tree_root(hashes[start:end]) for start, end in ranges]


def warm() -> None:
    """Make the lanes ready and prove them right on this machine; SelfTestError if they are not.

    To be called at start. Without compilation one shape is tried, the usual one.
    """
    for count, width in SELF_TEST_SHAPES if COMPILED else SELF_TEST_SHAPES[:1]:
        # Knuth's multiplicative hash: bytes without a pattern, the same everywhere.
        numbers = np.arange(count * width, dtype=np.uint32) * U32(2654435761)
        rows = (numbers >> U32(24)).astype(np.uint8).reshape(count, width)
        expected = [tree.leaf_hash(row.tobytes()) for row in rows]
        hashes = _leaf_words(rows)
        if hashes.astype(">u4").tobytes() != b"".join(expected):
            raise SelfTestError("leaf hashes", count, width)
        expected_root = tree.root(expected)
        if _root_bytes(_NO_ROWS, hashes) != expected_root:
            raise SelfTestError("root over hashes", count, width)
        if _root_bytes(rows, _NO_HASHES) != expected_root:
            raise SelfTestError("root", count, width)


def _checked(name: str, array: Bytes) -> Bytes:
    """Return the array with its bytes in order, or refuse it."""
    if array.ndim != 2 or array.dtype != np.uint8:
        raise MerkleError(
            f"{name} is a {array.ndim}-dimensional array of {array.dtype}, not a 2-dimensional "
            "one of uint8"
        )
    return np.ascontiguousarray(array)


def _suits(rows: Bytes) -> bool:
    return COMPILED and len(rows) >= CUTOVER_ROWS and MIN_WIDTH <= rows.shape[1] <= MAX_WIDTH
