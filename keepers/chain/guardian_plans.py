"""Plans of the guardian: pause, end a pause, lower caps; and what is paused now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepers.chain.deployment import Deployment
from keepers.chain.desk import Desk
from keepers.chain.plans import Plan
from keepers.domain import pauses
from keepers.domain.amounts import written_wad
from keepers.domain.pauses import Pause
from keepers.domain.times import when
from keepers.errors import BadInput


@dataclass(frozen=True, slots=True)
class Watch:
    """Who stands guard, and what is paused, at one block."""

    now: int
    guardian: str
    owner: str
    pauses: tuple[Pause, ...]

    def running(self) -> tuple[Pause, ...]:
        """Return what is paused now."""
        return tuple(each for each in self.pauses if each.runs(self.now))


async def status(desk: Desk) -> Watch:
    """Return who stands guard and the last pause of every scope."""
    head = await desk.rpc.head()
    names = ("guardian", "owner")
    calls = [("RiskConfigurator", name, ()) for name in names]
    (guardian,), (owner,) = await desk.reader.many(calls, head.number)
    found = await desk.reader.pauses(head.number)
    return Watch(head.time, str(guardian), str(owner), tuple(found))


def sentence(deployed: Deployment, pause: Pause) -> str:
    """Return a running pause as a sentence."""
    symbol = deployed.symbol(pause.market) if pause.market else ""
    return pauses.said(pause, symbol, deployed.settlement.symbol)


async def pause(desk: Desk, action: int, markets: Sequence[int], duration: int) -> Plan:
    """Plan to pause an action for seconds from now on; 0 ends what runs of it.

    Args:
        desk: of the guardian or the owner.
        action: of `keepers.domain.pauses`.
        markets: that are meant, all where none is named; of the actions that markets have.
        duration: s.
    """
    if markets and action not in pauses.OF_MARKETS:
        raise BadInput(f"{pauses.named(action)} is paused everywhere at once", "name no market")
    watch, view = await status(desk), await desk.look()
    scopes = [each for each in watch.pauses if each.action == action]
    if markets:
        scopes = [each for each in scopes if each.market in markets]
    meant, notes = _meant(desk, watch, scopes, duration)
    where = ", ".join(desk.deployment.symbol(each.market) for each in meant if each.market)
    verb = f"pause {duration} s of" if duration else "end the pause of"
    what = f"{verb} {pauses.named(action)}" + (f" in {where}" if where else "")
    chosen = pauses.bitmap(each.market for each in meant)
    step = desk.draft(what, "RiskConfigurator", "pause", action, chosen, duration)
    ends = {"until": when(view.head.time + duration)} if duration else {}
    return await desk.plan("guardian pause", what, view, [step], facts=ends, notes=notes)


def _meant(
    desk: Desk, watch: Watch, scopes: Sequence[Pause], duration: int
) -> tuple[list[Pause], tuple[str, ...]]:
    """Return the scopes that can be paused, with a note about each that cannot."""
    _require_guardian(desk, watch)
    owner = desk.owner.lower() == watch.owner.lower()
    meant: list[Pause] = []
    notes: list[str] = []
    for each in scopes:
        doubt = pauses.doubt(each, duration, watch.now, owner=owner)
        if duration == 0 and not each.runs(watch.now):
            doubt = "it is not paused"
        if doubt is None:
            meant.append(each)
        else:
            symbol = f" in {desk.deployment.symbol(each.market)}" if each.market else ""
            notes.append(f"{pauses.named(each.action)}{symbol} is left as it is: {doubt}")
    if not meant:
        raise BadInput(notes[0] if notes else "there is no such market", "see `guardian status`")
    return meant, tuple(notes)


async def tighten(desk: Desk, market: int, cap: int) -> Plan:
    """Plan to lower a market's cap of open interest [USD WAD]."""
    watch, view = await status(desk), await desk.look()
    _require_guardian(desk, watch)
    margin = await desk.struct("RiskConfigurator", "margin_params", market, block=view.head.number)
    if cap > margin["oi_cap"]:
        raise BadInput(
            f"the cap is {written_wad(margin['oi_cap'])} USD, and only the owner raises it",
            "name less",
        )
    what = f"lower the cap of {desk.deployment.symbol(market)} to {written_wad(cap)} USD"
    step = desk.draft(what, "RiskConfigurator", "lower_cap", market, cap)
    facts = {"cap_before_usd": written_wad(margin["oi_cap"]), "cap_usd": written_wad(cap)}
    return await desk.plan("guardian tighten", what, view, [step], facts=facts)


async def cap(desk: Desk, symbol: str, hard: int, soft: int) -> Plan:
    """Plan to lower the caps of a collateral [whole tokens]."""
    token = desk.deployment.token(symbol)
    watch, view = await status(desk), await desk.look()
    _require_guardian(desk, watch)
    if token.id == 0:
        raise BadInput(
            f"{token.symbol} is the settlement token, which is not capped but paused",
            "see `guardian pause deposits`",
        )
    found = await desk.listing(token, view.head.number)
    unit = 10**token.decimals
    before = (found.hard_cap // unit, found.soft_cap // unit)
    if hard > before[0] or soft > before[1]:
        raise BadInput(
            f"the caps of {token.symbol} are {before[0]} and {before[1]}, and only the owner "
            "raises them",
            "name less",
        )
    what = f"lower the caps of {token.symbol} to {hard}, of which {soft} count"
    step = desk.draft(what, "RiskConfigurator", "lower_token_caps", token.address, hard, soft)
    facts = {
        "hard_cap_before": str(before[0]),
        "hard_cap": str(hard),
        "soft_cap_before": str(before[1]),
        "soft_cap": str(soft),
    }
    return await desk.plan("guardian cap", what, view, [step], facts=facts)


def _require_guardian(desk: Desk, watch: Watch) -> None:
    if desk.owner.lower() not in (watch.guardian.lower(), watch.owner.lower()):
        raise BadInput(
            f"{desk.owner} is neither the guardian nor the owner",
            f"the guardian is {watch.guardian}",
        )
