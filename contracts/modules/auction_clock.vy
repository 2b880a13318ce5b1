# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title AuctionClock: live seconds since an account fell under MM, and the reward they earn
@license AGPL-3.0-only
@notice docs/spec/liquidation.md#clock. Only seconds between two calls that both found E < MM
        count, at most 300 of them a call, and none before the end of an outage's grace, so that
        neither a pause nor a sleeping keeper raises a reward. The only writer of the clock.
@custom:kill not deployable
"""

from libs import errors
from libs import ledger_packing
from libs import liquidation_math
from libs import units as u

# longest stretch that one call adds [s]
STEP: constant(uint256) = 300
# a flag within this time continues the old clock [s]
MEMORY: constant(uint256) = 3_600
# ranges of the curve: it takes minutes to rise, and never pays more than twice MM
MIN_TIME: constant(uint256) = 60
MAX_TIME: constant(uint256) = 21_600
MAX_SHARE: constant(uint256) = 2 * u.WAD

RISE_TIME: immutable(uint256)
RISE_SHARE: immutable(uint256)
SLOW_TIME: immutable(uint256)
SLOW_SHARE: immutable(uint256)

words: HashMap[uint256, uint256]


@deploy
def __init__(rise_time: uint256, rise_share: uint256, slow_time: uint256, slow_share: uint256):
    """
    @notice Fix the curve: 0 at 0 s, rise_share at rise_time, slow_share at slow_time, flat after.
    @param rise_time, slow_time [s]
    @param rise_share, slow_share [WAD] share of MM
    @custom:reverts "clock: curve" out of range or falling
    """
    if rise_time < MIN_TIME or slow_time <= rise_time or slow_time > MAX_TIME:
        errors._fail("clock: curve")
    if slow_share < rise_share or slow_share > MAX_SHARE:
        errors._fail("clock: curve")
    RISE_TIME = rise_time
    RISE_SHARE = rise_share
    SLOW_TIME = slow_time
    SLOW_SHARE = slow_share


# ---- external view ------------------------------------------------------------------------------


@external
@view
def clock(account: uint256) -> (uint256, uint256):
    """
    @notice The stored clock of an account.
    @return live seconds, time of the last call that found E < MM [unix s]
    """
    word: uint256 = self.words[account]
    return ledger_packing._clock_live(word), ledger_packing._clock_last(word)


@external
@view
def concession(account: uint256) -> uint256:
    """
    @notice How much of the MM that it releases a close on the Exchange may cost an account: the
            reward's share of MM at the last call that found E < MM, 0 an hour after it.
    @return [WAD]
    @custom:source docs/spec/liquidation.md#bids
    """
    word: uint256 = self.words[account]
    # times of 32 bits
    if block.timestamp > unsafe_add(ledger_packing._clock_last(word), MEMORY):
        return 0
    return self._reward(ledger_packing._clock_live(word), u.WAD)


# ---- read and write -----------------------------------------------------------------------------


@internal
@view
def _live_at(account: uint256, running: bool, resume: uint256) -> uint256:
    """
    @notice Live seconds that a call at this block finds.
    @param running whether the auction bit is set
    @param resume [unix s] end of the latest grace period of a held feed, 0 if none
    """
    word: uint256 = self.words[account]
    live: uint256 = ledger_packing._clock_live(word)
    last: uint256 = ledger_packing._clock_last(word)
    since: uint256 = last
    if running:
        since = max(last, resume)
    # nobody found E < MM for so long: a bit that is still set was forgotten
    if block.timestamp > since + MEMORY:
        return 0
    if not running or block.timestamp <= since:
        return live
    # now > since; live < 2^32
    return unsafe_add(live, min(STEP, unsafe_sub(block.timestamp, since)))


@internal
def _write(account: uint256, live: uint256):
    """
    @notice Count a call that found E < MM. One that cures an account whose auction bit is off is
            not counted: there was no auction.
    """
    self.words[account] = ledger_packing._clock_word(live, block.timestamp)


# ---- reward -------------------------------------------------------------------------------------


@internal
@view
def _reward(live: uint256, mm: uint256) -> uint256:
    """
    @notice What a buyer of the whole account is offered after `live` seconds.
    @return [USD WAD] share of MM
    @custom:rounding down, in favour of the account
    """
    return liquidation_math._ramp(live, RISE_TIME, RISE_SHARE, SLOW_TIME, SLOW_SHARE, mm)


@internal
@view
def _is_slow(live: uint256) -> bool:
    """
    @return whether insurance may add to the reward of a solvent account
    """
    return live >= SLOW_TIME
