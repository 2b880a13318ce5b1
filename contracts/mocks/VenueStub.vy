# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title VenueStub: a venue that fills and confirms as a test sets it
@license AGPL-3.0-only
@custom:kill not deployed outside tests
"""

from interfaces import IMarkets
from interfaces import IVenue

implements: IVenue

fill: IVenue.Fill
confirms: bool
least_equity: int256


@deploy
def __init__():
    self.confirms = True
    self.least_equity = min_value(int256)


@external
def set_fill(price: uint256, fee: uint256, tilt: int256):
    """
    @param price [ticks]
    @param fee [WAD]
    """
    self.fill = IVenue.Fill(price=price, fee=fee, tilt=tilt)


@external
def set_confirm(confirms: bool, least_equity: int256):
    """
    @param confirms what confirm answers
    @param least_equity [WAD] it reverts below this equity of the venue
    """
    self.confirms = confirms
    self.least_equity = least_equity


@external
@view
def match(ask: IVenue.Ask) -> IVenue.Fill:
    assert ask.size != 0 and not ask.liquidation, "stub: ask"
    return self.fill


@external
@view
def confirm(
    ask: IVenue.Ask, health: IMarkets.Health, legs: uint256[8], leg_count: uint256
) -> bool:
    assert health.equity >= self.least_equity, "stub: equity"
    return self.confirms
