# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Share holders of the pool: requests, queue, conversions
@license AGPL-3.0-only
@notice docs/spec/pool.md. An ERC-4626 whose deposits and redemptions are asked for now and
        executed by anyone at the first later price, so that nobody enters or leaves on a known
        one; where that price has passed, anyone times the request again from now.
        Waiting assets are cash of the account `pool << 96 | 1`, waiting shares are held by the
        pool contract; the contract holds no asset between transactions.
@custom:kill not deployable
"""

from ethereum.ercs import IERC20
from interfaces import ILiquidityPool
from libs import errors
from libs import first_price
from libs import fixed_point
from libs import instruments
from libs import ledger_packing
from libs import market_packing
from libs import packing
from libs import tokens
from libs import units as u
from modules import pool_account
from modules import pool_quotes
from snekmate.tokens import erc20

uses: pool_account
uses: pool_quotes
uses: erc20


# one share and one USD that nobody owns: the price of a share cannot be pushed by a donation
VIRTUAL: constant(uint256) = u.WAD
# oldest price of a share (rules R13: age to open)
MAX_PRICE_AGE: constant(uint256) = 15
# its price must be fresh even when the pool holds no leg: it proves that time has passed
FIRST_MARKET: constant(uint256) = 1
MAX_MARKETS: constant(uint256) = u.MAX_LEGS + 1
MIN_DELAY: constant(uint256) = 2
MAX_DELAY: constant(uint256) = 60
MAX_COOLDOWN: constant(uint256) = 30 * u.DAY

_ASSET: immutable(IERC20)
_SCALE: immutable(uint256)
_WAITING: immutable(uint256)
DELAY: public(immutable(uint256))
COOLDOWN: public(immutable(uint256))

# how many requests there were, and until when no deposit may be asked for
_queue: uint256
_requests: HashMap[uint256, uint256]
_amounts: HashMap[uint256, uint256]


@deploy
def __init__(delay: uint256, cooldown: uint256):
    if delay < MIN_DELAY or delay > MAX_DELAY or cooldown < delay or cooldown > MAX_COOLDOWN:
        errors._fail("pool: out of range")
    _ASSET = IERC20(staticcall pool_account.CLEARINGHOUSE.settlement_token())
    _SCALE = staticcall pool_account.CLEARINGHOUSE.settlement_scale()
    _WAITING = packing._account_of(self, 1)
    DELAY = delay
    COOLDOWN = cooldown


# ---- external -----------------------------------------------------------------------------------


@external
def request_deposit(assets: uint256, receiver: address) -> uint256:
    """
    @notice Hand in assets; shares are minted to receiver at the first later price.
    @param assets [token atoms]
    @return request id
    @custom:reverts "pool: zero amount", "pool: bad receiver", "pool: approve failed",
            "pool: deposits paused", "custody: …" when the token moves another amount
    """
    if assets == 0:
        errors._fail("pool: zero amount")
    if receiver == empty(address) or receiver == self:
        errors._fail("pool: bad receiver")
    if block.timestamp < ledger_packing._queue_until(self._queue):
        errors._fail("pool: deposits paused")

    request_id: uint256 = self._enqueue(receiver, assets, 0)

    log ILiquidityPool.DepositRequested(
        request_id=request_id, owner=receiver, assets=assets, time=block.timestamp
    )

    # exactly the amount comes in, and the Clearinghouse takes it on at once
    tokens._pull(_ASSET.address, msg.sender, assets)
    approved: bool = extcall _ASSET.approve(
        pool_account.CLEARINGHOUSE.address, assets, default_return_value=True
    )
    if not approved:
        errors._fail("pool: approve failed")
    extcall pool_account.CLEARINGHOUSE.deposit(_WAITING, _ASSET.address, assets)
    return request_id


@external
def request_redeem(shares: uint256) -> uint256:
    """
    @notice Hand in shares; assets are paid to the caller after the cooldown. Not cancellable.
    @return request id
    @custom:reverts "pool: zero amount", snekmate's "erc20: …" when the caller has fewer shares
    """
    if shares == 0:
        errors._fail("pool: zero amount")

    request_id: uint256 = self._enqueue(msg.sender, shares, 1)
    erc20._transfer(msg.sender, self, shares)

    log ILiquidityPool.RedeemRequested(
        request_id=request_id, owner=msg.sender, shares=shares, time=block.timestamp
    )
    return request_id


@external
def pause_deposits(until: uint256):
    """
    @notice Take no new requests to deposit until a time; what was asked for is served. Only the
            RiskConfigurator, for the guardian, who is held to 7 days there.
    @param until [unix s]
    @custom:reverts "pool: not the configurator"
    """
    if msg.sender != staticcall pool_quotes.MARKETS.configurator():
        errors._fail("pool: not the configurator")
    self._queue = ledger_packing._queue_word(until, ledger_packing._queue_count(self._queue))


@external
def execute_deposit(request_id: uint256, reports: Bytes[2048] = b"") -> uint256:
    """
    @notice Mint the shares of a deposit at the first price of after its request. Anyone.
    @dev A pool without equity has no fair price: the assets go back to their owner, and the event
         tells of no shares.
    @return [WAD] shares
    @custom:rounding shares down, in favour of the other holders
    @custom:reverts "pool: no request", "pool: stale price", "pool: price too early",
            "pool: price passed"
    """
    request: uint256 = self._request(request_id, False)
    owner: address = ledger_packing._request_owner(request)
    assets: uint256 = self._amounts[request_id]

    if len(reports) != 0:
        extcall pool_quotes.MARKETS.update(reports)

    nav: uint256 = self._nav_at(self._earliest(request))
    refunded: bool = nav == 0 and erc20.totalSupply != 0
    shares: uint256 = 0
    if not refunded:
        shares = self._to_shares_down(assets * _SCALE, nav)

    self._close(request_id)
    if not refunded:
        erc20._mint(owner, shares)

    log ILiquidityPool.RequestExecuted(
        request_id=request_id, owner=owner, assets=assets, shares=shares, remaining=0
    )

    if refunded:
        extcall pool_account.CLEARINGHOUSE.withdraw(_WAITING, _ASSET.address, assets, owner)
    else:
        extcall pool_account.CLEARINGHOUSE.transfer(
            _WAITING, pool_account.ACCOUNT, _ASSET.address, assets
        )
    return shares


@external
def execute_redeem(request_id: uint256, reports: Bytes[2048] = b"") -> uint256:
    """
    @notice Pay a redemption as far as the pool's cash and margin go, at the first price of after
            its cooldown; the rest stays queued, timed from now. Anyone.
    @return [token atoms] paid to the request's owner
    @custom:rounding assets down, burnt shares up, in favour of the remaining holders
    @custom:reverts "pool: no request", "pool: cooldown", "pool: stale price",
            "pool: price too early", "pool: price passed", "pool: nothing payable"
    """
    request: uint256 = self._request(request_id, True)
    owner: address = ledger_packing._request_owner(request)
    earliest: uint256 = self._earliest(request)
    if block.timestamp < earliest:
        errors._fail("pool: cooldown")

    if len(reports) != 0:
        extcall pool_quotes.MARKETS.update(reports)
    extcall pool_account.CLEARINGHOUSE.settle(pool_account.ACCOUNT)

    queued: uint256 = self._amounts[request_id]
    paid: uint256 = 0
    burnt: uint256 = 0
    paid, burnt = self._payable(queued, self._nav_at(earliest))

    if burnt == queued:
        self._close(request_id)
    else:
        self._amounts[request_id] = queued - burnt
        self._time_again(request_id, request)
    erc20._burn(self, burnt)

    log ILiquidityPool.RequestExecuted(
        request_id=request_id, owner=owner, assets=paid, shares=burnt, remaining=queued - burnt
    )

    extcall pool_account.CLEARINGHOUSE.withdraw(pool_account.ACCOUNT, _ASSET.address, paid, owner)
    return paid


@external
def retime(request_id: uint256):
    """
    @notice Time a request whose price has passed again, so that it is executed at the first price
            of after this call; a redemption's cooldown stays served. Anyone.
    @custom:reverts "pool: no request", "pool: still open" while the stored prices, or ones that
            are still to come, may execute it
    """
    request: uint256 = self._requests[request_id]
    if request == 0:
        errors._fail("pool: no request")
    words: pool_account.Words = pool_account._words(pool_account.ACCOUNT)
    if not self._passed(words, self._earliest(request), False):
        errors._fail("pool: still open")

    self._time_again(request_id, request)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def request(request_id: uint256) -> (address, uint256, uint256, bool):
    """
    @return owner, time of the request, atoms or shares still queued, whether a redemption;
            zeros once it is executed
    """
    word: uint256 = self._requests[request_id]
    return (
        ledger_packing._request_owner(word),
        ledger_packing._request_time(word),
        self._amounts[request_id],
        ledger_packing._request_is_redeem(word),
    )


@external
@view
def request_count() -> uint256:
    return ledger_packing._queue_count(self._queue)


@external
@view
def nav() -> uint256:
    """
    @notice What the shares are worth together, without the skew premium.
    @return [WAD]
    @custom:reverts "pool: stale price"
    """
    return self._nav_at(0)


@external
@view
def asset() -> address:
    """
    @notice ERC-4626: the settlement token.
    """
    return _ASSET.address


@external
@view
def totalAssets() -> uint256:
    """
    @notice ERC-4626: NAV in token atoms.
    @custom:rounding down
    """
    return self._nav_at(0) // _SCALE


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """
    @notice ERC-4626: shares for assets at the stored prices, down. Executions use a later price.
    """
    return self._shares_now(assets)


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice ERC-4626: assets for shares at the stored prices, down. Executions use a later price.
    """
    return self._assets_now(shares)


