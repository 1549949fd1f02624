"""The digest of images is that of the reference, whichever pages were touched since the last."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.kernel import layout as at
from tieout.kernel.book import Images
from tieout.reference.digest import pages_root

IMAGE_BYTES = 4_099
MOST = 500
"""Images of all together 32 pages: above and below what is hashed in lanes, and cut at the end."""

stretches = st.lists(
    st.tuples(st.integers(0, MOST - 1), st.integers(1, MOST)), min_size=1, max_size=4
)


@given(st.integers(1, MOST), st.lists(stretches, min_size=1, max_size=3), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_touched_pages_are_hashed_and_others_remembered(
    count: int, rounds: list[list[tuple[int, int]]], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    images = Images(IMAGE_BYTES, MOST)
    whole = count * IMAGE_BYTES
    images.data[:whole] = chance.integers(0, 256, whole, np.uint8)
    images.marks[:] = 1
    with ThreadPoolExecutor(2) as pool:
        for stretch in rounds:
            spread = pool.map if len(stretch) % 2 else map
            assert images.pages_root(count, spread) == pages_root(images.data[:whole].tobytes())
            for first, length in stretch:
                start = min(first, count - 1) * IMAGE_BYTES
                end = min(start + length * IMAGE_BYTES, whole)
                images.data[start:end] ^= 0x5A
                images.marks[start // at.PAGE_BYTES : -(-end // at.PAGE_BYTES)] = 1
        assert images.pages_root(count, map) == pages_root(images.data[:whole].tobytes())
