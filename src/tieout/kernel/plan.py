"""An agreement as numbers: the one array that the compiled loops read rules from.

Layout in `layout.py`: a head, a line for each role, a line for each field, then lists. A *stretch*
is (offset, width) within the values: what two roles both report and what is compared, with the
currencies it needs, merged where it is contiguous. When a record equals another one in their common
stretches, no field of the two can mismatch, whatever the tolerances say (R-TOL-1); that is the fast
way through `apply`.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.codes import settled
from tieout.agreement.model import (
    NUMBERS,
    AdjustmentMode,
    Agreement,
    CodeRule,
    Field,
    Tolerance,
)
from tieout.agreement.stages import stage_count, terms_of
from tieout.kernel import layout as at
from tieout.kernel.businessdays import calendar_words
from tieout.kernel.steps import ROUNDING, put_invariants
from tieout.wire.rows import PREFIX_BYTES

_HEAD: Final = at.P_TABLES
_SAME_BYTES: Final = CodeRule(
    ignores_case=False, ignores_punctuation=False, ignores_leading_zeros=False, equivalent=()
)


def make_plan(number: int, agreement: Agreement) -> NDArray[np.int64]:
    """Return the plan of an agreement under its agreement number.

    Where it has stages there is one plan for each, all of one length: the agreement as it holds
    there (R-STAGE-1). Places within a plan count from its own beginning.
    """
    stages = terms_of(agreement)
    plans = [_plan_words(number, terms, stages[:i]) for i, terms in enumerate(stages)]
    length = max(map(len, plans))
    for words in plans:
        words[at.P_STAGE_WORDS] = length
        words.extend([0] * (length - len(words)))
    return np.array([_signed(word) for words in plans for word in words], dtype=np.int64)


def _plan_words(number: int, agreement: Agreement, earlier: tuple[Agreement, ...]) -> list[int]:
    roles, fields = len(agreement.roles), len(agreement.fields)
    words = [0] * (_HEAD + roles * at.ROLE_LINE + fields * at.FIELD_LINE)
    values_bytes = agreement.layout.values_bytes
    role_bytes = at.VALUES + values_bytes
    words[at.P_AGREEMENT] = number
    words[at.P_ROLES] = roles
    words[at.P_FIELDS] = fields
    words[at.P_VALUES_BYTES] = values_bytes
    words[at.P_ROW_BYTES] = agreement.layout.row_bytes
    words[at.P_ROLE_BYTES] = role_bytes
    words[at.P_DECIDES] = int(agreement.votes is not None)
    blocks = roles + words[at.P_DECIDES]
    _put_stages(words, agreement, at.ROLE_BLOCKS + blocks * role_bytes)
    words[at.P_ADJUSTMENT_BYTES] = at.ADJ_VALUES + values_bytes
    words[at.P_QUORUM] = agreement.quorum
    words[at.P_RETENTION] = agreement.retention_us
    words[at.P_OPENED_BY] = _mask(agreement.opened_by)
    words[at.P_ALL_ROLES] = _mask(agreement.taking_part)
    words[at.P_AUTOMATIC] = int(agreement.mode is not AdjustmentMode.NOTIFY)
    places = len(agreement.place_names)
    # A verdict may ask for one on each stage behind it (R-STAGE-7).
    stages = words[at.P_STAGES]
    verdict_events = 8 + 10 * roles + places * (2 * roles + 1)
    words[at.P_VERDICT_BYTES] = at.EVENT_BYTES * stages * verdict_events
    words[at.P_PROPOSALS] = stages * roles
    words[at.P_FIELD_MASK] = (1 << fields) - 1
    words[at.P_COMPARED] = _mask(i for i, f in enumerate(agreement.fields) if f.compare)
    # A field that a role reports alone may choose another tolerance for values that it does not.
    chooses = any(field.choice for field in agreement.fields)
    # A stage that becomes final, or is no more, asks for a verdict on the next one.
    is_wide = agreement.invariants != () or agreement.groups != () or agreement.stages != ()
    words[at.P_SETTLES] = int(chooses or is_wide or agreement.votes is not None)
    words[at.P_APART] = _mask(agreement.apart)
    words[at.P_GROUP_COUNT] = len(agreement.groups)
    words[at.P_FIRST_GROUP] = agreement.first_group_place
    words[at.P_PLACES] = places
    for role in range(roles):
        _put_role(words, agreement, role)
    for index in range(fields):
        _put_field(words, agreement, index)
    put_invariants(words, agreement)
    words[at.P_GROUPS] = len(words)
    for group in agreement.groups:
        words.extend((_mask(group.counterparts), group.key))
    words[at.P_EARLIER] = len(words)
    for field in (field for stage in earlier for field in stage.fields):
        authority = -1 if field.authority is None else field.authority
        words.extend((field.policy, authority, _mask(field.roles)))
    return words


def _put_stages(words: list[int], agreement: Agreement, links: int) -> None:
    """Write how many stages there are, and how large that makes a slot."""
    words[at.P_STAGES] = stage_count(agreement)
    words[at.P_SLOT_BYTES] = links
    if agreement.stage is not None:
        words[at.P_LINKS] = links
        words[at.P_SLOT_BYTES] = links + at.LINKS_BYTES
        words[at.P_CARRIED] = _mask(agreement.stage.carried)


def field_line(roles: int, field: int) -> int:
    """Where the line of a field begins."""
    return _HEAD + roles * at.ROLE_LINE + field * at.FIELD_LINE


def _put_role(words: list[int], agreement: Agreement, role: int) -> None:
    line = _HEAD + role * at.ROLE_LINE
    reported = [(i, f) for i, f in enumerate(agreement.fields) if role in f.roles]
    words[line + at.R_REPORTS] = _mask(i for i, _ in reported)
    words[line + at.R_REQUIRED] = _mask(i for i, f in reported if not f.optional)
    for other in range(len(agreement.roles)):
        stretches = _common_stretches(agreement, role, other)
        words[line + at.R_COMMON + other] = len(words)
        words.append(len(stretches))
        for start, width in stretches:
            words.extend((start, width))


def _common_stretches(agreement: Agreement, role: int, other: int) -> list[tuple[int, int]]:
    needed = [False] * agreement.layout.values_bytes
    for index, field in enumerate(agreement.fields):
        if field.compare and role in field.roles and other in field.roles:
            for column in (index, field.currency_field):
                if column is not None:
                    start, width = _span(agreement, column)
                    needed[start : start + width] = [True] * width
    stretches: list[tuple[int, int]] = []
    for offset, is_needed in enumerate(needed):
        if not is_needed:
            continue
        if stretches and sum(stretches[-1]) == offset:
            start, width = stretches[-1]
            stretches[-1] = (start, width + 1)
        else:
            stretches.append((offset, 1))
    return stretches


def _put_field(words: list[int], agreement: Agreement, index: int) -> None:
    field = agreement.fields[index]
    line = field_line(len(agreement.roles), index)
    start, width = _span(agreement, index)
    words[line + at.F_KIND] = agreement.layout.columns[index].kind
    words[line + at.F_AT] = start
    words[line + at.F_WIDTH] = width
    words[line + at.F_ROLES] = _mask(field.roles)
    words[line + at.F_COMPARE] = int(field.compare)
    words[line + at.F_CURRENCY] = -1
    if field.currency_field is not None:
        words[line + at.F_CURRENCY] = field.currency_field
        currency_at, currency_width = _span(agreement, field.currency_field)
        words[line + at.F_CURRENCY_AT] = currency_at
        words[line + at.F_CURRENCY_WIDTH] = currency_width
    words[line + at.F_POLICY] = field.policy
    words[line + at.F_AUTHORITY] = -1 if field.authority is None else field.authority
    words[line + at.F_IS_NUMBER] = int(field.type in NUMBERS)
    words[line + at.F_DRIFT_BEFORE] = field.drift_before
    words[line + at.F_DRIFT_AFTER] = field.drift_after
    words[line + at.F_TOLERANCE : line + at.F_TOLERANCE + at.TOLERANCE_WORDS] = _tolerance_words(
        field.tolerance
    )
    words[line + at.F_ROUND_UNIT] = 1
    if field.rounding is not None:
        words[line + at.F_ROUND_UNIT] = 10 ** (field.scale - field.rounding.decimals)
        words[line + at.F_ROUND_MODE] = ROUNDING[field.rounding.mode]
    words[line + at.F_LIMITS] = len(words)
    words[line + at.F_LIMIT_COUNT] = len(field.limits)
    for currency, limit in field.limits:
        # A fixed currency needs no comparing: the one limit is its limit.
        code = b"" if field.currency_field is None else currency.encode()
        padded = code.ljust(8 * (at.LIMIT_LINE - 1), b"\0")
        words.append(limit)
        words.extend(int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8))
    _put_comparison(words, agreement, line, field)


def _put_comparison(words: list[int], agreement: Agreement, line: int, field: Field) -> None:
    """Which codes are the same, by what days are counted, what a value chooses from."""
    if field.codes is not None:
        words[line + at.F_CODES] = len(words)
        words.extend(_code_rule_words(field.codes))
    if field.drift_calendar is not None:
        words[line + at.F_CALENDAR] = len(words)
        words.extend(calendar_words(field.drift_calendar))
    if field.choice is None:
        return
    rule = agreement.fields[field.choice.field].codes or _SAME_BYTES
    rule_at = len(words)
    words.extend(_code_rule_words(rule))
    words[line + at.F_CHOICE] = len(words)
    words.extend((field.choice.field, rule_at, len(field.choice.by_value)))
    groups = _groups(rule)
    for code, tolerance in field.choice.by_value:
        words.extend(_tolerance_words(tolerance))
        words.extend(_listed_code_words(groups.get(settled(rule, code), -1), code))


def _code_rule_words(rule: CodeRule) -> list[int]:
    flags = rule.ignores_case * at.IGNORE_CASE
    flags |= rule.ignores_punctuation * at.IGNORE_PUNCTUATION
    flags |= rule.ignores_leading_zeros * at.IGNORE_ZEROS
    words = [flags, len(rule.equivalent)]
    groups = _groups(rule)
    for code, first in rule.equivalent:
        words.extend(_listed_code_words(groups[first], code))
    return words


def _groups(rule: CodeRule) -> dict[bytes, int]:
    """A number for each group of equivalent codes, by the code that stands for it."""
    firsts = dict.fromkeys(first for _, first in rule.equivalent)
    return {first: number for number, first in enumerate(firsts)}


def _listed_code_words(group: int, code: bytes) -> list[int]:
    parts = [code[i : i + 8] for i in range(0, len(code), 8)]
    return [group, len(code), *(int.from_bytes(part, "little") for part in parts)]


def _tolerance_words(tolerance: Tolerance | None) -> list[int]:
    words = [0] * at.TOLERANCE_WORDS
    words[at.T_ABSOLUTE] = -1
    words[at.T_PERCENT] = -1
    words[at.T_OF] = -1
    if tolerance is None:
        return words
    if tolerance.absolute is not None:
        words[at.T_ABSOLUTE] = tolerance.absolute
    if tolerance.percent_units is not None:
        words[at.T_PERCENT] = tolerance.percent_units
        words[at.T_PERCENT_FACTOR] = 100 * 10**tolerance.percent_scale
    if tolerance.of is not None:
        words[at.T_OF] = tolerance.of
    words[at.T_WITHIN_ALL] = int(tolerance.within_all)
    words[at.T_BASE] = tolerance.base
    return words


def _span(agreement: Agreement, index: int) -> tuple[int, int]:
    column = agreement.layout.columns[index]
    return column.offset - PREFIX_BYTES, column.width


def _mask(positions: Iterable[int]) -> int:
    return sum(1 << position for position in positions)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >= 1 << 63 else word
