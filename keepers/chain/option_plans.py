"""Plans about options that need no other side: margin mode, expiry, and what would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keepers.chain.desk import Desk
from keepers.chain.marks import marks_and_bands
from keepers.chain.plans import Plan
from keepers.domain import effects, instruments
from keepers.domain import exchange_fills as fills
from keepers.domain.amounts import written_ticks, written_wad
from keepers.domain.exchange_orders import Leg, told
from keepers.domain.instruments import Instrument, Kind
from keepers.domain.times import when
from keepers.domain.units import HOUR
from keepers.errors import BadInput, KeeperError


async def set_mode(desk: Desk, account: int, portfolio: bool) -> Plan:
    """Plan to put an own account under portfolio margin, or back under standard margin."""
    if not desk.owns(account):
        raise BadInput(f"{desk.name(account)} is not yours", "only its owner sets its margin")
    view = await desk.look(account)
    name = "portfolio" if portfolio else "standard"
    before = view.accounts[account]
    if before.portfolio == portfolio:
        raise BadInput(f"{desk.name(account)} is under {name} margin", "there is nothing to change")
    step = desk.draft(f"{name} margin", "Options", "set_mode", account, portfolio)
    change = view.change(effects.engaged(before, before.options, portfolio))
    said = f"put {desk.name(account)} under {name} margin"
    plan = await desk.plan("mode", said, view, [step], changes=(change,))
    found = plan.changes[0].health_after
    if found.equity < found.im:
        raise KeeperError(
            f"{desk.name(account)} would be {written_wad(found.im - found.equity)} USD below IM "
            f"under {name} margin",
            "deposit more first, or close something",
        )
    return plan


async def settle_expired(desk: Desk, account: int) -> Plan:
    """Plan to pay what expired legs of an account pay; anybody may."""
    view = await desk.look(account)
    before = view.accounts[account]
    over = [
        leg for leg in before.options if instruments.decode(leg.instrument).expiry <= view.head.time
    ]
    if not over:
        raise BadInput(
            f"{desk.name(account)} holds nothing that has expired", "there is nothing to settle"
        )
    series = {leg.instrument: instruments.series_of(leg.instrument) for leg in over}
    written = await desk.reader.settlement_prices(series.values(), view.head.number)
    prices = {each: written[key] for each, key in series.items() if key in written}
    after, paid = fills.expired(before, prices, view.head.time)
    if len(after.options) == len(before.options):
        raise KeeperError(
            "the settlement price is not written yet",
            "wait for the end of its half hour, or note prices with `plimsoll observe`",
        )
    symbols = desk.deployment.symbols
    facts = {
        instruments.name(each, symbols): f"settled at {written_ticks(price)} USD"
        for each, price in prices.items()
    }
    facts["paid_usd"] = written_wad(paid)
    said = f"settle what expired of {desk.name(account)}"
    step = desk.draft(said, "Options", "settle_expired", account)
    return await desk.plan(
        "settle-expired", said, view, [step], changes=(view.change(after),), facts=facts
    )


async def observe(desk: Desk, instrument: int) -> Plan:
    """Plan to note the price now for the settlement of an expiry; anybody may."""
    said = instruments.decode(instrument)
    if not said.expiry:
        raise BadInput("a perpetual does not expire", "name a future or an option")
    hours, view = said.expiry // HOUR, await desk.look()
    asked = (said.market, hours)
    window = await desk.struct("Expiries", "window", *asked, block=view.head.number)
    series = instruments.name(
        instruments.encode(Instrument(said.market, Kind.FUTURE, said.expiry)),
        desk.deployment.symbols,
    )
    if window["settled"]:
        price = written_ticks(window["price"])
        raise BadInput(f"{series} is settled at {price} USD", "there is nothing to note")
    facts = {"expiry": when(said.expiry), "observations": str(window["count"])}
    if window["count"]:
        facts["last_usd"] = written_ticks(window["price"])
    what = f"observe {series}"
    step = desk.draft(what, "Expiries", "observe", *asked)
    return await desk.plan("observe", what, view, [step], facts=facts)


async def what_if(desk: Desk, account: int, legs: Sequence[Leg], portfolio: bool | None) -> Plan:
    """Plan nothing: show an account as if it also held these legs.

    Args:
        desk: where it is planned.
        account: anybody's.
        legs: bought above 0, at their prices, or at their marks where they have none.
        portfolio: the kind of its margin then; as it is if left out.
    """
    view = await desk.look(account)
    named = [leg.instrument for leg in legs]
    marks = await marks_and_bands(desk.reader, named, view.head.time, view.head.number)
    before = view.accounts[account]
    after = fills.changed(before, legs, view.at, marks)
    if portfolio is not None:
        after = effects.engaged(after, after.options, portfolio)
    symbols = desk.deployment.symbols
    what = ", ".join(told(leg, symbols) for leg in legs)
    facts = {
        instruments.name(each, symbols): f"mark {written_ticks(mark.mark)} USD"
        for each, mark in marks.items()
    }
    said = f"{desk.name(account)} with {what}" if legs else desk.name(account)
    plan = await desk.plan("what-if", said, view, [], changes=(view.change(after),))
    (change,) = plan.changes
    for side, found in (("before", change.health_before), ("after", change.health_after)):
        facts[f"above_mm_{side}_usd"] = written_wad(found.equity - found.mm)
        facts[f"equity_by_mm_{side}"] = (
            f"{found.equity / found.mm:.3f}" if found.mm else "no margin"
        )
    return replace(plan, facts=facts)
