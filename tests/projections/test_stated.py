"""What records state, as documents: the quick way against the one that is written to be read."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.parse import parse_agreement
from tieout.evidence.breaklist import value_text
from tieout.projections.stated import documents
from tieout.testing.workbench import row_bytes
from tieout.wire.rows import PREFIX_BYTES

AGREEMENT = parse_agreement(
    b"""
name = "stated"
version = 1
roles = ["north", "south"]

[fields]
amount = { type = "money", scale = 2, currency = "EUR" }
price = { type = "price", scale = 6 }
count = { type = "integer" }
day = { type = "date" }
moment = { type = "time" }
code = { type = "code", length = 8 }
text = { type = "text", length = 24 }
""".decode()
)
NUMBERS = st.integers(-(1 << 62) + 1, (1 << 62) - 1)
CHARACTERS = st.characters(blacklist_categories=("Cs", "Cc"))
VALUES = st.fixed_dictionaries(
    {},
    optional={
        0: NUMBERS,
        1: NUMBERS,
        2: NUMBERS,
        3: st.integers(-100_000, 1_000_000),
        4: st.integers(-(10**15), 10**16),
        5: st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=8),
        6: st.text(CHARACTERS, min_size=1, max_size=6),
    },
)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_texts_and_integers_are_those_of_the_values(records: list[dict[int, int | str]]) -> None:
    stated = [
        {f: value if isinstance(value, int) else value.encode() for f, value in each.items()}
        for each in records
    ]
    rows = [row_bytes(AGREEMENT, "T", 1, each)[PREFIX_BYTES:] for each in stated]
    values = np.frombuffer(b"".join(rows), f"V{AGREEMENT.layout.values_bytes}")
    presence = np.array([sum(1 << f for f in each) for each in stated], np.uint64)
    texts, exact = documents(AGREEMENT, values, presence)
    for each, text, integers in zip(stated, texts, exact, strict=True):
        assert msgspec.json.decode(text) == {
            field.name: value_text(field, each[f]) if f in each else None
            for f, field in enumerate(AGREEMENT.fields)
        }
        assert msgspec.json.decode(integers) == {
            field.name: each.get(f) for f, field in enumerate(AGREEMENT.fields[:5])
        }
