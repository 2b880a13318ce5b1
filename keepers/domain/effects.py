"""What a user's action leaves of an account: the ledger's arithmetic on paper, to the wei.

docs/spec/ledger.md. Health of the result by `margin.health` at the same prices is what the chain
will answer, as long as no price and no second of funding comes in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keepers.domain.margin import Health, Snapshot, health, oi_scale
from keepers.domain.units import SOFT_ONE
from keepers.domain.words import IN_AUCTION, OPTIONS, Account, Holding, Leg


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill of an account with the pool."""

    instrument: int
    size: int  # lots, of the account
    price: int  # ticks
    fee: int  # WAD, whatever leaves the account's quote beside the price
    pool_size: int  # lots, the pool's leg before

    @property
    def market(self) -> int:
        """Return the market of the instrument."""
        return self.instrument >> 56


def size_of(account: Account, instrument: int) -> int:
    """Return an account's leg in lots."""
    return next((leg.size for leg in account.legs if leg.instrument == instrument), 0)


def amount_of(account: Account, collateral: int) -> int:
    """Return what an account holds of a collateral in atoms."""
    return next((each.amount for each in account.holdings if each.collateral == collateral), 0)


def paid(account: Account, cash: int = 0, quote: int = 0) -> Account:
    """Return the account with more cash and quote [WAD]."""
    return replace(account, cash=account.cash + cash, quote=account.quote + quote)


def with_collateral(account: Account, collateral: int, change: int) -> Account:
    """Return the account with so many more atoms of a collateral."""
    after = amount_of(account, collateral) + change
    rest = tuple(each for each in account.holdings if each.collateral != collateral)
    return replace(account, holdings=(*rest, Holding(collateral, after)) if after else rest)


def with_leg(account: Account, instrument: int, change: int) -> Account:
    """Return the account with so many more lots of an instrument."""
    after = size_of(account, instrument) + change
    rest = tuple(each for each in account.legs if each.instrument != instrument)
    return replace(account, legs=(*rest, Leg(instrument, after)) if after else rest)


def with_option(account: Account, instrument: int, change: int) -> Account:
    """Return the account with so many more lots of an option or dated future."""
    held = next((each.size for each in account.options if each.instrument == instrument), 0)
    rest = tuple(each for each in account.options if each.instrument != instrument)
    after = held + change
    return engaged(account, (*rest, Leg(instrument, after)) if after else rest, account.portfolio)


def engaged(account: Account, options: tuple[Leg, ...], portfolio: bool) -> Account:
    """Return the account with these legs and this margin, and the flag that goes with them."""
    flag = OPTIONS if options or portfolio else 0
    flags = account.flags & ~OPTIONS | flag
    return replace(account, options=options, portfolio=portfolio, flags=flags)


def settled(
    account: Account, at: Snapshot, pot: int, known: Health | None = None
) -> tuple[Account, int]:
    """Return the account after `settle`, and what moved to its cash [WAD].

    A gain is paid as far as the pot goes; the loss of an insolvent account stays where it is.

    Args:
        account: to settle.
        at: prices.
        pot: what was collected and not yet paid out [WAD].
        known: its health where it holds more than perps.
    """
    found = known or health(account, at)
    moved = min(found.unsettled, pot) if found.unsettled > 0 else found.unsettled
    if max(moved, found.equity) < 0:
        return account, 0
    return paid(account, moved, -moved), moved


def filled(account: Account, fill: Fill, at: Snapshot) -> Account:
    """Return the account after a fill."""
    value = fill.size * (fill.price - at.feeds[fill.market].funding)
    return paid(with_leg(account, fill.instrument, fill.size), quote=-value - fill.fee)


def traded(account: Account, fill: Fill, at: Snapshot) -> Snapshot:
    """Return the prices after a fill of this account: its open interest counts from then on."""
    before = size_of(account, fill.instrument)
    growth = max(before + fill.size, 0) - max(before, 0)
    growth += max(fill.pool_size - fill.size, 0) - max(fill.pool_size, 0)
    return grown(at, fill.market, growth)


def exchanged(
    buyer: Account, seller: Account, instrument: int, size: int, at: Snapshot
) -> Snapshot:
    """Return the prices after two accounts have traded a perp: open interest counts from then on.

    Args:
        buyer: who gets `size`.
        seller: who gives it.
        instrument: a perp.
        size: lots, of the buyer.
        at: prices before.
    """
    had, has = size_of(buyer, instrument), size_of(seller, instrument)
    growth = max(had + size, 0) - max(had, 0) + max(has - size, 0) - max(has, 0)
    return grown(at, instrument >> 56, growth)


def grown(at: Snapshot, market: int, growth: int) -> Snapshot:
    """Return the prices with so many more lots of open interest."""
    feed = at.feeds[market]
    state = replace(feed.state, open_interest=feed.state.open_interest + growth)
    changed = replace(feed, state=state, oi_scale=oi_scale(feed.price, state))
    return replace(at, feeds={**at.feeds, market: changed})


def softened(at: Snapshot, collateral: int, soft_cap: int, before: int, tracked: int) -> Snapshot:
    """Return the prices after a deposit or a withdrawal of a collateral around its soft cap.

    Args:
        at: prices and parameters.
        collateral: its id.
        soft_cap: most that counts for IM in full [atoms].
        before: tracked before [atoms].
        tracked: tracked after [atoms].
    """
    if max(before, tracked) <= soft_cap:
        return at
    factor = soft_cap * SOFT_ONE // tracked if tracked > soft_cap else SOFT_ONE
    changed = replace(at.collaterals[collateral], soft=factor)
    return replace(at, collaterals={**at.collaterals, collateral: changed})


def moved(
    sender: Account,
    receiver: Account,
    part: Account,
    at: Snapshot,
) -> tuple[Account, Account, Snapshot]:
    """Return two accounts after what one gives the other, and the prices after it.

    Args:
        sender: who gives.
        receiver: who gets.
        part: legs, holdings, cash and quote that change hands.
        at: prices; open interest falls where legs of opposite signs meet.
    """
    for leg in part.legs:
        at = exchanged(receiver, sender, leg.instrument, leg.size, at)
        sender = with_leg(sender, leg.instrument, -leg.size)
        receiver = with_leg(receiver, leg.instrument, leg.size)
    for held in part.holdings:
        sender = with_collateral(sender, held.collateral, -held.amount)
        receiver = with_collateral(receiver, held.collateral, held.amount)
    given = paid(sender, -part.cash, -part.quote)
    return given, paid(receiver, part.cash, part.quote), at


def cured(account: Account, found: Health) -> Account:
    """Return the account out of its auction once it is above MM again."""
    if account.in_auction and found.equity >= found.mm:
        return replace(account, flags=account.flags & ~IN_AUCTION)
    return account
