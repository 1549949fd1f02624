"""What happens in the demonstration of a consortium, step by step, and what must come out.

Three institutions and a regulator run a node each. The regulator holds no role and publishes
nothing; its node votes on blocks, so that any one node may fail. One institution publishes a wrong
record; all four nodes raise the alarm, the entry is corrected, everybody verifies it again. Then
all nodes are stopped, and what is left on disk must convince a stranger.

The bank's node serves a second ledger besides, with its custodian alone (`custody`). It goes on all
the while, and must have heard nothing of the alarm.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tieout.agreement.model import Agreement
from tieout.demo.cast import Role
from tieout.demo.consortium.custody import DELIVERIES, Custody, CustodyResult
from tieout.demo.consortium.member import POLL_S, WAIT_S, Member, eventually, order_id, orders, raw
from tieout.demo.founding import demo_agreement
from tieout.engines.errors import EngineError
from tieout.evidence.audit import audit
from tieout.evidence.pack import PackReport, verify_pack
from tieout.merkle import lanes
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import AdjustmentStep, CloseCutoff, Enact

LEDGER: Final = "fund"
ROLES: Final = ("seller", "registrar", "bank")
MEMBERS: Final = (*ROLES, "regulator")
ORDERS: Final = 200
WRONG: Final = ORDERS + 1
"""The order about which the registrar says something else."""
TOO_LITTLE_MINOR: Final = 12_345


class Alarm(msgspec.Struct, frozen=True):
    """When a node had the alarm, from the moment in which the wrong record was submitted."""

    node: str
    height: int
    milliseconds: float


class Result(msgspec.Struct, frozen=True):
    """What the demonstration found, as `--json` prints it. `problems` is empty when all is well."""

    transactions: int
    alarms: tuple[Alarm, ...]
    correcting_entry: tuple[str, ...]
    blocks: int
    app_hash_disagreements: int
    transactions_root: str
    evidence: str
    ordered_by: str
    custody: CustodyResult
    problems: tuple[str, ...]


Say = Callable[[str], None]


class Story:
    """The course of the demonstration over running nodes; then over what they left."""

    def __init__(self, members: Sequence[Member], custody: Custody, say: Say) -> None:
        self._members = list(members)
        self._custody = custody
        self._say = say
        self._agreement: Agreement = demo_agreement()
        self._alarms: tuple[Alarm, ...] = ()
        self._entry: list[str] = []
        self._pack = b""
        self._problems: list[str] = []

    # ------------------------------------------------------------------ while the nodes run

    def play(self) -> None:
        """Everything that needs running nodes. Raises EngineError when a step does not come."""
        for member in self._members:
            member.await_height(1)
        self._say(f"{len(self._members)} nodes follow the fund ledger")
        self._enact()
        self._publish_day()
        self._publish_wrong_record()
        self._look_at_custody()
        self._correct()
        self._close_and_prove()

    def _enact(self) -> None:
        body = Enact(self._agreement.canonical, ((1,), (2,), (3,)))
        for member in self._members[: len(ROLES)]:
            height = member.operate(OperationKind.ENACT, body, Purpose.GOVERN)
        self._say(f"all three have signed {self._agreement.name}: in force from block {height}")
        height = self._custody.enact()
        self._say(f"bank and custodian have signed theirs on custody: from block {height} there")

    def _publish_day(self) -> None:
        numbers = range(1, ORDERS + 1)
        for role in Role:
            rows = raw(self._agreement, orders(self._agreement, role, numbers))
            height = self._members[role].publish(self._agreement, role, rows)
        for member in self._members:
            member.await_height(height)
        self._say(f"{ORDERS} orders published by each at its own node, the last in block {height}")
        self._custody.publish(1)

    def _publish_wrong_record(self) -> None:
        for role in (Role.SELLER, Role.BANK):
            rows = raw(self._agreement, orders(self._agreement, role, [WRONG]))
            self._members[role].publish(self._agreement, role, rows)
        wrong = orders(self._agreement, Role.REGISTRAR, [WRONG])
        wrong["f_amount"] -= TOO_LITTLE_MINOR
        watches = [_Watch(member, self._agreement.name) for member in self._members]
        submitted = time.monotonic()
        for watch in watches:
            watch.begin(submitted)
        registrar = self._members[Role.REGISTRAR]
        registrar.send(self._agreement, Role.REGISTRAR, raw(self._agreement, wrong))
        self._alarms = tuple(watch.alarm() for watch in watches)
        self._say(f"the registrar published {TOO_LITTLE_MINOR / 100:.2f} too little; alarms:")
        for alarm in self._alarms:
            self._say(
                f"  {alarm.node:10} block {alarm.height}, {alarm.milliseconds:6.0f} ms after"
                " submission"
            )

    def _look_at_custody(self) -> None:
        """It goes on while the other ledger has an alarm, and has none."""
        height = self._custody.publish(1 + DELIVERIES // 2)
        alarms = self._custody.alarms()
        self._say(f"  custody: {alarms or 'no'} alarm at its two nodes; they go on, block {height}")

    def _correct(self) -> None:
        registrar = self._members[Role.REGISTRAR]
        (proposed,) = registrar.adjustments(self._agreement.name)
        self._entry.append(proposed.status.name.lower())
        body = AdjustmentStep(
            self._agreement.name, 0, order_id(WRONG), Role.REGISTRAR, proposed.id,
            "books corrected", stage=proposed.stage,
        )  # fmt: skip
        registrar.operate(OperationKind.POSTED, body)
        self._entry.append(registrar.adjustments(self._agreement.name)[0].status.name.lower())
        right = orders(self._agreement, Role.REGISTRAR, [WRONG], revision=2)
        registrar.publish(self._agreement, Role.REGISTRAR, raw(self._agreement, right))
        for member in self._members:
            eventually(
                lambda member=member: self._status(member) == "matched",  # type: ignore[misc]
                f"{member.name} verifies the corrected record",
            )
        self._entry.append(registrar.adjustments(self._agreement.name)[0].status.name.lower())
        self._say("the correcting entry is " + ", then ".join(self._entry) + ", at all four nodes")

    def _status(self, member: Member) -> str:
        return str(member.transaction(self._agreement.name, order_id(WRONG)).get("status"))

    def _close_and_prove(self) -> None:
        bank = self._members[Role.BANK]
        with bank.copy() as replica:
            cutoff_us = replica.state.time_us
        body = CloseCutoff(self._agreement.name, cutoff_us)
        height = self._members[Role.SELLER].operate(OperationKind.CLOSE_CUTOFF, body)
        # A block later every node has written it down.
        for member in self._members:
            member.await_height(height + 1)
        self._pack = bank.pack(self._agreement.name, order_id(WRONG))
        self._say(f"the cut-off is closed in block {height}; the bank made an evidence pack")

    # ------------------------------------------------------------------ with all nodes stopped

    def judge(self, folder: Path) -> Result:
        """What the files that the nodes left say; `folder` gets the evidence pack."""
        path = folder / "evidence.json"
        path.write_bytes(self._pack)
        genesis = self._members[0].genesis
        report = verify_pack(self._pack, genesis)
        hashes = [self._app_hashes(member) for member in self._members]
        blocks = min(len(each) for each in hashes)
        disagreements = sum(len({each[i] for each in hashes}) > 1 for i in range(blocks))
        roots = [self._transactions_root(member) for member in self._members]
        custody = self._custody.judge()
        self._check(report, disagreements, roots, custody)
        return Result(
            transactions=ORDERS + 1,
            alarms=self._alarms,
            correcting_entry=tuple(self._entry),
            blocks=blocks,
            app_hash_disagreements=disagreements,
            transactions_root=roots[0],
            evidence=str(path),
            ordered_by=next((line for line in report.proven if "validators" in line), ""),
            custody=custody,
            problems=tuple(self._problems),
        )

    def _app_hashes(self, member: Member) -> list[bytes]:
        with member.copy() as replica:
            return [entry.header.app_hash for entry in replica.journal.entries()]

    def _transactions_root(self, member: Member) -> str:
        """What the member's certificate of the cut-off commits to; its audit must agree, too."""
        with member.copy() as replica:
            kept = ((entry.block, entry.result) for entry in replica.journal.entries())
            difference = audit(kept, member.genesis, rows_root=lanes.rows_root).difference
            if difference is not None:
                self._problems.append(f"the audit of {member.name}'s journal: {difference}")
            certificate = member.proofs(replica).certificate(self._agreement.name)
            return certificate.document.signed.head.transactions_root

    def _check(
        self, report: PackReport, disagreements: int, roots: list[str], custody: CustodyResult
    ) -> None:
        expected = {
            "every node raised the alarm": len(self._alarms) == len(self._members),
            "one app hash at every height": disagreements == 0,
            "one certificate from all nodes": len(set(roots)) == 1,
            "the entry was approved, posted and verified": self._entry
            == ["approved", "posted", "verified"],
            "the pack is verified against the genesis": report.verdict == "verified",
            "the corrected order matches": report.statement.status == "matched",
            "every delivery matched on custody": custody.matched == custody.transactions,
            "nobody was alarmed on custody": custody.alarms == 0,
            "one app hash at every height of custody": custody.app_hash_disagreements == 0,
        }
        self._problems += [f"not so: {what}" for what, holds in expected.items() if not holds]


class _Watch:
    """Asks one node for the alarm, in a thread of its own, so that nobody waits for another."""

    def __init__(self, member: Member, agreement: str) -> None:
        self._member = member
        self._agreement = agreement
        self._found: Alarm | None = None
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._submitted = 0.0

    def begin(self, submitted: float) -> None:
        self._submitted = submitted
        self._thread.start()

    def alarm(self) -> Alarm:
        self._thread.join()
        if self._found is None:
            raise EngineError(f"{self._member.name} raised no alarm", "see the logs of its node")
        return self._found

    def _look(self) -> None:
        watching = Member(self._member.directory, self._member.number)
        try:
            while time.monotonic() < self._submitted + WAIT_S:
                found = watching.transaction(self._agreement, order_id(WRONG))
                if found.get("alarm") == "raised":
                    taken = (time.monotonic() - self._submitted) * 1_000
                    self._found = Alarm(self._member.name, watching.height(), round(taken, 1))
                    return
                time.sleep(POLL_S)
        finally:
            watching.close()
