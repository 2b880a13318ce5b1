# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title ChainlinkFeed: an aggregator as a source of a price
@license AGPL-3.0-only
@notice docs/spec/oracle.md#sources. Stateless; every term is fixed at deployment, other terms are
        another feed. Whatever the aggregator or the uptime feed does (revert, answer nothing or
        garbage, eat its gas, change its decimals), `quote` says that there is no price.
@custom:kill nobody can stop it; the owner of the RiskConfigurator names another source
"""

from interfaces import IChainlinkFeed
from interfaces import IFeed
from libs import bounded_calls
from libs import errors
from libs import units as u

implements: IFeed
implements: IChainlinkFeed

# of an aggregator: round, answer, started at, updated at, answered in round
ROUND_WORDS: constant(uint256) = 5
LATEST_ROUND: constant(bytes4) = method_id("latestRoundData()", output_type=bytes4)
DECIMALS_OF: constant(bytes4) = method_id("decimals()", output_type=bytes4)
# what one of three calls may use; a proxy with its aggregator takes about 25,000 (cold)
CALL_GAS: constant(uint256) = 60_000
# of an uptime feed's answer
UP: constant(uint256) = 0

MIN_HEARTBEAT: constant(uint256) = 60
MAX_HEARTBEAT: constant(uint256) = 2 * u.DAY
MIN_GRACE: constant(uint256) = 300
MAX_GRACE: constant(uint256) = u.DAY
MAX_DECIMALS: constant(uint256) = 18
MAX_CONF: constant(uint256) = 2**16 - 1
# with 18 decimals a price of 3e20 USD, above every bound; times 1e10 it stays a number
MAX_ANSWER: constant(uint256) = 2**128

AGGREGATOR: immutable(address)
DECIMALS: immutable(uint256)
HEARTBEAT: immutable(uint256)
# ticks
LOW: immutable(uint256)
HIGH: immutable(uint256)
CONF: immutable(uint256)
UPTIME: immutable(address)
GRACE: immutable(uint256)


@deploy
def __init__(terms_: IChainlinkFeed.Terms):
    """
    @custom:reverts "feed: out of range", "feed: no aggregator" when it does not say its decimals
    """
    if terms_.heartbeat < MIN_HEARTBEAT or terms_.heartbeat > MAX_HEARTBEAT:
        errors._fail("feed: out of range")
    if terms_.low % u.TICK + terms_.high % u.TICK != 0 or terms_.conf > MAX_CONF:
        errors._fail("feed: out of range")
    if terms_.low == 0 or terms_.low >= terms_.high or terms_.high // u.TICK > u.MAX_PRICE:
        errors._fail("feed: out of range")
    if terms_.uptime == empty(address):
        if terms_.grace != 0:
            errors._fail("feed: out of range")
    elif terms_.grace < MIN_GRACE or terms_.grace > MAX_GRACE:
        errors._fail("feed: out of range")
    answered: bool = False
    answer: uint256[ROUND_WORDS] = empty(uint256[ROUND_WORDS])
    answered, answer = bounded_calls._ask(terms_.aggregator, DECIMALS_OF, 1, CALL_GAS)
    if not answered or answer[0] > MAX_DECIMALS:
        errors._fail("feed: no aggregator")
    AGGREGATOR = terms_.aggregator
    DECIMALS = answer[0]
    HEARTBEAT = terms_.heartbeat
    LOW = terms_.low // u.TICK
    HIGH = terms_.high // u.TICK
    CONF = terms_.conf
    UPTIME = terms_.uptime
    GRACE = terms_.grace


@external
@view
def quote() -> IFeed.Quote:
    """
    @notice The aggregator's last round, if nothing speaks against it.
    @custom:rounding down, to the tick
    @custom:reverts "feed: too little gas" for a caller who brings less than three calls may use
    """
    if UPTIME != empty(address) and not self._up():
        return empty(IFeed.Quote)
    answered: bool = False
    answer: uint256[ROUND_WORDS] = empty(uint256[ROUND_WORDS])
    answered, answer = bounded_calls._ask(AGGREGATOR, DECIMALS_OF, 1, CALL_GAS)
    if not answered or answer[0] != DECIMALS:
        return empty(IFeed.Quote)
    answered, answer = bounded_calls._ask(AGGREGATOR, LATEST_ROUND, ROUND_WORDS, CALL_GAS)
    if not answered or not self._complete(answer):
        return empty(IFeed.Quote)
    # a negative answer is a large number here
    price: uint256 = answer[1]
    if price >= MAX_ANSWER:
        return empty(IFeed.Quote)
    price = price * u.TICKS_PER_USD // 10**DECIMALS
    # an aggregator that stops at its own bound stands at it: bounds are no prices
    if price <= LOW or price >= HIGH:
        return empty(IFeed.Quote)
    return IFeed.Quote(price=price, conf=CONF, publish=answer[3], valid=True)


@external
@view
def max_age() -> uint256:
    """
    @return [s] the heartbeat
    """
    return HEARTBEAT


@external
@view
def terms() -> IChainlinkFeed.Terms:
    return IChainlinkFeed.Terms(
        aggregator=AGGREGATOR,
        heartbeat=HEARTBEAT,
        low=LOW * u.TICK,
        high=HIGH * u.TICK,
        conf=CONF,
        uptime=UPTIME,
        grace=GRACE,
    )


@external
@view
def decimals() -> uint256:
    return DECIMALS


@internal
@view
def _complete(latest: uint256[ROUND_WORDS]) -> bool:
    """
    @return whether a round is finished, answered by itself or a later one, and fresh
    """
    if latest[0] == 0 or latest[2] == 0 or latest[4] < latest[0]:
        return False
    updated: uint256 = latest[3]
    return updated != 0 and updated <= block.timestamp and block.timestamp - updated <= HEARTBEAT


@internal
@view
def _up() -> bool:
    """
    @return whether the sequencer is up, and has been for longer than the grace
    """
    answered: bool = False
    answer: uint256[ROUND_WORDS] = empty(uint256[ROUND_WORDS])
    answered, answer = bounded_calls._ask(UPTIME, LATEST_ROUND, ROUND_WORDS, CALL_GAS)
    since: uint256 = answer[2]
    if not answered or answer[1] != UP or since == 0 or since > block.timestamp:
        return False
    return block.timestamp - since > GRACE
