"""What tests/vectors/journal.json must say. `python -m tests.journal.golden` writes it anew."""

import tempfile
from pathlib import Path
from typing import Any

from tests.journal import ledgers
from tests.wire import golden
from tieout.journal.frame import FRAME_HEADER_BYTES, ITEM_ENTRY_BYTES, TRAILER_BYTES
from tieout.journal.journal import Journal
from tieout.journal.records import key_hash, record_key, sorted_records, write_sidecar

FILE = golden.VECTORS / "journal.json"
BLOCKS = 3


def vectors(directory: Path) -> dict[str, Any]:
    ledgers.write(directory, BLOCKS, rows=1)
    with Journal.open(directory, ledgers.LEDGER_ID) as journal:
        snapshot = journal.snapshot_writer(ledgers.parts_at(BLOCKS)).finish().read_bytes()
        entries = list(journal.entries())
        places = [journal._chain.locate(entry.block.height)[1].offset for entry in entries]
        records = sorted_records(entries)
        sidecar = directory / "records.ids"
        write_sidecar(sidecar, ledgers.LEDGER_ID, entries[-1].frame_hash, records)
    segment = next((directory / "segments").glob("*.seg")).read_bytes()
    return {
        "format": "docs/formats/journal.md",
        "ledger_id": ledgers.LEDGER_ID.hex(),
        "segment": segment.hex(),
        "frames": [
            {
                "offset": offset,
                "height": entry.block.height,
                "time_us": entry.block.time_us,
                "table_at": offset + FRAME_HEADER_BYTES,
                "items_at": offset + FRAME_HEADER_BYTES + ITEM_ENTRY_BYTES * len(entry.block.items),
                "trailer_at": offset + entry.header.frame_bytes - TRAILER_BYTES,
                "items": [
                    {
                        "bytes": len(item),
                        "outcome": result.outcome.name,
                        "leaf": result.leaf,
                        "rows": list(result.rows),
                    }
                    for item, result in zip(entry.block.items, entry.result.items, strict=True)
                ],
                "events": len(entry.result.events),
                "app_hash": entry.result.app_hash.hex(),
                "frame_hash": entry.frame_hash.hex(),
            }
            for entry, offset in zip(entries, places, strict=True)
        ],
        "records": {
            "sidecar": sidecar.read_bytes().hex(),
            "agreement": "orders",
            "transaction_id": "T-002-0000",
            "originator": 0,
            "hash": f"{key_hash_of('T-002-0000'):016x}",
            "places": [
                [place.leaf, place.row] for place in records.find(key_hash_of("T-002-0000"))
            ],
        },
        "snapshot": snapshot.hex(),
    }


def key_hash_of(transaction_id: str) -> int:
    return key_hash("orders", record_key(0, transaction_id))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(golden.text(vectors(Path(folder))), encoding="utf-8")
