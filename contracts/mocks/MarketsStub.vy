# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title MarketsStub: prices as a test sets them and a margin that can be computed by hand
@license AGPL-3.0-only
@notice IM = 10 % of every leg, LE 7.5 %, MM 5 %; collateral counts 80 % for IM and 90 % for MM.
@custom:kill not deployed outside tests
"""

from interfaces import IMarkets
from libs import market_packing
from libs import packing
from libs import units as u


struct Collateral:
    feed: uint256
    decimals: uint256
    soft: uint256


clearinghouse: public(address)
price_words: public(HashMap[uint256, uint256])
fundings: public(HashMap[uint256, int256])
collaterals: public(HashMap[uint256, Collateral])
status: public(uint256)
broken: public(bool)
updates: public(uint256)
records: public(uint256)
last_market: public(uint256)
last_change: public(int256)
last_tilt: public(int256)
open_interest: public(HashMap[uint256, int256])
age_mm: uint256


@deploy
def __init__(clearinghouse: address, age_mm: uint256):
    self.clearinghouse = clearinghouse
    self.status = 16
    self.age_mm = age_mm


@external
def set_price(market: uint256, ticks: uint256):
    """
    @notice Publish a trusted price now.
    """
    self._set(market, ticks, block.timestamp, packing.ACTIVE)


@external
def set_price_word(market: uint256, ticks: uint256, publish: uint256, flags: uint256):
    self._set(market, ticks, publish, flags)


@external
def set_funding(market: uint256, ticks: int256):
    self.fundings[market] = ticks


@external
def set_status(status: uint256):
    self.status = status


@external
def set_broken(broken: bool):
    """
    @notice Whether every health check reverts: what reads no price does not notice.
    """
    self.broken = broken


@external
@view
def timing() -> IMarkets.Timing:
    return IMarkets.Timing(
        age_im=60, age_mm=self.age_mm, dead_after=3600, grace_max=600, window=3, variance_tau=86400
    )


@external
def update(reports: Bytes[2048]) -> uint256:
    self.updates += 1
    return 1


@external
def record_trade(market: uint256, oi_delta: int256, tilt: int256):
    self._require_clearinghouse()
    self.records += 1
    self.last_market = market
    self.last_change = oi_delta
    self.last_tilt = tilt
    self.open_interest[market] += oi_delta


@external
def set_soft_factor(collateral: uint256, factor: uint256):
    self._require_clearinghouse()
    self.collaterals[collateral].soft = factor


@external
def set_collateral(
    collateral: uint256, feed: uint256, decimals: uint256, haircut_im: uint256, haircut_mm: uint256
):
    self._require_clearinghouse()
    self.collaterals[collateral] = Collateral(feed=feed, decimals=decimals, soft=10_000)


@external
@view
def market_words(market: uint256) -> (uint256, uint256, int256):
    return self.price_words[market], 0, self.fundings[market]


@external
@view
def check(word: uint256, legs: uint256[8], amounts: uint256[4]) -> IMarkets.Health:
    """
    @notice Equity exactly as the ledger's spec has it, requirements by the rates above.
    """
    assert not self.broken, "stub: broken"
    health: IMarkets.Health = empty(IMarkets.Health)
    health.status = self.status
    gross: uint256 = 0
    health.unsettled, gross = self._legs(word, legs)
    mm_value: uint256 = 0
    value: uint256 = 0
    value, mm_value = self._values(word, amounts)
    health.equity = packing._cash(word) + health.unsettled + convert(value, int256)
    safe: bool = packing._cash(word) >= 0 and packing._quote(word) >= 0
    if packing._leg_count(word) == 0 and safe:
        return health
    health.im = gross // 10 + value * 2 // 10
    health.mm = gross // 20 + mm_value // 10
    health.le = health.mm + (health.im - health.mm) // 2
    return health


@internal
@view
def _legs(word: uint256, legs: uint256[8]) -> (int256, uint256):
    unsettled: int256 = packing._quote(word)
    gross: uint256 = 0
    for i: uint256 in range(packing._leg_count(word), bound=16):
        entry: uint256 = packing._half(legs[i // 2], i)
        size: int256 = packing._leg_size(entry)
        market: uint256 = packing._instrument_market(packing._leg_instrument(entry))
        price: int256 = convert(market_packing._price(self.price_words[market]), int256)
        unsettled += size * (price - self.fundings[market])
        gross += convert(abs(size) * price, uint256)
    return unsettled, gross


@internal
@view
def _values(word: uint256, amounts: uint256[4]) -> (uint256, uint256):
    value: uint256 = 0
    for i: uint256 in range(packing._collateral_count(word), bound=8):
        listed: Collateral = self.collaterals[packing._collateral_id(word, i)]
        price: uint256 = market_packing._price(self.price_words[listed.feed])
        wad: uint256 = packing._half(amounts[i // 2], i) * 10 ** (18 - listed.decimals)
        value += wad * price // u.TICKS_PER_USD
    return value, value


@internal
def _set(market: uint256, ticks: uint256, publish: uint256, flags: uint256):
    self.price_words[market] = market_packing._price_word(
        ticks, ticks, 0, 0, publish, 0, 0, flags, 0
    )


@internal
@view
def _require_clearinghouse():
    assert msg.sender == self.clearinghouse, "stub: not the clearinghouse"
