"""R7: the pool's queue of deposits and redemptions, as docs/spec/pool.md."""

from __future__ import annotations

from dataclasses import replace

from tests.reference import ledger, pool
from tests.reference.markets import trusted
from tests.reference.orders import passed
from tests.reference.refused import require
from tests.reference.state import SETTLEMENT, Request, World, owner_of
from tests.reference.units import AGE_OPEN, COOLDOWN, REQUEST_DELAY
from tests.reference.words import market_of

# its price must be fresh even when the pool holds no leg: it proves that time has passed
FIRST_MARKET = 1


def nav_at(world: World, earliest: int) -> int:
    """Return NAV at trusted, fresh prices, the first of `earliest` or later unless 0 [WAD]."""
    account = world.account(world.setup.pool_account)
    for market in _markets(world):
        require(trusted(world.markets[market], world.now, AGE_OPEN), "pool: stale price")
        require(world.markets[market].publish >= earliest, "pool: price too early")
    require(not earliest or not has_passed(world, earliest), "pool: price passed")
    equity = world.health(world.setup.pool_account).equity
    return pool.nav(equity, account, world.markets, world.pool_params)


def _markets(world: World) -> list[int]:
    """Return the markets whose prices make NAV, and the first."""
    held = [market_of(leg.instrument) for leg in world.account(world.setup.pool_account).legs]
    return [FIRST_MARKET, *(market for market in held if market != FIRST_MARKET)]


def has_passed(world: World, earliest: int) -> bool:
    """Return whether a price that counts comes after those that may execute a request."""
    return any(passed(world.markets[market], earliest) for market in _markets(world))


def earliest_of(request: Request) -> int:
    """Return the publish time of the first price that executes a request."""
    return request.time + (COOLDOWN if request.shares else REQUEST_DELAY)


def _time_again(world: World, request: Request) -> Request:
    """Return the request as if its delay, or the end of its cooldown, began now."""
    served = COOLDOWN - REQUEST_DELAY if request.shares else 0
    return replace(request, time=world.now - served)


def retime(world: World, request_id: int) -> None:
    """Time a request whose price has passed again, from now on."""
    request = world.requests.get(request_id)
    require(request is not None, "pool: no request")
    assert request is not None
    require(has_passed(world, earliest_of(request)), "pool: still open")
    world.requests[request_id] = _time_again(world, request)


def _enqueue(world: World, request: Request) -> int:
    request_id = world.next_request
    world.next_request += 1
    world.requests[request_id] = request
    return request_id


def _move_shares(world: World, holder: int, change: int) -> None:
    held = world.shares.get(holder, 0) + change
    require(held >= 0, "erc20: transfer amount exceeds balance")
    world.shares[holder] = held


def request_deposit(world: World, caller: int, assets: int, receiver: int) -> int:
    """Hand in assets; return the request's id."""
    contract = owner_of(world.setup.pool_account)
    require(assets > 0, "pool: zero amount")
    require(receiver not in (0, contract), "pool: bad receiver")
    require(world.now >= world.pool_paused_until, "pool: deposits paused")
    request_id = _enqueue(world, Request(receiver, assets, 0, world.now))
    ledger.move_wallet(world, caller, SETTLEMENT, -assets)
    ledger.move_wallet(world, contract, SETTLEMENT, assets)
    ledger.deposit(world, contract, world.setup.waiting_account, SETTLEMENT, assets)
    return request_id


def request_redeem(world: World, caller: int, shares: int) -> int:
    """Hand in shares; return the request's id."""
    require(shares > 0, "pool: zero amount")
    _move_shares(world, caller, -shares)
    _move_shares(world, owner_of(world.setup.pool_account), shares)
    return _enqueue(world, Request(caller, 0, shares, world.now))


def execute_deposit(world: World, request_id: int, reports: ledger.Reports) -> int:
    """Mint the shares of a deposit by the NAV before it; return them."""
    request = world.requests.get(request_id)
    require(request is not None and request.assets > 0, "pool: no request")
    assert request is not None
    ledger.update(world, reports)
    worth = nav_at(world, earliest_of(request))
    del world.requests[request_id]
    setup = world.setup
    contract = owner_of(setup.pool_account)
    if worth == 0 and world.supply != 0:
        ledger.withdraw(
            world, contract, setup.waiting_account, SETTLEMENT, request.assets, request.owner
        )
        return 0
    shares = pool.to_shares_down(request.assets * setup.scale, world.supply, worth)
    _move_shares(world, request.owner, shares)
    world.supply += shares
    ledger.transfer(
        world,
        contract,
        setup.waiting_account,
        setup.pool_account,
        SETTLEMENT,
        request.assets,
    )
    return shares


def execute_redeem(world: World, request_id: int, reports: ledger.Reports) -> int:
    """Pay a redemption as far as cash and margin go; return the atoms paid."""
    request = world.requests.get(request_id)
    require(request is not None and request.shares > 0, "pool: no request")
    assert request is not None
    earliest = earliest_of(request)
    require(world.now >= earliest, "pool: cooldown")
    ledger.update(world, reports)
    ledger.settle(world, world.setup.pool_account)
    paid, burnt = payable(world, request.shares, nav_at(world, earliest))

    left = request.shares - burnt
    if left:
        world.requests[request_id] = _time_again(world, replace(request, shares=left))
    else:
        del world.requests[request_id]
    contract = owner_of(world.setup.pool_account)
    _move_shares(world, contract, -burnt)
    world.supply -= burnt
    ledger.withdraw(world, contract, world.setup.pool_account, SETTLEMENT, paid, request.owner)
    return paid


def payable(world: World, queued: int, worth: int) -> tuple[int, int]:
    """Return what a redemption pays now [atoms] and the shares that it burns."""
    health = world.health(world.setup.pool_account)
    cash = world.account(world.setup.pool_account).cash
    owed = pool.to_assets_down(queued, world.supply, worth)
    now = min(owed, max(0, min(cash, health.equity - health.im, ledger.on_hand(world))))
    paid = now // world.setup.scale
    require(paid > 0, "pool: nothing payable")
    if now == owed:
        return paid, queued
    burnt = pool.to_shares_up(paid * world.setup.scale, world.supply, worth)
    return paid, min(queued, burnt)
