"""How a notice leaves the house: a signed webhook, or one of the many services of Apprise.

A webhook follows Standard Webhooks: `webhook-id` is the notice's, the same at every attempt;
`webhook-signature` is `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`. Any 2xx is
delivered. Redirects are not followed: a receiver that moved has to be named anew.
"""

import base64
import hashlib
import hmac
import http.client
import os
import secrets
import ssl
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import structlog

from tieout import __version__
from tieout.node.alarms.findings import text_of
from tieout.node.alarms.outbox import Notice
from tieout.node.alarms.rulefile import Channel, Webhook
from tieout.node.errors import NodeError

TIMEOUT_S: Final = 15.0
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives secrets
_SECRET_BYTES: Final = 32
_LEAST_SECRET_BYTES: Final = 24
"""Standard Webhooks: between 24 and 64 bytes."""
_GONE: Final = 410


log = structlog.get_logger("tieout.node.alarms")


class Answer(NamedTuple):
    """What came of an attempt. `is_final`: further attempts are of no use."""

    delivered: bool
    text: str
    is_final: bool = False
    retry_after_s: int = 0


class Sender(Protocol):
    """One channel. `send` may take `TIMEOUT_S` and more, and raises nothing."""

    def send(self, notice: Notice, time_s: int) -> Answer:
        """Deliver a notice now."""
        ...


def sender_of(channel: Channel, directory: Path) -> Sender:
    """What delivers to a channel; files are found from the node's directory. Raises NodeError."""
    if isinstance(channel, Webhook):
        return WebhookSender(channel.url, secret_of(directory / channel.secret_file))
    return ServiceSender(directory / channel.urls_file)


def secret_of(path: Path) -> bytes:
    """The secret of a webhook; a fresh one is written where there is no file. Raises NodeError."""
    remedy = f"it holds {SECRET_PREFIX} and Base64; remove it for a fresh one"
    try:
        if not path.exists():
            _write_secret(path)
        text = path.read_text(encoding="ascii").strip()
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (OSError, ValueError) as error:
        raise NodeError(f"{path}: {error}", remedy) from error
    if len(secret) < _LEAST_SECRET_BYTES:
        raise NodeError(f"{path}: the secret is too short to sign with", remedy)
    _warn_of_readers(path)
    return secret


def _write_secret(path: Path) -> None:
    """Write a fresh secret, whole or not at all, for its owner alone."""
    fresh = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    unready = path.with_name(f".{path.name}.new")
    unready.unlink(missing_ok=True)
    with open(os.open(unready, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - by descriptor
        file.write(f"{SECRET_PREFIX}{fresh}\n")
        file.flush()
        os.fsync(file.fileno())
    unready.rename(path)


def _warn_of_readers(path: Path) -> None:
    if path.stat().st_mode & 0o007:
        log.warning("secret_open_to_others", file=path.name)


def signature(secret: bytes, name: str, time_s: int, body: bytes) -> str:
    """The `webhook-signature` of a message (Standard Webhooks, symmetric)."""
    signed = b"%s.%d.%s" % (name.encode(), time_s, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


class WebhookSender:
    """Posts to one URL."""

    def __init__(self, url: str, secret: bytes) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "https"
        self._host, self._port = str(parts.hostname), parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret

    def send(self, notice: Notice, time_s: int) -> Answer:
        """Post a notice; see Sender."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"tieout/{__version__}",
            "webhook-id": notice.id,
            "webhook-timestamp": str(time_s),
            "webhook-signature": signature(self._secret, notice.id, time_s, notice.body),
        }
        connection = self._connection()
        try:
            connection.request("POST", self._target, notice.body, headers)
            response = connection.getresponse()
            status, retry_after = response.status, response.getheader("Retry-After", "")
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(delivered=False, text=f"{type(error).__name__}: {error}"[:200])
        finally:
            connection.close()
        delivered = 200 <= status < 300  # noqa: PLR2004 - RFC 9110, 15.3
        wait_s = int(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0  # noqa: PLR2004 - a day of seconds
        return Answer(delivered, f"HTTP {status}", status == _GONE, wait_s)

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_S, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)


class ServiceSender:
    """Speaks through services that Apprise knows. Their URLs hold passwords, so a file has them."""

    def __init__(self, path: Path) -> None:
        """Raises NodeError for a file that cannot be read, or a URL that Apprise does not know."""
        import apprise  # noqa: PLC0415 - slow to import, and most nodes use webhooks alone

        try:
            lines = path.read_text(encoding="utf-8").split()
            _warn_of_readers(path)
        except (OSError, UnicodeDecodeError) as error:
            raise NodeError(f"{path}: {error}", "write a URL of Apprise in each line") from error
        self._services = apprise.Apprise()
        for number, line in enumerate(lines, start=1):
            if not self._services.add(line):
                raise NodeError(f"{path}, line {number}: Apprise does not know this URL")
        if not lines:
            raise NodeError(f"{path} is empty", "write a URL of Apprise in each line")

    def send(self, notice: Notice, time_s: int) -> Answer:
        """Tell every service of the file; see Sender."""
        del time_s
        try:
            # Ids and values are other parties' words: as text, no service takes them for markup.
            told = self._services.notify(
                title=f"Tieout: {notice.title}", body=text_of(notice.body), body_format="text"
            )
        except Exception as error:  # noqa: BLE001 - what a plug-in raises is not known
            return Answer(delivered=False, text=f"{type(error).__name__}: {error}"[:200])
        return Answer(bool(told), "told" if told else "a service did not take it")
