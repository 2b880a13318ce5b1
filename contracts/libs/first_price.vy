# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The first price: which stored price may serve what was asked for before it
@license AGPL-3.0-only
@notice docs/spec/orders.md#first. Orders and requests to the pool are served at the first price
        that is stored for their time, or, so that nobody ends them by pushing two prices in one
        block, at any that was published shortly after that time.
@custom:kill not deployable
"""

from libs import market_packing

# [s] A pusher's report is 1 s ahead of the block at most, so that with blocks of 2 s an executor
# has two blocks before anybody can push a price of after it.
PUSH_WINDOW: constant(uint256) = 5


@internal
@pure
def _passed(price_word: uint256, earliest: uint256) -> bool:
    """
    @notice Whether the stored price comes after those that may serve what waits for one of
            `earliest` or later.
    @dev The price before it counts as at most 255 s older: after a longer silence what waited is
         closed or timed again instead.
    @param earliest [unix s] publish time of the first price that may serve it
    """
    publish: uint256 = market_packing._publish_time(price_word)
    if publish <= earliest + PUSH_WINDOW:
        return False
    return publish - min(publish, market_packing._gap(price_word)) >= earliest
