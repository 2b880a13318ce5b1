# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title OptionsStub: takes fills from its venue, keeps sizes, and does what a test tells it to
@license AGPL-3.0-only
@notice Reduces are held to its own sizes, as docs/spec/exchange.md#options asks of Options.
@custom:kill not deployed outside tests
"""

from interfaces import IOptions

venue: public(address)
refuses: bool
hook: address
payload: Bytes[8192]
reached: public(bool)
fills: public(uint256)
sizes: public(HashMap[uint256, HashMap[uint256, int256]])
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
def set_size(account: uint256, instrument: uint256, size: int256):
    self.sizes[account][instrument] = size


@external
def aim(target: address, payload: Bytes[8192]):
    """
    @notice Call `target` in the middle of each fill.
    """
    self.hook = target
    self.payload = payload


@external
def trade(fill: IOptions.Fill):
    assert msg.sender == self.venue, "stub: not the venue"
    assert not self.refuses, "stub: margin"
    self.fills += 1
    self._last = fill
    for leg: IOptions.Leg in fill.legs:
        self._move(fill.taker, leg.instrument, leg.size, fill.taker_reduces)
        self._move(fill.maker, leg.instrument, -leg.size, fill.maker_reduces)
    if self.hook != empty(address):
        self.reached = raw_call(self.hook, self.payload, revert_on_failure=False)


@external
@view
def last() -> IOptions.Fill:
    return self._last


@internal
def _move(account: uint256, instrument: uint256, change: int256, reduces: bool):
    before: int256 = self.sizes[account][instrument]
    after: int256 = before + change
    if reduces:
        assert after >= min(before, 0) and after <= max(before, 0), "stub: reduce only"
    self.sizes[account][instrument] = after
