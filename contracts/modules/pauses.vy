# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Pauses: what the guardian may stop for a while, and tighten for good
@license AGPL-3.0-only
@notice docs/spec/pauses.md. Who stands guard may stop and tighten at once, and can loosen nothing,
        raise no maintenance margin and keep nothing stopped: a pause lasts 7 days at most, and the
        same scope then rests three times as long. The owner may do the same without that rest.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import ILiquidityPool
from interfaces import IMarkets
from interfaces import IRiskConfigurator
from libs import errors
from libs import ledger_packing
from libs import market_packing
from libs import market_params
from libs import packing
from libs import units as u
from snekmate.auth import ownable

uses: ownable

# longest pause [s], and how many times its length its scope rests after it (R11)
MAX_PAUSE: constant(uint256) = 7 * u.DAY
REST: constant(uint256) = 3
MAX_MARKETS: constant(uint256) = 255

MARKETS: immutable(IMarkets)

guardian: public(address)
# whose forced fills must stay within the maintenance margin; none until the owner names it
pool: public(address)
# by scope: an action, and its market or 0
_pauses: HashMap[IRiskConfigurator.Action, HashMap[uint256, uint256]]


@deploy
def __init__(markets: address):
    MARKETS = IMarkets(markets)


# ---- owner --------------------------------------------------------------------------------------


@external
def set_guardian(guardian: address):
    """
    @param guardian nobody, for no guard but the owner
    """
    ownable._check_owner()

    log IRiskConfigurator.GuardianSet(old=self.guardian, new=guardian)
    self.guardian = guardian


@external
def set_pool(pool: address):
    """
    @notice Name the pool whose listing assert every later change of a margin has to keep, and
            whose deposits can be paused.
    """
    ownable._check_owner()

    log IRiskConfigurator.PoolSet(old=self.pool, new=pool)
    self.pool = pool


# ---- guardian, owner ----------------------------------------------------------------------------


@external
def pause(action: IRiskConfigurator.Action, markets: uint256, duration: uint256):
    """
    @notice Pause one action from now on; within 7 days of its begin a pause can be made longer,
            and shorter at any time.
    @param action exactly one
    @param markets bit m for market m, of OPENING and LIQUIDATION; bits of no market mean nothing
    @param duration [s] from now, at most 7 days; 0 ends what runs
    @custom:reverts "guardian: not the guardian", "guardian: no action", "guardian: too long",
            "guardian: rests", "guardian: no pool", and of the Clearinghouse where this contract is
            no hand of it
    """
    self._require_guardian()

    if action == IRiskConfigurator.Action.DEPOSITS:
        if self._note(action, 0, duration):
            self._pause_deposits()
    elif action == IRiskConfigurator.Action.POOL_DEPOSITS:
        if self.pool == empty(address):
            errors._fail("guardian: no pool")
        if self._note(action, 0, duration):
            extcall ILiquidityPool(self.pool).pause_deposits(self._until(action, 0))
    else:
        self._pause_markets(action, markets, duration)


@external
def lower_cap(market: uint256, oi_cap: uint256):
    """
    @notice Lower a market's cap of open interest: nothing opens above it. It raises IM as far as
            open interest does, and neither LE nor MM.
    @param oi_cap [USD WAD] m x 10^e with m up to 15, 0 for no opening at all
    @custom:reverts "guardian: not the guardian", "guardian: only lowers", "markets: off the grid",
            "markets: unknown market"
    """
    self._require_guardian()
    params: IRiskConfigurator.MarginParams = self._margin_params(market)
    old: IRiskConfigurator.MarginParams = params
    if oi_cap > params.oi_cap:
        errors._fail("guardian: only lowers")

    params.oi_cap = oi_cap
    log IRiskConfigurator.MarginParamsSet(market=market, old=old, new=params)
    extcall MARKETS.set_margin(market, market_params._pack_margin(params))


@external
def lower_token_caps(token: address, hard_cap: uint256, soft_cap: uint256):
    """
    @notice Lower the caps of a collateral [whole tokens]. Soft cap 0: it counts for nothing where
            something opens or leaves; for MM it counts as before.
    @custom:reverts "guardian: not the guardian", "guardian: only lowers" (the settlement token's
            deposits can be paused instead), "custody: unlisted token"
    """
    self._require_guardian()
    clearinghouse: IClearinghouse = IClearinghouse(staticcall MARKETS.clearinghouse())
    info: IClearinghouse.TokenInfo = staticcall clearinghouse.token_info(token)
    if hard_cap > info.hard_cap or soft_cap > info.soft_cap or info.id == 0:
        errors._fail("guardian: only lowers")

    extcall clearinghouse.set_caps(token, hard_cap, soft_cap)


# ---- read ---------------------------------------------------------------------------------------


@external
@view
def pause_of(action: IRiskConfigurator.Action, market: uint256) -> (uint256, uint256, uint256):
    """
    @param market 0 for the actions that no market has
    @return begin and end of the last pause of a scope [unix s], and from when on the guardian may
            begin another; zeros where there was none
    """
    start: uint256 = 0
    until: uint256 = 0
    start, until = ledger_packing._pause_fields(self._pauses[action][market])
    return start, until, self._rested(action, start, until)


# ---- internal -----------------------------------------------------------------------------------


@internal
@view
def _require_guardian():
    if msg.sender != self.guardian:
        if msg.sender != ownable.owner:
            errors._fail("guardian: not the guardian")


