"""Whatever is wrong with a file is named: the key, what is wrong, and what to write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.agreement.calendars import WEEKDAYS
from tieout.agreement.errors import AgreementError
from tieout.agreement.limits import MAX_FILE_CHARACTERS, MAX_PROBLEMS
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical, parse_agreement
from tieout.testing.agreements import agreement_trees, to_toml

GOOD = """
name = "fund-subscription"
version = 1
roles = ["seller", "registrar", "bank"]
opened_by = ["seller"]
[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { absolute = "0.01" }
[fields.shares]
type = "quantity"
scale = 4
roles = ["seller", "registrar"]
tolerance = { percent = "0.01", of = "registrar" }
[fields.day]
type = "date"
drift_days = 1
[benchmark]
default = "majority"
amount = "bank"
[deadlines]
bank = "2h"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "10.00" } }
[alarm]
quorum = 1
[retention]
closed = "400d"
"""

DUE = 'at = "1bd 17:00", calendar = "here"'
SOON = '["2026-02-03T00:00Z", "+09:00"]'
CALENDAR = '[calendars.here]\noffset = "+00:00"'

# What is changed in the file above, by what, the key that is named, and words of the message.
WRONG = [
    # Names and numbers at the top.
    ('name = "fund-subscription"', 'name = "Fund"', "name", "not a name"),
    ('name = "fund-subscription"', 'nam = "fund"', "name", "is missing"),
    ('name = "fund-subscription"', f'name = "{"a" * 37}"', "name", "not a name"),
    ("version = 1", "version = 0", "version", "from 1 to 4294967295"),
    ("version = 1", 'version = "1"', "version", "a string stands where a whole number"),
    ("version = 1", "version = true", "version", "true or false stands where"),
    ("version = 1", "version = 1\nnotes = 1", "notes", "is not a key of this table"),
    # Roles.
    ('roles = ["seller", "registrar", "bank"]', 'roles = ["bank"]', "roles", "1 roles"),
    ('roles = ["seller", "registrar", "bank"]', 'roles = "bank"', "roles", "a string stands"),
    ('roles = ["seller", "registrar", "bank"]', 'roles = ["a", "a"]', "roles", "stands twice"),
    ('roles = ["seller", "registrar", "bank"]', 'roles = ["a", "B"]', "roles", "'B' is not a name"),
    ('"registrar", "bank"]', '"majority"]', "roles", "majority is a way to find a benchmark"),
    ('opened_by = ["seller"]', "opened_by = []", "opened_by", "the list is empty"),
    ('opened_by = ["seller"]', 'opened_by = ["seler"]', "opened_by", "Did you mean seller?"),
    # Fields.
    ("[fields.day]", "[fields.Day]", "fields.Day", "not a name"),
    ("[fields.day]", "[fields.status]", "fields.status", "this name is taken"),
    ("[fields.day]", "[fields.default]", "fields.default", "this name is taken"),
    ('[fields.day]\ntype = "date"', "[fields.day]", "fields.day.type", "is missing"),
    ('type = "date"', 'type = "dat"', "fields.day.type", "Did you mean date?"),
    ("length = 3", "lenght = 3", "fields.currency.lenght", "Did you mean length?"),
    ("length = 3", "", "fields.currency.length", "is missing"),
    ("length = 3", "length = 257", "fields.currency.length", "from 1 to 256"),
    ("scale = 2", "scale = 19", "fields.amount.scale", "from 0 to 18"),
    ("scale = 2", "scale = 2.0", "fields.amount.scale", "a decimal number stands where"),
    ("scale = 2", "", "fields.amount.scale", "is missing"),
    ("drift_days = 1", "drift_days = -1", "fields.day.drift_days", "from 0 to"),
    ("drift_days = 1", "scale = 1", "fields.day.scale", "Only for money, quantity, price, rate"),
    ("drift_days = 1", "optional = 1", "fields.day.optional", "Write true or false"),
    ("drift_days = 1", "roles = []", "fields.day.roles", "the list is empty"),
    ("drift_days = 1", 'roles = ["clerk"]', "fields.day.roles", "'clerk' is not a role"),
    ("length = 3", 'length = 3\nroles = ["bank"]', "fields.amount.currency.field", "without"),
    ('field = "currency"', 'field = "day"', "fields.amount.currency.field", "of type date"),
    ('field = "currency"', 'field = "x"', "fields.amount.currency.field", "'x' is not a field"),
    ('field = "currency"', "", "fields.amount.currency.field", "is missing"),
    ('{ field = "currency" }', '"cny"', "fields.amount.currency", "ISO 4217"),
    ('{ field = "currency" }', "1", "fields.amount.currency", "three capital letters"),
    # Tolerances.
    (
        '"0.01" }',
        "0.01 }",
        "fields.amount.tolerance.absolute",
        'Put it in quotes, so that nothing is lost: "0.01"',
    ),
    ('"0.01" }', "1 }", "fields.amount.tolerance.absolute", '"1"'),
    ('"0.01" }', '"-0.01" }', "fields.amount.tolerance.absolute", "is negative"),
    ('"0.01" }', '"1e-2" }', "fields.amount.tolerance.absolute", "has an exponent"),
    ('"0.01" }', '"0.001" }', "fields.amount.tolerance.absolute", "more than 2 decimals"),
    ('{ absolute = "0.01" }', "{}", "fields.amount.tolerance", "neither absolute nor percent"),
    (
        '{ absolute = "0.01" }',
        '{ absolute = "1", of = "bank" }',
        "fields.amount.tolerance.of",
        "no percent",
    ),
    (
        '{ absolute = "0.01" }',
        '{ absolute = "1", within = "some" }',
        "fields.amount.tolerance.within",
        "any, all",
    ),
    ('{ absolute = "0.01" }', '"0.01"', "fields.amount.tolerance", "a string stands where a table"),
    ('percent = "0.01"', 'percent = "0.0000001"', "fields.shares.tolerance.percent", "6 decimals"),
    ('percent = "0.01"', 'percent = "1000000000001"', "fields.shares.tolerance.percent", "large"),
    (
        'of = "registrar"',
        'of = "bank"',
        "fields.shares.tolerance.of",
        "bank does not report shares",
    ),
    (
        'of = "registrar"',
        'of = "registar"',
        "fields.shares.tolerance.of",
        "Did you mean registrar?",
    ),
    # Tolerances of rules version 3.
    (
        'percent = "0.01", of = "registrar"',
        'absolute = "1", base = "larger"',
        "fields.shares.tolerance.base",
        "no percent",
    ),
    (
        'of = "registrar"',
        'of = "registrar", base = "smaller"',
        "fields.shares.tolerance.base",
        "Keep one of the two",
    ),
    (
        'of = "registrar"',
        'base = "mean"',
        "fields.shares.tolerance.base",
        "'mean' is not a choice here",
    ),
    ("drift_days = 1", "drift_days = {}", "fields.day.drift_days", "neither before nor after"),
    ("drift_days = 1", "drift_days = { befor = 1 }", "fields.day.drift_days.befor", "before?"),
    (
        "drift_days = 1",
        'drift_days = { after = 1, calendar = "there" }',
        "fields.day.drift_days.calendar",
        "'there' is not a calendar here",
    ),
    (
        "drift_days = 1",
        'drift_days = { calendar = "there" }',
        "fields.day.drift_days",
        "neither before nor after",
    ),
    ("drift_days = 1", "drift_days = { after = -1 }", "fields.day.drift_days.after", "from 0"),
    (
        "scale = 4",
        'scale = 4\nrounded = { decimals = 4, mode = "floor" }',
        "fields.shares.rounded.decimals",
        "nothing would be rounded",
    ),
    (
        "scale = 4",
        'scale = 4\nrounded = { decimals = 1, mode = "half_odd" }',
        "fields.shares.rounded.mode",
        "'half_odd' is not a choice here",
    ),
    (
        "scale = 4",
        "scale = 4\nrounded = { decimals = 1 }",
        "fields.shares.rounded.mode",
        "is missing",
    ),
    ("length = 3", 'length = 3\nignore = ["accents"]', "fields.currency.ignore", "accents"),
    ("drift_days = 1", 'ignore = ["case"]', "fields.day.ignore", "Only for code"),
    (
        "length = 3",
        'length = 3\nequivalent = [["EUR"]]',
        "fields.currency.equivalent",
        "no list of groups",
    ),
    (
        "length = 3",
        'length = 3\nequivalent = [["EUR", "978"], ["USD", "978"]]',
        "fields.currency.equivalent",
        "978 stands twice",
    ),
    (
        "length = 3",
        'length = 3\nignore = ["case"]\nequivalent = [["EUR", "eur"]]',
        "fields.currency.equivalent",
        "counts as another code",
    ),
    (
        "length = 3",
        'length = 3\nequivalent = [["EUR", "EURO"]]',
        "fields.currency.equivalent",
        "at most 3 fit",
    ),
    (
        '{ absolute = "0.01" }',
        '{ by = { field = "day", values = { A = { absolute = "1" } } } }',
        "fields.amount.tolerance.by.field",
        "of type date",
    ),
    (
        '{ absolute = "0.01" }',
        '{ by = { field = "x", values = { A = { absolute = "1" } } } }',
        "fields.amount.tolerance.by.field",
        "'x' is not a field",
    ),
    (
        '{ absolute = "0.01" }',
        '{ by = { field = "currency" } }',
        "fields.amount.tolerance.by.values",
        "is missing",
    ),
    (
        '{ absolute = "0.01" }',
        '{ by = { field = "currency", values = { CNYX = { absolute = "1" } } } }',
        "fields.amount.tolerance.by.values.CNYX",
        "at most 3 fit",
    ),
    (
        '{ absolute = "0.01" }',
        '{ by = { field = "currency", values = { CNY = {} } } }',
        "fields.amount.tolerance.by.values.CNY",
        "neither absolute nor percent",
    ),
    # Business time.
    *(
        ('bank = "2h"', f"bank = {{ {deadline} }}\n{CALENDAR}", key, words)
        for deadline, key, words in (
            ('at = "1bd 17:00"', "deadlines.bank.calendar", "is missing"),
            ('calendar = "here"', "deadlines.bank.at", "is missing"),
            ('at = "1d 17:00", calendar = "here"', "deadlines.bank.at", "no business time"),
            ('at = "1bd 24:00", calendar = "here"', "deadlines.bank.at", "no time of the day"),
            ('at = "1bd 17:00", calendar = "her"', "deadlines.bank.calendar", "mean here?"),
            (
                'at = "1bd 17:00", calendar = "here", until = "9:00"',
                "deadlines.bank.until",
                "17:00",
            ),
            (
                'at = "1bd 17:00", calendar = "here", after = "1"',
                "deadlines.bank.after",
                "not a key",
            ),
        )
    ),
    *(
        ("[alarm]", f"[calendars.here]\n{calendar}\n[alarm]", f"calendars.here.{key}", words)
        for calendar, key, words in (
            ("", "offset", "is missing"),
            ('offset = "8"', "offset", "is not an offset"),
            ('offset = "+08:00"\nweekend = ["sonntag"]', "weekend", "no day of the week"),
            (f'offset = "+08:00"\nweekend = {list(WEEKDAYS)}', "weekend", "no day is left"),
            ('offset = "+08:00"\nholidays = ["2026-02-30"]', "holidays", "2026-02-30"),
            (
                'offset = "+08:00"\nholidays = ["2026-02-03"]\nworkdays = ["2026-02-03"]',
                "workdays",
                "a holiday too",
            ),
            (
                'offset = "+08:00"\nchanges = [["2026-02-03T00:00Z"]]',
                "changes",
                "no list of groups",
            ),
            (
                'offset = "+08:00"\nchanges = [["2026-02-03T00:00Z", "+12:00"]]',
                "changes",
                "more than 3 hours",
            ),
            (
                f'offset = "+08:00"\nchanges = [{SOON}, ["2026-02-03T23:59Z", "+08:00"]]',
                "changes",
                "less than a day apart",
            ),
            (
                'offset = "+08:00"\nchanges = [["2026-02-03T00:00:00.5Z", "+09:00"]]',
                "changes",
                "whole second",
            ),
        )
    ),
    # Invariants.
    ("[benchmark]", "[invariants]\nday = 'amount = 1'\n[benchmark]", "invariants.day", "has this"),
    (
        "[benchmark]",
        "[invariants]\nDay = 'amount = 1'\n[benchmark]",
        "invariants.Day",
        "not a name",
    ),
    ("[benchmark]", "[invariants]\na = 1\n[benchmark]", "invariants.a", "a whole number stands"),
    *(
        ("[benchmark]", f"[invariants]\na = '{formula}'\n[benchmark]", "invariants.a", words)
        for formula, words in (
            ("", "the formula ends where a field"),
            ("amount", "the formula ends where a comparison"),
            ("amount = ", "the formula ends where a field"),
            ("amount = 1 = 2", "= stands behind the end"),
            ("amount = 1 2", "2 stands behind the end"),
            ("amount = -1", "- stands where a field"),
            ("amount = 1 / 2", "cannot be read"),
            ("amount = (1", "the formula ends where a closing parenthesis"),
            ("amount = sqrt(2)", "sqrt is no function"),
            ("amount = min(1)", ") stands where a comma"),
            ("amount = round(1, 19, floor)", "19 stands where 0 to 18"),
            ("amount = round(1, 2, up)", "up stands where one of half_even"),
            ("amount = div(1, 2)", ") stands where a comma"),
            ("amount = seller.", "no field is named"),
            ("1 = 1", "no field is named"),
            ("amount = x", "'x' is not a field"),
            ("amount = currency", "currency is of type code"),
            ("seler.amount = 1", "Did you mean seller?"),
            ("bank.shares = 1", "bank does not report shares"),
            ("bank.amount = amount", "some fields have a role"),
            ("amount * amount * amount * amount = 1", "more than 240 bits"),
            (f"amount = {'(' * 12}1{')' * 12}", "nested more than 12 deep"),
            (f"amount = {'+'.join(['1'] * 65)}", "more than 64 numbers"),
            (f"amount = {'1' * 1000}", "at most 1000 characters"),
            (f"amount = {'1' * 20}", "too large"),
            (f"amount = 0.{'1' * 19}", "more than 18 decimals"),
        )
    ),
    ("drift_days = 1", "tolerance = {}", "fields.day.tolerance", "a field of type date has none"),
    # Benchmarks.
    ('default = "majority"', 'default = "most"', "benchmark.default", "'most' is not a way"),
    (
        'default = "majority"',
        'default = "bank"',
        "benchmark.shares",
        "bank, the default benchmark, does not report shares",
    ),
    ('amount = "bank"', 'shares = "bank"', "benchmark.shares", "bank does not report shares"),
    ('amount = "bank"', 'amount = "banks"', "benchmark.amount", "Did you mean bank?"),
    ('amount = "bank"', 'amout = "bank"', "benchmark.amout", "Did you mean amount?"),
    ('amount = "bank"', "amount = 1", "benchmark.amount", "a whole number stands where a string"),
    # Time.
    ('bank = "2h"', 'bank = "2 h"', "deadlines.bank", "is not a duration"),
    ('bank = "2h"', "bank = 2", "deadlines.bank", "a whole number stands where a string"),
    ('bank = "2h"', 'bank = "0s"', "deadlines.bank", "is not between 1us and 36525d"),
    ('bank = "2h"', 'clerk = "2h"', "deadlines.clerk", "'clerk' is not a role"),
    ('closed = "400d"', 'closed = "36526d"', "retention.closed", "is not between"),
    ('closed = "400d"', 'open = "400d"', "retention.open", "is not a key of this table"),
    # Adjusting and alarms.
    ('mode = "compensate"', "", "adjustment.mode", "Allowed are compensate, replace, notify"),
    ('mode = "compensate"', 'mode = "auto"', "adjustment.mode", "'auto' is not a choice here"),
    (
        '{ CNY = "10.00" }',
        '"10.00"',
        "adjustment.automatic_up_to.amount",
        'for each currency: { CNY = "10" }',
    ),
    (
        '{ CNY = "10.00" }',
        '{ YUAN = "10" }',
        "adjustment.automatic_up_to.amount.YUAN",
        "at most 3 fit",
    ),
    (
        '{ CNY = "10.00" }',
        '{ CNY = "10.001" }',
        "adjustment.automatic_up_to.amount.CNY",
        "more than 2 decimals",
    ),
    ('amount = { CNY = "10.00" }', 'day = "1"', "adjustment.automatic_up_to.day", "no amount"),
    (
        'amount = { CNY = "10.00" }',
        'shares = { CNY = "1" }',
        "adjustment.automatic_up_to.shares",
        "shares has no currency",
    ),
    ('amount = { CNY = "10.00" }', 'x = "1"', "adjustment.automatic_up_to.x", "'x' is not a field"),
    ("quorum = 1", "quorum = 0", "alarm.quorum", "from 1 to 65535"),
    ("[alarm]\nquorum = 1", "", "alarm", "a whole number stands where a table belongs"),
    ("[alarm]", "[decision]\n[alarm]", "decision.votes", "is missing"),
    ("[alarm]", "[decision]\nvotes = 0\n[alarm]", "decision.votes", "from 1 to 16"),
    ("[alarm]", '[decision]\nvotes = "all"\n[alarm]', "decision.votes", "all"),
]


def attempt(text: str) -> Agreement | AgreementError:
    try:
        return parse_agreement(text)
    except AgreementError as error:
        return error


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(AgreementError) as refused:
        parse_agreement(text, "fund.toml")
    return [(problem.key, str(problem)) for problem in refused.value.problems]


@pytest.mark.parametrize(("part", "instead", "key", "words"), WRONG)
def test_a_wrong_key_is_named(part: str, instead: str, key: str, words: str) -> None:
    assert GOOD.count(part) >= 1
    text = GOOD.replace(part, instead, 1)
    if key == "alarm":
        text = "alarm = 1\n" + text
    assert [line for at, line in problems(text) if at == key and words in line] != []


def test_the_file_above_is_good() -> None:
    assert parse_agreement(GOOD).name == "fund-subscription"


def test_all_problems_are_named_at_once() -> None:
    text = GOOD.replace("scale = 2", "scale = 2.5").replace("quorum", "quorm")
    text = text.replace('of = "registrar"', 'of = "bank"').replace('"2h"', "2")
    assert [key for key, _ in problems(text)] == [
        "fields.amount.scale",
        "deadlines.bank",
        "alarm.quorm",
        "fields.shares.tolerance.of",
    ]


def test_what_refers_to_a_broken_field_is_not_blamed() -> None:
    assert [key for key, _ in problems(GOOD.replace("length = 3", ""))] == [
        "fields.currency.length"
    ]


def test_the_message_tells_the_file_the_count_and_one_line_for_each() -> None:
    with pytest.raises(AgreementError) as refused:
        parse_agreement(GOOD.replace("quorum = 1", "quorum = 0"), "fund.toml")
    assert str(refused.value).splitlines() == [
        "fund.toml: 1 problem",
        (
            "  alarm.quorum: the number is out of range."
            " Write a whole number from 1 to 65535, without quotes."
        ),
    ]
    assert refused.value.source == "fund.toml"


def test_a_currency_beside_the_fixed_one_is_refused() -> None:
    text = GOOD.replace('{ field = "currency" }', '"EUR"')
    assert [key for key, _ in problems(text)] == ["adjustment.automatic_up_to.amount.CNY"]


def test_a_default_that_does_not_report_what_is_never_compared_is_fine() -> None:
    text = GOOD.replace('default = "majority"', 'default = "bank"')
    assert parse_agreement(text.replace("scale = 4", "scale = 4\ncompare = false")).quorum == 1


def test_a_row_that_would_be_too_wide_is_refused() -> None:
    wide = "".join(f'[fields.t{n}]\ntype = "text"\nlength = 256\n' for n in range(4))
    assert [key for key, _ in problems(GOOD + wide)] == ["fields"]


def test_more_than_64_fields_are_refused() -> None:
    many = "".join(f'[fields.n{n}]\ntype = "integer"\n' for n in range(61))
    assert "65 fields" in problems(GOOD + many)[0][1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name: is missing"),
        ("name = ", "not TOML: Invalid value"),
        ('name = "a"\nname = "a"\nx = 1', "not TOML: Cannot overwrite a value (at line 2"),
        ("x = " + "[" * 5_000, "nested too deeply"),
        ("x = " + "9" * 5_000, "not TOML"),
        (" " * (MAX_FILE_CHARACTERS + 1), f"the file has {MAX_FILE_CHARACTERS + 1} characters"),
        ("fields = 1", "fields: a whole number stands where a table belongs"),
        ("fields = {}", "fields: 0 fields"),
        ("name = 2013-06-30", "name: a date or time stands where a string belongs"),
        ('"a\\nb" = 1', "'a\\nb': 'a\\nb' is not a key of this table"),
    ],
)
def test_what_is_no_agreement_at_all_is_refused(text: str, words: str) -> None:
    assert any(words in line for _, line in problems(text))


def test_a_hostile_file_does_not_fill_the_screen() -> None:
    assert len(problems("".join(f"k{n} = 1\n" for n in range(10_000)))) == MAX_PROBLEMS


VALUES = st.sampled_from(
    [
        *(
            "1",
            "-1",
            "0",
            "1.5",
            "true",
            '"x"',
            '""',
            '"bank"',
            '"seller"',
            "[]",
            "[1]",
            '["seller"]',
        ),
        *("{}", "{ x = 1 }", "[[]]", "nan", "2013-06-30", '"0.01"', '"9999999999999999999999"'),
        *('"\\u0000"', '"1h"', '{ field = "currency" }', "99999999999999999999"),
    ]
)


@given(agreement_trees(), VALUES, st.data())
def test_any_value_at_any_key_is_taken_or_named(
    tree: dict[str, object], value: str, data: st.DataObject
) -> None:
    """Nothing but AgreementError comes out, and it names something to mend."""
    lines = to_toml(tree).splitlines()
    places = [place for place, line in enumerate(lines) if " = " in line]
    place = data.draw(st.sampled_from(places))
    lines[place] = lines[place].partition(" = ")[0] + " = " + value
    outcome = attempt("\n".join(lines))
    if isinstance(outcome, AgreementError):
        assert len(outcome.problems) >= 1
    else:
        assert load_canonical(outcome.canonical) == outcome
