# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title FixedFeed: a price that its owner sets
@license AGPL-3.0-only
@notice docs/spec/oracle.md#sources. For test chains and for pegs. It holds at every moment until
        the owner says another one, inside bounds that nobody can move.
@custom:kill the owner by a price of zero: there is none then
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import IFeed
from interfaces import IFixedFeed
from libs import errors
from libs import units as u

implements: IFeed
implements: IFixedFeed

initializes: ownable
initializes: ownable_2step[ownable := ownable]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

# USD WAD
LOW: immutable(uint256)
HIGH: immutable(uint256)

price_wad: public(uint256)


@deploy
def __init__(price_wad_: uint256, low: uint256, high: uint256):
    """
    @param price_wad_ [USD WAD] the first price, on the grid of ticks
    @param low, high [USD WAD] what a price may ever be, both included
    @custom:reverts "feed: out of range", "feed: off the grid"
    """
    ownable.__init__()
    ownable_2step.__init__()
    if low == 0 or low > high or high // u.TICK > u.MAX_PRICE:
        errors._fail("feed: out of range")
    LOW = low
    HIGH = high
    self._require_inside(price_wad_, low, high)
    self.price_wad = price_wad_

    log IFixedFeed.PriceSet(old=0, new=price_wad_)


@external
def set_price(price_wad: uint256):
    """
    @param price_wad [USD WAD] inside the bounds, on the grid of ticks; zero: there is no price
    @custom:reverts "feed: out of range", "feed: off the grid"
    """
    ownable._check_owner()
    if price_wad != 0:
        self._require_inside(price_wad, LOW, HIGH)

    log IFixedFeed.PriceSet(old=self.price_wad, new=price_wad)
    self.price_wad = price_wad


@external
@view
def quote() -> IFeed.Quote:
    """
    @notice The owner's word, which is of this very second.
    """
    if self.price_wad == 0:
        return empty(IFeed.Quote)
    return IFeed.Quote(
        price=self.price_wad // u.TICK, conf=0, publish=block.timestamp, valid=True
    )


@external
@view
def max_age() -> uint256:
    """
    @return [s] none: the owner's word is of this very second
    """
    return 0


@external
@view
def bounds() -> (uint256, uint256):
    return LOW, HIGH


@internal
@pure
def _require_inside(price: uint256, low: uint256, high: uint256):
    if price < low or price > high:
        errors._fail("feed: out of range")
    if price % u.TICK != 0:
        errors._fail("feed: off the grid")
