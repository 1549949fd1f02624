"""`tieout member` on the ledger of one operator: keys that change, parties that come and go."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import MONEY, PAY, Desk, Said, agreement
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.keyfile import write_keys
from tieout.engines.keyring import found_parties
from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import SigningKey

HEAD = "transaction_id,amount"
TWO = {"seller": [HEAD, "A,1.00"], "bank": [HEAD, "A,1.00"]}
LEDGER = Path("tieout-ledger")


@pytest.fixture
def begun(desk: Desk) -> Desk:
    """A desk with a ledger on which one transaction ties out."""
    assert desk.reconcile(PAY, **TWO).code == 0
    return desk


def member(desk: Desk, *words: str) -> Any:
    """What a command that succeeds prints."""
    said = desk.tieout("member", *words, "--json")
    assert said.code == 0, said.err
    return said.json


def keys(desk: Desk, party: str) -> dict[int, dict[str, Any]]:
    return {each["number"]: each for each in member(desk, "show", party)}


def refused(said: Said, *words: str) -> None:
    assert said.code == 2
    for each in words:
        assert each in said.err


def test_the_members_are_listed_with_what_they_hold(begun: Desk) -> None:
    listed = member(begun, "list")
    assert [(each["name"], each["holds"]) for each in listed] == [
        ("seller", ["seller of pay"]),
        ("bank", ["bank of pay"]),
        ("ledger-operator", []),
    ]
    said = begun.tieout("member", "list")
    assert "approver-1" in said.out
    assert "takes 1 of 3 votes; 0 open" in said.err


def test_a_rotated_key_is_followed_and_the_old_one_signs_nothing_more(begun: Desk) -> None:
    """R-MEMBER-5: no votes, and from the very next block on."""
    change = member(begun, "rotate", "--as", "seller")
    assert change["status"] == "scheduled"
    assert change["does"] == [
        f"system of seller gets key 4 (publish, govern; {keys(begun, 'seller')[4]['public'][:16]})",
        "key 1 of seller (system: publish, govern) signs nothing any more",
    ]
    now = keys(begun, "seller")
    assert now[1]["until"] + 1 == now[4]["since"] == change["effective_from"]
    assert (now[1]["valid"], now[4]["valid"]) == (False, True)
    changed = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,2.00"]}
    assert begun.reconcile(PAY, **changed).code == 0
    with EmbeddedLedger.open(LEDGER, read_only=True) as ledger:
        assert ledger.ring.signer(1, Purpose.PUBLISH)[0] == 4
        assert ledger.ring.signer(1, Purpose.PUBLISH, height=1)[0] == 1
    assert member(begun, "changes") == []
    (past,) = member(begun, "changes", "--all")
    assert (past["status"], past["effective_from"]) == ("effective", change["effective_from"])
    assert "sound" in begun.tieout("audit").err


def test_a_revoked_key_is_named_by_whoever_would_need_it(begun: Desk) -> None:
    member(begun, "revoke", "1", "--as", "bank")
    changed = {"seller": [HEAD, "A,1.00"], "bank": [HEAD, "A,3.00"]}
    refused(
        begun.reconcile(PAY, **changed),
        "there is no key of bank here that may publish; key 1 was revoked: it signs nothing after",
        "tieout member show bank",
    )
    # The operator, whose key may govern, gives the bank another one.
    member(
        begun, "add-key", "system", "--of", "bank", "--purpose", "publish", "--purpose", "govern"
    )
    assert begun.reconcile(PAY, **changed).code == 1


def test_a_key_that_begins_later_signs_nothing_before(begun: Desk) -> None:
    """R-MEMBER-6: `--at` names the first block."""
    change = member(begun, "rotate", "--as", "seller", "--at", "100")
    assert (change["status"], change["effective_from"]) == ("scheduled", 100)
    assert list(keys(begun, "seller")) == [1, 2, 3]
    assert begun.reconcile(PAY, **TWO).code == 0
    assert "1 more keys are here" in begun.tieout("member", "show", "seller").err


def test_the_operators_key_is_rotated_and_its_certificates_stay_good(begun: Desk) -> None:
    """Decision 0016: a certificate shows whose signatures counted at its height."""
    first = begun.tieout("certificate", "-o", "before.json")
    assert first.code == 0, first.err
    assert member(begun, "rotate")["proposer"] == "ledger-operator"
    changed = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,2.00"]}
    assert begun.reconcile(PAY, **changed).code == 0
    assert begun.tieout("certificate", "-o", "after.json").code == 0
    assert begun.tieout("evidence", "B", "-o", "pack.json").code == 0
    signers = []
    for name in ("before.json", "after.json", "pack.json"):
        said = begun.tieout("verify", name, "--trust", str(LEDGER / "genesis.json"), "--json")
        assert (said.code, said.json["verdict"]) == (0, "verified")
        if name != "pack.json":
            assert said.json["signers"] == ["ledger-operator"]
            signed = json.loads(begun.read(name))["signed"]["signatures"]
            signers += [each["key"] for each in signed]
    assert signers == [1, 2]
    held = begun.tieout("audit", "--hold", "before.json", "--hold", "after.json")
    assert (held.code, "sound" in held.err) == (0, True)


def test_a_person_is_added_and_approves(begun: Desk) -> None:
    change = member(begun, "add-key", "Cy", "--as", "bank", "--purpose", "approve")
    assert change["does"][0].startswith("Cy acts for bank with key 4 (approve; ")
    assert keys(begun, "bank")[4]["person"] == "Cy"
    again = member(begun, "add-key", "Cy", "--as", "bank", "--purpose", "approve")
    assert again["does"][0].startswith("Cy of bank gets key 5 (approve; ")


def test_a_key_that_a_person_made_is_taken_by_its_public_half(begun: Desk) -> None:
    public = SigningKey(bytes(range(32))).public.hex()
    member(begun, "add-key", "Cy", "--as", "bank", "--purpose", "approve", "--public", public)
    made = keys(begun, "bank")[4]
    assert (made["public"], made["here"]) == (public, False)


def test_a_party_is_admitted_and_takes_a_role_of_the_next_version(begun: Desk) -> None:
    trio = PAY.replace("version = 1", "version = 2").replace('"bank"]', '"bank", "custodian"]')
    files = {**TWO, "custodian": [HEAD, "A,1.00"]}
    refused(begun.reconcile(trio, **files), "'custodian' is not a party", "tieout member admit")
    change = member(begun, "admit", "custodian")
    assert change["does"][0].startswith("custodian becomes a member, as party 4: system with key 1")
    assert stat.S_IMODE((LEDGER / "keys.json").stat().st_mode) == 0o600
    said = begun.reconcile(trio, **{role: [HEAD, "N,1.00"] for role in files})
    assert said.code == 0, said.err
    assert member(begun, "list")[-1]["holds"] == ["custodian of pay"]
    refused(begun.tieout("member", "admit", "custodian"), "custodian is a member already")


def test_whoever_is_new_to_a_role_must_agree_itself(begun: Desk) -> None:
    """R-MEMBER-4."""
    member(begun, "admit", "custodian")
    change = member(begun, "holders", "pay", "bank", "custodian", "bank")
    assert (change["status"], change["must_agree"]) == ("proposed", ["custodian"])
    said = begun.tieout("member", "changes")
    assert "bank of pay version 1 is held by bank or custodian" in said.out
    assert "must agree itself: custodian" in said.out
    done = member(begun, "vote", str(change["number"]), "--as", "custodian")
    assert (done["status"], done["in_favour"]) == ("scheduled", ["ledger-operator", "custodian"])


def test_a_vote_against_ends_what_cannot_come_any_more(begun: Desk) -> None:
    """R-MEMBER-4."""
    change = member(begun, "holders", "pay", "bank", "seller")
    said = begun.tieout("member", "vote", str(change["number"]), "--against", "--as", "seller")
    assert said.code == 1
    assert "refused by seller" in said.err


def test_a_member_leaves_and_its_keys_with_it(begun: Desk) -> None:
    member(begun, "remove", "seller")
    refused(begun.reconcile(PAY, seller=[HEAD, "A,2.00"]), "'seller' is not a party")
    member(begun, "add-key", "Cy", "--as", "bank", "--purpose", "approve")
    listed = member(begun, "list", "--all")
    assert [each["left"] > 0 for each in listed] == [True, False, False]
    assert "seller (left after block" in begun.tieout("member", "list", "--all").out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["vote", "9"], "no change 9 is open"),
        (["rotate", "77"], "has no key 77"),
        (["rotate", "1", "--node"], "a node's key has no number"),
        (["rotate", "--node"], "votes on no blocks"),
        (["revoke", "1", "--of", "nobody"], "'nobody' is no member"),
        (["revoke", "1", "--as", "nobody"], "'nobody' is no member"),
        (["add-key", "Cy", "--purpose", "spend"], "there is no such purpose"),
        (["add-key", "Cy", "--purpose", "approve", "--public", "xyz"], "is no public key"),
        (
            ["add-key", "Cy", "--purpose", "approve", "--public", "00" * 32],
            "does not hold together",
        ),
        (["admit", " x"], "no name of a party"),
        (["holders", "tax", "bank", "bank"], "'tax' is not in force"),
        (["holders", "pay", "payer", "bank"], "pay has no role 'payer'"),
        (["holders", "pay", "bank", "bank"], "bank may hold bank of pay already"),
        (["holders", "pay", "bank"], "who holds bank?"),
        (["validator", "10"], "0 keys of ledger-operator vote on blocks"),
        (["show", "nobody"], "'nobody' is no member"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(
    begun: Desk, words: list[str], complaint: str
) -> None:
    with EmbeddedLedger.open(LEDGER, read_only=True) as ledger:
        before = ledger.state.members
    refused(begun.tieout("member", *words), complaint)
    with EmbeddedLedger.open(LEDGER, read_only=True) as ledger:
        assert ledger.state.members == before


def test_the_same_change_is_not_asked_for_twice(begun: Desk) -> None:
    words = ["holders", "pay", "bank", "seller"]
    member(begun, *words)
    refused(begun.tieout("member", *words), "it was asked for, or voted on, already")


def test_the_members_of_an_older_ledger_stay_as_they_are(desk: Desk) -> None:
    genesis, stored = found_parties(["seller", "bank"], 1, "old", rules_version=1)
    LEDGER.mkdir()
    write_keys(LEDGER, stored)
    (LEDGER / "genesis.json").write_bytes(genesis.to_bytes() + b"\n")
    assert desk.reconcile(PAY, **TWO).code == 0
    assert "these members stay as they are" in desk.tieout("member", "list").err
    refused(desk.tieout("member", "rotate", "--as", "seller"), "it is of rules version 1")
    assert desk.tieout("certificate", "-o", "day.json").code == 0
    said = desk.tieout("verify", "day.json", "--trust", str(LEDGER / "genesis.json"), "--json")
    assert said.json["head"]["format"] == "tieout/certificate/1"


def test_an_application_has_no_private_half(desk: Desk) -> None:
    said = desk.tieout("member", "apply", "bank2", "-o", "application.json", "--directory", "bank2")
    assert said.code == 0, said.err
    asked = json.loads(desk.read("application.json"))
    stored = json.loads(desk.read("bank2/keys.json"))
    assert stat.S_IMODE((desk.folder / "bank2" / "keys.json").stat().st_mode) == 0o600
    publics = [SigningKey.from_hex(each["seed"]).public.hex() for each in stored["keys"]]
    assert [key["public"] for each in asked["persons"] for key in each["keys"]] == publics
    assert not any(each["seed"] in desk.read("application.json") for each in stored["keys"])
    again = desk.tieout("member", "apply", "bank2", "-o", "two.json", "--directory", "bank2")
    refused(again, "holds keys already")
    broken = desk.file("broken.json", '{"format":"tieout/application/1"}')
    assert desk.reconcile(agreement(MONEY), **TWO).code == 0
    refused(desk.tieout("member", "admit", broken), "is no application")


def test_an_applicant_signs_with_its_own_keys_once_it_is_admitted(begun: Desk) -> None:
    """The key file knows no number of the party: it finds its party by the public halves."""
    words = ["apply", "custodian", "-o", "application.json", "--directory", "house"]
    assert begun.tieout("member", *words).code == 0
    member(begun, "admit", "application.json")
    begun.file("house/genesis.json", (LEDGER / "genesis.json").read_text().strip())
    from tieout.engines.keyring import Roster, read_keys
    from tieout.kernel import upcoming_parties

    with EmbeddedLedger.open(LEDGER, read_only=True) as ledger:
        roster = Roster(upcoming_parties(ledger.state), ledger.height + 1)
        ring = read_keys(Path("house"), ledger.genesis)
        assert ring.parties == []
        assert len(ring.waiting()) == 3
        ring.follow(lambda: roster)
        assert (ring.parties, ring.waiting()) == ([4], [])
        assert ring.signer(4, Purpose.CHECKPOINT)[0] == 1


def test_a_certificate_is_signed_as_of_its_own_height(begun: Desk) -> None:
    """Decision 0016: a copy that goes on computes what was, and one that lags behind says so."""
    assert begun.tieout("certificate", "-o", "day.json").code == 0
    shutil.copytree(LEDGER, "copy")
    member(begun, "rotate")
    changed = {"seller": [HEAD, "A,1.00", "B,2.00"], "bank": [HEAD, "A,1.00", "B,9.00"]}
    assert begun.reconcile(PAY, **changed).code == 1
    assert begun.tieout("certificate", "--sign", "day.json", "-o", "again.json").code == 0
    assert begun.read("again.json") == begun.read("day.json")
    assert begun.tieout("certificate", "-o", "later.json").code == 1
    behind = begun.tieout("certificate", "--sign", "later.json", "--ledger", "copy")
    refused(behind, "before block", "let its node catch up")
    mixed = begun.tieout("certificate", "--sign", "day.json", "--sign", "later.json")
    assert mixed.code == 1
    assert "nothing was signed" in mixed.err
    both = begun.tieout("certificate", "--sign", "day.json", "--agreement", "pay")
    refused(both, "--sign names a certificate of its own")