@external
@view
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice ERC-4626: there is no entry fee, so this is convertToShares.
    """
    return self._shares_now(assets)


@external
@view
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice ERC-4626: there is no exit fee, so this is convertToAssets.
    """
    return self._assets_now(shares)


# ---- internal -----------------------------------------------------------------------------------


@internal
def _enqueue(owner: address, amount: uint256, redeem: uint256) -> uint256:
    # the count stands below the time
    queue: uint256 = self._queue + 1
    self._queue = queue
    request_id: uint256 = ledger_packing._queue_count(queue)
    self._requests[request_id] = ledger_packing._request(owner, block.timestamp, redeem)
    self._amounts[request_id] = amount
    return request_id


@internal
def _close(request_id: uint256):
    self._requests[request_id] = 0
    self._amounts[request_id] = 0


@internal
@view
def _request(request_id: uint256, redeem: bool) -> uint256:
    word: uint256 = self._requests[request_id]
    if word == 0 or ledger_packing._request_is_redeem(word) != redeem:
        errors._fail("pool: no request")
    return word


@internal
def _time_again(request_id: uint256, request: uint256):
    """
    @notice Let a request be executed at the first price of after now, and of DELAY from now on: as
            if a deposit were asked for now, as if the cooldown of a redemption ended then.
    """
    # COOLDOWN >= DELAY, and years of unix time before both
    time: uint256 = block.timestamp + DELAY - self._delay(request)
    self._requests[request_id] = ledger_packing._request_at(request, time)

    log ILiquidityPool.RequestRetimed(request_id=request_id, time=time)


