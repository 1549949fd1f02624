"""The alarm desk: one thread watches the ledger, one for each channel delivers.

The watcher reads the messages of the live stream from where it stopped, asks for the breaks behind
them, and hands all to the outbox. Couriers deliver what is due. A receiver that is slow or away
holds up its own channel only; a message is tried for three days, then it has failed and can be
replayed. Killed at any moment, the node goes on where the outbox stands: a message may be delivered
twice, with the same id, and none is lost.

However much breaks at once, it is taken in by a few hundred findings, and told meanwhile. Read
models that do not answer hold a burst up once, not once for each of its alarms.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from tieout.node import telemetry
from tieout.node.alarms.channels import Sender, sender_of
from tieout.node.alarms.findings import Details, Finding, Trouble
from tieout.node.alarms.outbox import ENDS, Notice, Outbox
from tieout.node.alarms.rulefile import AlarmFile
from tieout.node.stream import AFTER_ALL, Happening, Message, Position, Stream

RETRIES_S: Final = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Waits before further attempts, about three days in all (Standard Webhooks: 'over several days').

Each is shortened by chance by up to a fifth, so that those that failed together do not come back
together.
"""
_WITH_BREAKS: Final = frozenset({"alarm_raised", "alarm_escalated", "severity_changed"})
"""Kinds of which the breaks behind them are told."""
_BLOCKS_AT_ONCE: Final = 256
_FINDINGS_AT_ONCE: Final = 200
"""Findings of one step: what is kept in memory, and done again when the node is killed."""
_PACE_S: Final = 0.05
"""Looks begin at least so far apart: each syncs a disk that the journal shares. What comes after a
while of quiet is told at once."""
_LOOK_S: Final = 1.0
"""How often a thread looks that nobody has woken."""
_DETAILS_S: Final = 5.0
"""How long the breaks behind a message are waited for; then it goes out without them."""
_UNASKED_S: Final = 5.0
"""How long after that nobody is asked: messages go out at once, without the breaks behind them."""
_STOP_S: Final = 20.0
"""How long is waited for attempts under way when the node stops; those are made again later."""
_SET_BACK_US: Final = 1_000_000
"""A clock that goes back by more than this was set, and not drawn along."""
_FORGET_S: Final = 3_600.0
_KEPT_US: Final = 400 * 86_400 * 1_000_000
"""How long it can be looked up what was told: as long as transactions are kept, by default."""

log = structlog.get_logger("tieout.node.alarms")


