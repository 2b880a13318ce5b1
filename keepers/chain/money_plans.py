"""Plans that move tokens: deposit, withdraw, transfer, settle, and a test token's faucet."""

from __future__ import annotations

from typing import Final

from eth_abi.exceptions import DecodingError

from keepers.chain.abi import interface
from keepers.chain.deployment import Token
from keepers.chain.desk import INDEX_BITS, Desk, View
from keepers.chain.plans import Plan
from keepers.chain.transactions import Draft
from keepers.domain import effects
from keepers.domain.amounts import written, written_wad
from keepers.domain.margin import Snapshot
from keepers.domain.pauses import POOL_DEPOSITS
from keepers.domain.times import when
from keepers.domain.words import Account, account_id
from keepers.errors import BadInput, KeeperError, Reverted
from keepers.reasons import meaning

UNLIMITED: Final = 2**256 - 1  # what a faucet says to its deployer
MOST_LOSERS: Final = 16


async def deposit(
    desk: Desk, token: Token, amount: int, account: int, *, minting: bool = False
) -> Plan:
    """Plan a deposit of atoms out of the owner's wallet into an account, approvals with it."""
    view = await desk.look(account)
    at = await softened(desk, view, token, amount)
    steps = await drawn(desk, token, "Clearinghouse", amount, minting=minting)
    what = f"deposit {written(amount, token.decimals)} {token.symbol}"
    steps.append(desk.draft(what, "Clearinghouse", "deposit", account, token.address, amount))
    change = view.change(credited(desk, view.accounts[account], token, amount), at)
    said = f"{what} into {desk.name(account)}"
    return await desk.plan("deposit", said, view, steps, changes=(change,))


async def withdraw(desk: Desk, token: Token, amount: int | None, account: int, to: str) -> Plan:
    """Plan a withdrawal of atoms, of everything that may leave where no amount is given."""
    view = await desk.look(account)
    most = await _most(desk, view, token, account)
    amount = max(1, most) if amount is None else amount
    what = f"withdraw {written(amount, token.decimals)} {token.symbol}"
    step = _withdrawal(desk, what, (account, token.address, amount), to)
    if amount > most:
        await _require_passes(desk, step, f"{written(most, token.decimals)} may leave now")
    at = await softened(desk, view, token, -amount)
    change = view.change(_debited(desk, view, account, token, amount, at), at)
    facts = {"most": written(most, token.decimals), "to": to}
    said = f"{what} from {desk.name(account)} to {to}"
    return await desk.plan("withdraw", said, view, [step], changes=(change,), facts=facts)


async def transfer(desk: Desk, token: Token, amount: int, sender: int, receiver: int) -> Plan:
    """Plan a move of atoms from one account to another, inside the ledger."""
    if sender == receiver:
        raise BadInput("an account cannot pay itself", "name another account with --to")
    view = await desk.look(sender, receiver)
    what = f"transfer {written(amount, token.decimals)} {token.symbol}"
    step = desk.draft(what, "Clearinghouse", "transfer", sender, receiver, token.address, amount)
    changes = (
        view.change(_debited(desk, view, sender, token, amount, view.at)),
        view.change(credited(desk, view.accounts[receiver], token, amount)),
    )
    said = f"{what} from {desk.name(sender)} to {desk.name(receiver)}"
    return await desk.plan("transfer", said, view, [step], changes=changes)


async def settle(desk: Desk, account: int, losers: tuple[int, ...] | None = None) -> Plan:
    """Plan a settlement; a gain that the pot cannot pay is collected from its losers first.

    Args:
        desk: where it is planned.
        account: whose profit or loss becomes cash.
        losers: accounts that pay; without a word the pool, when it is needed.
    """
    pool = account_id(desk.deployment.address("LiquidityPool"))
    view = await desk.look(account, *(losers or ()), pool)
    gain = view.health(account).unsettled
    if losers is None:
        losers = (pool,) if gain > view.pot and account != pool else ()
    if len(losers) > MOST_LOSERS:
        raise BadInput(f"{len(losers)} losers are too many", f"name at most {MOST_LOSERS}")
    pot = view.pot
    for each in losers:
        pot -= view.settled(view.accounts[each], view.at, pot)[1]
    after, moved = view.settled(view.accounts[account], view.at, pot)
    what = f"settle {desk.name(account)}"
    step = (
        desk.draft(what, "Clearinghouse", "settle_pair", list(losers), account)
        if losers
        else desk.draft(what, "Clearinghouse", "settle", account)
    )
    facts = {"moved_to_cash_usd": written_wad(moved)}
    if moved < gain:
        facts["left_unpaid_usd"] = written_wad(gain - moved)
    return await desk.plan("settle", what, view, [step], changes=(view.change(after),), facts=facts)


async def mint(desk: Desk, token: Token, amount: int) -> Plan:
    """Plan new atoms of a test token for the owner's wallet."""
    step = await _minting(desk, token, amount)
    return await desk.plan("mint", f"{step.key} for {desk.owner}", await desk.look(), [step])


