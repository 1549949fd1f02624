"""Views for people's own SQL and for BI tools (docs/views.md). Their names and columns stay.

The statements are the same on both databases, but for taking a JSON document apart, and for times:
ISO 8601 texts, which sort and can be read on both.
"""

from typing import Final

import sqlalchemy as sa

from tieout.projections.database import POSTGRESQL
from tieout.projections.tables import ID_SHIFT

_VIEWS: Final = {
    "tieout_transactions": """
        SELECT a.name AS agreement, a.version, t.originator, t.transaction_id, t.stage, t.status,
            {opened} AS opened_at, {changed} AS changed_at, t.opened_height, t.changed_height,
            (t.transaction_key & 1099511627775) < a.judged AS is_judged,
            t.episode AS episodes, t.transaction_key
        FROM transactions t JOIN agreements a ON a.number = t.agreement
    """,
    "tieout_records": """
        SELECT a.name AS agreement, a.version, t.originator, t.transaction_id, t.status,
            r.name AS role, p.name AS party, s.action, s.revision, {stated} AS stated_at,
            s.height AS stated_height, s.texts AS field_texts, s.exact AS field_integers,
            s.leaf, s.row AS row_in_batch, s.transaction_key
        FROM standing_records s
        JOIN transactions t ON t.transaction_key = s.transaction_key
        JOIN agreements a ON a.number = t.agreement
        JOIN roles r ON r.agreement = t.agreement AND r.number = s.role
        JOIN parties p ON p.number = s.party
    """,
    "tieout_values": """
        SELECT a.name AS agreement, a.version, t.originator, t.transaction_id, t.status,
            r.name AS role, f.name AS field, f.type AS field_type,
            {text_of_field} AS value_text, {integer_of_field} AS value_integer,
            f.scale, s.revision, s.transaction_key
        FROM standing_records s
        JOIN transactions t ON t.transaction_key = s.transaction_key
        JOIN agreements a ON a.number = t.agreement
        JOIN roles r ON r.agreement = t.agreement AND r.number = s.role
        JOIN fields f ON f.agreement = t.agreement
        WHERE s.action = 'state'
    """,
    "tieout_breaks": """
        SELECT {break_id} AS break_id, a.name AS agreement, a.version, b.originator,
            b.transaction_id, b.kind, b.field, b.role, p.name AS party, b.status,
            b.closed_height IS NULL AS is_open, b.reported, b.benchmark, b.basis, b.difference,
            b.currency, b.reported_exact AS reported_integer,
            b.benchmark_exact AS benchmark_integer, b.difference_exact AS difference_integer,
            b.scale, {opened} AS opened_at, {changed} AS changed_at, {closed} AS closed_at,
            b.opened_height, b.closed_height, b.transaction_key, b.severity
        FROM breaks b JOIN agreements a ON a.number = b.agreement
        LEFT JOIN parties p ON p.number = b.party
    """,
    "tieout_alarms": """
        SELECT {alarm_id} AS alarm_id, a.name AS agreement, a.version, m.originator,
            m.transaction_id, m.episode, m.state, m.cleared_height IS NULL AS is_open, m.quorum,
            m.findings, {found} AS found_at, {raised} AS raised_at,
            {acknowledged} AS acknowledged_at, p.name AS acknowledged_party,
            q.name AS acknowledged_person, {cleared} AS cleared_at, m.transaction_key,
            m.severity, m.escalation_step, m.escalated_to, {escalated} AS escalated_at
        FROM alarms m JOIN agreements a ON a.number = m.agreement
        LEFT JOIN parties p ON p.number = m.acknowledged_party
        LEFT JOIN persons q
            ON q.party = m.acknowledged_party AND q.number = m.acknowledged_person
    """,
    "tieout_adjustments": """
        SELECT j.adjustment_id, a.name AS agreement, a.version, j.originator, j.transaction_id,
            j.role, p.name AS party, j.status, j.revision, j.at_once = 1 AS is_at_once,
            {proposed} AS proposed_at, {changed} AS changed_at, j.fields AS field_changes,
            j.approvers, j.transaction_key
        FROM adjustments j JOIN agreements a ON a.number = j.agreement
        LEFT JOIN parties p ON p.number = j.party
    """,
    "tieout_agreements": """
        SELECT a.name AS agreement, a.version, a.hash, {enacted} AS enacted_at, a.enacted_height,
            a.pending + a.matched + a.broken + a.withdrawn AS transactions,
            a.pending, a.matched, a.broken, a.withdrawn, a.judged
        FROM agreements a
    """,
    "tieout_cutoffs": """
        SELECT c.agreement, {cutoff} AS cutoff_at, {happened} AS closed_at, c.height,
            p.name AS party, c.judged, c.transactions, c.pending, c.matched, c.broken, c.withdrawn
        FROM cutoffs c LEFT JOIN parties p ON p.number = c.party
    """,
    "tieout_batches": """
        SELECT c.height, c.item, {happened} AS arrived_at, p.name AS party, c.role, c.agreement,
            c.version, c.sequence, c.outcome, c.rows AS row_count, c.accepted, c.wrong_version,
            c.expired, c.unexpected, c.stale, c.repeated, c.duplicate
        FROM batches c JOIN blocks b ON b.height = c.height
        LEFT JOIN parties p ON p.number = c.party
    """,
    "tieout_events": """
        SELECT {event_id} AS event_id, e.height, {happened} AS happened_at, e.kind,
            a.name AS agreement, t.originator, t.transaction_id, e.role AS role_number,
            e.field AS field_number, e.detail, e.extra, e.transaction_key
        FROM events e JOIN blocks b ON b.height = e.height
        LEFT JOIN agreements a ON a.number = e.agreement
        LEFT JOIN transactions t ON t.transaction_key = e.transaction_key
    """,
    "tieout_standing": """
        SELECT l.name AS ledger, l.ledger_id, l.height, {happened} AS as_of, l.log_size, l.app_hash
        FROM ledger l
    """,
}
"""Name and statement; times and ids in braces are written as each database can."""

