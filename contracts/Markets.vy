# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Markets: prices, volatility, funding, open interest and standard margin
@license AGPL-3.0-only
@notice docs/spec/oracle.md, docs/spec/margin.md, docs/spec/words.md. Anyone brings signed reports;
        the Clearinghouse books trades; the RiskConfigurator lists markets and signers.
        Markets calls nobody but the RiskConfigurator, and it only to ask (a static call), so
        nothing can enter it half-way: its hot functions are `reentrant`, which saves them the
        lock.
@custom:kill no switch: a market ends by a cap of zero; feeds end by empty signer places
"""

from interfaces import IMarkets
from libs import errors
from libs import market_packing
from libs import packing
from libs import units as u
from modules import market_prices
from modules import market_state
from modules import price_reports
from modules import standard_margin

implements: IMarkets

initializes: market_state
initializes: market_prices[market_state := market_state]
initializes: price_reports[market_prices := market_prices, market_state := market_state]
initializes: standard_margin[market_state := market_state]

exports: price_reports.update
exports: standard_margin.check

# of a trusted price ACTIVE alone is set of these
TRUST_BITS: constant(uint256) = (
    packing.ACTIVE_BIT | packing.PENDING_BIT | packing.UNTRUSTED_BIT
)

CLEARINGHOUSE: immutable(address)
CONFIGURATOR: immutable(address)


@deploy
def __init__(
    configurator_: address,
    clearinghouse_: address,
    timing_: IMarkets.Timing,
    charges_: IMarkets.Charges,
    quorum_: uint256,
):
    """
    @param configurator_ the RiskConfigurator, which has checked every range
    @param clearinghouse_ its predicted address
    @param quorum_ 2f + 1 of 3f + 1 signers, at least 3; 1 only on chain 31337
    @custom:reverts "markets: out of range", "oracle: quorum out of range"
    """
    if clearinghouse_ == empty(address) or configurator_ == empty(address):
        errors._fail("markets: out of range")
    market_state.__init__(charges_.funding_velocity, charges_.funding_rate_max)
    market_prices.__init__(timing_.age_mm, timing_.grace_max, timing_.variance_tau, configurator_)
    price_reports.__init__(quorum_, timing_.window)
    standard_margin.__init__(timing_, charges_)
    CONFIGURATOR = configurator_
    CLEARINGHOUSE = clearinghouse_


# ---- Clearinghouse -------------------------------------------------------------------------------


@external
@reentrant
def record_trade(market: uint256, oi_delta: int256, tilt: int256):
    """
    @notice Accrue funding to now, then book open interest and the new tilt.
    @param oi_delta [lots] change of the sum of long sizes
    @param tilt [1 / TILT_ONE] clamp(skew / skew_cap, -1, 1); max_value(int256) leaves it
    @custom:reverts "markets: not the clearinghouse", "markets: unknown market", "markets: tilt",
                    "markets: open interest", "markets: open interest cap"
    """
    self._check_clearinghouse()
    market_state._require_listed(market)

    market_state._record_trade(market, oi_delta, tilt)


@external
def set_soft_factor(collateral: uint256, factor: uint256):
    """
    @param factor [1e-4] share of the credited value that counts for IM
    @custom:reverts "markets: not the clearinghouse", "markets: unknown collateral",
                    "markets: out of range"
    """
    self._check_clearinghouse()

    market_state._set_soft_factor(collateral, factor)


@external
def set_collateral(
    collateral: uint256, feed: uint256, decimals: uint256, haircut_im: uint256, haircut_mm: uint256
):
    """
    @param haircut_im [WAD] at least haircut_mm, grid 0.001
    @custom:reverts "markets: not the clearinghouse", "markets: unknown collateral",
                    "markets: unknown market", "markets: decimals", "markets: out of range",
                    "markets: off the grid"
    """
    self._check_clearinghouse()

    market_state._set_collateral(collateral, feed, decimals, haircut_im, haircut_mm)


# ---- configurator --------------------------------------------------------------------------------


@external
def open_market(margin: uint256, tuning: uint256, price: uint256, variance: uint256) -> uint256:
    """
    @notice Open market_count() + 1 at a price [ticks] with v = 1; the words are checked already.
    @custom:reverts "markets: not the configurator", "markets: wrong id"
    """
    self._check_configurator()

    return market_state._open_market(margin, tuning, price, variance)


@external
def set_margin(market: uint256, margin: uint256):
    """
    @param market listed: the configurator has just read it
    @custom:reverts "markets: not the configurator"
    """
    self._check_configurator()

    market_state._set_margin(market, margin)


@external
def mark(market: uint256, turned: uint256, held: uint256):
    """
    @notice Turn flags of a listed market's price word: what is set is cleared and the other way.
    @param held its pending word, which says how long it is paused
    @custom:reverts "markets: not the configurator"
    """
    self._check_configurator()

    market_state._mark(market, turned, held)


@external
def set_tuning(market: uint256, tuning: uint256):
    """
    @notice v follows at the next sample, v_slow ramps after it.
    @param market listed: the configurator has just read it
    @custom:reverts "markets: not the configurator"
    """
    self._check_configurator()

    market_state._write_tuning(market, tuning)


@external
def set_signers(seats: address[price_reports.MAX_SIGNERS]):
    """
    @param seats zero for an empty one; the configurator has seen that nobody sits twice
    @custom:reverts "markets: not the configurator"
    """
    self._check_configurator()

    price_reports._set_signers(seats)


@external
def offer(market: uint256, quote: uint256, publish: uint256):
    """
    @notice Offer what an adapter says, through every guard of `update`.
    @param quote price 64 @192 | POLLED_BIT | conf 16 @0
    @custom:reverts "markets: not the configurator"
    """
    self._check_configurator()

    price_reports._offer(market, quote, publish)


# ---- read ----------------------------------------------------------------------------------------


@external
@view
@reentrant
def market_words(market: uint256) -> (uint256, uint256, int256):
    """
    @return price word, state word, cumulative funding [ticks] brought to now
    @custom:reverts "markets: unknown market"
    """
    market_state._require_listed(market)
    price_word: uint256 = market_state.prices[market]
    state: uint256 = market_state.states[market]
    funding: uint256 = market_state._funding(price_word, state)
    return price_word, state, convert(convert(funding, bytes32), int256)


@external
@view
@reentrant
def price_trusted(market: uint256, max_age: uint256) -> bool:
    """
    @return whether the stored price is confirmed, confident and no older than max_age
    """
    if market > market_state.MAX_MARKETS:
        return False
    word: uint256 = market_state.prices[market]
    if word & TRUST_BITS != packing.ACTIVE_BIT:
        return False
    return block.timestamp <= (word // packing.PUBLISH_AT & packing.MASK_32) + max_age


@external
@view
@reentrant
def pending(market: uint256) -> (uint256, uint256, uint256):
    """
    @return pending price [ticks], its publish time, end of grace
    """
    word: uint256 = market_state.pendings[market]
    return (
        market_packing._pending_price(word),
        market_packing._pending_since(word),
        market_packing._grace_until(word),
    )


@external
@view
@reentrant
def sampler(market: uint256) -> uint256:
    """
    @return sampler word, docs/spec/words.md#sampler
    """
    return market_state.samplers[market]


@external
@view
def tuning(market: uint256) -> uint256:
    """
    @return tuning word, docs/spec/words.md#tuning
    @custom:reverts "markets: unknown market"
    """
    market_state._require_listed(market)
    return market_state._tuning(market)


@external
@view
@reentrant
def collateral_params(collateral: uint256) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @return feed, decimals, haircut_im [WAD], haircut_mm [WAD], soft factor [1e-4]
    """
    entry: uint256 = market_state._collateral(collateral)
    # haircuts have 10 bits
    return (
        entry & packing.MASK_8,
        entry // packing.DECIMALS_AT & packing.MASK_5,
        unsafe_mul(entry // packing.HAIRCUT_IM_AT & packing.MASK_10, market_state.HAIRCUT_GRID),
        unsafe_mul(entry // packing.HAIRCUT_MM_AT & packing.MASK_10, market_state.HAIRCUT_GRID),
        entry // packing.SOFT_AT & packing.MASK_14,
    )


@external
@view
def signers() -> uint256:
    """
    @return signers word, docs/spec/words.md#signers
    """
    return price_reports.signers


@external
@view
@reentrant
def market_count() -> uint256:
    return market_state.market_count


@external
@view
@reentrant
def clearinghouse() -> address:
    return CLEARINGHOUSE


@external
@view
@reentrant
def quorum() -> uint256:
    return price_reports.QUORUM


@external
@view
@reentrant
def timing() -> IMarkets.Timing:
    return IMarkets.Timing(
        age_im=standard_margin.AGE_IM,
        age_mm=standard_margin.AGE_MM,
        dead_after=standard_margin.DEAD_AFTER,
        grace_max=market_prices.GRACE_MAX,
        window=price_reports.WINDOW,
        variance_tau=market_prices.VARIANCE_TAU,
    )


@external
@view
@reentrant
def charges() -> IMarkets.Charges:
    return IMarkets.Charges(
        kappa_flat=standard_margin.KAPPA_FLAT,
        kappa_leg=standard_margin.KAPPA_LEG,
        kappa_collateral=standard_margin.KAPPA_COLLATERAL,
        funding_velocity=convert(market_state.VELOCITY, uint256),
        funding_rate_max=market_state.RATE_MAX,
    )


@external
@view
@reentrant
def configurator() -> address:
    return CONFIGURATOR


@internal
@view
def _check_configurator():
    if msg.sender != CONFIGURATOR:
        errors._fail("markets: not the configurator")


@internal
@view
def _check_clearinghouse():
    if msg.sender != CLEARINGHOUSE:
        errors._fail("markets: not the clearinghouse")
