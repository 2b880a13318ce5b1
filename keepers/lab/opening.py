"""Before the first price moves: the pool, the fund, the buyers and every account are funded.

Deposits are sent many to a block. Positions are opened the way every position is: committed to
Orders by their owners, executed by the executor keepers at the first later price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from keepers.chain.abi import interface
from keepers.chain.signer import Signer, test_secret
from keepers.chain.transactions import Draft
from keepers.domain.units import DAY, LOT, TICK, WAD
from keepers.domain.words import account_id, perp
from keepers.errors import ChainError
from keepers.lab.clock import Clock, Desk
from keepers.lab.economy import Economy, Plan
from keepers.lab.world import (
    BUYER_USD,
    INSURANCE_USD,
    LENDER,
    LIQUIDATORS,
    POOL_USD,
    World,
)

ENDOWMENT: Final = 10 * WAD  # native coin of each owner
USDC: Final = 10**6
FOREVER: Final = 2**256 - 1
GAS: Final = 400_000
GAS_COMMIT: Final = 250_000
SLIP_PERCENT: Final = 2  # how far the limit of an opening order is from the price

Letter = tuple[Signer, Draft]


@dataclass(frozen=True)
class Opening:
    """Sends everything that happens before the replay."""

    world: World
    economy: Economy
    clock: Clock
    desk: Desk

    @cached_property
    def owners(self) -> list[Signer]:
        """Return the owners' keys."""
        return [Signer(self.economy.secret(owner)) for owner in range(self.economy.owners)]

    @cached_property
    def ids(self) -> list[int]:
        """Return the account of every plan."""
        return [account_id(self.owners[p.owner].address, p.index) for p in self.economy.plans]

    @cached_property
    def reserve(self) -> int:
        """Return what an order pays its executor [wei]."""
        return 4 * self.world.parameters.min_reserve

    @cached_property
    def lender(self) -> Signer:
        """Return who funds the pool and the fund."""
        return Signer(test_secret(LENDER))

    # ---- money

    async def fund(self) -> None:
        """Mint, approve and deposit for everybody; ask the pool for shares."""
        everybody = [*self.owners, self.lender]
        await self.desk.endow([signer.address for signer in everybody], ENDOWMENT)
        letters = [*self._house_letters(), *self._deposit_letters()]
        sent = await self.desk.send(letters)
        await self.clock.drain(self.clock.now)
        await self._require(sent, "a deposit")

    async def _require(self, sent: Sequence[str], what: str) -> None:
        failed = await self.desk.failed(sent)
        if failed:
            raise ChainError(f"{what} failed in {len(failed)} of {len(sent)} transactions")

    def _house_letters(self) -> Iterator[Letter]:
        deployed = self.world.deployment
        pool, fund = deployed.address("LiquidityPool"), deployed.address("InsuranceFund")
        usdc = deployed.settlement.address
        total = (POOL_USD + INSURANCE_USD) * USDC
        yield self._mint(self.lender, usdc, total)
        yield self._approve(self.lender, usdc, pool)
        yield self._approve(self.lender, usdc, fund)
        encode = interface("InsuranceFund").encode
        yield self.lender, _draft("fund", fund, encode("fund", INSURANCE_USD * USDC))
        data = interface("LiquidityPool").encode(
            "request_deposit", POOL_USD * USDC, self.lender.address
        )
        yield self.lender, _draft("lend", pool, data)
        for number in LIQUIDATORS:
            signer = Signer(test_secret(number))
            yield self._mint(signer, usdc, BUYER_USD * USDC)
            yield self._approve(signer, usdc, deployed.address("Clearinghouse"))
            yield self._deposit(signer, account_id(signer.address), usdc, BUYER_USD * USDC)

    def _deposit_letters(self) -> Iterator[Letter]:
        deployed = self.world.deployment
        totals: dict[tuple[int, str], int] = {}
        for plan in self.economy.plans:
            for token, amount in plan.deposits:
                key = (plan.owner, token)
                totals[key] = totals.get(key, 0) + amount
        for (owner, token), amount in totals.items():
            address = self._token(token)
            yield self._mint(self.owners[owner], address, amount)
            yield self._approve(self.owners[owner], address, deployed.address("Clearinghouse"))
        for plan, account in zip(self.economy.plans, self.ids, strict=True):
            for token, amount in plan.deposits:
                if amount:
                    signer = self.owners[plan.owner]
                    yield self._deposit(signer, account, self._token(token), amount)

    def _token(self, name: str) -> str:
        deployed = self.world.deployment
        return (deployed.settlement if name == "cash" else deployed.token(name)).address

    def _mint(self, signer: Signer, token: str, amount: int) -> Letter:
        selector = bytes.fromhex("40c10f19")  # mint(address,uint256) of the test token
        receiver = int(signer.address, 16).to_bytes(32, "big")
        return signer, _draft("mint", token, selector + receiver + amount.to_bytes(32, "big"))

    def _approve(self, signer: Signer, token: str, spender: str) -> Letter:
        return signer, _draft(
            "approve", token, interface("ERC20").encode("approve", spender, FOREVER)
        )

    def _deposit(self, signer: Signer, account: int, token: str, amount: int) -> Letter:
        address = self.world.deployment.address("Clearinghouse")
        data = interface("Clearinghouse").encode("deposit", account, token, amount)
        return signer, _draft("deposit", address, data)

    # ---- positions

    async def commit(self) -> int:
        """Commit every position that the economy wants; how many."""
        letters = list(self._orders())
        sent = await self.desk.send(letters)
        await self.clock.drain(self.clock.now)
        await self._require(sent, "a commitment")
        return len(letters)

    def _orders(self) -> Iterator[Letter]:
        for position, plan in enumerate(self.economy.plans):
            for number, want in enumerate(plan.wants):
                order = self._order(plan, position, number)
                data = interface("Orders").encode("commit", order)
                draft = Draft(
                    f"commit {position}.{number} {want.market}",
                    self.world.deployment.address("Orders"),
                    data,
                    GAS_COMMIT,
                    self.reserve,
                )
                yield self.owners[plan.owner], draft

    def _order(self, plan: Plan, position: int, number: int) -> tuple[object, ...]:
        want = plan.wants[number]
        price = self.world.prices[want.market]
        slip = price * SLIP_PERCENT // 100
        limit = price + slip if want.size > 0 else price - slip
        return (
            self.ids[position],
            self.world.deployment.address("LiquidityPool"),
            perp(self.world.deployment.market(want.market)),
            want.size * LOT,
            limit * TICK,
            self.clock.now + DAY // 2,
            False,
            self.reserve,
            position * 100 + number,
        )


def _draft(what: str, to: str, data: bytes, gas: int = GAS) -> Draft:
    return Draft(what, to, data, gas)
