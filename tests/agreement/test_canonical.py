"""One agreement has one byte form, whatever its file looks like; and no other bytes are taken."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical, parse_agreement
from tieout.testing.agreements import agreement_trees, agreements, to_toml
from tieout.testing.refinements import refined_trees
from tieout.units.durations import parse_duration

ROOT = Path(__file__).resolve().parents[2]
FORMAT_PAGE = ROOT / "docs" / "formats" / "agreement.md"
DECIMALS = ("absolute", "percent")
DECISIONS = st.sampled_from([{}, {"decision": {"votes": 2}}, {"decision": {"votes": "majority"}}])
ANY_TREES = st.builds(
    lambda tree, more: {**tree, **more}, agreement_trees() | refined_trees(), DECISIONS
)
ANY_AGREEMENTS = ANY_TREES.map(lambda tree: parse_agreement(to_toml(tree)))
SPELLED_OUT = ("", "# a comment", "   # and another")


def padded(text: str) -> str:
    """The same number with more zeros."""
    return f"0{text}0" if "." in text else f"0{text}.00"


@st.composite
def restated(draw: st.DrawFn, tree: dict[str, Any]) -> dict[str, Any]:
    """The same agreement: other key order, other spellings of numbers and durations."""

    def reordered(table: dict[str, Any]) -> dict[str, Any]:
        return {key: table[key] for key in draw(st.permutations(list(table)))}

    def number(value: Any) -> Any:
        if isinstance(value, dict):
            return reordered({code: padded(text) for code, text in value.items()})
        return padded(value)

    again = dict(tree)
    again["fields"] = {}
    for name, field in tree["fields"].items():
        table = dict(field)
        if "tolerance" in table:
            tolerance = {
                key: padded(value) if key in DECIMALS else value
                for key, value in table["tolerance"].items()
            }
            table["tolerance"] = reordered(tolerance)
        for key in ("ignore", "equivalent"):
            if key in table:
                table[key] = draw(st.permutations(table[key]))
        if "roles" in table:
            table["roles"] = draw(st.permutations(table["roles"]))
        again["fields"][name] = reordered(table)
    if "opened_by" in tree:
        again["opened_by"] = draw(st.permutations(tree["opened_by"]))
    if "automatic_up_to" in tree.get("adjustment", {}):
        limits = tree["adjustment"]["automatic_up_to"]
        limits = reordered({field: number(limit) for field, limit in limits.items()})
        again["adjustment"] = reordered({**tree["adjustment"], "automatic_up_to": limits})
    again["deadlines"] = reordered(
        {
            role: reordered(due) if isinstance(due, dict) else f"{parse_duration(due)}us"
            for role, due in tree.get("deadlines", {}).items()
        }
    )
    again["benchmark"] = reordered(tree.get("benchmark", {}))
    return reordered(again)


@given(ANY_AGREEMENTS)
def test_what_is_written_is_read_back(agreement: Agreement) -> None:
    assert load_canonical(agreement.canonical) == agreement


@given(ANY_TREES, st.data())
def test_formatting_and_key_order_do_not_change_the_agreement(
    tree: dict[str, Any], data: st.DataObject
) -> None:
    text = to_toml(data.draw(restated(tree)))
    noise = data.draw(st.sampled_from(SPELLED_OUT))
    noisy = "\r\n".join(line + noise for line in text.splitlines())
    assert parse_agreement(noisy) == parse_agreement(to_toml(tree))


@given(ANY_AGREEMENTS, ANY_AGREEMENTS)
def test_one_hash_means_one_agreement(one: Agreement, other: Agreement) -> None:
    assert (one.hash == other.hash) == (one.canonical == other.canonical)


@given(ANY_TREES)
def test_the_order_of_roles_and_fields_is_part_of_the_agreement(tree: dict[str, Any]) -> None:
    there = parse_agreement(to_toml(tree))
    back = parse_agreement(to_toml({**tree, "roles": tree["roles"][::-1]}))
    assert back.hash != there.hash
    if len(tree["fields"]) > 1:
        fields = dict(reversed(tree["fields"].items()))
        assert parse_agreement(to_toml({**tree, "fields": fields})).hash != there.hash


def test_a_default_that_is_written_out_is_a_key_like_any_other() -> None:
    text = 'name = "a"\nversion = 1\nroles = ["x", "y"]\n[fields.n]\ntype = "integer"\n'
    silent, spoken = parse_agreement(text), parse_agreement(text + "optional = false\n")
    assert silent.fields == spoken.fields
    assert silent.hash != spoken.hash


@given(ANY_AGREEMENTS)
def test_the_form_is_ascii_json_with_sorted_keys(agreement: Agreement) -> None:
    tree = json.loads(agreement.canonical)
    again = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again.encode("ascii") == agreement.canonical
    assert "\\" not in again


def test_the_page_of_the_format_has_a_vector_that_holds() -> None:
    page = FORMAT_PAGE.read_text(encoding="utf-8")
    _, file, _, form, _, digest, _ = page.partition("## Vector")[2].split("```")
    agreement = parse_agreement(file.removeprefix("toml"))
    assert agreement.canonical.decode() == form.removeprefix("json").strip()
    assert agreement.hash.hex() == digest.strip()


def outcome(data: bytes) -> Agreement | AgreementError:
    try:
        return load_canonical(data)
    except AgreementError as error:
        return error


@given(agreements(max_fields=2), st.data())
def test_no_byte_of_it_can_be_changed_and_mean_the_same(
    agreement: Agreement, data: st.DataObject
) -> None:
    damaged = bytearray(agreement.canonical)
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    read = outcome(bytes(damaged))
    if isinstance(read, Agreement):
        assert read.canonical == bytes(damaged)
        assert read.hash != agreement.hash
    else:
        assert len(read.problems) >= 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "format", "fields", "roles", "type", "field", "absolute", "x"])
            | st.text(max_size=3),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(agreements(max_fields=2), st.data())
def test_any_json_is_refused_with_reasons(agreement: Agreement, data: st.DataObject) -> None:
    """A well-formed agreement with another value somewhere in it, written as its node would."""
    tree = json.loads(agreement.canonical)
    table = data.draw(st.sampled_from([tree, *tree["fields"]]))
    key = data.draw(st.sampled_from([*table, "tolerance", "currency", "adjustment", "alarm"]))
    table[key] = data.draw(JSON_VALUES)
    form = json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()
    read = outcome(form)
    if isinstance(read, Agreement):
        assert read.canonical == form
    else:
        assert len(read.problems) >= 1


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_reasons(data: bytes) -> None:
    read = outcome(data)
    assert isinstance(read, AgreementError)
    assert len(read.problems) >= 1


SMALL = (
    b'{"fields":[{"name":"n","type":"integer"}],"format":1,"name":"a",'
    b'"roles":["x","y"],"version":1}'
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"\xff",
        SMALL + b"\n",
        b" " + SMALL,
        b"\xef\xbb\xbf" + SMALL,
        SMALL.replace(b'"format":1', b'"format":2'),
        SMALL.replace(b'"format":1', b'"format":true'),
        SMALL.replace(b'"format":1', b'"format":1.0'),
        SMALL.replace(b'"version":1', b'"version":1e0'),
        SMALL.replace(b'"version":1', b'"version":NaN'),
        SMALL.replace(b'"version":1', b'"version":' + b"9" * 5_000),
        SMALL.replace(b'"version":1', b'"version":1,"version":1'),
        SMALL.replace(b'"name":"a"', b'"name":"\\u0061"'),
        SMALL.replace(b'"name":"a"', b'"name":"\\ud800"'),
        SMALL.replace(b'"type":"integer"}', b'"type":"integer"},{"name":"n","type":"integer"}'),
        SMALL.replace(b'"name":"n",', b""),
        SMALL.replace(b'"name":"n"', b'"name":{}'),
        SMALL.replace(b'"version":1', b'"opened_by":["y","x"],"version":1'),
        SMALL.replace(b'"version":1', b'"retention":{"closed":"60s"},"version":1'),
        SMALL.replace(b'"version":1', b'"retention":{},"version":1'),
        SMALL.replace(b'"version":1', b'"version":1' + b" " * 65_536),
    ],
)
def test_hostile_bytes_are_refused(data: bytes) -> None:
    assert isinstance(outcome(data), AgreementError)


def test_the_small_form_that_they_were_made_from_is_good() -> None:
    assert load_canonical(SMALL).canonical == SMALL


def test_bytes_full_of_problems_stay_cheap() -> None:
    keys = ",".join(f'"k{n}":1' for n in range(6_000))
    read = outcome(SMALL.replace(b'"version":1', keys.encode() + b',"version":1'))
    assert isinstance(read, AgreementError)
    assert len(read.problems) <= 100
