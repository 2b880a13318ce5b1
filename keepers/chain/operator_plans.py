"""Plans about who may act for an account: grants, permits, and deposits by permit."""

from __future__ import annotations

from collections.abc import Callable

from keepers.chain import money_plans
from keepers.chain.abi import interface
from keepers.chain.deployment import Token
from keepers.chain.desk import Desk
from keepers.chain.plans import Plan
from keepers.domain.amounts import written
from keepers.domain.grants import FOREVER, NO_LIMIT, Grant, Permit, permit_digest, token_digest
from keepers.errors import BadInput, Reverted

Sign = Callable[[bytes], bytes]  # digest to r | s | v


async def grant(desk: Desk, wanted: Grant) -> Plan:
    """Plan to let an operator act for an own account, or to revoke it."""
    if not desk.owns(wanted.account):
        raise BadInput(f"{desk.name(wanted.account)} is not yours", "only its owner grants")
    view = await desk.look()
    said = described(desk, wanted)
    step = desk.draft("grant" if wanted.scope else "revoke", "Operators", "grant", wanted.struct)
    return await desk.plan(step.key, said, view, [step], facts=facts(wanted))


async def granted(desk: Desk, account: int, operator: str) -> Grant:
    """Return what an account's owner has granted an operator."""
    head = await desk.rpc.head()
    said = await desk.struct("Operators", "granted", account, operator, block=head.number)
    return Grant(account, operator, said["scope"], said["expiry"], said["uses"])


# ---- permits


def signed(desk: Desk, wanted: Grant, nonce: int, deadline: int, sign: Sign) -> Permit:
    """Return a permit of an own account for this deployment."""
    if not desk.owns(wanted.account):
        raise BadInput(f"{desk.name(wanted.account)} is not yours", "only its owner signs")
    operators, chain_id = desk.deployment.address("Operators"), desk.deployment.chain_id
    digest = permit_digest(wanted, nonce, deadline, chain_id, operators)
    return Permit(wanted, nonce, deadline, sign(digest))


async def bring(desk: Desk, permit: Permit) -> Plan:
    """Plan to bring a permit, whoever signed it."""
    view = await desk.look()
    asked = (permit.grant.struct, permit.nonce, permit.deadline, permit.signature)
    step = desk.draft("permit", "Operators", "permit", *asked)
    said = f"{described(desk, permit.grant)}, by its owner's signature"
    return await desk.plan("permit", said, view, [step], facts=facts(permit.grant))


async def cancel(desk: Desk, nonce: int) -> Plan:
    """Plan to make a permit of one's own that nobody has brought worthless."""
    view = await desk.look()
    step = desk.draft("cancel the permit", "Operators", "cancel_nonce", nonce)
    return await desk.plan("cancel_permit", f"cancel the permit with nonce {nonce}", view, [step])


def facts(wanted: Grant) -> dict[str, str]:
    """Return how far a grant goes."""
    return {
        "operator": wanted.operator,
        "scopes": ", ".join(wanted.scopes) or "none",
        "expiry": "never" if wanted.expiry == FOREVER else str(wanted.expiry),
        "uses": "without limit" if wanted.uses == NO_LIMIT else str(wanted.uses),
    }


def described(desk: Desk, wanted: Grant) -> str:
    """Return a grant as a sentence."""
    who, account = wanted.operator, desk.name(wanted.account)
    if not wanted.scope:
        return f"let {who} do nothing any more for {account}"
    return f"let {who} {' and '.join(wanted.scopes)} for {account}"


# ---- deposits by permit


async def deposit(desk: Desk, token: Token, amount: int, account: int, sign: Sign) -> Plan:
    """Plan a deposit whose approval is a signature (ERC-2612): one transaction."""
    view = await desk.look(account)
    deadline = view.head.time + desk.settings.lifetime_s
    # docs/spec/operators.md: into an account of somebody else the tokens pass through Operators
    spender = "Clearinghouse" if desk.owns(account) else "Operators"
    v, r, s = await _token_permit(desk, token, spender, amount, deadline, sign)
    what = f"deposit {written(amount, token.decimals)} {token.symbol}"
    asked = (account, token.address, amount, deadline, v, r, s)
    step = desk.draft(f"{what} by permit", "Operators", "deposit_with_permit", *asked)
    at = await money_plans.softened(desk, view, token, amount)
    change = view.change(money_plans.credited(desk, view.accounts[account], token, amount), at)
    said = f"{what} into {desk.name(account)}"
    return await desk.plan("deposit", said, view, [step], changes=(change,))


async def _token_permit(
    desk: Desk, token: Token, spender: str, amount: int, deadline: int, sign: Sign
) -> tuple[int, bytes, bytes]:
    """Return v, r and s of a permit for a contract; zeros where the allowance is there."""
    if await desk.allowance(token, spender) >= amount:
        return 0, b"", b""
    erc20 = interface("ERC20")
    try:
        nonce = await desk.rpc.call(token.address, erc20.encode("nonces", desk.owner))
        separator = await desk.rpc.call(token.address, erc20.encode("DOMAIN_SEPARATOR"))
    except Reverted as error:
        raise BadInput(
            f"{token.symbol} takes no permits (ERC-2612)", "deposit without --permit"
        ) from error
    to = desk.deployment.address(spender)
    asked = (desk.owner, to, amount, int.from_bytes(nonce, "big"), deadline)
    signature = sign(token_digest(separator, *asked))
    return signature[64], signature[:32], signature[32:64]
