"""A message is believed if whoever knows the secret signed these very bytes lately."""

from collections.abc import Callable

import msgspec
import pytest

from tieout.node.alarms.channels import signature
from tieout.sdk.errors import WebhookRefused
from tieout.sdk.http.webhooks import verify_webhook

# Test vectors: no secret of anybody.
SECRET = "whsec_dGVzdCB2ZWN0b3I6IG5vIHNlY3JldA=="
KEY = b"test vector: no secret"
SENT = 1_774_948_502
BODY = msgspec.json.encode(
    {
        "type": "tieout.alarm_raised",
        "timestamp": "2026-03-31T09:15:02Z",
        "data": {
            "ledger": "9f", "rule": "everything", "severity": "alarm", "agreement": "pay",
            "title": "alarm raised in pay", "count": 1, "escalated": False, "breaks_known": True,
            "transactions": [
                {"transaction_id": "P-1", "originator": 0, "height": 7,
                 "time": "2026-03-31T09:15:02Z"}
            ],
            "breaks": [
                {"kind": "mismatch", "field": "amount", "role": "seller", "reported": "70.00",
                 "benchmark": "50.00", "difference": "20.00", "currency": "CNY"}
            ],
        },
    }
)  # fmt: skip


def signed(key: bytes = KEY, body: bytes = BODY, name: str = "m-1") -> dict[str, str]:
    """The headers as a node's own channel makes them."""
    return {
        "Webhook-Id": name,
        "webhook-timestamp": str(SENT),
        "WEBHOOK-SIGNATURE": signature(key, name, SENT, body),
    }


def test_the_nodes_own_message_is_read() -> None:
    notice = verify_webhook(SECRET + "\n", signed(), BODY, now_s=SENT + 3)
    assert (notice.id, notice.type, notice.data.count) == ("m-1", "tieout.alarm_raised", 1)
    assert notice.data.transactions[0].transaction_id == "P-1"
    assert notice.data.breaks[0].difference == "20.00"


def test_one_good_signature_among_several_is_enough() -> None:
    headers = signed()
    other = signature(b"the secret before", "m-1", SENT, BODY)
    headers["WEBHOOK-SIGNATURE"] = f"v2,AAAA v1,%% {other} {headers['WEBHOOK-SIGNATURE']}"
    assert verify_webhook(SECRET, headers, BODY, now_s=SENT).id == "m-1"


MUTATIONS: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "another id": lambda told: told | {"Webhook-Id": "m-2"},
    "another time": lambda told: told | {"webhook-timestamp": str(SENT + 1)},
    "a time that is none": lambda told: told | {"webhook-timestamp": "today"},
    "another secret": lambda _: signed(key=b"another"),
    "another body": lambda _: signed(body=BODY + b" "),
    "no signature": lambda told: told | {"WEBHOOK-SIGNATURE": ""},
    "half a signature": lambda told: told | {"WEBHOOK-SIGNATURE": told["WEBHOOK-SIGNATURE"][:20]},
    "no header": lambda told: {"webhook-timestamp": told["webhook-timestamp"]},
}


@pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=MUTATIONS)
def test_what_is_not_signed_so_is_refused(
    mutate: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, mutate(signed()), BODY, now_s=SENT)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_message_of_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(WebhookRefused, match="another time"):
        verify_webhook(SECRET, signed(), BODY, now_s=SENT + seconds)


def test_a_secret_that_is_none_is_the_programs_fault() -> None:
    with pytest.raises(ValueError, match="empty"):
        verify_webhook("whsec_", signed(), BODY, now_s=SENT)
