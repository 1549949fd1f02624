"""A core system: it publishes what it booked, waits for verdicts, and reacts to breaks.

python examples/core_system.py http://127.0.0.1:8300 TOKEN
"""

import sys
from collections.abc import Iterator
from decimal import Decimal

from tieout.sdk.http.client import NodeClient, Record
from tieout.sdk.http.forms import Transaction

AGREEMENT = "fund-subscription"
ORDERS = ("FS-0", "FS-1", "FS-2")
ORDER = {"fund": "110022", "currency": "CNY", "trade_date": "2026-03-02"}


def booked(role: str) -> Iterator[Record]:
    """What the books of a role say: three orders, of which the seller has one wrong."""
    for order in ORDERS:
        wrong = role == "seller" and order == "FS-1"
        amount = Decimal("101.00") if wrong else Decimal("100.00")
        shares = {} if role == "bank" else {"shares": Decimal("95.2381")}
        yield {"transaction_id": order, "amount": amount, **shares, **ORDER}


def main(url: str, token: str) -> None:
    """Publish three roles' records, then look at what broke."""
    with NodeClient(url, token) as node:
        began = node.ledger().height
        print(node.publish_many(AGREEMENT, booked("seller"), role="seller").published, "orders")
        for role in ("registrar", "bank"):
            for record in booked(role):
                node.publish(AGREEMENT, record, role=role)
        broken = {each for each in ORDERS if node.wait(AGREEMENT, each).status == "broken"}
        print(len(ORDERS) - len(broken), "matched", len(broken), "broken")
        with node.stream(after=began, kinds=("alarm_raised",)) as alarms:
            while broken:
                alarm = next(alarms)
                if alarm.transaction_id in broken:
                    broken.remove(alarm.transaction_id)
                    react(node.transaction(AGREEMENT, alarm.transaction_id))


def react(order: Transaction) -> None:
    """Say what is wrong with an order, and what puts it right."""
    for each in order.statement.breaks:
        print(order.transaction_id, each.kind, each.field, "of", each.role)
    for entry in order.statement.adjustments:
        print("correcting entry for", entry.role, "is", entry.status)


if __name__ == "__main__":
    main(*sys.argv[1:])
