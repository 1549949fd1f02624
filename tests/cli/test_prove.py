"""`tieout evidence`, `verify`, `certificate`, `audit`: what convinces somebody elsewhere."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.desk import BANK_DECIDES, Desk
from tests.evidence.ordered import ordered
from tieout.evidence.packform import Consensus

HEAD = "transaction_id,amount"
DAY_1 = "2026-03-31T18:00:00Z"
DAY_2 = "2026-04-01T18:00:00Z"
GENESIS = "tieout-ledger/genesis.json"


@pytest.fixture
def ledger(desk: Desk) -> Desk:
    """Two days: A broken and B matched on the first, C matched on the second."""
    seller = [HEAD, "A,1.00", "B,2.00"]
    desk.reconcile(BANK_DECIDES, "--cutoff", DAY_1, seller=seller, bank=[HEAD, "A,1.50", "B,2.00"])
    rows = [HEAD, "C,3.00"]
    desk.reconcile(BANK_DECIDES, "--cutoff", DAY_2, seller=rows, bank=rows)
    return desk


def other_genesis(desk: Desk) -> str:
    """The genesis of another ledger."""
    rows = [HEAD, "Z,1.00"]
    desk.reconcile(BANK_DECIDES, "--ledger", "other", seller=rows, bank=rows)
    return "other/genesis.json"


def test_a_pack_verifies_offline_against_the_genesis_that_is_trusted(ledger: Desk) -> None:
    assert ledger.tieout("evidence", "A", "-o", "a.json").code == 0
    genesis = (ledger.folder / GENESIS).read_bytes()
    shutil.rmtree(ledger.folder / "tieout-ledger")
    (ledger.folder / "trusted.json").write_bytes(genesis)
    said = ledger.tieout("verify", "a.json", "--trust", "trusted.json")
    assert said.code == 0
    assert said.err.startswith("verified: A is broken, as of checkpoint ")
    assert "ledger-operator kept it alone" in said.err


def test_without_trust_a_pack_is_consistent_and_not_anchored(ledger: Desk) -> None:
    ledger.tieout("evidence", "B", "-o", "b.json")
    said = ledger.tieout("verify", "b.json")
    assert said.code == 1
    assert said.err.startswith("consistent, not anchored: B is matched")


def test_the_report_on_a_pack_as_json(ledger: Desk) -> None:
    ledger.tieout("evidence", "A", "-o", "a.json")
    report = ledger.tieout("verify", "a.json", "--trust", GENESIS, "--json").json
    assert list(report) == [
        *("verdict", "as_of", "agreement", "transaction_id", "operator", "ordered_by"),
        *("statement", "proven", "not_proven"),
    ]
    assert (report["verdict"], report["transaction_id"]) == ("verified", "A")
    assert (report["operator"], report["ordered_by"]) == ("ledger-operator", None)
    assert report["as_of"].startswith("as of checkpoint ")
    assert report["statement"]["status"] == "broken"


def test_a_consortiums_pack_is_verified_down_to_the_validators_votes(desk: Desk) -> None:
    made = ordered()
    (desk.folder / "pack.json").write_bytes(made.pack(made.consensus()))
    (desk.folder / "genesis.json").write_bytes(made.ledger.genesis.to_bytes())
    said = desk.tieout("verify", "pack.json", "--trust", "genesis.json")
    assert said.code == 0
    assert (
        "proven: The ledger was ordered by 3 of 4 validators, 30 of 40 of their power" in said.err
    )
    assert "kept it alone" not in said.err
    report = desk.tieout("verify", "pack.json", "--trust", "genesis.json", "--json").json
    votes = {"signed": 3, "validators": 4, "power": 30, "total": 40}
    assert (report["operator"], report["ordered_by"]) == (None, votes)


def test_votes_of_other_validators_than_those_of_the_genesis_are_refused(desk: Desk) -> None:
    made, other = ordered(), ordered(all_change=True)
    *_, block, after = other.chain.headers
    (desk.folder / "pack.json").write_bytes(made.pack(Consensus(block.header, (after,))))
    (desk.folder / "genesis.json").write_bytes(made.ledger.genesis.to_bytes())
    said = desk.tieout("verify", "pack.json", "--trust", "genesis.json")
    assert said.code == 1
    assert "consensus" in said.err


def test_the_genesis_of_another_ledger_is_refused(ledger: Desk) -> None:
    ledger.tieout("evidence", "A", "-o", "a.json")
    ledger.tieout("certificate", "-o", "c.json")
    genesis = other_genesis(ledger)
    for name in ("a.json", "c.json"):
        said = ledger.tieout("verify", name, "--trust", genesis)
        assert said.code == 1
        assert "refused" in said.err


@pytest.mark.parametrize("name", ["a.json", "c.json"])
def test_an_altered_value_is_refused(ledger: Desk, name: str) -> None:
    ledger.tieout("evidence", "A", "-o", "a.json")
    ledger.tieout("certificate", "-o", "c.json", "--cutoff", DAY_1)
    path = ledger.folder / name
    assert ledger.tieout("verify", name, "--trust", GENESIS).code == 0
    path.write_text(path.read_text().replace("1.50", "1.40"))
    said = ledger.tieout("verify", name, "--trust", GENESIS)
    assert said.code == 1
    assert f"{name} is refused" in said.err


@pytest.mark.parametrize("tail", [b" ", b"\n\n", b"{}", b"\0"])
def test_unknown_bytes_behind_a_pack_are_refused(ledger: Desk, tail: bytes) -> None:
    ledger.tieout("evidence", "A", "-o", "a.json")
    with (ledger.folder / "a.json").open("ab") as file:
        file.write(tail)
    assert ledger.tieout("verify", "a.json", "--trust", GENESIS).code == 1


def test_a_sample_of_changed_bytes_of_a_pack_is_refused(ledger: Desk) -> None:
    ledger.tieout("evidence", "A", "-o", "a.json")
    path = ledger.folder / "a.json"
    good = path.read_bytes()
    for place in range(0, len(good), len(good) // 40):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert ledger.tieout("verify", "a.json", "--trust", GENESIS).code == 1, place


def test_what_is_neither_pack_nor_certificate_is_refused_as_json_too(ledger: Desk) -> None:
    (ledger.folder / "x").write_text("hello")
    said = ledger.tieout("verify", "x", "--trust", GENESIS, "--json")
    assert said.code == 1
    assert said.json["verdict"] == "refused"


def test_files_that_cannot_be_read_or_written_are_2(ledger: Desk) -> None:
    assert ledger.tieout("verify", "lost.json", "--trust", GENESIS).code == 2
    ledger.tieout("evidence", "A", "-o", "a.json")
    assert ledger.tieout("verify", "a.json", "--trust", "lost.json").code == 2
    assert ledger.tieout("verify", "a.json", "--trust", "a.json").code == 2
    assert ledger.tieout("evidence", "A", "-o", "lost/a.json").code == 2
    assert ledger.tieout("certificate", "-o", "lost/c.json").code == 2


def test_the_certificate_of_the_last_cutoff_carries_older_breaks_forward(ledger: Desk) -> None:
    said = ledger.tieout("certificate", "--json")
    assert said.code == 1
    assert said.json["breaks"] == []
    assert [row[0] for row in said.json["carried_forward"]] == ["A"]


def test_the_certificate_of_a_day_lists_its_own_breaks(ledger: Desk) -> None:
    said = ledger.tieout("certificate", "--cutoff", DAY_1, "-o", "c.json")
    assert said.code == 1
    assert f"Of 2 transactions opened until {DAY_1} under pay, 1 tied out; 1 broken." in said.err
    lines = json.loads(ledger.read("c.json"))["breaks"]
    assert lines == [["A", "mismatch", "amount", "seller", "1.00", "1.50", "bank", "-0.50", "open"]]
    said = ledger.tieout("verify", "c.json", "--trust", GENESIS)
    assert said.code == 0
    assert said.err.startswith("verified: Of 2 transactions")


def test_a_certificate_without_breaks_is_0(desk: Desk) -> None:
    rows = [HEAD, "A,1.00"]
    desk.reconcile(BANK_DECIDES, seller=rows, bank=rows)
    said = desk.tieout("certificate", "-o", "c.json")
    assert said.code == 0
    assert said.err.startswith("All 1 transactions opened until ")


def test_a_certificate_needs_a_genesis_to_be_verified(ledger: Desk) -> None:
    ledger.tieout("certificate", "-o", "c.json")
    said = ledger.tieout("verify", "c.json")
    assert said.code == 1
    assert "--trust" in said.err


def test_a_cutoff_that_was_not_closed_has_no_certificate(ledger: Desk) -> None:
    said = ledger.tieout("certificate", "--cutoff", "2026-03-01T00:00:00Z", "-o", "c.json")
    assert said.code == 2
    assert not (ledger.folder / "c.json").exists()


def test_the_root_of_a_certificate_changes_with_the_status_of_a_transaction(desk: Desk) -> None:
    roots = []
    for amount in ("3.00", "3.01"):
        rows, ledger = [HEAD, "C,3.00"], ["--ledger", f"of-{amount}"]
        desk.reconcile(BANK_DECIDES, *ledger, seller=[HEAD, f"C,{amount}"], bank=rows)
        document = desk.tieout("certificate", "--json", *ledger).json
        roots.append(document["signed"]["head"]["transactions_root"])
    assert roots[0] != roots[1]


def test_an_audit_replays_everything(ledger: Desk) -> None:
    said = ledger.tieout("audit", "--json")
    assert said.code == 0
    assert list(said.json) == [
        *("sound", "blocks", "items", "records", "transactions", "broken", "app_hash"),
        "difference",
    ]
    facts = {key: said.json[key] for key in ("sound", "records", "transactions", "broken")}
    assert facts == {"sound": True, "records": 6, "transactions": 3, "broken": 1}
    assert "sound: " in ledger.tieout("audit").err


def test_an_audit_holds_certificates_against_the_ledger(ledger: Desk) -> None:
    ledger.tieout("certificate", "-o", "c.json")
    assert ledger.tieout("audit", "--hold", "c.json").code == 0
    other_genesis(ledger)
    ledger.tieout("certificate", "--ledger", "other", "-o", "other.json")
    assert ledger.tieout("audit", "--hold", "other.json").code == 1
    assert ledger.tieout("audit", "--hold", "lost.json").code == 2


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "tieout-ledger" / "journal" / "segments").glob("*.seg"))


def test_that_the_last_day_was_cut_off_shows_against_a_certificate_of_it(desk: Desk) -> None:
    rows = [HEAD, "A,1.00"]
    desk.reconcile(BANK_DECIDES, "--cutoff", DAY_1, seller=rows, bank=rows)
    shorter = segments(desk.folder)[0].read_bytes()
    rows = [HEAD, "B,1.00"]
    desk.reconcile(BANK_DECIDES, "--cutoff", DAY_2, seller=rows, bank=rows)
    desk.tieout("certificate", "-o", "c.json")
    segments(desk.folder)[0].write_bytes(shorter)
    assert desk.tieout("audit").code == 0
    said = desk.tieout("audit", "--hold", "c.json", "--json")
    assert said.code == 1
    assert said.json["sound"] is False
    assert said.json["difference"]["what"]


def test_an_altered_ledger_is_named_to_the_block_by_every_command(ledger: Desk) -> None:
    path = segments(ledger.folder)[0]
    data = bytearray(path.read_bytes())
    place = data.index(b"B".ljust(36, b"\0"))
    data[place] ^= 0x20
    path.write_bytes(data)
    for words in (
        ["audit"],
        ["breaks"],
        ["show", "A"],
        ["evidence", "A", "-o", "e.json"],
        ["certificate"],
        ["adjust", "list"],
        ["reconcile", "agreement.toml", "seller=seller.csv"],
    ):
        said = ledger.tieout(*words)
        assert said.code == 1, words
        assert "block 2" in said.err, words
    assert path.read_bytes() == bytes(data)


def test_the_audit_of_an_altered_ledger_as_json(ledger: Desk) -> None:
    path = segments(ledger.folder)[0]
    data = bytearray(path.read_bytes())
    data[data.index(b"B".ljust(36, b"\0"))] ^= 0x20
    path.write_bytes(data)
    said = ledger.tieout("audit", "--json")
    assert said.code == 1
    assert (said.json["sound"], said.json["difference"]["height"]) == (False, 2)


def test_a_torn_tail_is_put_aside_and_the_ledger_goes_on(ledger: Desk) -> None:
    path = segments(ledger.folder)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    rows = [HEAD, "D,4.00"]
    said = ledger.reconcile(BANK_DECIDES, seller=rows, bank=rows)
    assert said.code == 1, said.err
    assert list((ledger.folder / "tieout-ledger").rglob("*.torn"))
    assert ledger.tieout("audit").code == 0


def test_a_torn_tail_does_not_keep_anybody_from_looking(ledger: Desk) -> None:
    path = segments(ledger.folder)[-1]
    torn = path.read_bytes()[:-10]
    path.write_bytes(torn)
    assert ledger.tieout("breaks").code == 1
    assert path.read_bytes() == torn


def test_a_genesis_that_was_changed_is_not_this_ledgers(ledger: Desk) -> None:
    path = ledger.folder / GENESIS
    good = path.read_text()
    path.write_text(good.replace('"seller"', '"sellor"', 1))
    for words in (["breaks"], ["audit"]):
        assert ledger.tieout(*words).code in {1, 2}
    path.write_text(good)
    assert ledger.tieout("audit").code == 0


def test_a_lost_genesis_does_not_cost_the_keys(ledger: Desk) -> None:
    directory = ledger.folder / "tieout-ledger"
    genesis = (directory / "genesis.json").read_bytes()
    keys = (directory / "keys.json").read_bytes()
    (directory / "genesis.json").unlink()
    rows = [HEAD, "D,4.00"]
    assert ledger.reconcile(BANK_DECIDES, seller=rows, bank=rows).code == 2
    assert (directory / "keys.json").read_bytes() == keys
    (directory / "genesis.json").write_bytes(genesis)
    assert ledger.reconcile(BANK_DECIDES, seller=rows, bank=rows).code == 1


def test_without_keys_the_ledger_can_be_read_and_not_written(ledger: Desk) -> None:
    (ledger.folder / "tieout-ledger" / "keys.json").unlink()
    assert ledger.tieout("breaks").code == 1
    assert ledger.tieout("audit").code == 0
    rows = [HEAD, "D,4.00"]
    said = ledger.reconcile(BANK_DECIDES, seller=rows, bank=rows)
    assert said.code == 2
    assert "keys.json is missing" in said.err
