"""Where a user's actions are planned: what is read for them, and how a plan is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keepers.chain import option_books
from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment, Token
from keepers.chain.plans import Change, Plan
from keepers.chain.reading import Reader
from keepers.chain.rpc import Head, Rpc
from keepers.chain.transactions import Draft
from keepers.domain import effects
from keepers.domain.amounts import written
from keepers.domain.margin import Health, Snapshot, health
from keepers.domain.words import Account, account_id
from keepers.errors import BadInput
from keepers.settings import ClientSettings

SETTLEMENT_DECIMALS = 18  # of WAD
INDEX_BITS = 96


@dataclass(frozen=True, slots=True)
class View:
    """Prices, accounts and the pot at one block."""

    head: Head
    at: Snapshot
    accounts: Mapping[int, Account]
    pot: int  # WAD
    opening: Mapping[int, int] = field(default_factory=dict)  # paused until, by market
    engaged: Mapping[int, Health] = field(default_factory=dict)  # of those that Options answers for

    def health(self, id_: int) -> Health:
        """Return the health of an account that was read."""
        return self.engaged.get(id_) or health(self.accounts[id_], self.at)

    def estimate(self, after: Account, at: Snapshot | None = None) -> Health:
        """Return the health of an account that is other than it was read.

        Exact in equity and unsettled; what options and perps require together, `Desk.exact` asks.
        """
        found = health(after, at or self.at)
        known = self.engaged.get(after.id)
        if known is None or not after.engaged:
            return found
        return _moved(known, health(self.accounts[after.id], self.at), found)

    def settled(self, account: Account, at: Snapshot, pot: int) -> tuple[Account, int]:
        """Return an account after `settle`, and what moved to its cash [WAD]."""
        return effects.settled(account, at, pot, self.estimate(account, at))

    def change(self, after: Account, at: Snapshot | None = None) -> Change:
        """Return an account's change, at other parameters where the action moves them."""
        before, found = self.accounts[after.id], self.estimate(after, at)
        return Change(before, effects.cured(after, found), self.health(after.id), found)


def _moved(known: Health, old: Health, new: Health) -> Health:
    """Return a health moved by as much as what the keepers can reckon themselves."""
    sums = ("equity", "unsettled", "im", "le", "mm", "kappa")
    moved = {name: getattr(known, name) + getattr(new, name) - getattr(old, name) for name in sums}
    return replace(known, **moved)


@dataclass(frozen=True, slots=True)
class Listing:
    """What the ledger says of a token: `IClearinghouse.TokenInfo` [atoms]."""

    tracked: int
    hard_cap: int
    soft_cap: int


@dataclass(frozen=True, slots=True)
class Desk:
    """One owner's place at one deployment; it reads and plans, and sends nothing."""

    rpc: Rpc
    reader: Reader
    deployment: Deployment
    owner: str
    settings: ClientSettings

    # ---- names

    def account(self, index_or_id: int = 0) -> int:
        """Return an account's id: an index is the owner's own."""
        if index_or_id >> INDEX_BITS:
            return index_or_id
        return account_id(self.owner, index_or_id)

    def name(self, account: int) -> str:
        """Return an account as 0xADDRESS:NUMBER."""
        return f"0x{account >> INDEX_BITS:040x}:{account & ((1 << INDEX_BITS) - 1)}"

    def owns(self, account: int) -> bool:
        """Return whether an account is the owner's own; others' are acted for as an operator."""
        return account >> INDEX_BITS == int(self.owner, 16)

    def draft(self, what: str, contract: str, name: str, *arguments: Any, value: int = 0) -> Draft:
        """Return a call of one of the protocol's entry points."""
        data = interface(contract).encode(name, *arguments)
        return Draft(what, self.deployment.address(contract), data, gas=0, value=value)

    def scale(self, token: Token) -> int:
        """Return the WAD of one atom of a token."""
        return int(10 ** (SETTLEMENT_DECIMALS - token.decimals))

    # ---- reading

    async def look(self, *ids: int) -> View:
        """Return prices and these accounts at the latest block."""
        head = await self.rpc.head()
        at, reader = head.number, self.reader
        markets = await reader.markets(at)
        prices = await reader.snapshot(head, markets)
        found = await reader.accounts(ids, at)
        engaged = await option_books.healths(reader, found, at)
        (pot,) = await reader.one("Clearinghouse", "pot", block=at)
        # a flag whose time is over goes with the next price, and so with the fill
        paused = {m.id: m.opening_until for m in markets if head.time < m.opening_until}
        accounts = {each.id: each for each in found}
        return View(head, prices, accounts, int(pot), paused, engaged)

    async def struct(self, contract: str, name: str, *arguments: Any, block: int) -> Any:
        """Return a view's struct by field name."""
        function = interface(contract).function(name, len(arguments))
        data = function.encode(*arguments)
        return function.decode_named(
            await self.rpc.call(self.deployment.address(contract), data, block)
        )

    async def listing(self, token: Token, block: int) -> Listing:
        """Return what the ledger says of a listed token, its caps in atoms."""
        said = await self.struct("Clearinghouse", "token_info", token.address, block=block)
        unit = 10**token.decimals
        return Listing(said["tracked"], said["hard_cap"] * unit, said["soft_cap"] * unit)

    async def balance(self, token: str, owner: str | None = None) -> int:
        """Return what an address holds of a token [atoms]."""
        data = interface("ERC20").encode("balanceOf", owner or self.owner)
        return int.from_bytes(await self.rpc.call(token, data), "big")

    async def allowance(self, token: Token, spender: str) -> int:
        """Return what a contract may draw of the owner's tokens [atoms]."""
        to = self.deployment.address(spender)
        data = interface("ERC20").encode("allowance", self.owner, to)
        return int.from_bytes(await self.rpc.call(token.address, data), "big")

    # ---- plans

    async def approvals(
        self, token: Token, spender: str, amount: int, coming: int = 0
    ) -> list[Draft]:
        """Return the transactions after which a contract may draw exactly `amount`, if any.

        An allowance that is too small is taken back first: some tokens refuse to change it.

        Args:
            token: that is drawn.
            spender: name of the contract.
            amount: atoms.
            coming: atoms that the owner will have gained by then.
        """
        held = await self.balance(token.address) + coming
        if held < amount:
            raise BadInput(
                f"{self.owner} has {written(held, token.decimals)} {token.symbol}, "
                f"not {written(amount, token.decimals)}",
                "get more of it first, or name less",
            )
        erc20, to = interface("ERC20"), self.deployment.address(spender)
        found = await self.allowance(token, spender)
        if found >= amount:
            return []
        wanted = [0, amount] if found else [amount]
        return [
            Draft(
                f"approve {written(each, token.decimals)} {token.symbol}",
                token.address,
                erc20.encode("approve", to, each),
                gas=0,
            )
            for each in wanted
        ]

    async def plan(
        self,
        action: str,
        said: str,
        view: View,
        steps: Sequence[Draft],
        changes: Sequence[Change] = (),
        **more: Any,
    ) -> Plan:
        """Return a plan made at a view."""
        exact, at = await self.exact(view, changes), view.head.number
        return Plan(action, said, tuple(steps), at, view.at, changes=exact, **more)

    async def exact(self, view: View, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Return changes with the margin of options as the contracts say it."""
        after = [each.after for each in changes]
        known = await option_books.healths(self.reader, after, view.head.number)
        return tuple(
            replace(each, health_after=found, after=effects.cured(each.after, found))
            if (found := known.get(each.after.id))
            else each
            for each in changes
        )
