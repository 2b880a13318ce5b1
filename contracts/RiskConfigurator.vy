# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title RiskConfigurator: who sets the parameters of Markets, and within which ranges
@license AGPL-3.0-only
@notice docs/roles.md, docs/spec/pauses.md. Ranges and grids are code here; Markets stores the
        packed words and takes them from this contract alone. The owner is to be a timelock, which
        loosens; the guardian can only tighten and pause, at once. Out of the way of every trade
        and price, so that Markets stays small.
@custom:kill no switch: a market ends by a cap of zero; feeds end by empty signer places; a pause
        of the guardian ends by itself
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import ILiquidityPool
from interfaces import IRiskConfigurator
from libs import errors
from libs import fixed_point
from libs import market_params
from libs import packing
from libs import units as u
from modules import pauses
from modules import price_sources

implements: IRiskConfigurator

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: pauses[ownable := ownable]
initializes: price_sources

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)
exports: (
    pauses.guardian,
    pauses.pool,
    pauses.set_guardian,
    pauses.set_pool,
    pauses.pause,
    pauses.pause_of,
    pauses.lower_cap,
    pauses.lower_token_caps,
)
exports: (price_sources.poll, price_sources.doubts, price_sources.sources)

MAX_SIGNERS: constant(uint256) = 8

# of price reports, in full; Markets keeps their low 128 bits, two a slot
signers: public(address[MAX_SIGNERS])


@deploy
def __init__(markets_: address):
    """
    @param markets_ the predicted address of the Markets that will name this contract
    @custom:reverts "markets: out of range"
    """
    if markets_ == empty(address):
        errors._fail("markets: out of range")
    ownable.__init__()
    ownable_2step.__init__()
    pauses.__init__(markets_)
    price_sources.__init__(markets_)


# ---- owner ---------------------------------------------------------------------------------------


@external
def list_market(
    market: uint256,
    symbol: String[12],
    margin: IRiskConfigurator.MarginParams,
    feed: IRiskConfigurator.FeedParams,
    price_wad: uint256,
):
    """
    @notice List market_count() + 1 at a price, with sigma = sigma_ref and v = 1. Sources that
            were named for it before have to agree with the price.
    @custom:reverts "markets: wrong id", "markets: out of range", "markets: off the grid",
                    "sources: no price", "sources: disagree"
    """
    ownable._check_owner()

    if market != staticcall pauses.MARKETS.market_count() + 1:
        errors._fail("markets: wrong id")
    if price_wad < feed.min_price or price_wad > feed.max_price:
        errors._fail("markets: out of range")
    if price_wad % u.TICK != 0:
        errors._fail("markets: off the grid")
    price: uint256 = price_wad // u.TICK
    bits: uint256 = price_sources._listing_bits(market, price)
    margin_word: uint256 = market_params._pack_margin(margin)
    tuning: uint256 = market_params._pack_feed(feed)
    variance: uint256 = feed.sigma_ref * feed.sigma_ref // (u.WAD * u.VARIANCE_TO_WAD)

    log IRiskConfigurator.MarketListed(market=market, symbol=symbol, price=price)
    log IRiskConfigurator.MarginParamsSet(
        market=market, old=empty(IRiskConfigurator.MarginParams), new=margin
    )
    log IRiskConfigurator.FeedParamsSet(
        market=market, old=empty(IRiskConfigurator.FeedParams), new=feed
    )
    extcall pauses.MARKETS.open_market(margin_word, tuning, price, variance)
    pauses._hold_new(market)
    if bits != 0:
        pauses._turn(market, bits)


@external
def set_margin_params(market: uint256, params: IRiskConfigurator.MarginParams):
    """
    @notice A rise of base, mm_ratio or k takes effect at once: the owner's timelock is to ramp it.
    @custom:reverts "markets: unknown market", "markets: out of range", "markets: off the grid",
                    "markets: pool listing assert"
    """
    ownable._check_owner()
    self._require_pool_margin(market, params)

    margin: uint256 = market_params._pack_margin(params)

    log IRiskConfigurator.MarginParamsSet(
        market=market, old=pauses._margin_params(market), new=params
    )
    extcall pauses.MARKETS.set_margin(market, margin)


@external
def set_feed_params(market: uint256, params: IRiskConfigurator.FeedParams):
    """
    @notice v follows at the next sample, v_slow ramps after it.
    @custom:reverts "markets: unknown market", "markets: out of range", "markets: off the grid"
    """
    ownable._check_owner()

    tuning: uint256 = market_params._pack_feed(params)

    log IRiskConfigurator.FeedParamsSet(market=market, old=self._feed_params(market), new=params)
    extcall pauses.MARKETS.set_tuning(market, tuning)


@external
def set_sources(market: uint256, sources: IRiskConfigurator.Sources):
    """
    @notice Name where a market's prices come from; of market_count() + 1 ahead of its listing.
    @custom:reverts "markets: unknown market", "sources: out of range", "sources: no price",
                    "sources: disagree"
    """
    ownable._check_owner()
    price: uint256 = 0
    listed: bool = market != staticcall pauses.MARKETS.market_count() + 1
    if listed:
        price = pauses._price_word(market) // packing.P_AT

    turned: uint256 = price_sources._set(market, sources, price)

    if listed:
        pauses._turn(market, turned)



@external
def set_signer(index: uint256, signer: address):
    """
    @param index 0 .. 7
    @param signer zero empties the place
    @custom:reverts "oracle: unknown signer", "oracle: signer listed twice"
    """
    ownable._check_owner()
    if index >= MAX_SIGNERS:
        errors._fail("oracle: unknown signer")
    for i: uint256 in range(MAX_SIGNERS):
        if signer != empty(address) and self.signers[i] == signer:
            errors._fail("oracle: signer listed twice")

    log IRiskConfigurator.SignerSet(index=index, old=self.signers[index], new=signer)
    self.signers[index] = signer
    extcall pauses.MARKETS.set_signers(self.signers)


# ---- read ----------------------------------------------------------------------------------------


@external
@view
def markets() -> address:
    return pauses.MARKETS.address


@external
@view
def margin_params(market: uint256) -> IRiskConfigurator.MarginParams:
    """
    @custom:reverts "markets: unknown market"
    """
    return pauses._margin_params(market)


@external
@view
def feed_params(market: uint256) -> IRiskConfigurator.FeedParams:
    """
    @custom:reverts "markets: unknown market"
    """
    return self._feed_params(market)


@internal
@view
def _require_pool_margin(market: uint256, margin: IRiskConfigurator.MarginParams):
    """
    @notice Rules R7, the other way round: what the pool's forced fills may cost stays within half
            of the new maintenance margin.
    @custom:rounding the cost up
    """
    if pauses.pool == empty(address):
        return
    p: ILiquidityPool.PoolParams = staticcall ILiquidityPool(pauses.pool).params(market)
    if p.scale == 0:
        return
    cost: uint256 = fixed_point._ceil_div(p.max_skew * u.WAD, p.scale)
    cost += p.spread_min + p.fee + p.liquidation_fee + p.keeper_rate
    if 2 * cost * u.WAD > margin.mm_ratio * margin.base:
        errors._fail("markets: pool listing assert")


@internal
@view
def _feed_params(market: uint256) -> IRiskConfigurator.FeedParams:
    return market_params._unpack_feed(staticcall pauses.MARKETS.tuning(market))
