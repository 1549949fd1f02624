"""`tieout`: the commands, and what their exit codes mean.

Commands are registered by name and imported when they are called: `tieout verify` must start
without the compiled kernel. Exit codes: 0 all tied out and nothing refused; 1 breaks remain, rows
were refused, or a check failed; 2 nothing could be done.
"""

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from cyclopts import App, CycloptsError

import tieout
from tieout.cli.outcome import Failure, Outcome
from tieout.compiled.errors import LoopsError

GARBAGE_FROM: Final = 100_000
"""Objects that are made before garbage is looked for."""

app = App(
    name="tieout",
    help="Real-time reconciliation between parties, on a ledger that all of them verify.",
    version=tieout.__version__,
)
agreement = App(name="agreement", help="Check and explain agreement files.")
adjust = App(name="adjust", help="List, approve and refuse correcting entries.")
keys = App(name="keys", help="Seal the private keys of a ledger with a passphrase.")
member = App(name="member", help="Who takes part: look, propose, vote, rotate keys.")
network = App(name="network", help="Found, run and look at a consortium's nodes.")
node = App(name="node", help="Make, run and look after a node with HTTP API and live stream.")
projection = App(name="projection", help="Keep read models up with a ledger, or make them anew.")
app.command(agreement)
app.command(adjust)
app.command(keys)
app.command(member)
app.command(network)
app.command(node)
app.command(projection)

