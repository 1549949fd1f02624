"""`alarms.toml`: the channels through which a node speaks, and the rules of what it says where.

The form stands in docs/alarms.md. Nothing is guessed: unknown keys, channels and kinds are refused
by name, and a node with a file that does not fit does not start.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tieout.node.errors import SettingsError
from tieout.node.stream import KINDS, Severity
from tieout.units.durations import parse_duration
from tieout.units.errors import UnitsError
from tieout.wire.codes import BreakKind

ALARMS_FILE: Final = "alarms.toml"
BREAK_KINDS: Final = tuple(kind.name.lower() for kind in BreakKind if kind)

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,31}$")]


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="webhook"):
    """An HTTP receiver, told by Standard Webhooks."""

    url: str
    secret_file: str
    """Where the secret stands that signs; made, for its owner alone, where there is none."""


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="service"):
    """Mail, chat, telephone and the rest: URLs of Apprise, one a line of a file."""

    urls_file: str


Channel = Webhook | Service


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said where. Whatever is not stated makes no difference."""

    name: Name
    channels: Annotated[tuple[Name, ...], Meta(min_length=1)]
    kinds: tuple[str, ...] = ("alarm_raised", "alarm_escalated", "equivocation")
    """Kinds of what happened, as the live stream calls them."""
    severity: Severity = Severity.INFO
    """The least severity."""
    level: Literal["", "low", "medium", "high", "critical"] = ""
    """How severe the agreement must say that the transaction is, at least."""
    escalated_to: tuple[str, ...] = ()
    """Of escalations only those that are told to one of these."""
    agreements: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    """Kinds of breaks, of which the transaction must have one."""
    least: dict[str, str] = {}
    """By currency the least difference; a break without a difference counts as large enough."""
    after: str = "0s"
    """Only alarms that are neither acknowledged nor cleared after so long: escalation."""
    hold: str = "2s"
    """How long the first of a cause waits for others of the same cause."""
    gather: str = "5m"
    """How long after a message further ones of the same cause are gathered into the next."""

    @property
    def after_us(self) -> int:
        """`after` in microseconds."""
        return parse_duration(self.after)

    @property
    def hold_us(self) -> int:
        """`hold` in microseconds."""
        return parse_duration(self.hold)

    @property
    def gather_us(self) -> int:
        """`gather` in microseconds."""
        return parse_duration(self.gather)


class AlarmFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; without one nothing is said to anybody."""

    channels: dict[Name, Channel] = {}
    rules: tuple[Rule, ...] = ()


def load_alarms(path: Path) -> AlarmFile:
    """The channels and rules of a file; none where there is no file. Raises SettingsError."""
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
        alarms = msgspec.convert(stated, AlarmFile)
    except FileNotFoundError:
        return AlarmFile()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(str(path), str(error)) from error
    names = [rule.name for rule in alarms.rules]
    for rule in alarms.rules:
        where = f"{path}: rule {rule.name}"
        if names.count(rule.name) > 1:
            raise SettingsError(where, "two rules have this name")
        _check_known(where, "channel", rule.channels, tuple(alarms.channels))
        _check_known(where, "kind", rule.kinds, tuple(KINDS))
        _check_known(where, "kind of break", rule.breaks, BREAK_KINDS)
        _check_numbers(where, rule)
    for name, channel in alarms.channels.items():
        if isinstance(channel, Webhook) and not _is_http(channel.url):
            raise SettingsError(f"{path}: channel {name}", f"not an http(s) URL: {channel.url}")
    return alarms


def _check_known(where: str, what: str, named: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in named:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise SettingsError(where, f"no {what} is called {name}; known: {listed}")


def _check_numbers(where: str, rule: Rule) -> None:
    try:
        for text in (rule.after, rule.hold, rule.gather):
            parse_duration(text)
    except UnitsError as error:
        raise SettingsError(where, str(error)) from error
    for currency, text in rule.least.items():
        whole, _, decimals = text.partition(".")
        if not whole.isdecimal() or not (decimals.isdecimal() or decimals == ""):
            raise SettingsError(where, f"least.{currency}: write an amount, such as 10000.00")
    if rule.escalated_to and "alarm_escalated" not in rule.kinds:
        wrong = 'escalated_to: only escalations have one; kinds lacks "alarm_escalated"'
        raise SettingsError(where, wrong)
    if rule.after_us and set(rule.kinds) - {"alarm_raised"}:
        raise SettingsError(where, 'after: only alarms grow old; write kinds = ["alarm_raised"]')


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at only when it is asked for
    except ValueError:
        return False
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
