"""What happened, as far as it may concern people, and whether a rule wants it said (no I/O here).

A *finding* is one message of the live stream with the breaks of its transaction. Findings of one
*cause* are told together: the same kind, agreement, and breaks of the same kind in the same fields
of the same roles. A feed that sends one column wrongly makes a thousand breaks and one message.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tieout.node.alarms.rulefile import Rule
from tieout.node.stream import ORDER, Happening, Position, Severity
from tieout.wire.codes import Severity as Degree

LEVELS: Final = tuple(each.name.lower() for each in Degree if each)
"""How severe an agreement can say that a transaction is, the least first."""
ESCALATED: Final = "alarm_escalated"
MAX_TOLD: Final = 20
"""Transactions that a message names; the rest are counted."""


class Trouble(msgspec.Struct, frozen=True):
    """An open break, as people read it; what does not apply is empty."""

    kind: str
    field: str
    role: str
    reported: str
    benchmark: str
    difference: str
    currency: str
    severity: str = ""
    """That of its transaction, where the agreement states one."""


Details = Callable[[Happening], Sequence[Trouble] | None]
"""The open breaks of a happening's transaction; None: they cannot be told now."""


class Finding(msgspec.Struct, frozen=True):
    """A happening and its place in the ledger; `troubles` None where they could not be told."""

    height: int
    event: int
    told: Happening
    troubles: tuple[Trouble, ...] | None
    is_escalated: bool = False

    @property
    def position(self) -> Position:
        """Where it stands in the ledger."""
        return Position(self.height, self.event)

    @property
    def cause(self) -> str:
        """What it has in common with others that are told in the same message."""
        told = self.told
        about = sorted({(each.kind, each.field, each.role) for each in self.troubles or ()})
        urgency = [each for each in (told.to, told.level) if each]
        return msgspec.json.encode((told.kind, told.agreement, about, *urgency)).decode()

    @property
    def level(self) -> str:
        """How severe the agreement says that the transaction is; empty when nobody can tell."""
        severities = [each.severity for each in self.troubles or () if each.severity]
        return self.told.level or next(iter(severities), "")


def wants(rule: Rule, finding: Finding) -> bool:
    """Whether a rule wants a finding said, but for its age.

    What could not be told counts as wanted: to say too much is the lesser evil.
    """
    told = finding.told
    if told.kind not in rule.kinds or (rule.agreements and told.agreement not in rule.agreements):
        return False
    if ORDER.index(Severity(told.severity)) < ORDER.index(rule.severity):
        return False
    if rule.escalated_to and told.to and told.to not in rule.escalated_to:
        return False
    if rule.level and not _is_severe(rule, finding):
        return False
    if finding.troubles is None or not (rule.breaks or rule.least):
        return True
    return any(
        (not rule.breaks or each.kind in rule.breaks) and _is_large(rule, each)
        for each in finding.troubles
    )


def _is_severe(rule: Rule, finding: Finding) -> bool:
    """Whether a transaction is as severe as a rule wants it; unknown is only what was not asked."""
    if not finding.level:
        return finding.troubles is None
    return LEVELS.index(finding.level) >= LEVELS.index(rule.level)


def _is_large(rule: Rule, trouble: Trouble) -> bool:
    if not rule.least or not trouble.difference:
        return True
    least = rule.least.get(trouble.currency)
    return least is not None and _reaches(trouble.difference.lstrip("-"), least)


def _reaches(amount: str, least: str) -> bool:
    """Whether a printed amount is at least another one; exact."""
    places = max(len(text.partition(".")[2]) for text in (amount, least))
    scaled = []
    for text in (amount, least):
        whole, _, decimals = text.partition(".")
        scaled.append(int(whole + decimals.ljust(places, "0")))
    return scaled[0] >= scaled[1]


def notice_id(ledger_id: bytes, rule: str, channel: str, first: Finding) -> str:
    """The id of a notice: the same whenever the same findings are gathered again."""
    place = f"{first.height}.{first.event}.{int(first.is_escalated)}"
    digest = hashlib.sha256(b"tieout/notice/1\0" + ledger_id)
    digest.update(msgspec.json.encode((rule, channel, first.cause, place)))
    return "msg_" + digest.hexdigest()[:32]


def title_of(findings: Sequence[Finding], count: int) -> str:
    """One line for people."""
    first = findings[0]
    what = first.told.kind.replace("_", " ")
    if first.told.to:
        what += f" to {first.told.to}"
    if first.is_escalated:
        what += ", and nobody has acknowledged it"
    if first.level:
        what = f"{first.level}: {what}"
    about = ", ".join(
        dict.fromkeys(f"{each.kind} {each.field}".strip() for each in first.troubles or ())
    )
    where = f" in {first.told.agreement}" if first.told.agreement else ""
    many = f"{count} × " if count > 1 else ""
    return f"{many}{what}{where}" + (f": {about}" if about else "")


class _Named(msgspec.Struct, frozen=True):
    transaction_id: str
    originator: int
    height: int
    time: str


class _Data(msgspec.Struct, frozen=True):
    ledger: str
    rule: str
    severity: str
    agreement: str
    title: str
    count: int
    escalated: bool
    transactions: list[_Named]
    breaks: tuple[Trouble, ...]
    breaks_known: bool
    level: str = ""
    to: str = ""


class _Body(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: _Data


def body_of(ledger_id: bytes, rule: str, findings: Sequence[Finding], count: int) -> bytes:
    """The message as Standard Webhooks wants it: type, timestamp, data."""
    first = findings[0]
    named = [
        _Named(each.told.transaction_id, each.told.originator, each.height, each.told.time)
        for each in findings[:MAX_TOLD]
        if each.told.transaction_id
    ]
    data = _Data(
        ledger=ledger_id.hex(),
        rule=rule,
        severity=first.told.severity,
        agreement=first.told.agreement,
        title=title_of(findings, count),
        count=count,
        escalated=first.is_escalated or first.told.kind == ESCALATED,
        transactions=named,
        breaks=first.troubles or (),
        breaks_known=first.troubles is not None,
        level=first.level,
        to=first.told.to,
    )
    return msgspec.json.encode(_Body(f"tieout.{first.told.kind}", first.told.time, data))


def text_of(body: bytes) -> str:
    """A message as lines for people, from its bytes."""
    data = msgspec.json.decode(body, type=_Body).data
    lines = [data.title, ""]
    for each in data.breaks:
        lines.append(f"{each.role}: {each.kind} {each.field}".rstrip())
        if each.reported:
            agreed = each.benchmark or "not decided"
            lines.append(f"  reported {each.reported}, agreed value {agreed}")
    names = [each.transaction_id for each in data.transactions]
    if names:
        more = data.count - len(names)
        lines.append("Transactions: " + ", ".join(names) + (f" and {more} more" if more else ""))
    lines.append(f"Rule: {data.rule}. Ledger: {data.ledger[:16]}")
    return "\n".join(lines)
