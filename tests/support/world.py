"""A full deployment inside the process, with actors by role and the few moves that tests share.

    world = World.deploy()
    account = world.open_account("trader", USDC=10_000 * 10**6)
    world.open_position(account, "ETH", 2 * LOTS)
    world.publish(ETH=2_900 * TICKS)
    assert world.health(account).equity > 0

Sizes are lots, prices ticks, token amounts atoms, ledger amounts WAD: docs/spec/words.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import boa
from boa.contracts.abi.abi_contract import ABIContractFactory

from scripts.deployment.artifacts import ROOT, Artifact
from scripts.deployment.boa_executor import BoaExecutor
from scripts.deployment.models import MarketParams, Parameters, TokenParams
from scripts.deployment.params import load as load_parameters
from scripts.deployment.plan import contract_names, full_plan
from scripts.deployment.record import Record
from scripts.deployment.runner import Site, run
from tests.support import sources
from tests.support.chains import Clocked
from tests.support.reports import (
    Quote,
    Signed,
    Signer,
    blob,
    domain_separator,
    feed_bytes,
    local_signers,
    packed_quotes,
    signed_report,
)

WAD = 10**18
LOT = 10**10  # WAD size of one lot
LOTS = 10**8  # lots in one unit
TICK = 10**8  # WAD price of one tick
TICKS = 10**10  # ticks in one USD
PERP = 56  # a perp's instrument is market << PERP
FOREVER = 2**256 - 1
GENESIS = 1_700_000_000
TRACED = "PLIMSOLL_TRACED"
ROLES = ("owner", "trader", "counterparty", "depositor", "liquidator", "keeper", "attacker")


class OrderRefused(Exception):
    """An order died at its price: the trade was refused for this reason."""

    @property
    def reason(self) -> str:
        """Return the reason that the event tells."""
        return str(self.args[0])


class Health(NamedTuple):
    """`IMarkets.Health`."""

    equity: int
    unsettled: int
    im: int
    le: int
    mm: int
    kappa: int
    status: int
    resume: int


class Order(NamedTuple):
    """`IOrders.Order`: size and limit price in WAD."""

    account: int
    venue: str
    instrument: int
    size: int
    limit_price: int
    deadline: int
    reduce_only: bool
    reserve: int
    salt: int


@cache
def deployer_of(source: str) -> Any:
    """Return boa's deployer of a contract, compiled once a process."""
    boa.interpret.set_search_paths([str(ROOT / "contracts")])
    return boa.load_partial(str(ROOT / source))


def account_of(owner: str, index: int = 0) -> int:
    """Return an account id: owner << 96 | index."""
    return int(owner, 16) << 96 | index


def perp(market: int) -> int:
    """Return the instrument of a market's perp."""
    return market << PERP


