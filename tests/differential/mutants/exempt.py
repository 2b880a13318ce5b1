"""The divisions that have no rounding to turn round, each with the reason why.

A key names file, function and text; one that no longer stands in the contracts, or whose mutant is
killed after all, fails the test.
"""

from __future__ import annotations

GRIDS = "exact: the same call refuses what is not a multiple of its grid"
EXEMPT: dict[str, tuple[str, ...]] = {
    GRIDS: (
        "Orders.vy:_try_trade: order.size // convert(u.LOT, int256)",
        "Orders.vy:_try_trade: order.limit_price // u.TICK",
        "RiskConfigurator.vy:list_market: price_wad // u.TICK",
        "Lens.vy:preview_order: abs(size) // lot",
        "Lens.vy:preview_order: size // lot",
        "libs/market_params.vy:_grid: x // unit",
        "libs/market_params.vy:_decimal: mantissa //= 10",
        "modules/market_state.vy:_set_collateral: haircut_im // HAIRCUT_GRID",
        "modules/market_state.vy:_set_collateral: haircut_mm // HAIRCUT_GRID",
        "modules/pool_quotes.vy:set_params: params.scale // u.WAD",
        "modules/pool_quotes.vy:set_params: params.max_skew // u.WAD",
        "modules/pool_quotes.vy:set_params: params.spread_min // RATE_GRID",
        "modules/pool_quotes.vy:set_params: params.fee // RATE_GRID",
        "modules/pool_quotes.vy:set_params: params.liquidation_fee // RATE_GRID",
        "modules/pool_quotes.vy:set_params: params.keeper_rate // RATE_GRID",
        "modules/pool_quotes.vy:set_params: params.lambda_ // LAMBDA_GRID",
        "modules/pool_quotes.vy:set_params: params.mu // MU_GRID",
    ),
    "exact: stored parameters are multiples of their grids, and so is the product": (
        # sigma_ref in 0.1: 1e34 in 1e26
        "RiskConfigurator.vy:list_market: "
        "feed.sigma_ref * feed.sigma_ref // (u.WAD * u.VARIANCE_TO_WAD)",
        # a cap in USD has 2^18 in its WAD
        "libs/margin_math.vy:_rates: unsafe_div(unsafe_mul(cap, state & p.OI_LO_MASK), OI_LO_ONE)",
        # mu in 0.01, rates in 1e-6, scale in USD
        "libs/liquidation_math.vy:_block_capacity: fixed_point._mul_down(params.mu, rate)",
        "libs/liquidation_math.vy:_block_capacity: "
        "fixed_point._mul_down(fixed_point._mul_down(params.mu, rate), params.scale)",
        "modules/pool_quotes.vy:liquidation_capacity: "
        "params.mu * (2 * params.spread_min + params.fee) // u.WAD",
        "modules/pool_quotes.vy:liquidation_capacity: "
        "params.mu * (2 * params.spread_min + params.fee) // u.WAD * params.scale // u.WAD",
        # haircuts in 0.001, the factor in 1e-4; after T_DEAD the charge is not used
        "libs/margin_math.vy:_soft_charge: unsafe_div(unsafe_mul(left, soft), u.SOFT_ONE)",
        "modules/lens_prices.vy:_collateral_adds: "
        "(u.WAD - exposure.haircuts_im[index]) * exposure.soft[index] // u.SOFT_ONE",
    ),
    "exact: U - quote of an only leg is its size times P - F": (
        "libs/liquidation_math.vy:_moved_marks: unsafe_div(marks, size)",
    ),
    "exact: a multiple of the grid, found on it": (
        "modules/take_planner.vy:_smallest: self._largest_part(case, margin) // GRID",
    ),
    "exact: at least 6 decimals": ("Lens.vy:_max_collateral: 10**decimals // 10_000",),
    "a place in storage: the lists begin at 0 and 16": (
        "modules/accounts.vy:_put: unsafe_div(base, 2)",
    ),
    "exact: caps of gas are multiples of it": (
        "libs/bounded_calls.vy:_ask: gas_cap // KEPT_PART",
        "libs/bounded_calls.vy:_confirms: gas_cap // KEPT_PART",
    ),
    "a day's number, not an amount": ("InsuranceFund.vy:_today: block.timestamp // u.DAY",),
    "unseen: the root of a whole variance < 2^48 is whole, or 1e-8 and more from the next": (
        "libs/feed_math.vy:_scalar: isqrt(unsafe_mul(variance, u.VARIANCE_TO_WAD * u.WAD))",
    ),
    "a search's way, not its end: rounded up by the 1 added after it; h itself decides c*": (
        "libs/liquidation_math.vy:_margins: unsafe_div(unsafe_mul(slope, 3), 2)",
        "libs/liquidation_math.vy:_margins: unsafe_div(slope, 2)",
        "libs/liquidation_math.vy:_gap_slope: "
        "unsafe_mul(moved, u.IWAD) // convert(rest.scale, int256)",
        "libs/liquidation_math.vy:_gap_slope: unsafe_div(unsafe_mul(fees, price), u.IWAD)",
    ),
    "a guess and Newton's steps from it: the line after them makes the root the whole one below": (
        "libs/margin_math.vy:_rates: "
        "unsafe_div(GUESS_OVER, unsafe_add(unsafe_div(square, u.WAD), GUESS_UNDER))",
        "libs/margin_math.vy:_rates: unsafe_div(square, u.WAD)",
        "libs/margin_math.vy:_rates: isqrt(square)",
        "libs/margin_math.vy:_rates: unsafe_div(unsafe_add(root, unsafe_div(square, root)), 2)",
        "libs/margin_math.vy:_rates: unsafe_div(unsafe_add(root, unsafe_div(square, root)), 2) [2]",
        "libs/margin_math.vy:_rates: unsafe_div(unsafe_add(root, unsafe_div(square, root)), 2) [3]",
        "libs/margin_math.vy:_rates: unsafe_div(square, root)",
        "libs/margin_math.vy:_rates: unsafe_div(square, root) [2]",
        "libs/margin_math.vy:_rates: unsafe_div(square, root) [3]",
    ),
    "a search's bracket or its middle: where it ends does not depend on it": (
        "Lens.vy:max_open: 2 * cap // market_packing._price(case.price_word)",
        "Lens.vy:max_open: (good + bad) // 2",
        "Lens.vy:_max_collateral: (good + bad) // 2",
        "modules/lens_prices.vy:_crossing: good // 2",
        "modules/lens_prices.vy:_crossing: (good + bad) // 2",
    ),
}
REASONS = {key: reason for reason, keys in EXEMPT.items() for key in keys}
