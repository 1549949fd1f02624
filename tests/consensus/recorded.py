"""What running networks of CometBFT 0.38.25 signed, read from tests/vectors."""

import base64
import json
from functools import cache
from typing import Any

import msgspec

from tests.conftest import ROOT
from tieout.consensus.forms import SignedHeader, Validator
from tieout.consensus.light import Trust
from tieout.sdk.rpcforms import (
    CommitAnswer,
    ValidatorsAnswer,
    read_signed_header,
    read_validator,
)

NAMES = ("one", "four", "changes")


@cache
def recording(name: str) -> dict[str, Any]:
    path = ROOT / "tests" / "vectors" / f"cometbft-{name}.json"
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


@cache
def headers(name: str) -> tuple[SignedHeader, ...]:
    """All signed headers of a recording, from height 1 on."""
    return tuple(_signed_header(block) for block in recording(name)["blocks"])


@cache
def founded(name: str) -> Trust:
    told = recording(name)
    founders = [
        Validator(bytes.fromhex(each["public"]), each["power"]) for each in told["founders"]
    ]
    return Trust.founded(told["chain_id"], founders)


def transactions(name: str, height: int) -> list[bytes]:
    texts = recording(name)["blocks"][height - 1]["transactions"]
    return [base64.b64decode(text) for text in texts]


def _signed_header(block: dict[str, Any]) -> SignedHeader:
    validators = msgspec.convert(block["validators"], ValidatorsAnswer).validators
    told = msgspec.convert(block["commit"], CommitAnswer).signed_header
    return read_signed_header(told, [read_validator(each) for each in validators])