async def faucet(desk: Desk, token: Token, amount: int | None) -> Plan:
    """Plan a visit to a test token's faucet, for all that is left where no amount is given."""
    left = await _left(desk, token)
    if amount is None and left is None:
        raise BadInput(f"{token.symbol} has no limit", "say how much you want")
    if amount is None and left == 0:
        at = await _asked(desk, token, "refills_at")
        raise KeeperError(
            f"the faucet of {token.symbol} gives {desk.owner} nothing more now",
            f"it refills at {at} (unix seconds)",
        )
    step = await _minting(desk, token, left or 0 if amount is None else amount)
    held = await desk.balance(token.address)
    facts = {
        "in_the_wallet": written(held, token.decimals),
        "left": "no limit" if left is None else written(left, token.decimals),
    }
    return await desk.plan(
        "faucet", f"{step.key} for {desk.owner}", await desk.look(), [step], facts=facts
    )


async def drawn(
    desk: Desk, token: Token, spender: str, amount: int, *, minting: bool
) -> list[Draft]:
    """Return what comes before a contract draws atoms: the faucet if wanted, the approvals."""
    if token.id == 0:
        await _require_taken(desk, token, spender)
    minted = [await _minting(desk, token, amount)] if minting else []
    coming = amount if minting else 0
    return [*minted, *await desk.approvals(token, spender, amount, coming)]


async def _require_taken(desk: Desk, token: Token, spender: str) -> None:
    """Refuse what the guardian has paused: deposits of the settlement token, or into the pool."""
    head = await desk.rpc.head()
    info = await desk.struct("Clearinghouse", "token_info", token.address, block=head.number)
    asked = (POOL_DEPOSITS, 0)
    _, pool_until, _ = await desk.reader.one(
        "RiskConfigurator", "pause_of", *asked, block=head.number
    )
    # where collaterals have their soft cap
    ends = [(f"deposits of {token.symbol}", int(info["soft_cap"]))]
    if spender == "LiquidityPool":
        ends.append(("deposits into the pool", int(pool_until)))
    for what, until in ends:
        if head.time < until:
            raise KeeperError(f"{what} are paused until {when(until)}", "try again then")


def _withdrawal(desk: Desk, what: str, asked: tuple[int, str, int], to: str) -> Draft:
    """Return the call of the account's owner, or of his operator, who can pay nobody else."""
    if desk.owns(asked[0]):
        return desk.draft(what, "Clearinghouse", "withdraw", *asked, to)
    owner = f"0x{asked[0] >> INDEX_BITS:040x}"
    if to.lower() != owner:
        raise BadInput(f"an operator withdraws to the account's owner, {owner}", "leave --to out")
    return desk.draft(what, "Operators", "withdraw", *asked)


async def _require_passes(desk: Desk, step: Draft, hint: str) -> None:
    """Raise a contract's refusal of one transaction, with a hint behind what to do."""
    try:
        await desk.rpc.call(step.to, step.data, sender=desk.owner)
    except Reverted as error:
        what, do = meaning(error.reason)
        raise KeeperError(f"{step.key}: {what}", f"{do} ({hint})" if do else hint) from error


async def _minting(desk: Desk, token: Token, amount: int) -> Draft:
    what = f"mint {written(amount, token.decimals)} {token.symbol}"
    data = interface("ERC20").encode("mint", desk.owner, amount)
    step = Draft(what, token.address, data, gas=0)
    try:
        await desk.rpc.call(step.to, step.data, sender=desk.owner)
    except Reverted as error:
        left = await _left(desk, token)
        if left is not None and left < amount:
            hint = f"{written(left, token.decimals)} {token.symbol} are left"
            raise KeeperError(f"{what}: {error.what}", f"{error.do} ({hint})") from error
        raise BadInput(
            f"{token.symbol} has no faucet for everybody",
            "buy it, or deploy test tokens (`ape run deploy --mocks`)",
        ) from error
    return step


async def _left(desk: Desk, token: Token) -> int | None:
    """Return what the faucet gives the owner now [atoms], nothing where it has no limit."""
    try:
        left = await _asked(desk, token, "left")
    except (Reverted, DecodingError):
        return None  # a test token of a local chain, or no test token
    return None if left == UNLIMITED else left


async def _asked(desk: Desk, token: Token, name: str) -> int:
    function = interface("ERC20").function(name, 1)
    data = await desk.rpc.call(token.address, function.encode(desk.owner))
    return int(function.decode(data)[0])


# ---- on paper


def credited(desk: Desk, account: Account, token: Token, amount: int) -> Account:
    """Return an account with so many more atoms of a token."""
    if token.id:
        return effects.with_collateral(account, token.id, amount)
    return effects.paid(account, amount * desk.scale(token))


def _debited(
    desk: Desk, view: View, account: int, token: Token, amount: int, at: Snapshot
) -> Account:
    """Return the account without so many atoms, settled as a withdrawal does it."""
    taken = credited(desk, view.accounts[account], token, -amount)
    return view.settled(taken, at, view.pot)[0]


async def softened(desk: Desk, view: View, token: Token, change: int) -> Snapshot:
    """Return the prices after so many more atoms are tracked of a token."""
    if not token.id:
        return view.at
    found = await desk.listing(token, view.head.number)
    tracked = found.tracked + change
    return effects.softened(view.at, token.id, found.soft_cap, found.tracked, tracked)


async def _most(desk: Desk, view: View, token: Token, account: int) -> int:
    asked = (account, token.address)
    (most,) = await desk.reader.one("Lens", "max_withdraw", *asked, block=view.head.number)
    return int(most)