app.command(
    "tieout.cli.reconcile:reconcile",
    name="reconcile",
    help="Reconcile files of several roles against one agreement.",
)
app.command("tieout.cli.look:breaks", name="breaks", help="List what does not tie out now.")
app.command("tieout.cli.look:show", name="show", help="Tell the story of one transaction.")
app.command(
    "tieout.cli.prove:evidence", name="evidence", help="Write the evidence pack of one transaction."
)
app.command(
    "tieout.cli.prove:verify",
    name="verify",
    help="Verify an evidence pack or a certificate, offline.",
)
app.command(
    "tieout.cli.prove:audit", name="audit", help="Replay the whole ledger with the reference rules."
)
app.command(
    "tieout.cli.prove:certificate",
    name="certificate",
    help="Write the tie-out certificate of a cut-off.",
)
app.command(
    "tieout.cli.statement:statement",
    name="statement",
    help="State a party's day, signed, and say what differs.",
)
app.command(
    "tieout.cli.drill:drill",
    name="drill",
    help="Find the records that differ by exchanging hashes.",
)
app.command(
    "tieout.cli.demonstrate:demo", name="demo", help="Show a fund day of three parties, live."
)
app.command(
    "tieout.testing.simulator.command:simulate",
    name="simulate",
    help="Try whole networks out with crashes, bad disks and liars, all from one seed.",
)
app.command(
    "tieout.cli.deciding:dispute", name="dispute", help="Dispute a transaction, as a person."
)
app.command(
    "tieout.cli.deciding:decide", name="decide", help="Move that a value stand, for a vote."
)
app.command(
    "tieout.cli.deciding:reverse", name="reverse", help="Move that a transaction be reversed."
)
app.command("tieout.cli.deciding:vote", name="vote", help="Vote on a motion about a transaction.")
agreement.command(
    "tieout.cli.agree:check", name="check", help="Check an agreement file and explain it."
)
agreement.command(
    "tieout.cli.agree_propose:propose_agreement",
    name="propose",
    help="Propose an agreement, or its next version.",
)
agreement.command(
    "tieout.cli.backtest:backtest",
    name="backtest",
    help="Try a new version on the recorded history.",
)
agreement.command(
    "tieout.cli.clocks:calendar", name="calendar", help="Write a calendar with a zone's clocks."
)
adjust.command(
    "tieout.cli.correct:list_adjustments",
    name="list",
    help="List the correcting entries that are open.",
)
adjust.command(
    "tieout.cli.correct:approve", name="approve", help="Approve a correcting entry, as a person."
)
adjust.command(
    "tieout.cli.correct:refuse", name="refuse", help="Refuse a correcting entry, as a person."
)
keys.command("tieout.cli.keys:seal", name="seal", help="Seal the private keys with a passphrase.")
keys.command("tieout.cli.keys:unseal", name="unseal", help="Write sealed keys plain again.")
keys.command("tieout.cli.keys:change", name="change", help="Seal them with another passphrase.")
member.command(
    "tieout.cli.member_look:list_members", name="list", help="List the members and their roles."
)
member.command("tieout.cli.member_look:show_member", name="show", help="Show a member's keys.")
member.command(
    "tieout.cli.member_look:changes", name="changes", help="List changes of members, and the votes."
)
member.command("tieout.cli.member:vote_on", name="vote", help="Vote on a change of members.")
member.command("tieout.cli.member:rotate", name="rotate", help="Exchange a key for a new one.")
member.command("tieout.cli.member:add", name="add-key", help="Give a person a further key.")
member.command("tieout.cli.member:revoke", name="revoke", help="End a key.")
member.command(
    "tieout.cli.member_join:apply_for", name="apply", help="Make the keys of a party that joins."
)
member.command("tieout.cli.member_join:admit", name="admit", help="Propose to admit a party.")
member.command("tieout.cli.member:remove", name="remove", help="Propose that a member leaves.")
member.command(
    "tieout.cli.member_join:validator", name="validator", help="Propose a node's voting power."
)
member.command("tieout.cli.member:holders", name="holders", help="Propose who may hold a role.")
network.command(
    "tieout.cli.network:init", name="init", help="Found a network: genesis, keys, node directories."
)
network.command("tieout.cli.network:run", name="run", help="Run nodes until they are stopped.")
network.command(
    "tieout.cli.network:local", name="local", help="Run a whole network on this machine."
)
network.command(
    "tieout.cli.network_agree:enact", name="enact", help="Sign an agreement at a party's node."
)
network.command(
    "tieout.cli.network_publish:publish",
    name="publish",
    help="Publish a party's files through its node.",
)
network.command(
    "tieout.cli.network_agree:close", name="close", help="Close a cut-off through a party's node."
)
network.command(
    "tieout.cli.network_join:join", name="join", help="Make a further node of a network that runs."
)
network.command(
    "tieout.cli.network_join:allow", name="allow", help="Let another member's node connect."
)
network.command("tieout.cli.standing:status", name="status", help="Say where nodes stand.")
network.command(
    "tieout.cli.network:demo", name="demo", help="Show a consortium find and mend a wrong record."
)
node.command("tieout.cli.node:init", name="init", help="Make a node with a ledger of its own.")
node.command("tieout.cli.node:run", name="run", help="Run a node until it is stopped.")
node.command("tieout.cli.node:token", name="token", help="Make a token for a program.")
node.command("tieout.cli.node_care:check", name="check", help="Look a node over.")
node.command("tieout.cli.node_care:backup", name="backup", help="Copy a node, while it runs.")
node.command("tieout.cli.node_care:restore", name="restore", help="Make a node of a backup.")
node.command(
    "tieout.cli.node_care:upgrade", name="upgrade", help="Bring a node's tables up to date."
)
projection.command(
    "tieout.cli.project:follow", name="follow", help="Keep read models up with a ledger."
)
projection.command(
    "tieout.cli.project:rebuild", name="rebuild", help="Fold the whole ledger into them anew."
)
projection.command("tieout.cli.project:status", name="status", help="Say how far they are behind.")


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code.

    `words` are those typed behind `tieout`; without them, those that the process was started with.
    """
    # numpy would start threads for algebra, which is not done here; they spin for a tenth of a
    # second on the core that reads files.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A command's memory is new to it. Huge pages are made of memory that the host of a virtual
    # machine may have taken back; small ones cost the same each time (docs/decisions/0006).
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
    # Each collection goes through all that the libraries define; commands make little garbage.
    gc.set_threshold(GARBAGE_FROM)
    if words is None:
        # The process is the command's own. As it ends, the last collection would go through all
        # of it, to free piece by piece what the system takes back at once: 0.05 s for nobody.
        atexit.register(gc.freeze)
    try:
        result = app(words, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        sys.exit(Outcome.NOTHING_DONE)
    except Failure as failure:
        failure.print()
        sys.exit(failure.outcome)
    except LoopsError as error:
        print(f"tieout: {error}", file=sys.stderr)
        sys.exit(Outcome.NOTHING_DONE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Outcome.INCOMPLETE)
    except KeyboardInterrupt:
        print(
            "interrupted; what was receipted is kept, run the same command again", file=sys.stderr
        )
        sys.exit(Outcome.INCOMPLETE)
    sys.exit(result if isinstance(result, int) else Outcome.COMPLETE)
