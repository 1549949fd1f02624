"""What a rule book says, in the words in which scenarios are written."""

from collections.abc import Sequence

import numpy as np

from tieout.agreement.breakrow import BreakRow
from tieout.agreement.model import Agreement, Field, FieldType
from tieout.evidence.breaklist import group_text, summed_field
from tieout.testing.workbench import PARTIES
from tieout.units.dates import format_date, format_seconds, format_time, parse_date, parse_time
from tieout.units.numbers import format_scaled, parse_scaled
from tieout.wire.codes import (
    NO_FIELD,
    AdjustmentStatus,
    BenchmarkState,
    BreakKind,
    EventKind,
    RowOutcome,
    Severity,
    StatementDifference,
)


def value_of(field: Field, text: str) -> int | bytes:
    """The value that a word of a script stands for."""
    match field.type:
        case FieldType.CODE | FieldType.TEXT:
            return text.encode()
        case FieldType.DATE:
            return parse_date(text)
        case FieldType.TIME:
            return parse_time(text)
        case _:
            return parse_scaled(text, field.scale)


def word_of(field: Field, value: int | bytes) -> str:
    """The word for a value."""
    if isinstance(value, bytes):
        return value.decode()
    if field.type is FieldType.DATE:
        return format_date(value)
    if field.type is FieldType.TIME:
        return format_time(value)
    return format_scaled(value, field.scale)


def word_of_difference(field: Field, difference: int) -> str:
    """The word for a difference, with its sign."""
    if field.type is FieldType.DATE:
        text = str(difference)
    elif field.type is FieldType.TIME:
        text = format_seconds(difference)
    else:
        text = format_scaled(difference, field.scale)
    return text if difference < 0 else f"+{text}"


def name_at_stage(agreement: Agreement, transaction_id: bytes, stage: int) -> str:
    """The name of a transaction: its id, `T1`, or with its stage, `T1/confirmed`."""
    name = transaction_id.decode()
    return f"{name}/{agreement.stages[stage].name}" if agreement.stages else name


def words_of_break(agreement: Agreement, row: BreakRow) -> str:
    """An open break, as it stands under `breaks`."""
    name = name_at_stage(agreement, row.transaction_id, row.stage)
    words = [name, row.kind.name.lower()]
    if row.field is None:
        return " ".join([*words, agreement.roles[row.role]])
    words += [agreement.name_of_place(row.field), agreement.roles[row.role]]
    if row.kind is BreakKind.INVARIANT:
        return " ".join(words)
    is_group = row.kind is BreakKind.GROUP
    field = agreement.fields[row.field] if not is_group else summed_field(agreement, row.field)
    if row.reported is not None:
        words.append(word_of(field, row.reported))
    if is_group:
        if row.benchmark is not None and row.difference is not None:
            against = word_of(field, row.benchmark)
            words += ["against", against, word_of_difference(field, row.difference)]
        return " ".join(
            [*words, group_text(row.group_key or b"", row.suspect or b"", row.suspicion)]
        )
    if row.benchmark is not None:
        words += ["against", word_of(field, row.benchmark), str(row.basis)]
    elif row.kind is BreakKind.MISMATCH:
        words.append(row.state.name.lower())
    if row.difference is not None:
        words.append(word_of_difference(field, row.difference))
    return " ".join(words)


