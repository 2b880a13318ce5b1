"""The chain that a replay plays on: shipped parameters, deployed as anybody would deploy them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from keepers.chain import deployment as deployments
from keepers.chain.deployment import Deployment
from keepers.chain.signer import test_secret
from keepers.domain.units import TICK, TICKS_PER_USD, WAD
from keepers.errors import BadInput, ChainError
from keepers.lab.chain import Node
from keepers.lab.economy import Coin, Traded
from keepers.lab.replay import with_companion
from scripts.deployment import params
from scripts.deployment.errors import DeploymentError
from scripts.deployment.models import MarketParams, Parameters

NETWORK: Final = "local"
POOL_USD: Final = 10_000_000
INSURANCE_USD: Final = 500_000
BUYER_USD: Final = 3_000_000  # of each liquidator
DEPLOYER: Final = 0
PUBLISHERS: Final = (6, 7, 8, 9)  # numbers of the test keys that the parameters list as signers
EXECUTORS: Final = (10, 11)
LIQUIDATORS: Final = (12, 13)
LENDER: Final = 14
# How often each market is chosen for a leg; any other counts as the last one.
WEIGHTS: Final = {"ETH": 0.42, "BTC": 0.36, "LINK": 0.22}
LIKE: Final = "LINK"  # a market that only a price file names gets this one's parameters
# its absolute bounds: first price / 100,000 (LUNA fell to 1 / 23,000 in a day) .. x 100
BOUNDS: Final = (100_000, 100)


@dataclass(frozen=True, slots=True)
class World:
    """What is deployed, and what the economy is drawn from."""

    deployment: Deployment
    parameters: Parameters
    prices: Mapping[str, int]  # ticks at the start, every market

    @property
    def traded(self) -> list[Traded]:
        """Return the markets that have a pool, as the economy sees them."""
        return [
            _traded(market, self.prices[market.symbol])
            for market in self.parameters.markets.values()
            if market.pool is not None
        ]

    @property
    def coins(self) -> list[Coin]:
        """Return the collaterals, as the economy sees them."""
        names = {market.id: market.symbol for market in self.parameters.markets.values()}
        return [
            Coin(
                token.symbol,
                token.decimals,
                self.prices[names[token.feed]],
                token.haircut_im / WAD,
                names[token.feed],
                token.soft_cap * 10**token.decimals,
            )
            for token in self.parameters.collaterals.values()
        ]


def _traded(market: MarketParams, price: int) -> Traded:
    assert market.pool is not None
    room = min(market.pool.max_skew / WAD, market.pool.lambda_ / WAD * POOL_USD / 2)
    return Traded(
        symbol=market.symbol,
        id=market.id,
        price=price,
        rate_im=market.margin.base / WAD,
        interest_cap=market.margin.oi_cap / WAD,
        skew_cap=room,
        scale=market.pool.scale / WAD,
        weight=WEIGHTS.get(market.symbol, WEIGHTS[LIKE]),
    )


def parameters_for(first_prices: Mapping[str, int]) -> Parameters:
    """Return the shipped parameters at these listing prices [ticks].

    A symbol that is no shipped market is listed beside them, with the parameters of its class.
    """
    try:
        shipped = params.load(NETWORK)
    except DeploymentError as error:
        raise BadInput(f"the parameters are not usable ({error})", "restore scripts/params") from (
            error
        )
    markets = dict(shipped.markets)
    for symbol in first_prices:
        if symbol not in markets:
            markets[symbol] = _like(markets[LIKE], symbol, len(markets) + 1, first_prices[symbol])
    prices = {**with_companion(shipped.prices), **first_prices}
    return replace(shipped, markets=markets).with_prices(prices)


def _like(model: MarketParams, symbol: str, id_: int, price: int) -> MarketParams:
    low, high = BOUNDS
    feed = replace(
        model.feed,
        min_price=one_digit(price // low) * TICK,
        max_price=one_digit(price * high) * TICK,
    )
    return replace(model, symbol=symbol, id=id_, feed=feed)


def one_digit(ticks: int) -> int:
    """Return a price with its first digit kept: what the packed bounds can hold."""
    power = int(10 ** (len(str(max(1, ticks))) - 1))
    return max(1, ticks) // power * power


async def deploy(
    node: Node, parameters: Parameters, tell: Callable[[str], None]
) -> tuple[Deployment, Parameters]:
    """Deploy and configure everything with the library that the deploy script uses."""
    path = node.folder / "deployments" / f"{parameters.chain_id}.json"
    await asyncio.to_thread(_deploy, node, parameters, path, tell)
    return deployments.load(path), parameters


def _deploy(node: Node, parameters: Parameters, path: object, tell: Callable[[str], None]) -> None:
    # web3 takes a second to import, which the rest of the command does not need.
    from pathlib import Path

    from eth_account import Account
    from web3 import HTTPProvider, Web3

    from scripts.deployment.command import carry_out, open_site
    from scripts.deployment.plan import full_plan
    from scripts.deployment.web3_executor import Web3Executor

    assert isinstance(path, Path)
    path.parent.mkdir(parents=True, exist_ok=True)
    executor = Web3Executor(Web3(HTTPProvider(node.http)), Account.from_key(test_secret(DEPLOYER)))
    try:
        site = open_site(executor, parameters, path, fresh=True)
        carry_out(site, full_plan(parameters), tell)
    except DeploymentError as error:
        raise ChainError(f"the deployment failed ({error})") from error


def dollars(ticks: int) -> float:
    """Return a price to show."""
    return ticks / TICKS_PER_USD
