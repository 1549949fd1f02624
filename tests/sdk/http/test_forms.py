"""The client reads what the node says, and asyncio has the same client."""

import inspect

import msgspec
import pytest

from tieout.node import bulk, stream, verdicts
from tieout.node.alarms import findings
from tieout.node.api import looking
from tieout.projections import answers
from tieout.sdk.http import forms, webhooks
from tieout.sdk.http.aio import AsyncNodeClient
from tieout.sdk.http.client import NodeClient

PAIRS: list[tuple[type[msgspec.Struct], type[msgspec.Struct], set[str]]] = [
    *(
        (getattr(forms, name), getattr(room, name), set())
        for room, names in (
            (verdicts, ("Found", "Verdict", "InBlock", "Receipt")),
            (bulk, ("RefusedLine", "BatchReceipt", "BulkReceipt")),
            (looking, ("Step",)),
            (answers, ("Page", "TransactionItem", "BreakItem", "AlarmItem", "AdjustmentItem")),
            (answers, ("BlockItem", "BatchItem", "OperationItem", "CutoffItem")),
        )
        for name in names
    ),
    (forms.Transaction, looking.Told, set()),
    (forms.Ledger, looking.LedgerView, set()),
    (forms.Event, stream.Happening, {"id"}),
    (webhooks.Trouble, findings.Trouble, set()),
    (webhooks.Named, findings._Named, set()),
    (webhooks.NoticeData, findings._Data, set()),
]


@pytest.mark.parametrize(("ours", "theirs", "own"), PAIRS, ids=lambda each: str(each)[:60])
def test_what_the_client_reads_the_node_says(
    ours: type[msgspec.Struct], theirs: type[msgspec.Struct], own: set[str]
) -> None:
    assert set(ours.__struct_fields__) - set(theirs.__struct_fields__) == own


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def faces(kind: type) -> dict[str, list[str]]:
        return {
            name: [
                str(each).split(":")[0] for each in inspect.signature(method).parameters.values()
            ]
            for name, method in vars(kind).items()
            if not name.startswith("_")
        }

    assert faces(AsyncNodeClient) == faces(NodeClient)
