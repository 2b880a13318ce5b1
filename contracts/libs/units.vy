# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Units of every stored and passed number
@license AGPL-3.0-only
@notice The only file in which powers of ten are spelled out. Imported as `units as u`.
        lots x ticks = WAD exactly, so trades, settlement and profit contain no division.
@custom:kill not deployable
"""

# ABI amounts, ratios and USD values
WAD: constant(uint256) = 10**18
IWAD: constant(int256) = 10**18
# one lot of size in WAD: sizes are stored in 1e-8 units of the underlying
LOT: constant(uint256) = 10**10
# one tick of price in WAD: prices and cumulative funding are stored in 1e-10 USD
TICK: constant(uint256) = 10**8
# ticks in one USD; WAD amount x ticks / TICKS_PER_USD = WAD USD
TICKS_PER_USD: constant(uint256) = 10**10
# lots in one unit
LOTS_PER_UNIT: constant(uint256) = 10**8

# stored v and v_slow: 1.0
V_ONE: constant(uint256) = 10**4
# stored confidence: parts of the price
CONF_ONE: constant(uint256) = 10**5
# stored soft-cap factor of a collateral: 1.0
SOFT_ONE: constant(uint256) = 10**4
# stored variance: one unit of annual variance = 1e-10
VARIANCE_TO_WAD: constant(uint256) = 10**8
# funding tilt = clamp(skew / skew_cap, -1, 1)
TILT_ONE: constant(int256) = 30_000
# stored funding rate: 1e-14 per second; computed in 1e-18
RATE_TO_WAD: constant(int256) = 10**4

HOUR: constant(uint256) = 3_600
DAY: constant(uint256) = 86_400
YEAR: constant(uint256) = 31_536_000

# bounds of packed fields
MAX_CASH: constant(int256) = 2**95 - 1
MAX_SIZE: constant(int256) = 2**63 - 1
MAX_PRICE: constant(uint256) = 2**63 - 1

# shape of an account
MAX_LEGS: constant(uint256) = 16
LEG_WORDS: constant(uint256) = 8
MAX_COLLATERALS: constant(uint256) = 8
AMOUNT_WORDS: constant(uint256) = 4
