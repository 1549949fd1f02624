"""From lines of the database to answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tieout.projections import tables
from tieout.projections.answers import (
    AdjustmentItem,
    AgreementItem,
    AlarmItem,
    BreakItem,
    EventItem,
    FieldItem,
    KeyItem,
    MemberItem,
    PersonItem,
    RecordItem,
    RoleItem,
    TransactionItem,
    ValidatorItem,
)
from tieout.projections.tables import ID_SHIFT

Row = sa.RowMapping
Versions = Mapping[int, tuple[str, int]]
_INDEX_MASK = (1 << ID_SHIFT) - 1
_UNUSED = -1


def shown_id(number: int) -> str:
    """An id as HEIGHT-INDEX."""
    return f"{number >> ID_SHIFT}-{number & _INDEX_MASK}"


def transaction_item(row: Row, versions: Versions) -> TransactionItem:
    """A line of `transactions`."""
    return TransactionItem(**_under(row, versions, "transaction_key"))


def break_item(row: Row, versions: Versions) -> BreakItem:
    """A line of `breaks`."""
    cells = _under(row, versions, "transaction_key", "field_number", "role_number")
    return BreakItem(**{**cells, "id": shown_id(row["id"])})


def alarm_item(row: Row, versions: Versions) -> AlarmItem:
    """A line of `alarms`."""
    cells = _under(row, versions, "transaction_key")
    return AlarmItem(**{**cells, "id": shown_id(row["id"])})


def adjustment_item(row: Row, versions: Versions) -> AdjustmentItem:
    """A line of `adjustments`; its id is the one that people sign."""
    cells = _under(row, versions, "transaction_key", "role_number", "adjustment_id")
    own = {
        "id": row["adjustment_id"],
        "at_once": bool(row["at_once"]),
        "approvers": tuple(row["approvers"]),
        "fields": tuple(row["fields"]),
    }
    return AdjustmentItem(**{**cells, **own})


def record_item(row: Row, roles: Sequence[str]) -> RecordItem:
    """A line of `standing_records`; `roles` are those of its agreement."""
    cells = {name: row[name] for name in row if name not in {"transaction_key", "texts"}}
    return RecordItem(**{**cells, "role": roles[row["role"]], "values": row["texts"]})


def event_item(row: Row, names: Mapping[int, tuple[int, str]]) -> EventItem:
    """A line of `events`; `names` has originator and id of the transactions they are about."""
    originator, transaction_id = names.get(row["transaction_key"], (None, None))
    is_about = row["transaction_key"] is not None
    cells = {name: row[name] for name in row if name != "transaction_key"}
    unused = {name: None for name in ("role", "field", "item", "row") if row[name] == _UNUSED}
    if is_about or row["serial"] == _UNUSED:
        unused["serial"] = None
    own = {"id": shown_id(row["id"]), "originator": originator, "transaction_id": transaction_id}
    return EventItem(**{**cells, **unused, **own})


def _under(row: Row, versions: Versions, *left_out: str) -> dict[str, Any]:
    """The cells of a line, with its agreement by name and version."""
    cells = {name: row[name] for name in row if name not in left_out}
    cells["agreement"], cells["version"] = versions[row["agreement"]]
    return cells


def agreement_items(connection: sa.Connection) -> tuple[AgreementItem, ...]:
    """All agreements with their roles and fields."""
    roles = _grouped(connection, tables.roles, "agreement")
    fields = _grouped(connection, tables.fields, "agreement")
    statement = sa.select(tables.agreements).order_by(tables.agreements.c.number)
    return tuple(
        AgreementItem(
            **row,
            roles=tuple(
                RoleItem(each["name"], tuple(each["holders"]))
                for each in roles.get(row["number"], ())
            ),
            fields=tuple(
                FieldItem(each["name"], each["type"], each["scale"])
                for each in fields.get(row["number"], ())
            ),
        )
        for row in connection.execute(statement).mappings()
    )


def member_items(connection: sa.Connection) -> tuple[MemberItem, ...]:
    """All parties with their persons, keys and validators."""
    persons = _grouped(connection, tables.persons, "party")
    keys = _grouped(connection, tables.member_keys, "party")
    validators = _grouped(connection, tables.validators, "party")
    statement = sa.select(tables.parties).order_by(tables.parties.c.number)
    return tuple(
        MemberItem(
            **party,
            persons=tuple(
                PersonItem(each["number"], each["name"], _keys_of(each, keys))
                for each in persons.get(party["number"], ())
            ),
            validators=tuple(
                ValidatorItem(each["public_key"], each["power"])
                for each in validators.get(party["number"], ())
            ),
        )
        for party in connection.execute(statement).mappings()
    )


def _keys_of(person: Row, keys: Mapping[int, list[Row]]) -> tuple[KeyItem, ...]:
    return tuple(
        KeyItem(
            each["number"],
            each["public_key"],
            tuple(each["purposes"]),
            each["from_height"],
            each["until_height"],
        )
        for each in keys.get(person["party"], ())
        if each["person"] == person["number"]
    )


def _grouped(connection: sa.Connection, table: sa.Table, name: str) -> dict[int, list[Row]]:
    """All lines of a small table in the order of its key, by one of its columns."""
    found: dict[int, list[Row]] = {}
    statement = sa.select(table).order_by(*table.primary_key.columns)
    for row in connection.execute(statement).mappings():
        found.setdefault(row[name], []).append(row)
    return found
