"""E3 in figures: who gives to the pool before another enters pays for it, and the other does not.

Every op runs on the chain and in the reference, under all invariants. The attacker holds the first
shares (or none yet) and gives D to the pool's account; the victim's V comes in at the price of a
share that D has made. Then both leave with all they have.
"""

from __future__ import annotations

import pytest

from tests.reference.oracle import Quote, Report
from tests.reference.state import SETTLEMENT
from tests.reference.units import COOLDOWN, REQUEST_DELAY
from tests.stateful.house import KEEPERS, PROVIDERS, TRADERS
from tests.stateful.machine import Machine
from tests.stateful.ops import Op
from tests.stateful.terms import DEPLOYMENTS

ATTACKER, VICTIM = PROVIDERS[0], PROVIDERS[1]
DOLLARS = (1, 1_000, 1_000_000, 20_000_000)
DEPOSITS = (1, 10_000, 10_000_000)


class Pool:
    """A machine with nothing in its pool yet; amounts in atoms."""

    def __init__(self, number: int) -> None:
        self.machine = Machine(number)
        self.unit = 10 ** self.machine.house.decimals[0]

    def do(self, name: str, caller: int, *args: int, wait: int = 0) -> None:
        now = self.machine.world.now + wait
        quotes = tuple(Quote(key, m.price, 0) for key, m in self.machine.world.markets.items())
        priced = name in ("execute_deposit", "execute_redeem")
        reports = tuple(Report(signer, now, quotes) for signer in range(3)) if priced else ()
        assert self.machine.step(Op(name, caller, args, reports, wait))

    def purse(self, owner: int) -> int:
        return self.machine.world.wallets[owner, SETTLEMENT]

    def ask(self, owner: int, amount: int) -> int:
        self.do("request_deposit", owner, amount, owner)
        return self.machine.world.next_request - 1

    def enter(self, owner: int, amount: int) -> None:
        request = self.ask(owner, amount)
        self.do("execute_deposit", KEEPERS[0], request, wait=REQUEST_DELAY + 1)

    def give(self, amount: int) -> None:
        """Give to the account that NAV counts; a friend gives as much where nothing counts it."""
        setup = self.machine.world.setup
        self.do("deposit", ATTACKER, setup.pool_account, SETTLEMENT, amount)
        self.do("donate", TRADERS[0], SETTLEMENT, setup.pool_account >> 96, amount)

    def leave(self, *owners: int) -> None:
        shares = self.machine.world.shares
        first = self.machine.world.next_request
        leaving = [owner for owner in owners if shares.get(owner, 0)]
        for owner in leaving:
            self.do("request_redeem", owner, shares[owner])
        for number, _ in enumerate(leaving):
            # all at the first price
            wait = 0 if number else COOLDOWN + 1
            self.do("execute_redeem", KEEPERS[0], first + number, wait=wait)
        self.machine.finish()


def losses(pool: Pool, start: tuple[int, int]) -> tuple[int, int]:
    """Return what the attacker and the victim have less than at the start."""
    return start[0] - pool.purse(ATTACKER), start[1] - pool.purse(VICTIM)


@pytest.fixture(params=range(len(DEPLOYMENTS)))
def pool(request: pytest.FixtureRequest) -> Pool:
    return Pool(request.param)


@pytest.mark.parametrize("given", DOLLARS)
@pytest.mark.parametrize("deposit", DEPOSITS)
@pytest.mark.parametrize("when", ["before", "between", "empty"])
def test_e3_first_depositor__others_gift__victim_whole_and_attacker_pays(
    pool: Pool, given: int, deposit: int, when: str
) -> None:
    start = (pool.purse(ATTACKER), pool.purse(VICTIM))
    if when != "empty":
        # the least there is: one atom
        pool.enter(ATTACKER, 1)
    if when != "between":
        pool.give(given * pool.unit)
    request = pool.ask(VICTIM, deposit * pool.unit)
    if when == "between":
        pool.give(given * pool.unit)
    pool.do("execute_deposit", KEEPERS[0], request, wait=REQUEST_DELAY + 1)
    pool.leave(VICTIM, ATTACKER)

    attacker, victim = losses(pool, start)
    # a millionth of V, or the atom to which a payment is rounded
    assert victim <= max(1, deposit * pool.unit // 10**6)
    assert attacker >= max(0, victim)
    # of the gift some stays with the share that nobody owns
    assert attacker > 0


@pytest.mark.parametrize("first", [2, 10**6])
def test_e3_first_depositor__no_gift__loses_an_atom_at_most(pool: Pool, first: int) -> None:
    start = pool.purse(ATTACKER)
    pool.enter(ATTACKER, first)
    pool.leave(ATTACKER)
    assert 0 <= start - pool.purse(ATTACKER) <= 1
