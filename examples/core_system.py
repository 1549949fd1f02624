"""A core system: it publishes what it booked, waits for verdicts, and reacts to breaks.

python examples/core_system.py http://127.0.0.1:8300 TOKEN
"""

import sys
from collections.abc import Iterator
from decimal import Decimal

from tieout.sdk.http.client import NodeClient, Record

AGREEMENT = "fund-subscription"
ORDER = {"fund": "110022", "currency": "CNY", "trade_date": "2026-03-02"}


def booked(role: str) -> Iterator[Record]:
    """What the books of a role say: three orders, of which the seller has one wrong."""
    for number in range(3):
        amount = Decimal("100.00") + (role == "seller" and number == 1)
        shares = {} if role == "bank" else {"shares": Decimal("95.2381")}
        yield {"transaction_id": f"FS-{number}", "amount": amount, **shares, **ORDER}


def main(url: str, token: str) -> None:
    """Publish three roles' records, then look at what broke."""
    with NodeClient(url, token) as node:
        began = node.ledger().height
        print(node.publish_many(AGREEMENT, booked("seller"), role="seller").published, "orders")
        for role in ("registrar", "bank"):
            for record in booked(role):
                node.publish(AGREEMENT, record, role=role)
        for order in ("FS-0", "FS-1", "FS-2"):
            print(order, node.wait(AGREEMENT, order).status)
        with node.stream(after=began, kinds=("alarm_raised",), timeout_s=1.0) as alarms:
            for alarm in alarms:
                told = node.transaction(AGREEMENT, alarm.transaction_id).statement
                for each in told.breaks:
                    print(alarm.transaction_id, each.kind, each.field, "of", each.role)
                for entry in told.adjustments:
                    print("correcting entry for", entry.role, "is", entry.status)


if __name__ == "__main__":
    main(*sys.argv[1:])
