"""Plans of those who lend to the pool: ask for shares, ask for money back, have it executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from keepers.chain import money_plans
from keepers.chain.abi import interface
from keepers.chain.desk import Desk, View
from keepers.chain.plans import Plan
from keepers.chain.transactions import Draft
from keepers.domain import effects
from keepers.domain.amounts import units, written, written_wad
from keepers.domain.words import account_id
from keepers.errors import BadInput, Reverted

NEWEST: Final = 1_000  # requests looked through for those of one owner
NO_REQUEST: Final = "pool: no request"
EXECUTE: Final = "lp execute"
RETIME: Final = "lp retime"


@dataclass(frozen=True, slots=True)
class Request:
    """One queued request to the pool."""

    id: int
    owner: str
    time: int  # chain time
    amount: int  # atoms of a deposit, shares of a redemption
    is_redemption: bool
    earliest: int  # publish time of the first price that may serve it


@dataclass(frozen=True, slots=True)
class Holding:
    """What one address has in the pool."""

    owner: str
    shares: int  # WAD
    supply: int  # WAD
    worth: int | None  # atoms at the stored prices, None while they are too old to say
    requests: tuple[Request, ...]


async def deposit(desk: Desk, amount: int, *, minting: bool = False) -> Plan:
    """Plan a request for shares against atoms of the settlement token."""
    token, view = desk.deployment.settlement, await _pool_view(desk)
    steps = await money_plans.drawn(desk, token, "LiquidityPool", amount, minting=minting)
    what = f"request shares for {written(amount, token.decimals)} {token.symbol}"
    steps.append(desk.draft(what, "LiquidityPool", "request_deposit", amount, desk.owner))
    facts, notes = await _worth(desk, "previewDeposit", amount, "shares_now", decimals=18)
    return await _plan(desk, view, "lp deposit", what, steps, facts, notes)


async def redeem(desk: Desk, shares: int | None) -> Plan:
    """Plan a request for the money of shares, of all where no number is given."""
    token, view = desk.deployment.settlement, await _pool_view(desk)
    held = await desk.balance(desk.deployment.address("LiquidityPool"))
    shares = held if shares is None else shares
    if not 0 < shares <= held:
        raise BadInput(
            f"{desk.owner} has {written_wad(held)} shares, not {written_wad(shares)}",
            "look at `plimsoll lp status`",
        )
    what = f"request the money of {written_wad(shares)} shares"
    step = desk.draft(what, "LiquidityPool", "request_redeem", shares)
    asked = await _worth(desk, "previewRedeem", shares, "worth_now", token.decimals)
    return await _plan(desk, view, "lp redeem", what, [step], *asked)


async def execute(desk: Desk, request_id: int) -> Plan:
    """Plan to serve a request at the stored price; anybody may."""
    found = await request(desk, request_id)
    token, view = desk.deployment.settlement, await _pool_view(desk)
    (pool,) = view.accounts.values()
    name, asked, decimals = ("execute_deposit", "previewDeposit", 18)
    if found.is_redemption:
        name, asked, decimals = ("execute_redeem", "previewRedeem", token.decimals)
    label = "paid" if found.is_redemption else "shares"
    facts, notes = await _worth(desk, asked, found.amount, label, decimals)
    moved = found.amount
    if found.is_redemption:
        pool = view.settled(pool, view.at, view.pot)[0]
        moved = -units(facts.get(label, "0"), token.decimals, token.symbol)
        notes = (*notes, "it is paid as far as the pool's cash and margin go")
    after = effects.paid(pool, moved * desk.scale(token))
    what = f"execute request {request_id}"
    step = desk.draft(what, "LiquidityPool", name, request_id)
    facts = {"request": str(request_id), "owner": found.owner, **facts}
    plan = await _plan(desk, view, EXECUTE, what, [step], facts, notes)
    return replace(plan, changes=(view.change(after),))


async def retime(desk: Desk, request_id: int) -> Plan:
    """Plan to time a request again whose price has passed; anybody may."""
    found = await request(desk, request_id)
    what = f"time request {request_id} again, for the first price of after now"
    step = desk.draft(what, "LiquidityPool", "retime", request_id)
    facts = {"request": str(request_id), "owner": found.owner}
    return await _plan(desk, await _pool_view(desk), RETIME, what, [step], facts, ())


async def refusal(desk: Desk, request_id: int) -> str | None:
    """Return why a request cannot be served now, None when it can."""
    try:
        step = (await execute(desk, request_id)).steps[0]
        await desk.rpc.call(step.to, step.data, sender=desk.owner)
    except Reverted as error:
        return error.reason
    return None


async def request(desk: Desk, request_id: int) -> Request:
    """Return an open request."""
    (found,) = await _requests(desk, [request_id])
    if not found.time:
        raise Reverted(NO_REQUEST)
    return found


async def status(desk: Desk) -> Holding:
    """Return what the owner has in the pool and what waits there."""
    calls = [("LiquidityPool", name, ()) for name in ("totalSupply", "request_count")]
    (supply,), (count,) = await desk.reader.many(calls)
    shares = await desk.balance(desk.deployment.address("LiquidityPool"))
    worth: int | None = None
    try:
        (worth,) = await desk.reader.one("LiquidityPool", "previewRedeem", shares)
    except Reverted:
        worth = None  # no share price from an old price
    newest = range(max(1, int(count) - NEWEST + 1), int(count) + 1)
    found = await _requests(desk, newest)
    own = tuple(each for each in found if each.owner.lower() == desk.owner.lower())
    return Holding(desk.owner, shares, int(supply), worth, own)


async def made(desk: Desk, tx: str) -> int:
    """Return the id of the request that a transaction made."""
    pool = interface("LiquidityPool")
    topics = {pool.events[name].topic for name in ("DepositRequested", "RedeemRequested")}
    receipt = await desk.rpc.receipt(tx)
    for log in (receipt or {}).get("logs", ()):
        if log["topics"][0] in topics:
            return int(log["topics"][1], 16)
    raise BadInput(f"{tx} made no request", "look at `plimsoll lp status`")


async def _requests(desk: Desk, ids: Sequence[int]) -> list[Request]:
    calls = [("LiquidityPool", "DELAY", ()), ("LiquidityPool", "COOLDOWN", ())]
    (delay,), (cooldown,) = await desk.reader.many(calls)
    answers = await desk.reader.many([("LiquidityPool", "request", (each,)) for each in ids])
    made = []
    for id_, (owner, time, amount, is_redemption) in zip(ids, answers, strict=True):
        earliest = time + (cooldown if is_redemption else delay)
        made.append(Request(id_, owner, time, amount, is_redemption, earliest))
    return made


async def _worth(
    desk: Desk, view: str, amount: int, name: str, decimals: int
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what an amount is worth at the stored prices, or that they are too old to say."""
    try:
        (found,) = await desk.reader.one("LiquidityPool", view, amount)
    except Reverted as error:
        return {}, (f"{error.what}: what it is worth is not known now",)
    return {name: written(int(found), decimals)}, ()


async def _pool_view(desk: Desk) -> View:
    return await desk.look(account_id(desk.deployment.address("LiquidityPool")))


async def _plan(
    desk: Desk,
    view: View,
    action: str,
    what: str,
    steps: Sequence[Draft],
    facts: dict[str, str],
    notes: tuple[str, ...],
) -> Plan:
    """Return a plan shown with the pool's own account, which a request leaves as it is."""
    (pool,) = view.accounts.values()
    return await desk.plan(
        action,
        what,
        view,
        steps,
        changes=(view.change(pool),),
        facts=facts,
        notes=notes,
        makes_request=action not in (EXECUTE, RETIME),
    )