@dataclass
class World(Clocked):
    """Contracts, tokens and actors of one deployment."""

    parameters: Parameters
    record: Record
    contracts: dict[str, Any]
    tokens: dict[str, Any]
    roles: dict[str, str]
    signers: tuple[Signer, ...]
    prices: dict[str, int]  # the last published or listed ticks, by symbol
    salt: int = 0

    # ---- building ----------------------------------------------------------------------------

    @classmethod
    def deploy(cls, network: str = "local", prices: Mapping[str, int] | None = None) -> World:
        """Deploy everything with the shipped parameters; `prices` replaces listing ticks."""
        return cls.build(load_parameters(network).with_prices(prices or {}))

    @classmethod
    def build(cls, parameters: Parameters) -> World:
        """Deploy everything with these parameters."""
        boa.env.evm.patch.timestamp = max(boa.env.evm.patch.timestamp, GENESIS)
        roles = {role: str(boa.env.generate_address(role)) for role in ROLES}
        for address in roles.values():
            boa.env.set_balance(address, 10**24)
        executor = BoaExecutor(roles["owner"])
        names = contract_names(parameters)
        artifacts = sources.load(*names)
        record = Record(chain_id=executor.chain_id(), deployer=executor.sender)
        site = Site(executor, parameters, artifacts, record)
        run(site, full_plan(parameters))
        contracts = {
            name: at_address(artifacts[name], record.address(name))
            for name in names
            if name in record.contracts
        }
        tokens = {
            symbol: at_address(artifacts["TestToken"], entry["address"])
            for symbol, entry in record.tokens.items()
        }
        return cls(
            parameters=parameters,
            record=record,
            contracts=contracts,
            tokens=tokens,
            roles=roles,
            signers=local_signers(),
            prices=dict(parameters.prices),
        )

    # ---- who and what ------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """Return a contract by its name in snake case: `world.liquidity_pool`."""
        contracts = self.__dict__.get("contracts", {})
        title = "".join(part.title() for part in name.split("_"))
        if title not in contracts:
            raise AttributeError(name)
        return contracts[title]

    def role(self, name: str) -> str:
        """Return the address of a role, made at first use."""
        if name not in self.roles:
            self.roles[name] = str(boa.env.generate_address(name))
            boa.env.set_balance(self.roles[name], 10**24)
        return self.roles[name]

    def account(self, role: str, index: int = 0) -> int:
        """Return an account id of a role."""
        return account_of(self.role(role), index)

    def as_owner(self, account: int) -> AbstractContextManager[None]:
        """Act as the owner of an account."""
        context: AbstractContextManager[None] = boa.env.prank(owner_of(account))
        return context

    def market(self, symbol: str) -> MarketParams:
        """Return the parameters of a market."""
        return self.parameters.markets[symbol]

    def token_params(self, symbol: str) -> TokenParams:
        """Return the parameters of a token."""
        return next(t for t in self.parameters.all_tokens if t.symbol == symbol)

    # ---- time and prices ---------------------------------------------------------------------

    def report_blob(
        self,
        prices: Mapping[str, int | Quote],
        times: int | Sequence[int] | None = None,
        signers: Sequence[Signer] | None = None,
    ) -> bytes:
        """Return signed reports of these prices [ticks]; the first quorum signs at `now`."""
        chosen = self.signers[: self.parameters.quorum] if signers is None else signers
        stamps = [self.now if times is None else times] if not _many(times) else times
        stamps = list(stamps) * (len(chosen) if len(stamps) == 1 else 1)  # type: ignore[arg-type]
        quotes = {
            self.market(symbol).id: quote if isinstance(quote, Quote) else Quote(quote)
            for symbol, quote in prices.items()
        }
        return self.packed(
            [self.signed(*each, quotes) for each in zip(chosen, stamps, strict=True)]
        )

    def signed(self, signer: Signer, time: int, quotes: Mapping[int, Quote]) -> Signed:
        """Return what one source says of some markets."""
        domain = domain_separator(31337, str(self.markets.address))
        return signed_report(signer, domain, time, feed_bytes(quotes), packed_quotes(quotes))

    def packed(self, reports: Sequence[Signed]) -> bytes:
        """Return reports as an update takes them."""
        return blob(reports, {signer.index: signer.address for signer in self.signers})

    def publish(self, **prices: int | Quote) -> int:
        """Publish prices [ticks] of the named markets now, all last prices when none is named."""
        chosen: Mapping[str, int | Quote] = prices or self.prices
        self._remember(chosen)
        return int(self.markets.update(self.report_blob(chosen), sender=self.role("keeper")))

    def next_price(self, seconds: int = 10, **prices: int | Quote) -> int:
        """Wait, then publish the named prices and the last ones of all other markets."""
        self.wait(seconds)
        return self.publish(**{**self.prices, **prices})

    def _remember(self, prices: Mapping[str, int | Quote]) -> None:
        for symbol, quote in prices.items():
            self.prices[symbol] = quote.price if isinstance(quote, Quote) else quote

    # ---- money -------------------------------------------------------------------------------

    def mint(self, symbol: str, to: str, amount: int) -> None:
        """Give atoms of a test token, and let the Clearinghouse draw them."""
        token = self.tokens[symbol]
        token.mint(to, amount, sender=self.role("owner"))
        token.approve(self.clearinghouse.address, FOREVER, sender=to)

    def fund(self, account: int, symbol: str, amount: int) -> None:
        """Deposit new atoms of a token into an account, by its owner."""
        owner = owner_of(account)
        self.mint(symbol, owner, amount)
        token = self.tokens[symbol].address
        self.clearinghouse.deposit(account, token, amount, sender=owner)

    def open_account(self, role: str, index: int = 0, **amounts: int) -> int:
        """Return an account of a role holding these atoms."""
        account = self.account(role, index)
        for symbol, amount in amounts.items():
            self.fund(account, symbol, amount)
        return account

    def seed_pool(self, amount: int) -> None:
        """Give the pool its first `amount` of settlement atoms, by the depositor."""
        pool, provider = self.liquidity_pool, self.role("depositor")
        settlement = self.parameters.settlement.symbol
        self.mint(settlement, provider, amount)
        self.tokens[settlement].approve(pool.address, FOREVER, sender=provider)
        request = pool.request_deposit(amount, provider, sender=provider)
        self.next_price(3)
        pool.execute_deposit(request, sender=self.role("keeper"))

    def seed_insurance(self, amount: int) -> None:
        """Give the insurance fund settlement atoms, by the owner."""
        fund, payer = self.insurance_fund, self.role("owner")
        settlement = self.parameters.settlement.symbol
        self.mint(settlement, payer, amount)
        self.tokens[settlement].approve(fund.address, FOREVER, sender=payer)
        fund.fund(amount, sender=payer)

    def withdraw(self, account: int, symbol: str, amount: int, to: str | None = None) -> None:
        """Withdraw atoms to the owner, or to `to`."""
        owner = owner_of(account)
        token = self.tokens[symbol].address
        self.clearinghouse.withdraw(account, token, amount, to or owner, sender=owner)

    # ---- trading -----------------------------------------------------------------------------

    def order(self, account: int, symbol: str, size: int, **changes: Any) -> Order:
        """Return an order for `size` lots of a perp at any price within the hour."""
        self.salt += 1
        any_price = (2**63 - 1) * TICK if size > 0 else 0
        order = Order(
            account=account,
            venue=str(self.liquidity_pool.address),
            instrument=perp(self.market(symbol).id),
            size=size * LOT,
            limit_price=any_price,
            deadline=self.now + 3_600,
            reduce_only=False,
            reserve=self.parameters.min_reserve,
            salt=self.salt,
        )
        return order._replace(**changes)

    def commit(self, order: Order) -> bytes:
        """Commit an order as the account's owner."""
        owner = owner_of(order.account)
        return bytes(self.orders.commit(tuple(order), value=order.reserve, sender=owner))

    def execute(self, order: Order, reports: bytes = b"", by: str = "keeper") -> None:
        """Execute a committed order as a role; raise OrderRefused where it died of it."""
        args = (tuple(order), reports) if reports else (tuple(order),)
        self.orders.execute(*args, sender=self.role(by))
        for event in self.orders.get_logs():
            if type(event).__name__ == "Refused":
                raise OrderRefused(event.reason)

    def commit_and_execute(self, order: Order, **prices: int | Quote) -> None:
        """Commit, then execute at the first later price of every market."""
        self.commit(order)
        self.wait(3)
        chosen: Mapping[str, int | Quote] = {**self.prices, **prices}
        self._remember(chosen)
        self.execute(order, self.report_blob(chosen))

    def open_position(self, account: int, symbol: str, size: int, **prices: int | Quote) -> None:
        """Trade `size` lots of a perp against the pool through a committed order."""
        self.commit_and_execute(self.order(account, symbol, size), **prices)

    # ---- reading -----------------------------------------------------------------------------

    def previewed(self, account: int, symbol: str, size: int) -> tuple[Any, Health]:
        """Return what the Lens says of an order of so many lots, and the health it then leaves."""
        order = self.order(account, symbol, size)
        self.commit(order)
        self.next_price()
        preview = self.lens.preview_order(account, order.instrument, order.size)
        self.execute(order)
        return preview, self.health(account)

    def health(self, account: int) -> Health:
        """Return equity and requirements of an account."""
        return Health(*self.clearinghouse.health(account))

    def size(self, account: int, symbol: str) -> int:
        """Return the lots of a perp that an account holds."""
        return self.legs(account).get(perp(self.market(symbol).id), 0)

    def legs(self, account: int) -> dict[int, int]:
        """Return the legs of an account: instrument -> lots."""
        word, pairs, _ = self.clearinghouse.account_words(account)
        entries = [(pairs[i // 2] >> (128 * (i % 2))) % 2**128 for i in range(word >> 57 & 0x7F)]
        return {entry >> 64: signed(entry % 2**64, 64) for entry in entries}

    def cash(self, account: int) -> int:
        """Return the cash of an account [WAD]."""
        return signed(self.clearinghouse.account_words(account)[0] >> 160, 96)

    def quote(self, account: int) -> int:
        """Return the quote of an account [WAD]."""
        return signed(self.clearinghouse.account_words(account)[0] >> 64 & (2**96 - 1), 96)

    def amounts(self, account: int) -> dict[int, int]:
        """Return the collateral of an account: token id -> atoms."""
        word, _, pairs = self.clearinghouse.account_words(account)
        return {
            word >> (6 * i) & 0x3F: (pairs[i // 2] >> (128 * (i % 2))) % 2**128
            for i in range(word >> 53 & 0xF)
        }

    def all_accounts(self) -> list[int]:
        """Return every account that the ledger knows."""
        ledger = self.clearinghouse
        return [ledger.account_at(i) for i in range(ledger.account_count())]

    def assert_books_balance(self) -> None:
        """Check the conservation laws of docs/spec/ledger.md to the wei."""
        ledger, accounts = self.clearinghouse, self.all_accounts()
        info = ledger.token_info(self.tokens[self.parameters.settlement.symbol].address)
        cash = sum(self.cash(account) for account in accounts)
        pot, deficit = ledger.pot(), ledger.deficit()
        assert info[2] * ledger.settlement_scale() == cash + pot - deficit
        assert sum(self.quote(account) for account in accounts) == pot
        sizes: dict[int, int] = {}
        held: dict[int, int] = {}
        for account in accounts:
            for instrument, size in self.legs(account).items():
                sizes[instrument] = sizes.get(instrument, 0) + size
            for token, amount in self.amounts(account).items():
                held[token] = held.get(token, 0) + amount
        assert not any(sizes.values()), sizes
        for listed in self.parameters.collaterals.values():
            tracked = ledger.token_info(self.tokens[listed.symbol].address)[2]
            assert tracked == held.get(listed.id, 0), listed.symbol


@contextmanager
def dies(reason: str) -> Iterator[None]:
    """Expect that an order dies for a reason."""
    try:
        yield
    except OrderRefused as refused:
        assert refused.reason == reason
        return
    raise AssertionError(f"no order died of {reason}")


def signed(raw: int, bits: int) -> int:
    """Return the two's complement value of a field."""
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def owner_of(account: int) -> str:
    """Return the address that owns an account."""
    return str(boa.util.abi.Address((account >> 96).to_bytes(20, "big")))


def _many(times: int | Sequence[int] | None) -> bool:
    return times is not None and not isinstance(times, int)


def at_address(artifact: Artifact, address: str) -> Any:
    """Return boa's handle of a contract.

    By its ABI alone, which takes no time; with PLIMSOLL_TRACED set by its source, which takes
    seconds a contract and gives coverage and traces with source lines.
    """
    if os.environ.get(TRACED):
        return deployer_of(artifact.source).at(address)
    factory = ABIContractFactory.from_abi_dict(artifact.abi, name=artifact.name)
    return factory.at(address)
