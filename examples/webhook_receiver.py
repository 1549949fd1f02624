"""A receiver of a node's webhooks: it checks signatures, and passes over what it knows.

python examples/webhook_receiver.py PORT mynode/ops.secret
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tieout.sdk.errors import WebhookRefused
from tieout.sdk.http.webhooks import verify_webhook

MAX_BYTES = 1 << 20


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to the node's messages, and 400 to anybody else's."""

    secret = ""
    known: set[str] = set()  # noqa: RUF012 - one set for all requests; a real one keeps it on disk

    def do_POST(self) -> None:
        """Take a message."""
        size = min(int(self.headers.get("Content-Length", "0")), MAX_BYTES)
        try:
            notice = verify_webhook(self.secret, dict(self.headers), self.rfile.read(size))
        except WebhookRefused as error:
            print("refused:", error, flush=True)
            self.send_error(400)
            return
        if notice.id not in self.known:
            self.known.add(notice.id)
            for each in notice.data.transactions:
                print(notice.data.severity, each.transaction_id, notice.data.title, flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing about requests."""


def main(port: str, secret_file: str) -> None:
    """Listen on loopback until Ctrl-C."""
    Receiver.secret = Path(secret_file).read_text(encoding="ascii")
    HTTPServer(("127.0.0.1", int(port)), Receiver).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
