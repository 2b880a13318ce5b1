"""Every function of the ABIs: whose it is, and what a callback finds of it.

A new function without an entry here fails `test_abi_tables.py`. Overloads that only take a price
update along share their entry.

who    may call it, and `also` may; everybody else hears `refusal`
says   what they hear whose call it is, in the scene of `stage.py`; None: it goes through
lock   LOCKED: it reverts while a call of its own contract runs; else the reason why it need not
mid    what a token's hook finds in the middle of a deposit or withdrawal at the core: SHUT by a
       lock, TOLD of one by who met it, ACCESS as at any time, or the reason why it stays open
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_utils.abi import abi_to_signature

from tests.faults.stage import FAR, KEEP_TILT, Stage
from tests.support.attack import pool_account
from tests.support.world import LOTS, WAD, perp
from tools.findings import ROOT

USDC = 10**6
ETHER = 10**18

LOCKED = "locked"
SHUT = "shut"
ACCESS = "access"
TOLD = "orders: no answer"

OWNER, PENDING, TRADER, HOLDER, SPENDER, BUYER = (
    "owner",
    "pending owner",
    "account owner",
    "share holder",
    "spender",
    "buyer",
)
ORDERS, LIQUIDATOR, CORE, CONFIGURATOR = ("orders", "liquidator", "clearinghouse", "configurator")
OPERATORS = "operators"
ENGINE = "engine"
EXCHANGE = "exchange"
GUARDIAN = "guardian"
ANYONE = "anyone"

FIXED = "an immutable: it never changes"
OWNERSHIP = "snekmate's file has no lock; it touches nothing but the two owner slots"
SHARES = "share balances stay readable and movable, their price does not"
PRICES = "Markets only asks, by static calls, so nothing of it is ever half written"
OTHERS = "its own contract is idle then, and it reads nothing of the core"
ASKED = "Markets asks it while a poll runs; it reads what only the owner writes"

NOT_OWNER = "ownable: caller is not the owner"
NOT_GUARDIAN = "guardian: not the guardian"


@dataclass(frozen=True, slots=True)
class Entry:
    """One function."""

    call: Callable[[Stage], tuple[Any, ...]]
    who: str = ANYONE
    refusal: str = ""
    says: str | None = None
    lock: str = LOCKED
    mid: str = SHUT
    value: Callable[[Stage], int] = lambda stage: 0
    also: tuple[str, ...] = ()


def nothing(_: Stage) -> tuple[Any, ...]:
    """Return no arguments."""
    return ()


def getters(names: str, lock: str = LOCKED, mid: str = SHUT) -> dict[str, Entry]:
    """Return entries of views without arguments."""
    return {name: Entry(nothing, lock=lock, mid=mid) for name in names.split()}


def owned(
    call: Callable[[Stage], tuple[Any, ...]], says: str | None = None, mid: str = ACCESS
) -> Entry:
    """Return the entry of an owner's function."""
    return Entry(call, OWNER, NOT_OWNER, says, mid=mid)


OWNABLE = {
    "transfer_ownership": Entry(
        lambda s: (s.stranger,), OWNER, NOT_OWNER, lock=OWNERSHIP, mid=ACCESS
    ),
    "accept_ownership": Entry(
        nothing,
        PENDING,
        "ownable_2step: caller is not the new owner",
        lock=OWNERSHIP,
        mid=ACCESS,
    ),
    **getters("owner pending_owner", OWNERSHIP, OWNERSHIP),
}

NOT_A_HAND = "clearinghouse: not a hand"
NOT_THEIRS = "custody: not the owner"

