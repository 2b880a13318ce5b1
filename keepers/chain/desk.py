"""Where a user's actions are planned: what is read for them, and how a plan is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment, Token
from keepers.chain.plans import Change, Plan
from keepers.chain.reading import Reader
from keepers.chain.rpc import Head, Rpc
from keepers.chain.transactions import Draft
from keepers.domain import effects
from keepers.domain.amounts import written
from keepers.domain.margin import Health, Snapshot, health, snapshot
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

    def health(self, id_: int) -> Health:
        """Return the health of an account that was read."""
        return health(self.accounts[id_], self.at)

    def change(self, after: Account, at: Snapshot | None = None) -> Change:
        """Return an account's change, at other parameters where the action moves them."""
        before = self.accounts[after.id]
        found = health(after, at or self.at)
        return Change(before, effects.cured(after, found), health(before, self.at), found)


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
        prices = snapshot(
            head.time,
            markets,
            await reader.collaterals(at),
            await reader.terms(at),
        )
        found = await reader.accounts(ids, at)
        (pot,) = await reader.one("Clearinghouse", "pot", block=at)
        # a flag whose time is over goes with the next price, and so with the fill
        paused = {m.id: m.opening_until for m in markets if head.time < m.opening_until}
        return View(head, prices, {each.id: each for each in found}, int(pot), paused)

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

    def plan(self, action: str, said: str, view: View, steps: Sequence[Draft], **more: Any) -> Plan:
        """Return a plan made at a view."""
        return Plan(action, said, tuple(steps), view.head.number, view.at, **more)
