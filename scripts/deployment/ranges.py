"""Check parameters against the ranges and listing asserts of the contracts.

The contracts check again; here a mistake is one sentence before the first transaction instead of
a revert half-way.
"""

from __future__ import annotations

import re

from eth_utils.address import is_checksum_formatted_address, to_checksum_address

from scripts.deployment import options
from scripts.deployment.errors import ParameterError
from scripts.deployment.models import (
    DEPLOYER,
    FeedParams,
    MarginParams,
    MarketParams,
    Parameters,
    PoolParams,
    TokenParams,
)
from scripts.deployment.quantities import WAD

BP = WAD // 10_000
PERCENT = WAD // 100
PPM = WAD // 10**6
# where quorum 1 is allowed (price_reports.vy)
TEST_CHAIN = 31337
# chains inside one machine: their tokens are free for all, their keys known, nothing is asked twice
TEST_CHAINS = (TEST_CHAIN, 1337)
MAX_MARKETS = 255
MAX_COLLATERALS = 63  # ids have six bits, and 0 is the settlement token
MIN_QUORUM = 3
TICK = 10**8
DAY = 86_400
MAX_TIER = 10_000 * 10_000 * WAD
MAX_MANTISSA = 15
MAX_CAP = 15 * 10**15 * WAD
MIN_LEGS = (500 * WAD, 1_000 * WAD)