CLEARINGHOUSE = {
    **OWNABLE,
    "settle": Entry(lambda s: (s.account,)),
    "settle_pair": Entry(lambda s: ([s.account], pool_account(s.world))),
    "deposit": Entry(lambda s: (s.account, s.usdc, 100 * USDC)),
    "withdraw": Entry(
        lambda s: (s.account, s.usdc, 100 * USDC, s.actor.address), TRADER, NOT_THEIRS
    ),
    "transfer": Entry(lambda s: (s.account, s.account + 1, s.usdc, 100 * USDC), TRADER, NOT_THEIRS),
    "trade": Entry(
        lambda s: ((s.account, s.pool, perp(1), LOTS, 2**63 - 1, False),), ORDERS, NOT_A_HAND
    ),
    "post": Entry(
        lambda s: (
            (s.weak, s.buyer, s.buyer, 0, 0, [0] * 16, [0] * 8, 0, 0, 0, 0, 0, 0, KEEP_TILT, 0),
            True,
        ),
        LIQUIDATOR,
        NOT_A_HAND,
        also=(OPERATORS, ENGINE),
    ),
    "batch": Entry(
        lambda s: (b"", s.actor.address, [s.own_transfer]),
        TRADER,
        NOT_A_HAND,
        also=(OPERATORS,),
    ),
    "deal": Entry(lambda s: ((s.account, s.buyer, perp(1), 0, 0, 0, 0, 0),), ENGINE, NOT_A_HAND),
    "set_auction": Entry(lambda s: (s.weak, True), LIQUIDATOR, NOT_A_HAND, also=(ENGINE,)),
    "write_off": Entry(
        lambda s: (s.weak, 0), LIQUIDATOR, NOT_A_HAND, "seizure: no such debt", also=(ENGINE,)
    ),
    "list_collateral": owned(
        lambda s: (s.new_token, 1, WAD * 15 // 100, WAD // 10, 1_000, 1_000), mid=SHUT
    ),
    "set_caps": Entry(
        lambda s: (s.weth, 1_000, 500), OWNER, NOT_OWNER, mid=SHUT, also=(CONFIGURATOR,)
    ),
    "set_hand": owned(lambda s: (s.stranger, 1), mid=SHUT),
    "set_venue": owned(lambda s: (s.pool, True, True, 0), mid=SHUT),
    "account_at": Entry(lambda s: (0,)),
    "account_words": Entry(lambda s: (s.account,)),
    "hands": Entry(lambda s: (s.stranger,)),
    "health": Entry(lambda s: (s.account,)),
    "token_at": Entry(lambda s: (1,)),
    "token_info": Entry(lambda s: (s.weth,)),
    **getters("account_count deficit pot markets"),
    **getters("settlement_scale settlement_token insurance_account fee_account", FIXED, FIXED),
}

INSURANCE_FUND = {
    **OWNABLE,
    "fund": Entry(lambda s: (100 * USDC,)),
    "draw": Entry(lambda s: (1, WAD, 0), LIQUIDATOR, "insurance: not the liquidator", mid=ACCESS),
    "withdraw_surplus": owned(lambda s: (USDC, s.stranger)),
    "set_limits": owned(lambda s: (WAD // 4, WAD // 2)),
    "set_liquidator": owned(lambda s: (s.stranger,), "insurance: liquidator is set"),
    "available": Entry(lambda s: (1,)),
    **getters("limits liquidator", mid=OTHERS),
}

LENS = {
    "health": Entry(lambda s: (s.account,)),
    "health_many": Entry(lambda s: ([s.account, s.weak],)),
    "unhealthy": Entry(lambda s: (0, 10)),
    "preview_reduce": Entry(lambda s: (s.weak, perp(1))),
    "preview_take": Entry(lambda s: (s.weak,)),
    "preview_order": Entry(lambda s: (s.account, perp(1), WAD)),
    "max_open": Entry(lambda s: (s.account, perp(1), True)),
    "max_withdraw": Entry(lambda s: (s.account, s.usdc)),
    "liquidation_prices": Entry(lambda s: (s.account, 1)),
}

LIQUIDATOR_TABLE = {
    "flag": Entry(lambda s: (s.weak,)),
    "reduce": Entry(lambda s: (s.weak, perp(1), 0, 0, s.buyer, FAR)),
    "take": Entry(
        lambda s: (s.weak, s.buyer, s.fraction, FAR, 0, FAR), BUYER, "liquidator: buyer", mid=ACCESS
    ),
    "write_off": Entry(lambda s: (s.weak,), says="liquidator: not written off"),
    "clock": Entry(lambda s: (s.weak,), mid=OTHERS),
    "concession": Entry(lambda s: (s.weak,), mid=OTHERS),
    "plan_reduce": Entry(lambda s: (s.weak, perp(1))),
    "plan_take": Entry(lambda s: (s.weak,)),
}

LIQUIDITY_POOL = {
    **OWNABLE,
    "set_params": owned(lambda s: (1, s.world.liquidity_pool.params(1))),
    "pause_deposits": Entry(
        lambda s: (FAR >> 200,), CONFIGURATOR, "pool: not the configurator", mid=ACCESS
    ),
    "request_deposit": Entry(lambda s: (100 * USDC, s.actor.address)),
    "request_redeem": Entry(
        lambda s: (s.shares // 10,),
        HOLDER,
        "erc20: transfer amount exceeds balance",
        mid="it moves the caller's shares into the queue; they are priced when they are executed",
    ),
    "execute_deposit": Entry(lambda s: (s.deposit,)),
    "execute_redeem": Entry(lambda s: (s.redemption,)),
    "retime": Entry(lambda s: (s.late,)),
    "transfer": Entry(
        lambda s: (s.stranger, WAD),
        HOLDER,
        "erc20: transfer amount exceeds balance",
        lock=SHARES,
        mid=SHARES,
    ),
    "approve": Entry(lambda s: (s.stranger, WAD), lock=SHARES, mid=SHARES),
    "transferFrom": Entry(
        lambda s: (s.actor.address, s.stranger, WAD),
        SPENDER,
        "erc20: insufficient allowance",
        lock=SHARES,
        mid=ACCESS,
    ),
    "permit": Entry(lambda s: s.permit, lock=SHARES, mid=SHARES),
    "allowance": Entry(lambda s: (s.actor.address, s.stranger), lock=SHARES, mid=SHARES),
    "balanceOf": Entry(lambda s: (s.actor.address,), lock=SHARES, mid=SHARES),
    "nonces": Entry(lambda s: (s.stranger,), lock=SHARES, mid=SHARES),
    **getters("DOMAIN_SEPARATOR eip712Domain decimals name symbol totalSupply", SHARES, SHARES),
    **getters("COOLDOWN DELAY", FIXED, FIXED),
    "match": Entry(lambda s: (s.ask,), mid=OTHERS),
    "confirm": Entry(lambda s: (s.ask, s.health, [0] * 8, 0), mid=OTHERS),
    "liquidation_quote": Entry(lambda s: (1, LOTS, 0), mid=OTHERS),
    "liquidation_capacity": Entry(lambda s: (1,), mid=OTHERS),
    "liquidation_room": Entry(lambda s: (1, LOTS)),
    "params": Entry(lambda s: (1,), mid=OTHERS),
    "request": Entry(lambda s: (s.deposit,), mid=OTHERS),
    **getters("asset request_count", mid=OTHERS),
    **getters("nav totalAssets"),
    "convertToShares": Entry(lambda s: (USDC,)),
    "convertToAssets": Entry(lambda s: (WAD,)),
    "previewDeposit": Entry(lambda s: (USDC,)),
    "previewRedeem": Entry(lambda s: (WAD,)),
}

NOT_CORE, NOT_CONFIGURATOR = "markets: not the clearinghouse", "markets: not the configurator"

MARKETS = {
    "update": Entry(lambda s: (s.report,), lock=PRICES, mid=PRICES),
    "record_trade": Entry(lambda s: (1, 0, KEEP_TILT), CORE, NOT_CORE, lock=PRICES, mid=ACCESS),
    "set_soft_factor": Entry(lambda s: (1, 10_000), CORE, NOT_CORE, mid=ACCESS),
    "set_collateral": Entry(
        lambda s: (1, 1, 18, WAD * 15 // 100, WAD // 10), CORE, NOT_CORE, mid=ACCESS
    ),
    "open_market": Entry(
        lambda s: (s.margin, s.tuning, 10**12, 64 * 10**8),
        CONFIGURATOR,
        NOT_CONFIGURATOR,
        mid=ACCESS,
    ),
    "set_margin": Entry(lambda s: (1, s.margin), CONFIGURATOR, NOT_CONFIGURATOR, mid=ACCESS),
    "set_tuning": Entry(lambda s: (1, s.tuning), CONFIGURATOR, NOT_CONFIGURATOR, mid=ACCESS),
    "set_signers": Entry(lambda s: ([s.stranger] * 8,), CONFIGURATOR, NOT_CONFIGURATOR, mid=ACCESS),
    "mark": Entry(lambda s: (1, 2**36, 0), CONFIGURATOR, NOT_CONFIGURATOR, mid=ACCESS),
    "offer": Entry(lambda s: (1, 1 << 39, s.world.now), CONFIGURATOR, NOT_CONFIGURATOR, mid=ACCESS),
    "check": Entry(lambda s: s.words, lock=PRICES, mid=PRICES),
    "market_words": Entry(lambda s: (1,), lock=PRICES, mid=PRICES),
    "price_trusted": Entry(lambda s: (1, 15), lock=PRICES, mid=PRICES),
    "pending": Entry(lambda s: (1,), lock=PRICES, mid=PRICES),
    "sampler": Entry(lambda s: (1,), lock=PRICES, mid=PRICES),
    "collateral_params": Entry(lambda s: (1,), lock=PRICES, mid=PRICES),
    "tuning": Entry(lambda s: (1,), mid=OTHERS),
    "signers": Entry(lambda s: (), mid=OTHERS),
    **getters("charges clearinghouse configurator market_count quorum timing", PRICES, PRICES),
}

COMMITMENT = "it moves no money but the order's own reserve; orders are judged when they execute"

ORDERS_TABLE = {
    "commit": Entry(
        lambda s: (tuple(s.new_order),),
        TRADER,
        "orders: not owner",
        mid=COMMITMENT,
        value=lambda s: s.new_order.reserve,
        also=(OPERATORS,),
    ),
    "execute": Entry(lambda s: (tuple(s.ready),), mid=TOLD),
    "cancel": Entry(
        lambda s: (tuple(s.fresh),),
        TRADER,
        "orders: not owner",
        mid=COMMITMENT,
        also=(OPERATORS,),
    ),
    "refund": Entry(lambda s: (tuple(s.passed),), mid=COMMITMENT),
    "commit_time": Entry(lambda s: (bytes(32),), mid=OTHERS),
    "order_id": Entry(lambda s: (tuple(s.ready),), mid=OTHERS),
    **getters("commit_delay", mid=OTHERS),
    **getters("MIN_RESERVE", FIXED, FIXED),
}

CONSENT = "it only notes who may act; whoever then acts asks the core"
NOT_MINE, NOT_GRANTED = "operators: not the owner", "operators: not granted"

OPERATORS_TABLE = {
    "grant": Entry(
        lambda s: ((s.account, s.stranger, 1, 2**63, 1),), TRADER, NOT_MINE, mid=CONSENT
    ),
    "permit": Entry(lambda s: s.grant, mid=CONSENT),
    "cancel_nonce": Entry(lambda s: (7,), mid=CONSENT),
    "batch": Entry(lambda s: (b"", [s.own_transfer], []), TRADER, NOT_THEIRS),
    "deposit_with_permit": Entry(
        lambda s: (s.account, s.usdc, 0, 0, 0, bytes(32), bytes(32)), says="custody: amount"
    ),
    "isolate": Entry(
        lambda s: (s.account, s.usdc, 100 * USDC, tuple(s.child_order)),
        TRADER,
        NOT_THEIRS,
        value=lambda s: s.child_order.reserve,
    ),
    "fold": Entry(lambda s: (s.account + 1, s.account), TRADER, NOT_MINE),
    "move": Entry(lambda s: (s.account, s.account + 1, [], []), TRADER, NOT_MINE),
    "commit": Entry(
        lambda s: ([tuple(s.new_order)],),
        TRADER,
        NOT_GRANTED,
        value=lambda s: s.new_order.reserve,
    ),
    "cancel": Entry(lambda s: (tuple(s.fresh),), TRADER, NOT_GRANTED),
    "withdraw": Entry(lambda s: (s.account, s.usdc, 100 * USDC), TRADER, NOT_GRANTED),
    "granted": Entry(lambda s: (s.account, s.stranger), mid=OTHERS),
    "nonce_used": Entry(lambda s: (s.stranger, 7), mid=OTHERS),
    **getters("eip712Domain", FIXED, FIXED),
}

RISK_CONFIGURATOR = {
    **OWNABLE,
    "list_market": owned(
        lambda s: (
            5,
            "NEW",
            s.configurator.margin_params(1),
            s.configurator.feed_params(1),
            WAD * 99,
        )
    ),
    "set_margin_params": owned(lambda s: (1, s.configurator.margin_params(1))),
    "set_feed_params": owned(lambda s: (1, s.configurator.feed_params(1))),
    "set_pool": owned(lambda s: (s.pool,)),
    "set_guardian": owned(lambda s: (s.stranger,)),
    "pause": Entry(lambda s: (1, 2, 60), GUARDIAN, NOT_GUARDIAN, mid=ACCESS, also=(OWNER,)),
    "lower_cap": Entry(lambda s: (1, 0), GUARDIAN, NOT_GUARDIAN, mid=ACCESS, also=(OWNER,)),
    "lower_token_caps": Entry(
        lambda s: (s.weth, 0, 0), GUARDIAN, NOT_GUARDIAN, mid=ACCESS, also=(OWNER,)
    ),
    "pause_of": Entry(lambda s: (1, 1), mid=OTHERS),
    "set_signer": owned(lambda s: (7, s.stranger)),
    "set_sources": owned(lambda s: (4, (s.contract("FixedFeed").address, "0x" + "00" * 20, 0))),
    "poll": Entry(lambda s: (4,), mid=PRICES),
    "doubts": Entry(lambda s: (1, 10**12), lock=ASKED, mid=OTHERS),
    "sources": Entry(lambda s: (1,), mid=OTHERS),
    "margin_params": Entry(lambda s: (1,), mid=OTHERS),
    "feed_params": Entry(lambda s: (1,), mid=OTHERS),
    "signers": Entry(lambda s: (0,), mid=OTHERS),
    **getters("guardian markets pool", mid=OTHERS),
}

CHAINLINK_FEED = getters("quote max_age terms decimals", mid=OTHERS)

FIXED_FEED = {
    **OWNABLE,
    "set_price": owned(lambda s: (3_000 * WAD,)),
    **getters("quote max_age price_wad bounds", mid=OTHERS),
}

READS = "every view that a check or a mark needs is whole at any time; the engine is asked mid-call"
NOTES = "it only notes what Markets has stored; whoever settles by it asks the core"
CORE_ALONE, NOT_A_VENUE = "options: not the core", "options: not a venue"
NOTHING_EXPIRED, NO_REPORT = "options: nothing expired", "surfaces: bad report"

OPTIONS_TABLE = {
    **OWNABLE,
    "trade": Entry(lambda s: (s.option_fill,), EXCHANGE, NOT_A_VENUE, mid=ACCESS),
    "close": Entry(
        lambda s: (s.option_fill, 0), EXCHANGE, NOT_A_VENUE, "options: not below mm", mid=ACCESS
    ),
    "set_mode": Entry(
        lambda s: (s.account, True), TRADER, "options: not the owner", also=(OPERATORS,)
    ),
    "settle_expired": Entry(
        lambda s: (s.account,), refusal=NOTHING_EXPIRED, says=NOTHING_EXPIRED, mid=ACCESS
    ),
    "carry": Entry(lambda s: (s.account, s.buyer, WAD), CORE, CORE_ALONE, mid=ACCESS),
    "set_venue": owned(lambda s: (s.stranger, True)),
    "set_cap": owned(lambda s: (1, 10**8)),
    "check": Entry(lambda s: (s.account, *s.words), lock=READS, mid=READS),
    "rest": Entry(lambda s: (s.account, 0, *s.words), mid=OTHERS),
    "notional": Entry(lambda s: (s.account,), mid=OTHERS),
    "account_legs": Entry(lambda s: (s.account,), mid=OTHERS),
    "mode": Entry(lambda s: (s.account,), mid=OTHERS),
    "market_terms": Entry(lambda s: (1,), mid=OTHERS),
    "venues": Entry(lambda s: (s.stranger,), mid=OTHERS),
}

OPTIONS_MARGIN = {
    **OWNABLE,
    "set_risk": owned(lambda s: (1, 0, [1_200, 855], 100, 100)),
    "check": Entry(lambda s: ([], False, *s.words, True), lock=READS, mid=READS),
    "averaged": Entry(lambda s: ([], False), mid=OTHERS),
    "facts": Entry(lambda s: ([], *s.words), mid=OTHERS),
    "risk": Entry(lambda s: (1,), mid=OTHERS),
}

SURFACES = {
    **OWNABLE,
    "update": Entry(lambda s: (b"",), refusal=NO_REPORT, says=NO_REPORT, lock=PRICES, mid=ACCESS),
    "set_bounds": owned(lambda s: (1, (False, 0, 0, 0))),
    "surface": Entry(lambda s: (1, s.series), lock=READS, mid=READS),
    "surfaces": Entry(lambda s: (1,), lock=READS, mid=READS),
    "surfaces_at": Entry(lambda s: ([s.series],), lock=READS, mid=READS),
    "pending": Entry(lambda s: (1, s.series), lock=READS, mid=READS),
    "surface_trusted": Entry(lambda s: (1, s.series), lock=READS, mid=READS),
    "marks": Entry(lambda s: (1, 10**12, []), lock=READS, mid=READS),
    "bounds": Entry(lambda s: (1,), lock=READS, mid=READS),
    "markets": Entry(nothing, lock=READS, mid=READS),
}

EXPIRIES = {
    "observe": Entry(lambda s: (1, s.series), mid=NOTES),
    "update_and_observe": Entry(lambda s: (s.report, [(1, s.series)]), mid=NOTES),
    "settle_dead": Entry(
        lambda s: (1, s.series),
        refusal="expiries: not dead",
        says="expiries: not dead",
        mid=ACCESS,
    ),
    "settlement_price": Entry(lambda s: (1, s.series), lock=READS, mid=READS),
    "average": Entry(lambda s: (1, s.series), lock=READS, mid=READS),
    "window": Entry(lambda s: (1, s.series), lock=READS, mid=READS),
}

EXCHANGE_TABLE = {
    **OWNABLE,
    "fill": Entry(
        lambda s: (s.signed, s.signed, LOTS, []),
        refusal="exchange: expired",
        says="exchange: expired",
        mid=ACCESS,
    ),
    "close": Entry(
        lambda s: (s.weak, s.signed, LOTS),
        refusal="exchange: expired",
        says="exchange: expired",
        mid=ACCESS,
    ),
    "cancel": Entry(
        lambda s: (s.actor.address, 0, 1),
        TRADER,
        "exchange: not the owner",
        mid=CONSENT,
        also=(OPERATORS,),
    ),
    "set_fees": owned(lambda s: (tuple(s.contract("Exchange").fees()),)),
    "fees": Entry(nothing, mid=OTHERS),
    "order_hash": Entry(lambda s: (s.signed[0],), mid=OTHERS),
    "remaining": Entry(lambda s: (s.signed[0],), mid=OTHERS),
    "nonces": Entry(lambda s: (s.actor.address, 0), mid=OTHERS),
    **getters("eip712Domain", FIXED, FIXED),
}

OPTION_LENS = {
    "marks": Entry(lambda s: ([],), mid=OTHERS),
    "greeks": Entry(lambda s: (s.account,)),
}

BATCH_LENS = {
    "health_many": Entry(lambda s: ([s.account],)),
}

MARGIN_LENS = {
    "scenarios": Entry(lambda s: (s.account, False)),
    "decomposition": Entry(lambda s: (s.account,)),
}

TABLES: dict[str, dict[str, Entry]] = {
    "BatchLens": BATCH_LENS,
    "ChainlinkFeed": CHAINLINK_FEED,
    "Clearinghouse": CLEARINGHOUSE,
    "Exchange": EXCHANGE_TABLE,
    "Expiries": EXPIRIES,
    "FixedFeed": FIXED_FEED,
    "InsuranceFund": INSURANCE_FUND,
    "Lens": LENS,
    "Liquidator": LIQUIDATOR_TABLE,
    "LiquidityPool": LIQUIDITY_POOL,
    "MarginLens": MARGIN_LENS,
    "Markets": MARKETS,
    "OptionLens": OPTION_LENS,
    "Options": OPTIONS_TABLE,
    "OptionsMargin": OPTIONS_MARGIN,
    "Operators": OPERATORS_TABLE,
    "Orders": ORDERS_TABLE,
    "RiskConfigurator": RISK_CONFIGURATOR,
    "Surfaces": SURFACES,
}

VIEWS = ("view", "pure")
CALLS = {
    (name, abi_to_signature(item)): item
    for name in TABLES
    for item in json.loads((ROOT / "abi" / f"{name}.json").read_text(encoding="utf-8"))
    if item["type"] == "function"
}
WRITES = [key for key, item in CALLS.items() if item["stateMutability"] not in VIEWS]