def words_of_event(
    agreements: Sequence[Agreement], ids: Sequence[list[str]], event: np.void
) -> str:
    """An event, as it stands under `told`. `ids` are the transaction ids of each book."""
    kind = EventKind(int(event["kind"]))
    number, extra = int(event["agreement"]), int(event["extra"])
    words = [kind.name.lower()]
    match kind:
        case EventKind.AGREEMENT_ENACTED:
            return f"{words[0]} {agreements[number - 1].name} {agreements[number - 1].version}"
        case EventKind.CUTOFF_CLOSED:
            return f"{words[0]} {event['serial']}"
        case EventKind.EQUIVOCATION | EventKind.SEQUENCE_GAP:
            return f"{words[0]} {PARTIES[(extra >> 16) - 1]} {event['serial']}"
        case EventKind.CHANGE_PROPOSED:
            return f"{words[0]} {event['serial']} {PARTIES[(extra >> 16) - 1]}"
        case EventKind.CHANGE_VOTED:
            vote = "for" if event["detail"] else "against"
            return f"{words[0]} {event['serial']} {PARTIES[(extra >> 16) - 1]} {vote}"
        case _ if EventKind.CHANGE_VOTED < kind <= EventKind.CHANGE_SUPERSEDED:
            return f"{words[0]} {event['serial']}"
        case _ if EventKind.STATEMENT_TIES_OUT <= kind <= EventKind.BATCH_UNSTATED:
            return _words_of_statement(agreements[number - 1], kind, event)
        case EventKind.ROW_NOT_APPLIED:
            words.append(RowOutcome(int(event["detail"])).name.lower())
        case EventKind.BREAK_OPENED | EventKind.BREAK_CLOSED:
            words.append(BreakKind(int(event["detail"])).name.lower())
        case _:
            pass
    agreement = agreements[number - 1]
    if event["field"] != NO_FIELD:
        words.append(agreement.name_of_place(int(event["field"])))
    if event["role"] < len(agreement.roles):
        words.append(agreement.roles[event["role"]])
    if event["serial"] < len(ids[number - 1]):
        words.append(ids[number - 1][int(event["serial"])])
    return " ".join([*words, *_last_words(kind, int(event["detail"]), extra)])


def _words_of_statement(agreement: Agreement, kind: EventKind, event: np.void) -> str:
    """As `statement_differs seller north 2 count set_hash`, or `batch_omitted seller north 0:3`."""
    party, low = int(event["extra"]) >> 16, int(event["extra"]) & 0xFFFF
    words = [kind.name.lower(), agreement.roles[event["role"]], PARTIES[party - 1]]
    if kind is EventKind.TOTAL_DIFFERS:
        return " ".join([*words, agreement.fields[event["field"]].name])
    if kind in (EventKind.BATCH_OMITTED, EventKind.BATCH_UNSTATED):
        return " ".join([*words, f"{low}:{event['serial']}"])
    differs = [each.name.lower() for each in StatementDifference if each & int(event["detail"])]
    revision = [f"r{low}"] if low > 1 else []
    return " ".join([*words, *revision, str(event["serial"]), *differs])


def _last_words(kind: EventKind, detail: int, extra: int) -> list[str]:
    """What else there is to an event of a transaction."""
    match kind:
        case EventKind.BREAK_OPENED | EventKind.BREAK_CLOSED | EventKind.BENCHMARK_CHANGED:
            return [BenchmarkState(extra).name.lower()] if extra else []
        case EventKind.ALARM_RAISED | EventKind.ALARM_CLEARED:
            return [str(extra)]
        case EventKind.SEVERITY_CHANGED:
            return [Severity(detail).name.lower()]
        case EventKind.ALARM_ESCALATED:
            return [str(detail)]
        case EventKind.ALARM_CONFIRMED:
            return [str(detail), PARTIES[extra - 1]]
        case (
            EventKind.ALARM_ACKNOWLEDGED
            | EventKind.DISPUTE_RAISED
            | EventKind.DISPUTE_WITHDRAWN
            | EventKind.MOTION_MOVED
        ):
            return [f"{PARTIES[(extra >> 16) - 1]}/{extra & 0xFFFF}"]
        case EventKind.MOTION_VOTED:
            vote = "for" if detail else "against"
            return [f"{PARTIES[(extra >> 16) - 1]}/{extra & 0xFFFF}", vote]
        case EventKind.ADJUSTMENT_PROPOSED:
            return ["by_person"] if detail else []
        case EventKind.ADJUSTMENT_APPROVED:
            return ["at_once"] if detail else []
        case EventKind.ADJUSTMENT_APPROVAL:
            return [str(detail)]
        case _:
            return []


def words_of_adjustment(agreement: Agreement, transaction_id: str, adjustment: np.void) -> str:
    """An adjustment, as it stands under `adjustments`."""
    words = [
        transaction_id,
        agreement.roles[adjustment["role"]],
        AdjustmentStatus(int(adjustment["status"])).name.lower(),
    ]
    for f, field in enumerate(agreement.fields):
        if int(adjustment["fields"]) >> f & 1:
            value = adjustment["benchmarks"][field.name]
            raw = bytes(value) if isinstance(value, bytes) else int(value)
            words += [field.name, word_of(field, raw)]
    return " ".join(words)
