"""C7: whoever is below MM can be restored or closed, by anybody, in a few transactions that fit.

Every 25 steps the machine lets a stranger with nothing but money try it, on a copy of the chain,
for an account that is below MM: takes as the view plans them, a write-off of what is left. Not
after every step, since it costs as much as three of them, and what is below MM mostly stays there.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference import margin
from tests.reference.facts import Health
from tests.reference.oracle import Quote, Report
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import WAD
from tests.stateful.house import BUYERS, House
from tests.stateful.ops import Op, perform, send

MOST_CALLS = 8
MOST_GAS = 10_000_000
# sources publish every so many seconds, for as long as the longest grace and more
PAUSE = 60
MOST_UPDATES = 15
PLACE = 30
FAR = 2**60


@dataclass(frozen=True, slots=True)
class Rescue:
    """What it took to bring an account out of its trouble, and what became of it."""

    gas: tuple[int, ...]
    after: Health
    empty: bool


def restored_or_closed(rescue: Rescue) -> None:
    """Assert C7 of one account."""
    assert len(rescue.gas) <= MOST_CALLS
    assert max(rescue.gas) <= MOST_GAS
    if rescue.empty:
        # nothing is left of it, not even a debt
        assert rescue.after.equity >= 0
    else:
        assert rescue.after.equity >= rescue.after.le


def subjects(world: World) -> list[int]:
    """Return the accounts below MM with something left."""
    found = (key for key, account in world.accounts.items() if not account.house)
    return [key for key in found if not world.account(key).empty and _below(world.health(key))]


def _below(health: Health) -> bool:
    return health.equity < health.mm


class Stranger:
    """Somebody who has only money."""

    def __init__(self, house: House, world: World, key: int) -> None:
        self.house = house
        self.world = world
        self.key = key
        self.gas: list[int] = []
        self.who = next(owner for owner in BUYERS if owner != owner_of(key))
        self.purse = self.who << 96 | PLACE

    def rescue(self) -> Rescue | None:
        """Do what is to be done, on a copy of the chain; None where nothing was."""
        checkpoint = self.house.evm.snapshot()
        try:
            self._prices()
            # it may have recovered by funding meanwhile
            needed = _below(self.world.health(self.key))
            if needed:
                self._close()
        finally:
            self.house.evm.restore(checkpoint)
        if not needed:
            return None
        account = self.world.account(self.key)
        return Rescue(tuple(self.gas), self.world.health(self.key), account.empty)

    def _do(
        self, name: str, *args: object, reports: tuple[Report, ...] = (), wait: int = 0
    ) -> None:
        op = Op(name, self.who, args, reports, wait)
        self.house.evm.advance(op.wait, op.blocks)
        clock = self.world.copy()
        clock.now, clock.block = self.house.evm.time, self.house.evm.block
        # either side refuses where it must not: that is a violation
        self.world, _ = perform(clock, op)
        send(self.house, op)
        self.gas.append(self.house.evm.gas_used())

    def _prices(self) -> None:
        """Let sources go on with the stored prices, until these allow a liquidation.

        Prices are the sources' affair and not the stranger's: their transactions are not counted.
        """
        for seconds in (1, *(PAUSE,) * MOST_UPDATES):
            self._do("update", reports=self._reports(self.world.now + seconds), wait=seconds)
            if margin.liquidation_open(self.world.health(self.key)):
                break
        assert max(self.gas) <= MOST_GAS
        self.gas = []

    def _reports(self, now: int) -> tuple[Report, ...]:
        quotes = tuple(Quote(key, m.price, 0) for key, m in sorted(self.world.markets.items()))
        signers = sorted(self.world.signer_times)[: self.world.setup.quorum]
        return tuple(Report(signer, now, quotes) for signer in signers)

    def _close(self) -> None:
        for _ in range(MOST_CALLS):
            health, account = self.world.health(self.key), self.world.account(self.key)
            if account.empty:
                if health.equity < 0:
                    self._do("write_off", self.key)
                return
            if not _below(health):
                return
            self._take()

    def _take(self) -> None:
        """Take what the chain's own view plans, with as much money as there may be."""
        fraction = self.house.liquidator.view("plan_take", self.key)[1]
        if not self.world.account(self.purse).cash:
            token = self.world.tokens[SETTLEMENT]
            most = token.hard_cap * token.unit - token.tracked
            self._do("deposit", self.purse, SETTLEMENT, most)
        self._do("take", self.key, self.purse, fraction, FAR * WAD, 0, FAR)
