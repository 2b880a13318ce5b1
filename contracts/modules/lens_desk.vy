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
from libs import account_words
from libs import instruments
from libs import packing

CLEARINGHOUSE: immutable(IClearinghouse)
MARKETS: immutable(IMarkets)
POOL: immutable(address)


@deploy
def __init__(clearinghouse: address, pool: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    MARKETS = IMarkets(staticcall CLEARINGHOUSE.markets())
    POOL = pool


@internal
@view
def _books(account: uint256) -> account_words.Books:
    books: account_words.Books = empty(account_words.Books)
    books.word, books.legs, books.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return books


@internal
@view
def _check(books: account_words.Books) -> IMarkets.Health:
    return staticcall MARKETS.check(books.word, books.legs, books.amounts)


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