@internal
@view
def _until(action: IRiskConfigurator.Action, market: uint256) -> uint256:
    return ledger_packing._pause_fields(self._pauses[action][market])[1]


@internal
@view
def _rested(action: IRiskConfigurator.Action, start: uint256, until: uint256) -> uint256:
    """
    @notice From when on the guardian may pause a scope again; a grace that follows counts as pause,
            or short pauses would keep liquidations in it for ever.
    """
    if until == 0:
        return 0
    end: uint256 = until
    if action in (IRiskConfigurator.Action.LIQUIDATION | IRiskConfigurator.Action.DEPOSITS):
        end += (staticcall MARKETS.timing()).grace_max
    return end + REST * (end - start)


@internal
def _note(action: IRiskConfigurator.Action, market: uint256, duration: uint256) -> bool:
    """
    @notice Hold a pause to its length and its scope to its rest, and remember it.
    @return whether anything changes: to end what does not run changes nothing
    """
    start: uint256 = 0
    until: uint256 = 0
    word: uint256 = self._pauses[action][market]
    start, until = ledger_packing._pause_fields(word)
    guarded: bool = msg.sender != ownable.owner
    owners: bool = not guarded
    if block.timestamp < until:
        owners = owners or ledger_packing._pause_is_owners(word)
        if guarded and owners and block.timestamp + duration < until:
            errors._fail("guardian: the owner's pause")
    else:
        if duration == 0:
            return False
        if guarded and block.timestamp < self._rested(action, start, until):
            errors._fail("guardian: rests")
        start = block.timestamp
    until = block.timestamp + duration
    if duration > MAX_PAUSE or (guarded and until > start + MAX_PAUSE):
        errors._fail("guardian: too long")
    self._pauses[action][market] = ledger_packing._pause_word(start, until, owners)

    log IRiskConfigurator.Paused(action=action, market=market, start=start, until=until)
    return True


@internal
def _pause_markets(action: IRiskConfigurator.Action, markets: uint256, duration: uint256):
    opening: bool = action == IRiskConfigurator.Action.OPENING
    if not opening and action != IRiskConfigurator.Action.LIQUIDATION:
        errors._fail("guardian: no action")
    for i: uint256 in range(staticcall MARKETS.market_count(), bound=MAX_MARKETS):
        if ledger_packing._has_bit(markets, i + 1):
            if self._note(action, i + 1, duration):
                self._hold(i + 1, opening)


@internal
def _hold(market: uint256, opening: bool):
    """
    @notice Bring the words of a market to what is paused there. What opens is stopped by a flag
            that the first price after the pause takes away. Liquidations wait as in the grace
            after an outage, and for the longest grace after the pause, so that a shorter one that
            runs already is in it.
    """
    price: uint256 = 0
    publish: uint256 = 0
    grace_until: uint256 = 0
    price, publish, grace_until = staticcall MARKETS.pending(market)
    flag: uint256 = packing.OPENING_BIT
    if not opening:
        flag = packing.GRACE_BIT
        grace_until = max(
            self._until(IRiskConfigurator.Action.LIQUIDATION, market),
            self._until(IRiskConfigurator.Action.DEPOSITS, 0),
        )
        grace_until = max(grace_until, block.timestamp) + (staticcall MARKETS.timing()).grace_max
    until: uint256 = self._until(IRiskConfigurator.Action.OPENING, market)
    # what is set already stays
    turned: uint256 = flag & ~self._price_word(market)
    extcall MARKETS.mark(
        market, turned, market_packing._held_word(until, price, publish, grace_until)
    )


@internal
def _turn(market: uint256, turned: uint256):
    """
    @notice Turn flags of a price word that have nothing to do with what is paused there.
    """
    price: uint256 = 0
    publish: uint256 = 0
    grace_until: uint256 = 0
    price, publish, grace_until = staticcall MARKETS.pending(market)
    until: uint256 = self._until(IRiskConfigurator.Action.OPENING, market)
    extcall MARKETS.mark(
        market, turned, market_packing._held_word(until, price, publish, grace_until)
    )


@internal
def _pause_deposits():
    """
    @notice Nobody is liquidated while he may not bring the settlement token in, nor right after.
    """
    clearinghouse: IClearinghouse = IClearinghouse(staticcall MARKETS.clearinghouse())
    token: address = staticcall clearinghouse.settlement_token()
    hard_cap: uint256 = (staticcall clearinghouse.token_info(token)).hard_cap
    for i: uint256 in range(staticcall MARKETS.market_count(), bound=MAX_MARKETS):
        self._hold(i + 1, False)
    # the core is ours and calls nobody here
    extcall clearinghouse.set_caps(
        token, hard_cap, self._until(IRiskConfigurator.Action.DEPOSITS, 0)
    )


@internal
def _hold_new(market: uint256):
    """
    @notice A market that is listed while deposits are paused begins without liquidations.
    """
    if block.timestamp < self._until(IRiskConfigurator.Action.DEPOSITS, 0):
        self._hold(market, False)


@internal
@view
def _margin_params(market: uint256) -> IRiskConfigurator.MarginParams:
    """
    @custom:reverts "markets: unknown market"
    """
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall MARKETS.market_words(market)
    return market_params._unpack_margin(state)


@internal
@view
def _price_word(market: uint256) -> uint256:
    """
    @custom:reverts "markets: unknown market"
    """
    price_word: uint256 = 0
    state: uint256 = 0
    funding: int256 = 0
    price_word, state, funding = staticcall MARKETS.market_words(market)
    return price_word
