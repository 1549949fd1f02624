"""`python -m tieout.node.api`: the OpenAPI document, as docs/openapi.json holds it."""

import sys

import msgspec

from tieout.node.api.endpoints import ENDPOINTS
from tieout.node.api.openapi import document


def written() -> bytes:
    """The document as a file."""
    return msgspec.json.format(msgspec.json.encode(document(ENDPOINTS)), indent=1) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(written())
