"""Plans about several accounts of one owner: batches, isolated positions, moves by agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keepers.chain import money_plans, order_plans
from keepers.chain.deployment import Token
from keepers.chain.desk import Desk, View
from keepers.chain.plans import Plan
from keepers.chain.transactions import Draft
from keepers.domain import effects
from keepers.domain.amounts import written, written_lots
from keepers.domain.batches import DEPOSIT, MOST, TRANSFER, WITHDRAW, Action, Deposit, Withdraw
from keepers.domain.grants import Grant, checked_address
from keepers.domain.margin import Snapshot
from keepers.domain.words import IN_AUCTION, Account, Holding, Leg
from keepers.errors import BadInput

Element = tuple[int, int, int, str, int]  # IClearinghouse.Action


# ---- batches


@dataclass(slots=True)
class _Paper:
    """Accounts, prices, pot and tracked tokens in the middle of a batch."""

    accounts: dict[int, Account]
    at: Snapshot
    pot: int
    tracked: dict[int, int]


async def batch(desk: Desk, actions: Sequence[Action], grants: Sequence[Grant]) -> Plan:
    """Plan deposits, withdrawals and transfers in one call, with grants where there are some."""
    if not 0 < len(actions) <= MOST:
        raise BadInput(f"{len(actions)} actions are no batch", f"name 1 to {MOST}")
    elements = [_element(desk, each) for each in actions]
    ids = dict.fromkeys(key for each in elements for key in _accounts(each))
    view = await desk.look(*ids)
    paper = _Paper(dict(view.accounts), view.at, view.pot, {})
    for element in elements:
        await _apply(desk, view, paper, element)
    steps = await _approvals(desk, elements)
    said = ", ".join(_said(desk, each) for each in elements)
    steps.append(_batch_call(desk, elements, grants))
    changes = tuple(view.change(paper.accounts[id_], paper.at) for id_ in ids)
    return await desk.plan("batch", said, view, steps, changes=changes)


def _element(desk: Desk, action: Action) -> Element:
    token, account = desk.deployment.token(action.token).address, desk.account(action.account)
    if not desk.owns(account):
        raise BadInput(f"{desk.name(account)} is not yours", "a batch is about own accounts")
    if isinstance(action, Deposit):
        return DEPOSIT, account, 0, token, action.amount
    if isinstance(action, Withdraw):
        payee = checked_address(action.to or desk.owner)
        return WITHDRAW, account, int(payee, 16), token, action.amount
    return TRANSFER, account, desk.account(action.to), token, action.amount


def _accounts(element: Element) -> tuple[int, ...]:
    kind, account, other, _, _ = element
    return (account, other) if kind == TRANSFER else (account,)


async def _apply(desk: Desk, view: View, paper: _Paper, element: Element) -> None:
    """Do one action on paper, as the ledger does it."""
    kind, account, other, address, amount = element
    token = desk.deployment.token(address)
    if kind != TRANSFER and token.id:
        await _track(desk, view, paper, token, amount if kind == DEPOSIT else -amount)
    if kind != DEPOSIT:
        taken = money_plans.credited(desk, paper.accounts[account], token, -amount)
        paper.accounts[account], moved = view.settled(taken, paper.at, paper.pot)
        paper.pot -= moved
    if kind != WITHDRAW:
        key = account if kind == DEPOSIT else other
        paper.accounts[key] = money_plans.credited(desk, paper.accounts[key], token, amount)


async def _track(desk: Desk, view: View, paper: _Paper, token: Token, change: int) -> None:
    listed = await desk.listing(token, view.head.number)
    before = paper.tracked.get(token.id, listed.tracked)
    paper.tracked[token.id] = before + change
    asked = (token.id, listed.soft_cap, before, before + change)
    paper.at = effects.softened(paper.at, *asked)


async def _approvals(desk: Desk, elements: Sequence[Element]) -> list[Draft]:
    """Return what comes before the deposits of a batch, their sum a token."""
    sums: dict[str, int] = {}
    for kind, _, _, address, amount in elements:
        if kind == DEPOSIT:
            sums[address] = sums.get(address, 0) + amount
    steps: list[Draft] = []
    for address, amount in sums.items():
        token = desk.deployment.token(address)
        steps += await money_plans.drawn(desk, token, "Clearinghouse", amount, minting=False)
    return steps


def _batch_call(desk: Desk, elements: Sequence[Element], grants: Sequence[Grant]) -> Draft:
    what = f"batch of {len(elements)}"
    if not grants:
        return desk.draft(what, "Clearinghouse", "batch", b"", desk.owner, list(elements))
    given = [each.struct for each in grants]
    return desk.draft(f"{what} with grants", "Operators", "batch", b"", list(elements), given)


def _said(desk: Desk, element: Element) -> str:
    kind, account, other, address, amount = element
    token = desk.deployment.token(address)
    what = f"{written(amount, token.decimals)} {token.symbol}"
    if kind == DEPOSIT:
        return f"deposit {what} into {desk.name(account)}"
    if kind == WITHDRAW:
        return f"withdraw {what} from {desk.name(account)} to 0x{other:040x}"
    return f"transfer {what} from {desk.name(account)} to {desk.name(other)}"


# ---- isolated positions


async def isolate(
    desk: Desk,
    parent: int,
    child: int,
    token: Token,
    amount: int,
    want: tuple[int, int, int | None],
    salt: int,
) -> Plan:
    """Plan to fund a child out of a parent and commit its first order, in one call.

    Args:
        desk: where it is planned.
        parent: that pays.
        child: that trades, and alone answers for the position.
        token: that it is funded with.
        amount: atoms.
        want: instrument, lots, limit [ticks] or None for the settings' slippage.
        salt: makes the order unlike every other one.
    """
    _require_two(desk, parent, child)
    view = await desk.look(parent, child, order_plans.pool(desk))
    taken = money_plans.credited(desk, view.accounts[parent], token, -amount)
    giver = view.settled(taken, view.at, view.pot)[0]
    funded = money_plans.credited(desk, view.accounts[child], token, amount)
    found = await order_plans.judged(desk, view, funded, [want], salt)
    (order,) = found.orders
    what = f"isolate {written(amount, token.decimals)} {token.symbol}"
    asked = (parent, token.address, amount, order.struct)
    step = desk.draft(what, "Operators", "isolate", *asked, value=order.reserve)
    return await desk.plan(
        "isolate",
        f"fund {desk.name(child)} with {written(amount, token.decimals)} {token.symbol} of "
        f"{desk.name(parent)}, and {order_plans.said(desk, order)} there",
        view,
        [step],
        changes=(view.change(giver), found.change),
        facts=found.facts,
        notes=found.notes,
        orders=found.orders,
    )


async def fold(desk: Desk, child: int, parent: int) -> Plan:
    """Plan to move everything that a child has to its parent."""
    _require_two(desk, child, parent)
    view = await desk.look(child, parent)
    part = view.accounts[child]
    if part.options:
        raise BadInput(
            f"{desk.name(child)} holds options or futures, which do not move to another account",
            "close them by signed orders first",
        )
    rest, whole, at = effects.moved(part, view.accounts[parent], part, view.at)
    said = f"fold {desk.name(child)} into {desk.name(parent)}"
    step = desk.draft(said, "Operators", "fold", child, parent)
    changes = (view.change(rest, at), view.change(_out(whole), at))
    return await desk.plan("fold", said, view, [step], changes=changes)


def _require_two(desk: Desk, one: int, other: int) -> None:
    for each in (one, other):
        if not desk.owns(each):
            raise BadInput(f"{desk.name(each)} is not yours", "name accounts by their numbers")
    if one == other:
        raise BadInput("parent and child are the same account", "name another number")


# ---- moves by agreement


async def move(
    desk: Desk, sender: int, receiver: int, lots: Mapping[int, int], atoms: Mapping[int, int]
) -> Plan:
    """Plan to move legs, at the mark, and collateral to an account that agrees.

    Args:
        desk: where it is planned.
        sender: an own account.
        receiver: an own account, or one whose owner has granted `receive`.
        lots: by instrument, above 0, of the leg as it stands.
        atoms: by collateral.
    """
    view = await desk.look(sender, receiver)
    account = view.accounts[sender]
    legs = tuple(Leg(each, _signed(desk, account, each, size)) for each, size in lots.items())
    holdings = tuple(Holding(each, amount) for each, amount in atoms.items())
    quote = -sum(leg.size * _value(view, leg) for leg in legs)
    part = replace(account, cash=0, quote=quote, legs=legs, holdings=holdings, options=())
    rest, whole, at = effects.moved(account, view.accounts[receiver], part, view.at)
    asked = (
        [(leg.instrument, leg.size) for leg in legs],
        [(each.collateral, each.amount) for each in holdings],
    )
    said = f"move {_listed(desk, legs, holdings)} from {desk.name(sender)} to {desk.name(receiver)}"
    step = desk.draft("move", "Operators", "move", sender, receiver, *asked)
    changes = (view.change(rest, at), view.change(_out(whole), at))
    return await desk.plan("move", said, view, [step], changes=changes)


def _signed(desk: Desk, account: Account, instrument: int, lots: int) -> int:
    """Return what moves of a leg, with its sign."""
    held = effects.size_of(account, instrument)
    if not 0 < lots <= abs(held):
        raise BadInput(
            f"{desk.name(account.id)} holds {written_lots(held)} "
            f"{order_plans.naming(desk, instrument)}",
            "move what is held, or less",
        )
    return lots if held > 0 else -lots


def _value(view: View, leg: Leg) -> int:
    """Return price less funding of a leg [ticks]."""
    feed = view.at.feeds[leg.market]
    return feed.price - feed.funding


def _listed(desk: Desk, legs: Sequence[Leg], holdings: Sequence[Holding]) -> str:
    parts = [
        f"{written_lots(each.size)} {order_plans.naming(desk, each.instrument)}" for each in legs
    ]
    for each in holdings:
        token = desk.deployment.token_by_id(each.collateral)
        decimals = token.decimals if token else 0
        symbol = token.symbol if token else f"#{each.collateral}"
        parts.append(f"{written(each.amount, decimals)} {symbol}")
    if not parts:
        raise BadInput("nothing was named to move", "name a position or a collateral")
    return ", ".join(parts)


def _out(account: Account) -> Account:
    """Return an account that stands above IM, as both sides do, out of any auction."""
    return replace(account, flags=account.flags & ~IN_AUCTION)
