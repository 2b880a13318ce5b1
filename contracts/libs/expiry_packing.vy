# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The word of an expiry's window
@license AGPL-3.0-only
@notice price 64 @192 | total 80 @112 | start 32 @80 | last 32 @48 | count 8 @40 | settled 1 @0.
        docs/spec/words.md
@custom:kill not deployable
"""

from interfaces import IExpiries
from libs import packing

TOTAL_AT: constant(uint256) = 2**112
START_AT: constant(uint256) = 2**80
LAST_AT: constant(uint256) = 2**48
COUNT_AT: constant(uint256) = 2**40
SETTLED_BIT: constant(uint256) = 1
MASK_80: constant(uint256) = 2**80 - 1
# hours below a market in the key of a series
MARKET_AT: constant(uint256) = 2**24
MAX_HOURS: constant(uint256) = 2**24 - 1


@internal
@pure
def _word(window: IExpiries.Window) -> uint256:
    """
    @notice Encode; the fields' ranges are the caller's check.
    """
    return (
        window.price * packing.P_AT
        | window.total * TOTAL_AT
        | window.start * START_AT
        | window.last * LAST_AT
        | window.count * COUNT_AT
        | convert(window.settled, uint256)
    )


@internal
@pure
def _window(word: uint256) -> IExpiries.Window:
    """
    @notice Decode.
    """
    return IExpiries.Window(
        price=word // packing.P_AT,
        total=word // TOTAL_AT & MASK_80,
        start=word // START_AT & packing.MASK_32,
        last=word // LAST_AT & packing.MASK_32,
        count=word // COUNT_AT & packing.MASK_8,
        settled=word & SETTLED_BIT != 0,
    )


@internal
@pure
def _settlement(word: uint256) -> uint256:
    """
    @return [ticks] the settlement price, 0 while there is none
    """
    return word // packing.P_AT if word & SETTLED_BIT != 0 else 0


@internal
@pure
def _key(market: uint256, expiry_hours: uint256) -> uint256:
    """
    @notice The key of a series; hours above MAX_HOURS are the caller's check.
    """
    return market * MARKET_AT | expiry_hours
