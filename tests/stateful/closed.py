"""C4 over sequences: what a few owners gain among themselves while neither time nor prices move.

A window is a run of ops that carry the same owners, without a second, a block or a report between
them: accounts under margin, a buyer, a keeper, a share holder and their purses, all of one mind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference import liquidation, margin
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import T_SLOW
from tests.stateful.step import Step, premium, share_price

# floors of values of two purses, of shares, and of a slice's collaterals
DUST_WEI = 32


def wealth(world: World, owners: tuple[int, ...]) -> int:
    """Return what owners hold at the stored prices: accounts, purses, shares, requests [WAD]."""
    total = 0
    for key in world.accounts:
        if owner_of(key) in owners:
            # nobody answers for an account under water
            total += max(0, world.health(key).equity)
    for (holder, token), amount in world.wallets.items():
        if holder in owners:
            total += _worth(world, token, amount)
    worth, supply = share_price(world)
    shares = sum(world.shares.get(owner, 0) for owner in owners)
    for request in world.requests.values():
        if request.owner in owners:
            shares += request.shares
            total += request.assets * world.setup.scale
    return total + shares * worth // supply


def _worth(world: World, token: int, amount: int) -> int:
    if token == SETTLEMENT:
        return amount * world.setup.scale
    terms = world.collaterals[token]
    return margin.value_of(terms, world.markets[terms.feed], amount)


def fund_of(world: World) -> int:
    """Return what the fund holds and has earned [WAD]."""
    account = world.account(world.setup.insurance_account)
    return account.cash + account.quote


@dataclass(slots=True)
class Window:
    """One block of a coalition, from its first op on."""

    owners: tuple[int, ...]
    start: World
    steps: int = 0
    # r - max(E, 0) of the takes so far, and what of it the fund may pay
    rewards: int = 0
    bonuses: int = 0
    # what subjects were short of at the start of the window
    short: dict[int, int] = field(default_factory=dict)

    def continues(self, step: Step) -> bool:
        """Return whether a step belongs to this window: the same owners, the same instant."""
        op = step.op
        still = op.wait == 0 and op.blocks == 0 and not op.reports
        return still and op.closed == self.owners

    def follow(self, step: Step) -> None:
        """Count what a step allows, then hold the coalition, the fund and the deficit to it."""
        self.steps += 1
        if step.subject:
            self._count(step)
        gained = wealth(step.after, self.owners) - wealth(self.start, self.owners)
        # the premium that skew has paid in is nobody's until the skew unwinds
        released = premium(self.start) - premium(step.after)
        assert gained <= self.rewards + released + DUST_WEI * self.steps
        short = sum(self.short.values())
        assert fund_of(step.after) >= fund_of(self.start) - short - self.bonuses
        assert step.after.deficit - self.start.deficit <= short

    def _count(self, step: Step) -> None:
        assert owner_of(step.subject) in self.owners
        self.short[step.subject] = max(0, -self.start.health(step.subject).equity)
        if step.op.name == "take":
            case = liquidation.case_of(step.start, step.subject)
            reward = max(0, case.reward - max(0, case.health.equity))
            self.rewards += reward
            if case.health.equity < 0 or case.live >= T_SLOW:
                self.bonuses += reward
