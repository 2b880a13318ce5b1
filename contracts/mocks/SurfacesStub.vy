# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title SurfacesStub: surfaces and settlement prices as a test sets them
@license AGPL-3.0-only
@notice A mark is a share of the price that its instrument's id says, so that a test can say it too.
@custom:kill not deployed outside tests
"""

from libs import instruments
from libs import packing
from libs import scenarios
from libs import units as u

SHARES: constant(uint256) = 997

words: HashMap[uint256, HashMap[uint256, uint256]]
waits: HashMap[uint256, HashMap[uint256, bool]]
settled: HashMap[uint256, HashMap[uint256, uint256]]
seconds: HashMap[uint256, HashMap[uint256, uint256]]
means: HashMap[uint256, HashMap[uint256, uint256]]


@external
def set_surface(market: uint256, hours: uint256, word: uint256):
    self.words[market][hours] = word


@external
def settle(market: uint256, hours: uint256, price: uint256):
    self.settled[market][hours] = price


@external
def set_average(market: uint256, hours: uint256, observed: uint256, mean: uint256):
    self.seconds[market][hours] = observed
    self.means[market][hours] = mean


@external
@view
@reentrant
def average(market: uint256, expiry_hours: uint256) -> (uint256, uint256):
    return self.seconds[market][expiry_hours], self.means[market][expiry_hours]


@external
def set_waiting(market: uint256, hours: uint256, waiting: bool):
    """
    @notice Whether a jump waits for its confirmation.
    """
    self.waits[market][hours] = waiting


@external
@view
@reentrant
def surface_trusted(market: uint256, expiry_hours: uint256) -> bool:
    publish: uint256 = (self.words[market][expiry_hours] // 2**192) & packing.MASK_32
    fresh: bool = block.timestamp <= publish + scenarios.SURFACE_FRESH
    return fresh and not self.waits[market][expiry_hours]


@external
@view
@reentrant
def surface(market: uint256, expiry_hours: uint256) -> uint256:
    return self.words[market][expiry_hours]


@external
@view
@reentrant
def settlement_price(market: uint256, expiry_hours: uint256) -> uint256:
    return self.settled[market][expiry_hours]


@external
@view
@reentrant
def bounds(market: uint256) -> (uint256, uint256, uint256):
    return 365 * u.DAY, 10, u.WAD // 50


@external
@view
@reentrant
def marks(
    market: uint256, price: uint256, legs: DynArray[uint256, 32]
) -> DynArray[uint256, 64]:
    found: DynArray[uint256, 64] = []
    for pair: uint256 in legs:
        for half: uint256 in range(2):
            instrument: uint256 = packing._leg_instrument(packing._half(pair, half))
            mark: uint256 = 0
            if instruments._market(instrument) == market:
                mark = self._mark(market, price, instrument)
            found.append(mark)
    return found


@internal
@view
def _mark(market: uint256, price: uint256, instrument: uint256) -> uint256:
    expires: uint256 = instruments._expiry(instrument)
    if expires <= block.timestamp:
        return 0
    if instruments._kind(instrument) == instruments.FUTURE:
        word: uint256 = self.words[market][expires // u.HOUR]
        if word == 0:
            return price
        publish: uint256 = word // 2**192 & packing.MASK_32
        return scenarios._forward(word, price, expires - block.timestamp, publish, expires)
    return price * (instrument % SHARES) // SHARES