# libs/market_params.vy: grid, least, most
FEED_GRIDS = {
    "jump_0": (BP * 50, PERCENT, 20 * PERCENT),
    "jump_rate": (BP, BP, 20 * BP),
    "confirm_delay": (1, 1, 30),
    "conf_cap": (BP * 10, BP * 10, 3 * PERCENT),
    "stable_growth": (PERCENT, PERCENT, 60 * PERCENT),
    "stable_tau": (300, 300, 18_000),
    "sigma_ref": (10 * PERCENT, 10 * PERCENT, 3 * WAD),
    "v_max": (WAD // 2, WAD, WAD * 9 // 2),
    "v_step": (2 * PERCENT, 2 * PERCENT, 60 * PERCENT),
}


def check(parameters: Parameters) -> None:
    """Refuse parameters that the contracts would refuse.

    Raises:
        ParameterError: the first entry that is out of its range.
    """
    _addresses(parameters)
    _signers(parameters)
    _timings(parameters)
    _liquidation(parameters)
    for market in parameters.markets.values():
        _market(market)
    _distinct([market.id for market in parameters.markets.values()], "markets", MAX_MARKETS)
    for token in parameters.collaterals.values():
        _token(token)
    _distinct([token.id for token in parameters.collaterals.values()], "ids", MAX_COLLATERALS)
    _token(parameters.settlement)
    _prices(parameters)
    for fault in options.faults(parameters):
        raise ParameterError(fault)


def _need(ok: bool, sentence: str) -> None:
    if not ok:
        raise ParameterError(sentence)


def _between(value: int, low: int, high: int, where: str) -> None:
    _need(low <= value <= high, f"{where}: {value} is not between {low} and {high}")


def _on_grid(value: int, grid: int, where: str) -> None:
    _need(value % grid == 0, f"{where}: {value} is not on the grid of {grid}")


def _distinct(ids: list[int], what: str, last: int) -> None:
    _need(len(set(ids)) == len(ids), f"{what}: two entries have the same id")
    _need(sorted(ids) == list(range(1, len(ids) + 1)), f"{what}: ids are not 1, 2, 3, ...")
    _need(len(ids) <= last, f"{what}: more than {last}")


def _addresses(parameters: Parameters) -> None:
    for where in ("owner", "guardian", "treasury"):
        who = getattr(parameters, where)
        _need(who != "", f"{where}: is missing; give an address")
        if who != DEPLOYER:
            address(who, where)
    for index, signer in enumerate(parameters.signers):
        address(signer, f"signers.addresses[{index}]")
    for symbol, token in parameters.tokens.items():
        address(token, f"tokens.{symbol}")


def address(text: str, where: str) -> None:
    """Refuse what is no address.

    Raises:
        ParameterError: it has another form, or its checksum is wrong.
    """
    ok = re.fullmatch(r"0x[0-9a-fA-F]{40}", text) is not None
    _need(ok, f"{where}: {text} is not an address (0x and 40 digits, in quotes)")
    # capitals among the letters are a checksum
    mixed = is_checksum_formatted_address(text)
    _need(not mixed or text == to_checksum_address(text), f"{where}: {text} has a typing error")


def _signers(parameters: Parameters) -> None:
    signers = parameters.signers
    low = 1 if parameters.chain_id == TEST_CHAIN else MIN_QUORUM
    _need(parameters.quorum >= low, f"signers.quorum: {parameters.quorum} is less than {low}")
    _need(parameters.quorum % 2 == 1, "signers.quorum: is not odd")
    faults = (parameters.quorum - 1) // 2
    enough = 3 * faults + 1
    _need(
        len(signers) >= enough,
        f"signers.addresses: a quorum of {parameters.quorum} needs {enough}, not {len(signers)}",
    )
    _need(len({s.lower() for s in signers}) == len(signers), "signers.addresses: one is repeated")


def _timings(parameters: Parameters) -> None:
    ages = parameters.timing
    _need(
        0 < ages.age_im <= ages.age_mm < ages.dead_after,
        "timings: age_im, age_mm and dead_after do not grow",
    )
    _need(parameters.order_delay > 0, "orders.delay: is zero")
    _between(parameters.pool_delay, 2, 60, "pool.delay")
    _between(parameters.pool_cooldown, parameters.pool_delay, 30 * DAY, "pool.cooldown")


def _liquidation(parameters: Parameters) -> None:
    (early, low), (late, high) = parameters.liquidation_curve
    _need(0 < early < late and 0 < low <= high, "liquidation.curve: does not grow")
    limits = (parameters.insurance_market_limit, parameters.insurance_day_limit)
    _need(0 < limits[0] <= limits[1] <= WAD, "insurance: limits are not 0 < market <= day <= 100 %")


def _market(market: MarketParams) -> None:
    where = f"markets.{market.symbol}"
    _margin(market.margin, f"{where}.margin")
    _feed(market.feed, f"{where}.feed")
    _need(market.min_leg in MIN_LEGS, f"{where}.min_leg: is not 500 or 1,000 USD")
    if market.pool is None:
        _need(market.margin.oi_cap == 0, f"{where}: has an open-interest cap but no pool")
    else:
        _pool(market.pool, market.margin, f"{where}.pool")


def _margin(margin: MarginParams, where: str) -> None:
    _between(margin.base, BP * 50, WAD, f"{where}.base")
    _on_grid(margin.base, BP * 5, f"{where}.base")
    _between(margin.mm_ratio, 10 * PERCENT, 80 * PERCENT, f"{where}.mm_ratio")
    _on_grid(margin.mm_ratio, PERCENT, f"{where}.mm_ratio")
    _between(margin.tier_start, 10_000 * WAD, MAX_TIER, f"{where}.tier_start")
    _on_grid(margin.tier_start, 10_000 * WAD, f"{where}.tier_start")
    _between(margin.spread_rate, 0, 15 * PERCENT, f"{where}.spread_rate")
    _on_grid(margin.spread_rate, BP * 25, f"{where}.spread_rate")
    _between(margin.oi_max, WAD, 10 * WAD, f"{where}.oi_max")
    _on_grid(margin.oi_max, WAD // 2, f"{where}.oi_max")
    _between(margin.oi_lo, 0, WAD * 15 // 16, f"{where}.oi_lo")
    _on_grid(margin.oi_lo, WAD // 16, f"{where}.oi_lo")
    _between(margin.oi_cap, 0, MAX_CAP, f"{where}.oi_cap")
    short = margin.oi_cap % WAD == 0 and _is_short(margin.oi_cap // WAD)
    _need(short, f"{where}.oi_cap: is not m * 10^e USD with m <= 15")


def _is_short(number: int) -> bool:
    """Return whether number = m * 10^e with m <= 15."""
    while number and number % 10 == 0 and number > MAX_MANTISSA:
        number //= 10
    return number <= MAX_MANTISSA


def _feed(feed: FeedParams, where: str) -> None:
    for name in ("min_price", "max_price"):
        price = getattr(feed, name)
        _between(price, TICK, (2**63 - 1) * TICK, f"{where}.{name}")
        _need(_is_short(price // TICK), f"{where}.{name}: is not m * 10^e with m <= 15")
    _need(feed.min_price < feed.max_price, f"{where}: min_price is not below max_price")
    for name, (grid, low, high) in FEED_GRIDS.items():
        value = getattr(feed, name)
        _between(value, low, high, f"{where}.{name}")
        _on_grid(value, grid, f"{where}.{name}")


def _pool(pool: PoolParams, margin: MarginParams, where: str) -> None:
    for name in ("spread_min", "fee", "liquidation_fee", "keeper_rate"):
        _on_grid(getattr(pool, name), PPM, f"{where}.{name}")
    _need(pool.scale > 0 and pool.max_skew > 0, f"{where}: scale or max_skew is zero")
    _need(pool.mu <= 80 * PERCENT, f"{where}.mu: is above 80 %")
    _on_grid(pool.mu, PERCENT, f"{where}.mu")
    _on_grid(pool.lambda_, BP, f"{where}.lambda")
    cost = -(-pool.max_skew * WAD // pool.scale) + pool.spread_min + pool.fee
    cost += pool.liquidation_fee + pool.keeper_rate
    room = margin.mm_ratio * margin.base // WAD // 2
    _need(
        cost <= room,
        f"{where}: skew, spread, fees and pay of {cost} exceed half of the margin rate, {room}",
    )


def _token(token: TokenParams) -> None:
    where = token.symbol
    _between(token.decimals, 6, 18, f"{where}.decimals")
    _between(token.haircut_im, token.haircut_mm, WAD, f"{where}.haircut_im")
    _on_grid(token.haircut_im, WAD // 1_000, f"{where}.haircut_im")
    _on_grid(token.haircut_mm, WAD // 1_000, f"{where}.haircut_mm")
    _need(token.soft_cap <= token.hard_cap, f"{where}.soft_cap: is above the hard cap")


def _prices(parameters: Parameters) -> None:
    for symbol, market in parameters.markets.items():
        price = parameters.prices.get(symbol)
        _need(price is not None, f"prices.{symbol}: is missing")
        feed = market.feed
        _between((price or 0) * TICK, feed.min_price, feed.max_price, f"prices.{symbol}")
