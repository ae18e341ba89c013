"""The ledger: whatever happens in whatever order, the sums hold and nothing is overdrawn."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ocx.serve.admission import digest
from ocx.serve.charge import problems, totals
from ocx.serve.ledger import Key, Ledger, Overdrawn
from ocx.serve.openai_format import Usage
from ocx.serve.store import Store

AMOUNTS = st.integers(0, 1000)


class Movements(RuleBasedStateMachine):
    """Against a model that is three numbers."""

    charges = Bundle("charges")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(Store.memory(), lambda: 1)
        self.account = self.ledger.account(grant=1000).id
        self.key = Key(None, self.account, "k", "")
        self.balance = 1000
        self.holds: dict[int, int] = {}

    def teardown(self) -> None:
        self.ledger.store.close()

    @rule(target=charges, hold=AMOUNTS)
    def reserve(self, hold: int) -> int:
        fits = self.balance - sum(self.holds.values()) >= hold
        try:
            charge = self.ledger.reserve(self.key, "m", hold)
        except Overdrawn as error:
            assert not fits
            assert error.available == self.balance - sum(self.holds.values())
            return -1
        assert fits
        self.holds[charge] = hold
        return charge

    @rule(charge=consumes(charges), cost=st.integers(0, 3000), outcome=st.sampled_from("ab"))
    def settle(self, charge: int, cost: int, outcome: str) -> None:
        known = self.holds.pop(charge, None)
        taken = self.ledger.settle(charge, cost, Usage(1, 1), "counted", outcome)
        if known is None:
            assert taken == 0
            return
        assert taken == min(cost, self.balance - sum(self.holds.values()))
        self.balance -= taken
        assert self.ledger.settle(charge, cost, Usage(1, 1), "counted", "again") == 0

    @rule(amount=st.integers(-1500, 1500))
    def grant(self, amount: int) -> None:
        free = self.balance - sum(self.holds.values())
        try:
            self.ledger.grant(self.account, amount)
        except Overdrawn:
            assert free + amount < 0
            return
        self.balance += amount

    @invariant()
    def the_sums_hold(self) -> None:
        now = self.ledger.balance(self.account)
        assert (now.balance, now.held) == (self.balance, sum(self.holds.values()))
        assert now.granted - now.used == now.balance
        assert problems(self.ledger.store.db) == []


TestMovements = Movements.TestCase


@pytest.fixture
def ledger() -> Ledger:
    with closing(Store.memory()) as store:
        yield Ledger(store)


def test_a_second_look_at_an_account_grants_nothing(ledger: Ledger) -> None:
    assert ledger.account("a", grant=5).balance == 5
    assert ledger.account("a", grant=7).balance == 5


def test_the_ledger_is_append_only(ledger: Ledger) -> None:
    ledger.account(grant=5)
    for statement in ("UPDATE ledger SET amount = 6", "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger.store.db.execute(statement)


def test_a_shortfall_is_noted(ledger: Ledger) -> None:
    account = ledger.account(grant=10)
    charge = ledger.reserve(Key(None, account.id, "k", ""), "m", 4)
    assert ledger.settle(charge, 25, Usage(1, 1), "upstream", "finished") == 10
    row = ledger.store.db.execute("SELECT state, cost, shortfall FROM charge").fetchone()
    assert row == ("settled", 10, 15)
    assert problems(ledger.store.db) == []


def test_a_key_is_stored_as_its_hash_alone(ledger: Ledger) -> None:
    account = ledger.account()
    secret = ledger.add_key(account.id, "bob", rpm=3)
    dump = "\n".join(ledger.store.db.iterdump())
    assert secret.reveal() not in dump
    found = ledger.find_key(digest(secret.reveal()))
    assert (found.name, found.rpm, found.hint) == ("bob", 3, secret.masked())
    assert ledger.find_key(digest("another")) is None


def test_a_key_is_made_and_revoked_once(ledger: Ledger) -> None:
    """Also by two processes at once, whatever either looked up before."""
    secret = ledger.add_key(ledger.account().id, "bob")
    assert ledger.add_key(ledger.account().id, "bob") is None
    assert ledger.revoke("bob") == 1
    assert ledger.revoke("bob") == 0
    found = ledger.find_key(digest(secret.reveal()))
    assert found.revoked is not None


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE account SET balance = balance + 1", "balance is not"),
        ("UPDATE account SET held = 1", "held is not"),
        ("UPDATE charge SET cost = 3", "a charge and its ledger entry differ: 1, 3, 2"),
        ("UPDATE charge SET state = 'released'", "a released charge cost something"),
        (
            "DROP TRIGGER ledger_no_update; UPDATE ledger SET balance_after = 0",
            "balance_after does not follow",
        ),
    ],
)
def test_the_audit_finds_damage(ledger: Ledger, damage: str, finding: str) -> None:
    account = ledger.account(grant=10)
    charge = ledger.reserve(Key(None, account.id, "k", ""), "m", 4)
    ledger.settle(charge, 2, Usage(1, 1), "counted", "finished")
    assert problems(ledger.store.db) == []
    assert totals(ledger.store.db)["outcomes"] == {"finished": 1}
    ledger.store.db.executescript(damage)
    assert any(finding in found for found in problems(ledger.store.db))


def test_a_rotated_key_keeps_all_but_its_secret(ledger: Ledger) -> None:
    account = ledger.account("a")
    old = ledger.add_key(account.id, "ci", expires=2**40, rpm=5, concurrency=2)
    other = ledger.add_key(account.id, "other")
    new = ledger.rotate("ci")
    assert new is not None
    before, after = (ledger.find_key(digest(key.reveal())) for key in (old, new))
    assert before.revoked is not None
    assert after.revoked is None
    assert (after.account, after.name, after.rpm, after.concurrency) == (account.id, "ci", 5, 2)
    assert after.expires is not None
    assert after.expires >= 2**40
    assert after.hint == new.masked()
    untouched = ledger.find_key(digest(other.reveal()))
    assert untouched.revoked is None


@pytest.mark.parametrize("state", ["missing", "revoked", "expired"])
def test_only_a_key_in_use_can_be_rotated(ledger: Ledger, state: str) -> None:
    if state != "missing":
        ledger.add_key(ledger.account().id, "k", expires=1 if state == "expired" else None)
    if state == "revoked":
        ledger.revoke("k")
    assert ledger.rotate("k") is None
    assert len(ledger.list_keys()) == (state != "missing")


@pytest.mark.parametrize("what", ["settlement", "balance"])
def test_it_costs_the_same_however_many_charges_there_were(ledger: Ledger, what: str) -> None:
    account = ledger.account(grant=10**6)
    key = Key(None, account.id, "", "")

    def settle() -> None:
        ledger.settle(ledger.reserve(key, "m", 10), 1, Usage(1, 1), "counted", "finished")

    def steps() -> int:
        """Instructions of SQLite's virtual machine."""
        taken = 0

        def count() -> None:
            nonlocal taken
            taken += 1

        ledger.store.db.set_progress_handler(count, 1)
        settle() if what == "settlement" else ledger.balance(account.id)
        ledger.store.db.set_progress_handler(None, 1)
        return taken

    steps()
    few = steps()
    for _ in range(500):
        settle()
    assert 0 < steps() < 2 * few
