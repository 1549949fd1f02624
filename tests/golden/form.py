"""A golden ledger as it stands in its file (docs/formats/golden.md), computed by any rule book."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tieout.agreement.breakrow import BreakRow
from tieout.agreement.model import Agreement
from tieout.agreement.parse import load_canonical
from tieout.testing.rulebooks import RuleBook
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import NO_ITEM, EventKind
from tieout.wire.genesis import Genesis, parse_genesis
from tieout.wire.members import ProposeChange, PutIntoForce
from tieout.wire.operations import Enact, parse_operation

FOLDER: Final = Path(__file__).resolve().parent

Form = dict[str, Any]


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def text_of(ledger: Form) -> str:
    return json.dumps(ledger, indent=1, ensure_ascii=False) + "\n"


def genesis_of(ledger: Form) -> Genesis:
    return parse_genesis(ledger["genesis"].encode())


def blocks_of(ledger: Form) -> list[Block]:
    return [
        Block(
            block["height"],
            block["time_us"],
            tuple(b64decode(item["item"], validate=True) for item in block["items"]),
        )
        for block in ledger["blocks"]
    ]


def computed(rules: RuleBook, genesis: Genesis, blocks: Sequence[Block]) -> Form:
    """The whole form, as a rule book computes it from genesis and blocks alone."""
    state = rules.initial_state(genesis)
    agreements: list[Agreement] = []
    asked: dict[int, ProposeChange] = {}
    forms = []
    for block in blocks:
        state, result = rules.apply_block(state, block)
        agreements += enacted(block, result, asked)
        form = block_form(block, result)
        if EventKind.CUTOFF_CLOSED in result.events["kind"]:
            form["state_digest"] = rules.state_digest(state).hex()
        forms.append(form)
    names = sorted({agreement.name for agreement in agreements})
    return {
        "format": "docs/formats/golden.md",
        "genesis": genesis.to_bytes().decode(),
        "ledger_id": genesis.ledger_id().hex(),
        "blocks": forms,
        "breaks": {
            name: [break_form(agreements, row) for row in rules.breaks(state, name)]
            for name in names
        },
    }


def enacted(block: Block, result: BlockResult, asked: dict[int, ProposeChange]) -> list[Agreement]:
    """The agreements that came into force in a block, in the order of their numbers.

    `asked` are the changes that were proposed so far, by number; those of the block are added.
    """
    found: list[bytes] = []
    for event in result.events:
        kind, number, item = int(event["kind"]), int(event["serial"]), int(event["item"])
        if kind == EventKind.CHANGE_PROPOSED:
            proposed = parse_operation(block.items[item]).body
            assert isinstance(proposed, ProposeChange)
            asked[number] = proposed
        elif kind == EventKind.CHANGE_EFFECTIVE:
            steps = asked[number].steps
            found += [step.agreement for step in steps if isinstance(step, PutIntoForce)]
        elif kind == EventKind.AGREEMENT_ENACTED and item != NO_ITEM:
            body = parse_operation(block.items[item]).body
            assert isinstance(body, Enact)
            found.append(body.agreement)
    return [load_canonical(text) for text in found]


def block_form(block: Block, result: BlockResult) -> Form:
    items = [
        {
            "item": b64encode(data).decode(),
            "outcome": item.outcome.name,
            "leaf": item.leaf,
            "rows": " ".join(map(str, item.rows)),
            "bad_row": item.bad_row,
        }
        for data, item in zip(block.items, result.items, strict=True)
    ]
    return {
        "height": block.height,
        "time_us": block.time_us,
        "items": items,
        "events": [event.tobytes().hex() for event in result.events],
        "app_hash": result.app_hash.hex(),
    }


def break_form(agreements: Sequence[Agreement], row: BreakRow) -> Form:
    agreement = agreements[row.agreement - 1]
    return {
        "agreement": row.agreement,
        "transaction_id": row.transaction_id.decode(),
        "originator": row.originator,
        "stage": row.stage,
        "kind": row.kind.name,
        "field": None if row.field is None else agreement.name_of_place(row.field),
        "role": agreement.roles[row.role],
        "reported": value_form(row.reported),
        "benchmark": value_form(row.benchmark),
        "basis": row.basis,
        "difference": value_form(row.difference),
        "state": row.state.name,
    }


def value_form(value: int | bytes | None) -> str | None:
    """Numbers as decimal text: many readers of JSON hold no more than 53 bits."""
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)