@internal
@view
def _delay(request: uint256) -> uint256:
    """
    @return [s] from a request to the first price that executes it
    """
    if ledger_packing._request_is_redeem(request):
        return COOLDOWN
    return DELAY


@internal
@view
def _earliest(request: uint256) -> uint256:
    """
    @return [unix s] publish time of the first price that executes a request
    """
    return ledger_packing._request_time(request) + self._delay(request)


@internal
@view
def _nav_at(earliest: uint256) -> uint256:
    """
    @notice NAV at trusted, fresh prices, for a request the first of `earliest` or later [WAD].
    @param earliest [unix s] 0 for whatever is stored
    """
    words: pool_account.Words = pool_account._words(pool_account.ACCOUNT)

    if self._passed(words, earliest, True) and earliest != 0:
        errors._fail("pool: price passed")

    return pool_account._nav(words)


@internal
@view
def _passed(words: pool_account.Words, earliest: uint256, priced: bool) -> bool:
    """
    @notice Whether one of the prices that make NAV, or the first market's, comes after those that
            may execute a request.
    @param priced each has to be trusted, fresh, and of `earliest` or later besides
    """
    passed: bool = False
    for i: uint256 in range(packing._leg_count(words.word) + 1, bound=MAX_MARKETS):
        market: uint256 = FIRST_MARKET
        if i != 0:
            pair: uint256 = words.legs[(i - 1) // 2]
            market = instruments._market(packing._leg_instrument(packing._half(pair, i - 1)))
            if market == FIRST_MARKET:
                continue
        word: uint256 = pool_quotes._price_word(market)
        if priced:
            if not staticcall pool_quotes.MARKETS.price_trusted(market, MAX_PRICE_AGE):
                errors._fail("pool: stale price")
            if market_packing._publish_time(word) < earliest:
                errors._fail("pool: price too early")
        passed = passed or first_price._passed(word, earliest)
    return passed


@internal
@view
def _payable(queued: uint256, nav: uint256) -> (uint256, uint256):
    """
    @notice What a redemption pays now [token atoms] and the shares that it burns.
    @dev The pool has been settled, so its cash holds every profit that the pot can pay.
    """
    words: pool_account.Words = pool_account._words(pool_account.ACCOUNT)
    free: uint256 = pool_account._payable(words, _ASSET.address, _SCALE)

    owed: uint256 = self._to_assets_wad_down(queued, nav)
    payable_now: uint256 = min(owed, free)
    paid: uint256 = payable_now // _SCALE
    if paid == 0:
        errors._fail("pool: nothing payable")
    if payable_now == owed:
        return paid, queued
    return paid, min(queued, self._to_shares_up(paid * _SCALE, nav))


@internal
@view
def _shares_now(assets: uint256) -> uint256:
    return self._to_shares_down(assets * _SCALE, self._nav_at(0))


@internal
@view
def _assets_now(shares: uint256) -> uint256:
    return self._to_assets_wad_down(shares, self._nav_at(0)) // _SCALE


@internal
@view
def _to_shares_down(assets_wad: uint256, nav: uint256) -> uint256:
    return assets_wad * (erc20.totalSupply + VIRTUAL) // (nav + VIRTUAL)


@internal
@view
def _to_shares_up(assets_wad: uint256, nav: uint256) -> uint256:
    return fixed_point._ceil_div(assets_wad * (erc20.totalSupply + VIRTUAL), nav + VIRTUAL)


@internal
@view
def _to_assets_wad_down(shares: uint256, nav: uint256) -> uint256:
    return shares * (nav + VIRTUAL) // (erc20.totalSupply + VIRTUAL)
