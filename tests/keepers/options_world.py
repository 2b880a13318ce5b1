"""Options on a test's node: surfaces signed by its signers, fills by a venue of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keepers.domain.instruments import Instrument, Kind, encode
from keepers.domain.reports import domain_separator
from keepers.domain.surfaces import RATIO_ONE, VARIANCE_ONE, Surface, digest, encode_report
from keepers.domain.units import HOUR, LOTS_PER_UNIT, TICKS_PER_USD
from tests.keepers.anvil_world import CHAIN_ID, DEPLOYER, OTHER_TRADER, SIGNERS, TRADER, World, key

DAYS = 24  # hours


def series(on: World, now: int, days: int = 7) -> int:
    """Return the hour since 1970 of an expiry so many days off."""
    return now // HOUR + days * DAYS


def put(on: World, hours: int, strike: int, symbol: str = "ETH") -> int:
    """Return the id of a put."""
    return _option(on, Kind.PUT, hours, strike, symbol)


def call(on: World, hours: int, strike: int, symbol: str = "ETH") -> int:
    """Return the id of a call."""
    return _option(on, Kind.CALL, hours, strike, symbol)


def future(on: World, hours: int, symbol: str = "ETH") -> int:
    """Return the id of a dated future."""
    return encode(Instrument(on.deployment.market(symbol), Kind.FUTURE, hours * HOUR))


def _option(on: World, kind: Kind, hours: int, strike: int, symbol: str) -> int:
    market = on.deployment.market(symbol)
    return encode(Instrument(market, kind, hours * HOUR, strike * TICKS_PER_USD))


def flat(market: int, hours: int, publish: int, volatility: float) -> Surface:
    """Return a smile of nearly one volatility."""
    total = round(volatility**2 * VARIANCE_ONE)
    return Surface(market, hours, publish, RATIO_ONE, total * 9 // 10, total // 2, 0, 0, 2**28 // 5)


async def publish_surfaces(on: World, hours: Sequence[int], volatility: float) -> None:
    """Bring surfaces of ETH of the latest block's time, signed by three."""
    market, now = on.deployment.market("ETH"), await on.now()
    await bring(on, [flat(market, each, now, volatility).word for each in sorted(hours)])


async def bring(on: World, words: Sequence[int]) -> None:
    """Bring words of surfaces, signed by three."""
    seats = on.deployment.signers
    message = digest(words, domain_separator(CHAIN_ID, on.deployment.address("Surfaces")))
    signed = {
        seats.index(key(each).address): key(each).sign_compact(message) for each in SIGNERS[:3]
    }
    report = encode_report(words, dict(sorted(signed.items())), seats)
    await on.act(DEPLOYER, "Surfaces", "update", report)


async def open_venue(on: World) -> None:
    """List the deployer as a venue of the engine, which answers for everybody's consent."""
    await on.act(DEPLOYER, "Options", "set_venue", key(DEPLOYER).address, True)


async def fill(on: World, taker: int, maker: int, *legs: tuple[int, float, float]) -> None:
    """Fill legs of (instrument, units that the taker buys, USD) between two accounts."""
    made = sorted(
        (instrument, round(units * LOTS_PER_UNIT), round(usd * TICKS_PER_USD))
        for instrument, units, usd in legs
    )
    await on.act(DEPLOYER, "Options", "trade", (taker, maker, made, 0, 0))


async def short_puts(
    on: World, cash: int = 30_000, units: float = 40, perp: float = 0, ether: int = 0
) -> tuple[int, int, int]:
    """Open puts 5 % under the price, written under portfolio margin; writer, holder, put."""
    writer = await on.deposit(TRADER, cash, ether=ether)
    if perp:
        await on.open(TRADER, "ETH", perp)
    hours = series(on, await on.now())
    holder = await on.deposit(OTHER_TRADER, 200_000)
    await open_venue(on)
    await on.publish()
    await publish_surfaces(on, [hours], 0.6)
    option = put(on, hours, round(on.prices["ETH"] * 0.95))
    await fill(on, holder, writer, (option, units, 40))
    await on.act(TRADER, "Options", "set_mode", writer, True)
    return writer, holder, option


async def storm(on: World, hours: int, usd: float, volatility: float) -> None:
    """Let volatility jump, confirmed by a second report, and the price fall."""
    for _ in range(2):
        await on.pass_time(10)
        await on.publish()
        await publish_surfaces(on, [hours], volatility)
    await on.move("ETH", usd)
    await publish_surfaces(on, [hours], volatility)


async def engine_health(on: World, account: int) -> Any:
    """Return what the contracts say of an account."""
    return (await on.reader.healths([account]))[account]
