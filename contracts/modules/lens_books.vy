# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Accounts as the lenses of options read them: words of the core, legs of the engine
@license AGPL-3.0-only
@notice Owns no state.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IOptions
from libs import account_words
from libs import packing

CLEARINGHOUSE: immutable(IClearinghouse)
OPTIONS: immutable(IOptions)


@deploy
def __init__(clearinghouse: address, options: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)
    OPTIONS = IOptions(options)


@internal
@view
def _words(account: uint256) -> account_words.Books:
    books: account_words.Books = empty(account_words.Books)
    books.word, books.legs, books.amounts = staticcall CLEARINGHOUSE.account_words(account)
    return books


@internal
@view
def _is_engine(account: uint256) -> bool:
    """
    @return whether it is the engine's own account, which requires nothing
    """
    return account == packing._account_of(OPTIONS.address, 0)