class AlarmDesk:
    """The threads. Start it, tell it of new blocks, stop it."""

    def __init__(
        self,
        alarms: AlarmFile,
        outbox: Outbox,
        stream: Stream,
        details: Details,
        directory: Path,
        clock: Callable[[], int],
    ) -> None:
        """`clock` gives microseconds UTC. Raises NodeError for a channel that cannot be used."""
        self.outbox = outbox
        self._kinds = ENDS.union(*(rule.kinds for rule in alarms.rules)) if alarms.rules else ENDS
        self._is_silent = not alarms.rules
        self._stream = stream
        self._details = details
        self._clock = clock
        self._senders: Mapping[str, Sender] = {
            name: sender_of(channel, directory) for name, channel in alarms.channels.items()
        }
        self._unasked_until = 0.0
        self._forget_at = 0.0
        self._ahead_us = self._ahead_of_monotonic_us()
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._due = {name: threading.Event() for name in self._senders}
        self._threads = [threading.Thread(target=self._watch, name="alarms", daemon=True)] + [
            threading.Thread(target=self._carry, args=(name,), name=f"alarms-{name}", daemon=True)
            for name in self._senders
        ]

    def start(self) -> None:
        """Begin: a node that had no alarms until now begins with what happens from now on."""
        reached, end = self.outbox.position(), Position(self._stream.height, AFTER_ALL)
        if reached is None or reached > end:
            if reached is not None:
                log.warning("alarms_ahead_of_ledger", reached=reached.height, height=end.height)
            self.outbox.take((), end, self._clock())
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is being said, unless it takes too long, begin nothing more, and return."""
        self._stopping.set()
        self._news.set()
        for event in self._due.values():
            event.set()
        until = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def tell(self) -> None:
        """There may be new blocks. From any thread."""
        self._news.set()

    def replay(self, name: str) -> bool:
        """Deliver a notice once more; whether there is one of this id."""
        found = self.outbox.replay(name, self._clock())
        self._wake_couriers()
        return found

    # ------------------------------------------------------------------ the watcher

    def _watch(self) -> None:
        while not self._stopping.is_set():
            began_s = time.monotonic()
            self._news.clear()
            try:
                self._mind_the_clock()
                while not self._stopping.is_set() and self._take_blocks():
                    self._tell()
                self._tell()
                self._forget()
            except Exception:  # whatever it is, alarms must go on
                log.exception("alarms_not_taken")
                self._stopping.wait(_LOOK_S)
            self._news.wait(self._patience_s(self.outbox.next_due_us()))
            self._stopping.wait(max(0.0, began_s + _PACE_S - time.monotonic()))

    def _take_blocks(self) -> bool:
        """Take some blocks in; whether there are more."""
        after = self.outbox.position() or Position(0, -1)
        height = self._stream.height
        last = min(height, after.height + _BLOCKS_AT_ONCE)
        if after >= Position(last, AFTER_ALL):
            return False
        findings: list[Finding] = []
        for message in self._messages(after, last):
            findings.append(self._finding(message))
            if self._stopping.is_set():
                return False  # what was looked up in haste is looked up again
            if len(findings) == _FINDINGS_AT_ONCE:
                self.outbox.take(findings, message.position, self._clock())
                self._tell()
                findings = []
        self.outbox.take(findings, Position(last, AFTER_ALL), self._clock())
        return last < height

    def _messages(self, after: Position, last: int) -> Iterator[Message]:
        """What happened after a place, up to a block, as far as a rule may want to hear of it."""
        if self._is_silent:
            return
        for height in range(after.height, last + 1):
            for message in self._stream.messages(height):
                if message.told.kind in self._kinds and message.position > after:
                    yield message

    def _finding(self, message: Message) -> Finding:
        told, place = message.told, message.position
        troubles: Sequence[Trouble] | None = ()
        if told.transaction_id and told.kind in _WITH_BREAKS:
            troubles = self._troubles(told)
        return Finding(
            place.height, place.event, told, None if troubles is None else tuple(troubles)
        )

    def _troubles(self, told: Happening) -> Sequence[Trouble] | None:
        """The breaks behind an alarm; None when they cannot be told."""
        if time.monotonic() < self._unasked_until:
            return None
        until = time.monotonic() + _DETAILS_S
        try:
            troubles = self._details(told)
            while troubles is None and time.monotonic() < until and not self._stopping.wait(0.02):
                troubles = self._details(told)
        except Exception:  # an alarm without its breaks is better than none
            log.exception("breaks_not_told")
            troubles = None
        if troubles is None:
            self._unasked_until = time.monotonic() + _UNASKED_S
        return troubles

    def _tell(self) -> None:
        """Make notices of what is due."""
        if self.outbox.tell_due(self._clock()):
            self._wake_couriers()

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET_S
            self.outbox.forget(self._clock() - _KEPT_US)

    # ------------------------------------------------------------------ time

    def _mind_the_clock(self) -> None:
        """Bring everything that is due forward when the clock was set back, so nothing waits on."""
        ahead_us = self._ahead_of_monotonic_us()
        back_us = self._ahead_us - ahead_us
        self._ahead_us = ahead_us
        if back_us > _SET_BACK_US:
            log.warning("clock_set_back", seconds=back_us // 1_000_000)
            self.outbox.bring_forward(back_us)
            self._wake_couriers()

    def _ahead_of_monotonic_us(self) -> int:
        return self._clock() - time.monotonic_ns() // 1_000

    def _patience_s(self, due_us: int | None) -> float:
        if due_us is None:
            return _LOOK_S
        return min(_LOOK_S, max(0.0, (due_us - self._clock()) / 1_000_000))

    def _wake_couriers(self) -> None:
        for event in self._due.values():
            event.set()

    # ------------------------------------------------------------------ couriers

    def _carry(self, name: str) -> None:
        """Deliver what is due on one channel."""
        sender, event = self._senders[name], self._due[name]
        while not self._stopping.is_set():
            event.clear()
            try:
                notice = self.outbox.due_notice(name, self._clock())
                if notice is not None:
                    self._deliver(sender, notice)
                    continue
                patience_s = self._patience_s(self.outbox.next_attempt_us(name))
            except Exception:  # as above
                log.exception("alarm_not_carried", channel=name)
                patience_s = _LOOK_S
            event.wait(patience_s)

    def _deliver(self, sender: Sender, notice: Notice) -> None:
        began_us = self._clock()
        with telemetry.span("deliver notice") as span:
            answer = sender.send(notice, began_us // 1_000_000)
            span.set_attributes({
                "tieout.channel": notice.channel, "tieout.notice": notice.id,
                "tieout.attempt": notice.attempts + 1, "tieout.delivered": answer.delivered,
            })  # fmt: skip
        took_us = max(0, self._clock() - began_us)
        state, next_us = "delivered", 0
        if not answer.delivered:
            state = "failed"
            if not answer.is_final and notice.attempts < len(RETRIES_S):
                state = "waiting"
                shorter = 1 - random.random() / 5  # noqa: S311 - spreads retries, hides nothing
                wait_s = max(RETRIES_S[notice.attempts] * shorter, answer.retry_after_s)
                next_us = began_us + took_us + int(wait_s * 1_000_000)
            log.warning("alarm_not_delivered", notice=notice.id, channel=notice.channel,
                        answer=answer.text, state=state)  # fmt: skip
        self.outbox.note_attempt(notice, began_us, took_us, answer.text, state, next_us)
