# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarksStub: marks and bounds as a test sets them
@license AGPL-3.0-only
@custom:kill not deployed outside tests
"""

from libs import instruments
from libs import packing

band: public(uint256)
marked: HashMap[uint256, uint256]


@external
def set_band(band: uint256):
    """
    @param band [WAD] of every market; 0: nothing opens
    """
    self.band = band


@external
def set_mark(instrument: uint256, mark: uint256):
    """
    @param mark [ticks]
    """
    self.marked[instrument] = mark


@external
@view
def bounds(market: uint256) -> (uint256, uint256, uint256):
    return 0, 0, self.band


@external
@view
def marks(
    market: uint256, price: uint256, legs: DynArray[uint256, 32]
) -> DynArray[uint256, 64]:
    """
    @notice As Surfaces: two entries a word, 0 for perps, other markets and empty ones.
    """
    found: DynArray[uint256, 64] = []
    for word: uint256 in legs:
        for i: uint256 in range(2):
            instrument: uint256 = packing._leg_instrument(packing._half(word, i))
            mark: uint256 = 0
            if instruments._market(instrument) == market:
                mark = self.marked[instrument]
            found.append(mark)
    return found
