# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LiquidationDesk: the neighbours of the Liquidator, read as words
@license AGPL-3.0-only
@notice docs/spec/liquidation.md. Owns no state; every plan begins with what is loaded here.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IInsuranceFund
from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IOptions
from interfaces import IVenue
from libs import account_words
from libs import errors
from libs import liquidation_math
from libs import margin_math
from libs import market_packing
from libs import packing
from libs import units as u

MAX_DUST: constant(uint256) = 1_000 * u.WAD

CLEARINGHOUSE: immutable(IClearinghouse)
MARKETS: immutable(IMarkets)
POOL: immutable(ILiquidityPool)
POOL_ACCOUNT: immutable(uint256)
FUND: immutable(IInsuranceFund)
OPTIONS: immutable(IOptions)
# oldest price at which a leg is closed [s]
AGE_MM: immutable(uint256)
KAPPA_FLAT: immutable(uint256)
KAPPA_LEG: immutable(uint256)
# what is worth less is closed whole [USD WAD]
DUST: immutable(uint256)


@deploy
def __init__(
    clearinghouse: address, pool: address, fund: address, options: address, dust: uint256
):
    """
    @custom:reverts "liquidator: dust range"
    """
    if dust > MAX_DUST:
        errors._fail("liquidator: dust range")
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARKETS = IMarkets(staticcall CLEARINGHOUSE.markets())
    POOL = ILiquidityPool(pool)
    POOL_ACCOUNT = packing._account_of(pool, 0)
    FUND = IInsuranceFund(fund)
    OPTIONS = IOptions(options)
    timing: IMarkets.Timing = staticcall MARKETS.timing()
    charges: IMarkets.Charges = staticcall MARKETS.charges()
    AGE_MM = timing.age_mm
    KAPPA_FLAT = charges.kappa_flat
    KAPPA_LEG = charges.kappa_leg
    DUST = dust


@internal
def _update(reports: Bytes[2048]):
    """
    @notice Take in the reports that lead a call; Markets calls nobody.
    """
    extcall MARKETS.update(reports)


@internal
@view
def _books(account: uint256) -> account_words.Books:
    books: account_words.Books = empty(account_words.Books)
    books.word, books.legs, books.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return books


@internal
@view
def _health(books: account_words.Books) -> IMarkets.Health:
    return staticcall MARKETS.check(books.word, books.legs, books.amounts)


@internal
@view
def _health_of(
    account: uint256, part: uint256, books: account_words.Books
) -> IMarkets.Health:
    """
    @param part [WAD] of the account's legs at the engine that are gone
    """
    if books.word & packing.OPTIONS_BIT == 0:
        return staticcall MARKETS.check(books.word, books.legs, books.amounts)
    return staticcall OPTIONS.rest(account, part, books.word, books.legs, books.amounts)


@internal
@pure
def _is_engaged(word: uint256) -> bool:
    """
    @return whether the engine answers for an account
    """
    return word & packing.OPTIONS_BIT != 0


@internal
@view
def _target(
    books: account_words.Books, venue: account_words.Books, instrument: uint256
) -> liquidation_math.Target:
    """
    @notice Everything that prices a close of one leg; size 0 when the account has no such leg.
    @param venue the pool's account
    """
    target: liquidation_math.Target = empty(liquidation_math.Target)
    target.position, target.size = account_words._find_leg(
        books.legs, packing._leg_count(books.word), instrument
    )
    if target.size == 0:
        return target
    target.instrument = instrument
    target.market = packing._instrument_market(instrument)
    target.price_word, target.state_word, target.funding = staticcall MARKETS.market_words(
        target.market
    )
    target.params = staticcall POOL.params(target.market)
    target.held = account_words._magnitude(target.size)
    target.sign = 1
    if target.size > 0:
        target.sign = -1
    target.mark = market_packing._price(target.price_word)
    target.place, target.venue_size = account_words._find_leg(
        venue.legs, packing._leg_count(venue.word), instrument
    )
    return target


@internal
@view
def _is_stale(price_word: uint256) -> bool:
    """
    @return whether the closed market's own price is older than a close may use (rules R9)
    """
    return block.timestamp > market_packing._publish_time(price_word) + AGE_MM


@internal
@pure
def _is_open(status: uint256) -> bool:
    """
    @return whether prices allow a liquidation now (docs/spec/margin.md#status)
    """
    if status & (margin_math.PENDING | margin_math.GRACE) != 0:
        return False
    return status & (margin_math.FRESH | margin_math.ALL_DEAD) != 0


@internal
@pure
def _is_house(word: uint256) -> bool:
    return word & packing.HOUSE_BIT != 0


@internal
@pure
def _in_auction(word: uint256) -> bool:
    return word & packing.AUCTION_BIT != 0


@internal
@pure
def _covers(equity: int256, required: uint256) -> bool:
    return equity >= convert(required, int256)


@internal
@view
def _confirm(
    target: liquidation_math.Target,
    venue: account_words.Books,
    account: uint256,
    taker: int256,
    health: IMarkets.Health,
):
    """
    @notice Ask the pool whether it stands by a fill that has been posted.
    @param venue the pool's account, before
    @param taker [lots] the account's side of the fill
    @param health the pool's, after
    """
    # a pool whose leg did not grow is not asked for its legs; one that grew is not closed
    legs: uint256[8] = venue.legs
    entry: uint256 = packing._leg(target.instrument, target.venue_size - taker)
    legs[target.place // 2] = packing._with_half(legs[target.place // 2], target.place, entry)
    ask: IVenue.Ask = IVenue.Ask(
        account=account,
        instrument=target.instrument,
        size=taker,
        account_size=target.size,
        venue_size=target.venue_size,
        reduce_only=True,
        liquidation=True,
    )
    ok: bool = staticcall IVenue(POOL.address).confirm(
        ask, health, legs, max(packing._leg_count(venue.word), target.place + 1)
    )
