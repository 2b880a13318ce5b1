# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Expiry: what expired legs pay, between their accounts and the engine's own
@license AGPL-3.0-only
@notice docs/spec/engine.md#expiry. The engine's account 0 stands between holders and writers of
        what expired: each settles when somebody asks, at the same price. The core takes the
        engine's word that this account has no margin and nothing to settle.
@custom:kill not deployable
"""

from interfaces import IExpiries
from interfaces import IOptions
from libs import instruments
from libs import packing
from libs import units as u
from modules import engine_books

uses: engine_books

EXPIRIES: immutable(IExpiries)
ACCOUNT: immutable(uint256)


@deploy
def __init__(expiries: address):
    EXPIRIES = IExpiries(expiries)
    ACCOUNT = packing._account_of(self, 0)
    # the engine answers for it from the first settlement on
    engine_books.books[ACCOUNT] = engine_books.PORTFOLIO_BIT


@internal
def _close(account: uint256) -> int256:
    """
    @notice Close every leg that expired at a price that is written, from the last one down: closing
            one moves none still to come.
    @return [WAD] what they pay together
    """
    paid: int256 = 0
    key: uint256 = 0
    price: uint256 = 0
    count: uint256 = engine_books._count(account)
    position: uint256 = count
    for k: uint256 in range(count, bound=engine_books.ROOM):
        position -= 1
        entry: uint256 = packing._half(engine_books.entries[account][position // 2], position)
        instrument: uint256 = packing._leg_instrument(entry)
        expires: uint256 = instruments._expiry(instrument)
        if expires > block.timestamp:
            continue
        market: uint256 = instruments._market(instrument)
        # legs of an expiry are often neighbours; markets have 8 bits, times 36
        if key != unsafe_mul(expires, 256) + market:
            key = unsafe_mul(expires, 256) + market
            price = staticcall EXPIRIES.settlement_price(market, expires // u.HOUR)
        if price == 0:
            continue
        size: int256 = packing._leg_size(entry)
        value: int256 = size * instruments._payoff(instrument, price)
        paid += value
        change: int256 = engine_books._change(account, instrument, position, size, -size)
        engine_books._interest(instrument, change)
        log IOptions.LegSettled(
            account=account, instrument=instrument, size=size, price=price, value=value
        )
    return paid
