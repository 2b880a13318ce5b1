"""B11: a batch ends as its actions one after the other, on the chain itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.reference.ledger import DEPOSIT, TRANSFER, WITHDRAW, Action
from tests.reference.oracle import Quote, Report
from tests.reference.orders import Order
from tests.reference.units import COMMIT_DELAY, LOT_WAD, TICK_WAD
from tests.reference.words import instrument_of
from tests.stateful.evm import Reverted
from tests.stateful.house import KEEPERS, MIN_RESERVE, TRADERS, House
from tests.stateful.terms import DEPLOYMENTS
from tests.support.signing import SIGNERS

OWNER = TRADERS[0]
FIRST, SECOND, THIRD = (OWNER << 96 | index for index in range(3))
HELD = {0: 20_000, 1: 4, 2: 1, 3: 300}  # whole tokens in each of the first two accounts
TERMS = DEPLOYMENTS[0]
DECIMALS = [
    TERMS.settlement_decimals,
    *(collateral.decimals for collateral in TERMS.collaterals),
]
LOTS = 5 * 10**8
PERCENT = 100


@dataclass
class Desk:
    """A deployment in which an owner has two accounts, the first with a leg of ETH."""

    house: House

    def unit(self, token: int) -> int:
        """Return the atoms of a whole token."""
        return int(10 ** self.house.decimals[token])

    def publish(self) -> None:
        """Store the listing prices anew."""
        now = self.house.evm.time
        quotes = tuple(
            Quote(key, terms.price, 0) for key, terms in enumerate(self.house.terms.markets, 1)
        )
        reports = [Report(signer, now, quotes) for signer in range(SIGNERS - 1)]
        self.house.markets.send(KEEPERS[0], "update", self.house.desk.blob(reports))

    def fill(self) -> None:
        """Give the pool and the accounts what they start with, and open the leg."""
        core, pool = self.house.clearinghouse, self.house.pool
        self.house.evm.advance(20)
        pool.send(TRADERS[1], "request_deposit", 10**6 * self.unit(0), TRADERS[1])
        self.house.evm.advance(20)
        self.publish()
        pool.send(KEEPERS[0], "execute_deposit", 1)
        for account in (FIRST, SECOND):
            for token, amount in HELD.items():
                address = self.house.tokens[token].address
                core.send(OWNER, "deposit", account, address, amount * self.unit(token))
        self._open_leg()

    def _open_leg(self) -> None:
        orders = self.house.orders
        order = Order(
            account=FIRST,
            venue=self.house.pool.address,
            instrument=instrument_of(1),
            size=LOTS * LOT_WAD,
            limit_price=(2**63 - 1) * TICK_WAD,
            deadline=self.house.evm.time + 60,
            reduce_only=False,
            reserve=MIN_RESERVE,
            salt=0,
        )
        orders.send(OWNER, "commit", astuple(order), value=MIN_RESERVE)
        self.house.evm.advance(COMMIT_DELAY + 1)
        self.publish()
        orders.send(KEEPERS[0], "execute", astuple(order))

    def element(self, action: Action) -> tuple[int, ...]:
        """Return an action with its token's address."""
        address = self.house.tokens[action.token].address
        return (action.kind, action.account, action.other, address, action.amount)

    def batch(self, actions: Sequence[Action]) -> None:
        """Run actions in one call."""
        elements = [self.element(action) for action in actions]
        self.house.clearinghouse.send(OWNER, "batch", b"", OWNER, elements)

    def one_by_one(self, actions: Sequence[Action]) -> None:
        """Run actions in a call each."""
        core = self.house.clearinghouse
        for action in actions:
            _, account, other, token, amount = self.element(action)
            if action.kind == DEPOSIT:
                core.send(OWNER, "deposit", account, token, amount)
            elif action.kind == WITHDRAW:
                core.send(OWNER, "withdraw", account, token, amount, other)
            else:
                core.send(OWNER, "transfer", account, other, token, amount)

    def books(self) -> list[Any]:
        """Return everything that the actions may have changed."""
        core = self.house.clearinghouse
        found = [core.view("account_words", key) for key in (FIRST, SECOND, THIRD)]
        found += [core.view("pot"), core.view("account_count")]
        for token in self.house.tokens:
            found += [core.view("token_info", token.address), token.view("balanceOf", OWNER)]
        return found

    def after(self, run: Any, actions: Sequence[Action]) -> list[Any] | None:
        """Return the books after a run that is then taken back, None where it reverts."""
        checkpoint = self.house.evm.snapshot()
        try:
            run(actions)
            return self.books()
        except Reverted:
            return None
        finally:
            self.house.evm.restore(checkpoint)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk(House(TERMS))
    made.fill()
    yield made


@st.composite
def action(draw: st.DrawFn) -> Action:
    """An action on the two accounts, mostly one that the account can afford."""
    kind = draw(st.sampled_from((DEPOSIT, WITHDRAW, TRANSFER, TRANSFER)))
    account = draw(st.sampled_from((FIRST, SECOND)))
    token = draw(st.sampled_from(tuple(HELD)))
    percent = draw(st.sampled_from((1, 20, 45, 70, 100, 130)))
    amount = HELD[token] * 10 ** DECIMALS[token] * percent // PERCENT
    other = {
        DEPOSIT: 0,
        WITHDRAW: OWNER,
        TRANSFER: draw(st.sampled_from((FIRST, SECOND, THIRD))),
    }[kind]
    return Action(kind, account, other, token, amount - draw(st.integers(0, 9)))


COMMON = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@COMMON
@given(actions=st.lists(action(), min_size=1, max_size=6))
def test_batch__actions_that_pass_alone__ends_as_they_do(desk: Desk, actions: list[Action]) -> None:
    alone = desk.after(desk.one_by_one, actions)
    assume(alone is not None)
    assert desk.after(desk.batch, actions) == alone


@COMMON
@given(actions=st.lists(action(), min_size=1, max_size=6))
def test_batch__that_passes__leaves_every_account_above_im(
    desk: Desk, actions: list[Action]
) -> None:
    checkpoint = desk.house.evm.snapshot()
    try:
        desk.batch(actions)
    except Reverted:
        return
    else:
        for key in (FIRST, SECOND, THIRD):
            health = desk.house.clearinghouse.view("health", key)
            assert health[0] >= health[2]
    finally:
        desk.house.evm.restore(checkpoint)
