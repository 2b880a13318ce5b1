# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What the Lens asks of its neighbours
@license AGPL-3.0-only
@notice Addresses and the reads that more than one part of the Lens needs. Owns no state.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IOptions
from libs import account_words
from libs import instruments
from libs import packing
from modules import lens_health

# beside the bits of docs/spec/margin.md#status
NO_ANSWER: constant(uint256) = 64

CLEARINGHOUSE: immutable(IClearinghouse)
MARKETS: immutable(IMarkets)
POOL: immutable(address)
ENGINE: immutable(IOptions)


@deploy
def __init__(clearinghouse: address, pool: address, engine: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARKETS = IMarkets(staticcall CLEARINGHOUSE.markets())
    POOL = pool
    ENGINE = IOptions(engine)


@internal
@view
def _books(account: uint256) -> account_words.Books:
    books: account_words.Books = empty(account_words.Books)
    books.word, books.legs, books.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return books


@internal
@view
def _check(account: uint256, books: account_words.Books) -> IMarkets.Health:
    """
    @notice Ask about an account as if it had these words, whom the Clearinghouse would ask.
    """
    if self._is_engines(books):
        return staticcall ENGINE.check(account, books.word, books.legs, books.amounts)
    return staticcall MARKETS.check(books.word, books.legs, books.amounts)


@internal
@pure
def _is_engines(books: account_words.Books) -> bool:
    """
    @return whether options, futures or portfolio margin are the account's
    """
    return books.word & packing.OPTIONS_BIT != 0


@internal
@view
def _health(account: uint256) -> IMarkets.Health:
    """
    @notice Ask the Clearinghouse, and go on where an engine does not answer.
    """
    answered: bool = False
    found: IMarkets.Health = empty(IMarkets.Health)
    answered, found = lens_health._health(CLEARINGHOUSE.address, account)
    if not answered:
        found.status = NO_ANSWER
    return found


@internal
@view
def _is_market(instrument: uint256) -> bool:
    """
    @return whether it is a perp of a listed market that the pool trades
    """
    market: uint256 = packing._instrument_market(instrument)
    if not instruments._is_perp(instrument) or market > staticcall MARKETS.market_count():
        return False
    params: ILiquidityPool.PoolParams = staticcall ILiquidityPool(POOL).params(market)
    return params.scale != 0
