"""Telling the messages of a node from anybody else's (Standard Webhooks, docs/alarms.md).

A receiver is on a network, and whoever reaches it can post to it. What proves a message is its
signature with the secret that the node and the receiver share; what keeps an old one from being
played again is its time. The same message may still come twice: pass over the ids that you know.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from tieout.sdk.errors import WebhookRefused
from tieout.sdk.limits import WEBHOOK_TOLERANCE_S

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives secrets
_VERSION: Final = "v1,"
_MAX_TIME_DIGITS: Final = 12


class Named(msgspec.Struct, frozen=True):
    """A transaction that a message is about, and the block that it is about."""

    transaction_id: str
    originator: int
    height: int
    time: str


class Trouble(msgspec.Struct, frozen=True):
    """A break, in words; `field` is empty where the whole record is meant."""

    kind: str
    field: str
    role: str
    reported: str
    benchmark: str
    difference: str
    currency: str
    severity: str = ""


class NoticeData(msgspec.Struct, frozen=True):
    """What a message says; `count` transactions, of which the first twenty are named."""

    ledger: str
    rule: str
    severity: str
    agreement: str
    title: str
    count: int
    escalated: bool
    transactions: tuple[Named, ...]
    breaks: tuple[Trouble, ...]
    breaks_known: bool
    level: str = ""
    to: str = ""


class _Body(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: NoticeData


class Notice(msgspec.Struct, frozen=True):
    """A message of the node. `id` is the same however often the message comes."""

    id: str
    type: str
    timestamp: str
    data: NoticeData


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now_s: float | None = None,
    tolerance_s: float = WEBHOOK_TOLERANCE_S,
) -> Notice:
    """The message, if whoever knows the secret signed these very bytes lately.

    `secret` is the text of the channel's file (`whsec_…`), `headers` those of the request, in
    whatever case. Raises WebhookRefused; ValueError for a secret that is none.
    """
    told = {name.lower(): value for name, value in headers.items()}
    try:
        name, sent, signatures = (
            told[f"webhook-{each}"] for each in ("id", "timestamp", "signature")
        )
    except KeyError as error:
        raise WebhookRefused(f"the header {error.args[0]} is missing") from error
    if not (sent.isascii() and sent.isdecimal() and len(sent) <= _MAX_TIME_DIGITS):
        raise WebhookRefused("the time of the message is none")
    signed = b"%s.%s.%s" % (name.encode(), sent.encode(), body)
    expected = hmac.digest(_key(secret), signed, hashlib.sha256)
    if not any(hmac.compare_digest(expected, each) for each in _signatures(signatures)):
        raise WebhookRefused("the signature is not that of this message")
    now_s = time.time() if now_s is None else now_s
    if abs(now_s - int(sent)) > tolerance_s:
        raise WebhookRefused(f"the message is of another time: {now_s - int(sent):.0f} s away")
    try:
        said = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WebhookRefused(f"the message is in another form: {error}") from error
    return Notice(name, said.type, said.timestamp, said.data)


def _key(secret: str) -> bytes:
    key = base64.b64decode(secret.strip().removeprefix(_SECRET_PREFIX), validate=True)
    if not key:
        raise ValueError("the secret of the webhook is empty")
    return key


def _signatures(text: str) -> list[bytes]:
    """Those of the version that we know; there are several while a secret is being changed."""
    found = []
    for each in text.split():
        if each.startswith(_VERSION):
            try:
                found.append(base64.b64decode(each.removeprefix(_VERSION), validate=True))
            except ValueError:
                continue
    return found
