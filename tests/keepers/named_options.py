"""Options by their names: what a test market trades, and surfaces for it signed by its signers."""

from __future__ import annotations

from keepers.domain import instruments
from keepers.domain.surfaces import Surface
from keepers.domain.units import HOUR
from tests.keepers.anvil_world import OTHER_TRADER, TRADER, World
from tests.keepers.options_world import bring

EXPIRY = "29DEC23"  # six weeks after the test chain's start
MARKETS = {"ETH": 1, "BTC": 2}
CALL = f"ETH-{EXPIRY}-3200-C"
PUT = f"ETH-{EXPIRY}-2800-P"
FUTURE = f"ETH-{EXPIRY}"


def id_of(name: str) -> int:
    """Return an instrument's id."""
    return instruments.parse(name, MARKETS)


def expiry_of(name: str) -> int:
    """Return when an instrument expires."""
    return instruments.decode(id_of(name)).expiry


def smile(market: int, hours: int, publish: int) -> Surface:
    """Return a smile of 80 % at the money: variance 0.64, of which its bend is 0.04."""
    return Surface(
        market=market,
        hours=hours,
        publish=publish,
        ratio=2**30 + 2**22,
        a=round(0.6 * 2**26),
        b=round(0.2 * 2**26),
        rho=-(2**28),
        m=0,
        sigma=round(0.2 * 2**28),
    )


async def fund(on: World, usd: int) -> None:
    """Give two traders money [USD], and bring prices and a surface of now."""
    for actor in (OTHER_TRADER, TRADER):
        await on.deposit(actor, usd)
    await publish(on)


async def publish(on: World, *names: str, **usd: float) -> None:
    """Bring prices of now, and a surface for the expiry of each of these instruments."""
    await on.publish(**usd)
    now = await on.now()
    series = sorted({(id_of(each) >> 56, expiry_of(each) // HOUR) for each in names or (CALL,)})
    await bring(on, [smile(market, hours, now).word for market, hours in series])
