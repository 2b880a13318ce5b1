# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OptionsStub: takes fills from its venue, keeps sizes, and does what a test tells it to
@license AGPL-3.0-only
@notice Its legs are what a test says; what fills did to sizes stands beside them.
@custom:kill not deployed outside tests
"""

from interfaces import IOptions

venue: public(address)
refuses: bool
hook: address
payload: Bytes[8192]
reached: public(bool)
fills: public(uint256)
conceded: public(uint256)
sizes: public(HashMap[uint256, HashMap[uint256, int256]])
legs: HashMap[uint256, DynArray[uint256, 32]]
_last: IOptions.Fill


@external
def set_venue(venue: address):
    self.venue = venue


@external
def set_refuses(refuses: bool):
    """
    @notice Whether every fill is refused, as for want of margin.
    """
    self.refuses = refuses


@external
def set_legs(account: uint256, legs: DynArray[uint256, 32]):
    """
    @param legs two a word
    """
    self.legs[account] = legs


@external
def aim(target: address, payload: Bytes[8192]):
    """
    @notice Call `target` in the middle of each fill.
    """
    self.hook = target
    self.payload = payload


@external
def trade(fill: IOptions.Fill):
    self._take(fill)


@external
def close(fill: IOptions.Fill, concession: uint256):
    """
    @notice Keeps the concession, for a test to read.
    """
    self.conceded = concession
    self._take(fill)


@external
@view
def last() -> IOptions.Fill:
    return self._last


@external
@view
def account_legs(account: uint256) -> DynArray[uint256, 32]:
    return self.legs[account]


@internal
def _take(fill: IOptions.Fill):
    assert msg.sender == self.venue, "stub: not the venue"
    assert not self.refuses, "stub: margin"
    self.fills += 1
    self._last = fill
    for leg: IOptions.Leg in fill.legs:
        self.sizes[fill.taker][leg.instrument] += leg.size
        self.sizes[fill.maker][leg.instrument] -= leg.size
    if self.hook != empty(address):
        self.reached = raw_call(self.hook, self.payload, revert_on_failure=False)