_TIMES: Final = {
    "tieout_transactions": {"opened": "t.opened_us", "changed": "t.changed_us"},
    "tieout_records": {"stated": "s.time_us"},
    "tieout_breaks": {
        "opened": "b.opened_us",
        "changed": "b.changed_us",
        "closed": "b.closed_us",
    },
    "tieout_alarms": {
        "found": "m.found_us",
        "raised": "m.raised_us",
        "acknowledged": "m.acknowledged_us",
        "cleared": "m.cleared_us",
        "escalated": "m.escalated_us",
    },
    "tieout_adjustments": {"proposed": "j.proposed_us", "changed": "j.changed_us"},
    "tieout_agreements": {"enacted": "a.enacted_us"},
    "tieout_cutoffs": {"cutoff": "c.cutoff_us", "happened": "c.time_us"},
    "tieout_batches": {"happened": "b.time_us"},
    "tieout_events": {"happened": "b.time_us"},
    "tieout_standing": {"happened": "l.time_us"},
}
_IDS: Final = {
    "tieout_breaks": {"break_id": "b.id"},
    "tieout_alarms": {"alarm_id": "m.id"},
    "tieout_events": {"event_id": "e.id"},
}
VIEWS: Final = tuple(_VIEWS)
"""Their names."""


def create_views(connection: sa.Connection) -> None:
    """Create all views; none of them may be there."""
    own = _Postgres() if connection.dialect.name == POSTGRESQL else _Sqlite()
    for name, statement in _VIEWS.items():
        words = {word: own.time(column) for word, column in _TIMES.get(name, {}).items()}
        words |= {word: _shown_id(column) for word, column in _IDS.get(name, {}).items()}
        words["text_of_field"] = own.member("s.texts", "text")
        words["integer_of_field"] = own.member("s.exact", "bigint")
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {statement.format(**words)}")


def drop_views(connection: sa.Connection) -> None:
    """Drop all views that are there."""
    for name in _VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def _shown_id(column: str) -> str:
    """An id as HEIGHT-INDEX."""
    height, index = f"{column} >> {ID_SHIFT}", f"{column} & {(1 << ID_SHIFT) - 1}"
    return f"CAST({height} AS text) || '-' || CAST({index} AS text)"


class _Sqlite:
    """What SQLite has its own words for."""

    def time(self, column: str) -> str:
        """Microseconds as 2026-03-31T18:00:00.000000Z; NULL stays."""
        seconds = f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch')"
        return f"{seconds} || printf('.%06dZ', {column} % 1000000)"

    def member(self, document: str, _kind: str) -> str:
        """The member of a JSON document that has the field's name."""
        return f"json_extract({document}, '$.\"' || f.name || '\"')"


class _Postgres:
    """What PostgreSQL has its own words for."""

    def time(self, column: str) -> str:
        """Microseconds as 2026-03-31T18:00:00.000000Z; NULL stays."""
        moment = f"to_timestamp({column} / 1000000) AT TIME ZONE 'UTC'"
        seconds = f"to_char({moment}, 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        return f"{seconds} || '.' || lpad(mod({column}, 1000000)::text, 6, '0') || 'Z'"

    def member(self, document: str, kind: str) -> str:
        """The member of a JSON document that has the field's name."""
        return f"CAST({document} ->> f.name AS {kind})"
