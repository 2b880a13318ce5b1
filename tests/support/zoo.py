"""Tokens that misbehave: put where a TestToken of a deployment stands, as an upgrade would."""

from __future__ import annotations

from typing import Any

import boa

from tests.support import sources
from tests.support.attack import call_data, deploy
from tests.support.world import World, account_of, at_address

NOTHING, NO, WORDS, BOMB = 1, 2, 4, 8  # ZooToken.Answer


def upgrade(world: World, symbol: str) -> Any:
    """Give a token the code of a ZooToken; balances and allowances stay."""
    address = str(world.tokens[symbol].address)
    template = deploy("mocks/ZooToken", world.token_params(symbol).decimals)
    boa.env.set_code(address, boa.env.get_code(template.address))
    return at_address(sources.of("contracts/mocks/ZooToken.vy"), address)


class Actor:
    """A contract that owns accounts, and calls what it was told to in the middle of a transfer."""

    def __init__(self, world: World) -> None:
        """Deploy it with native coin to pay for orders."""
        self.world = world
        self.contract = deploy("mocks/Prober")
        self.address = str(self.contract.address)
        boa.env.set_balance(self.address, 10**24)

    def account(self, index: int = 0) -> int:
        """Return an account of its own."""
        return account_of(self.address, index)

    def act(self, contract: Any, function: str, *args: Any, value: int = 0) -> None:
        """Call as this contract."""
        data = call_data(contract, function, *args)
        self.contract.act(contract.address, data, value)

    def fund(self, symbol: str, atoms: int, index: int = 0) -> int:
        """Deposit new atoms; return the account."""
        world, token = self.world, self.world.tokens[symbol]
        world.mint(symbol, self.address, atoms)
        deposit = (self.account(index), token.address, atoms)
        self.act(world.clearinghouse, "deposit", *deposit)
        return self.account(index)

    def request(self, atoms: int) -> int:
        """Hand new settlement atoms to the pool; return the request's id."""
        world, pool = self.world, self.world.liquidity_pool
        symbol = world.parameters.settlement.symbol
        world.mint(symbol, self.address, atoms)
        self.act(world.tokens[symbol], "approve", pool.address, atoms)
        self.act(pool, "request_deposit", atoms, self.address)
        return int(pool.request_count())

    def shares(self, atoms: int) -> int:
        """Buy pool shares at the next price; return them."""
        request = self.request(atoms)
        self.world.next_price(3)
        self.act(self.world.liquidity_pool, "execute_deposit", request)
        return int(self.world.liquidity_pool.balanceOf(self.address))

    def probe(self, *calls: tuple[Any, ...]) -> None:
        """Make these calls (contract, function, *args) in the middle of the next transfer."""
        self.contract.forget()
        for contract, function, *args in calls:
            self.contract.aim(contract.address, call_data(contract, function, *args), 0)

    def outcomes(self) -> list[bool]:
        """Return which of the probed calls went through; empty where nothing was called."""
        return list(self.contract.outcomes())

    def outside(self) -> list[bool]:
        """Return which of them go through when no transfer runs, and undo them."""
        with boa.env.anchor():
            self.contract.on_transfer()
            return self.outcomes()
