"""Agreements, parties, persons, keys and validators as lines: few, and written whole."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from tieout import kernel
from tieout.kernel.book import Book
from tieout.projections import tables
from tieout.projections.changes import Line
from tieout.projections.troubles import Moment
from tieout.wire.codes import Purpose


def agreement_line(book: Book, enacted: Moment, counts: Sequence[int]) -> Line:
    """An agreement version; `counts` are those of pending, matched, broken and withdrawn."""
    agreement = book.agreement
    return (
        book.number,
        agreement.name,
        agreement.version,
        agreement.hash.hex(),
        agreement.canonical.decode("utf-8"),
        agreement.mode.value,
        agreement.quorum,
        *enacted,
        book.judged,
        *counts,
    )


def member_lines(state: kernel.State) -> dict[sa.Table, list[Line]]:
    """Everybody, with roles and fields of all agreements."""
    roles = [
        (book.number, number, name, _json(book.holders[number]))
        for book in state.books
        for number, name in enumerate(book.agreement.roles)
    ]
    fields = [
        (book.number, number, field.name, field.type.value, field.scale)
        for book in state.books
        for number, field in enumerate(book.agreement.fields)
    ]
    everybody = kernel.parties(state)
    persons = [(party, person) for party in everybody for person in party.persons]
    return {
        tables.roles: roles,
        tables.fields: fields,
        tables.parties: [(party.number, party.name, party.until_height) for party in everybody],
        tables.persons: [(party.number, person.number, person.name) for party, person in persons],
        tables.member_keys: [
            (
                party.number,
                key.number,
                person.number,
                key.public.hex(),
                _json([Purpose(purpose).name.lower() for purpose in key.purposes]),
                key.from_height,
                key.until_height,
            )
            for party, person in persons
            for key in person.keys
        ],
        tables.validators: [
            (each.party, each.public.hex(), each.power) for each in kernel.validators(state)
        ],
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
