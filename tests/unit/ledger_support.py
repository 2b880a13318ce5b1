"""A Clearinghouse between stub markets and a stub venue, and the conservation laws it must keep.

Sizes are lots, prices ticks, token amounts atoms, ledger amounts WAD (docs/spec/words.md). The
stubs' margin can be computed by hand: IM 10 %, LE 7.5 %, MM 5 % of notional; collateral counts 80 %
for IM and 90 % for MM.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import boa
from eth_utils import to_checksum_address

from scripts.deployment.executor import created_address
from tests.reference.units import MAX_COLLATERALS, MAX_LEGS
from tests.reference.words import instrument_of

ROOT = Path(__file__).parents[2]
WAD = 10**18
LOTS = 10**8  # lots in one unit
TICKS = 10**10  # ticks in one USD
USD = 10**18
NEVER = 2**256 - 1
GENESIS = 1_700_000_000
KEEP_TILT = 2**255 - 1
ZERO = "0x" + "00" * 20
ETH, BTC = 1, 2
TRADE, LIQUIDATE, ACT = 1, 2, 4
DEPOSIT, WITHDRAW, TRANSFER = 1, 2, 4
IN_AUCTION, HOUSE, LISTED = 1, 4, 8
LEG_INVALID, PENDING, GRACE, FRESH, ALL_DEAD = 1, 4, 8, 16, 32
ACTIVE, UNTRUSTED = 8, 4
PRICE_PENDING = 1


@cache
def deployer(name: str) -> Any:
    """Return boa's deployer of a contract below contracts/, compiled once a process."""
    boa.interpret.set_search_paths([str(ROOT / "contracts")])
    return boa.load_partial(str(ROOT / "contracts" / f"{name}.vy"))


@cache
def layout() -> Any:
    """Return where the Clearinghouse's modules keep their state."""
    return deployer("Clearinghouse").compiler_data.storage_layout["storage_layout"]


class Word(NamedTuple):
    """An account word, decoded as docs/spec/words.md says."""

    cash: int
    quote: int
    legs: int
    collaterals: int
    flags: int
    ids: tuple[int, ...]


def signed(raw: int, bits: int) -> int:
    """Return the two's complement value of a field."""
    raw %= 1 << bits
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def decode(word: int) -> Word:
    """Split an account word."""
    collaterals = word >> 53 & 0xF
    return Word(
        cash=signed(word >> 160, 96),
        quote=signed(word >> 64, 96),
        legs=word >> 57 & 0x7F,
        collaterals=collaterals,
        flags=word >> 48 & 0x1F,
        ids=tuple(word >> (6 * i) & 0x3F for i in range(8)),
    )


def halves(pairs: list[int]) -> list[int]:
    """Return the entries of packed pairs, the low half of each first."""
    return [pair >> shift & (2**128 - 1) for pair in pairs for shift in (0, 128)]


def account_of(owner: str, index: int = 0) -> int:
    """Return an account id."""
    return int(owner, 16) << 96 | index


def owner_of(account: int) -> str:
    """Return the address that owns an account."""
    return str(to_checksum_address(f"0x{account >> 96:040x}"))


@dataclass
class Books:
    """One Clearinghouse with its stubs, tokens and actors."""

    clearinghouse: Any
    markets: Any
    engine: Any
    venue: Any
    fund: Any
    usd: Any
    owner: str
    treasury: str
    orders: str
    liquidator: str
    operators: str
    tokens: dict[int, Any] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    @classmethod
    def deploy(
        cls,
        settlement_decimals: int = 6,
        settlement: str = "mocks/TestToken",
        age_mm: int = 120,
    ) -> Books:
        """Deploy with two priced markets, a listed venue and all hands."""
        owner, treasury, orders, liquidator, operators = (
            str(boa.env.generate_address(role))
            for role in ("owner", "treasury", "orders", "liquidator", "operators")
        )
        with boa.env.prank(owner):
            usd = new_token(settlement, settlement_decimals)
            engine = deployer("mocks/EngineStub").deploy()
            nonce = boa.env.evm.vm.state.get_nonce(bytes.fromhex(owner[2:]))
            core, fund_address = (created_address(owner, nonce + i) for i in (1, 2))
            markets = deployer("mocks/MarketsStub").deploy(core, age_mm)
            clearinghouse = deployer("Clearinghouse").deploy(
                usd.address, 10**9, markets.address, fund_address, treasury, engine.address
            )
            engine.connect(clearinghouse.address, markets.address)
            fund = deployer("InsuranceFund").deploy(clearinghouse.address)
            venue = deployer("mocks/VenueStub").deploy()
            clearinghouse.set_venue(venue.address, True, True, 1 << BTC)
            clearinghouse.set_hand(orders, TRADE)
            clearinghouse.set_hand(liquidator, LIQUIDATE)
            clearinghouse.set_hand(operators, ACT)
            fund.set_liquidator(liquidator)
        markets.set_price(ETH, 2_000 * TICKS)
        markets.set_price(BTC, 50_000 * TICKS)
        hands = (orders, liquidator, operators)
        listed = (clearinghouse, markets, engine, venue, fund, usd)
        return cls(*listed, owner, treasury, *hands, {0: usd})

    # ---- tokens and accounts -------------------------------------------------------------------

    def list_token(
        self,
        decimals: int = 18,
        feed: int = ETH,
        hard_cap: int = 10**6,
        soft_cap: int = 10**6,
        kind: str = "mocks/TestToken",
    ) -> int:
        """List a new collateral and return its id."""
        token = new_token(kind, decimals)
        self.clearinghouse.list_collateral(
            token.address, feed, WAD // 5, WAD // 10, hard_cap, soft_cap, sender=self.owner
        )
        id_ = len(self.tokens)
        self.tokens[id_] = token
        return id_

    def unit(self, id_: int) -> int:
        """Return the atoms of one whole token."""
        return int(10 ** self.tokens[id_].decimals())

    def mint(self, id_: int, owner: str, amount: int) -> None:
        """Give atoms to an address and let the Clearinghouse draw them."""
        self.tokens[id_].mint(owner, amount)
        self.tokens[id_].approve(self.clearinghouse.address, NEVER, sender=owner)

    def deposit(self, account: int, amount: int, id_: int = 0, payer: str | None = None) -> None:
        """Deposit new atoms, by the owner unless told otherwise."""
        sender = payer or owner_of(account)
        self.mint(id_, sender, amount)
        self.clearinghouse.deposit(account, self.tokens[id_].address, amount, sender=sender)

    def withdraw(self, account: int, amount: int, id_: int = 0, to: str | None = None) -> None:
        """Withdraw atoms by the owner."""
        owner = owner_of(account)
        token = self.tokens[id_].address
        self.clearinghouse.withdraw(account, token, amount, to or owner, sender=owner)

    def action(
        self, kind: int, account: int, amount: int, id_: int = 0, other: int = 0
    ) -> tuple[Any, ...]:
        """Return an element of a batch; a withdrawal goes to the owner unless told otherwise."""
        target = other or (account >> 96 if kind == WITHDRAW else 0)
        return (kind, account, target, self.tokens[id_].address, amount)

    def batch(
        self, owner: str, *actions: tuple[Any, ...], sender: str | None = None, reports: bytes = b""
    ) -> None:
        """Run a batch by the owner, or by a hand for him."""
        self.clearinghouse.batch(reports, owner, list(actions), sender=sender or owner)

    def role(self, name: str) -> str:
        """Return the address of a role."""
        if name not in self.roles:
            self.roles[name] = str(boa.env.generate_address(name))
        return self.roles[name]

    def open_account(self, role: str, usd: int = 0, index: int = 0) -> int:
        """Return an account holding this many USD in cash."""
        account = account_of(self.role(role), index)
        if usd:
            self.deposit(account, usd * self.unit(0))
        return account

    # ---- trades --------------------------------------------------------------------------------

    @property
    def venue_account(self) -> int:
        """The venue's own account."""
        return account_of(self.venue.address)

    def seed_venue(self, usd: int = 10**6) -> None:
        """Give the venue cash to stand behind its fills."""
        self.deposit(self.venue_account, usd * self.unit(0))

    def trade(
        self,
        account: int,
        size: int,
        market: int = ETH,
        price: int | None = None,
        fee: int = 0,
        tilt: int = 0,
        **changes: Any,
    ) -> Any:
        """Fill `size` lots at a price [ticks], by default the mark, as the hand for trades."""
        mark = self.mark(market)
        self.venue.set_fill(mark if price is None else price, fee, tilt)
        order = {
            "account": account,
            "venue": self.venue.address,
            "instrument": instrument_of(market),
            "size": size,
            "limit_price": 2**63 - 1 if size > 0 else 0,
            "reduce_only": False,
        } | changes
        return self.clearinghouse.trade(tuple(order.values()), sender=self.orders)

    def post(
        self, account: int, counterparty: int, sender: str | None = None, **changes: Any
    ) -> Any:
        """Post a forced move as the hand for liquidations, unless told otherwise."""
        plan: dict[str, Any] = {
            "account": account,
            "counterparty": counterparty,
            "keeper": account_of(self.liquidator),
            "legs": len(changes.get("sizes", [])),
            "collaterals": len(changes.get("amounts", [])),
            "sizes": [],
            "amounts": [],
            "cash": 0,
            "quote": 0,
            "fee": 0,
            "liquidation_fee": 0,
            "pay": 0,
            "insurance": 0,
            "tilt": KEEP_TILT,
            "part": 0,
            "auction": True,
        } | changes
        auction = plan.pop("auction")
        for name, slots in (("sizes", MAX_LEGS), ("amounts", MAX_COLLATERALS)):
            plan[name] = [*plan[name], *[0] * (slots - len(plan[name]))]
        hand = sender or self.liquidator
        return self.clearinghouse.post(tuple(plan.values()), auction, sender=hand)

    def agree(self, account: int, counterparty: int, **changes: Any) -> Any:
        """Post a move by agreement, as the hand that answers for consent."""
        agreed = {"keeper": counterparty, "auction": False} | changes
        return self.post(account, counterparty, sender=self.operators, **agreed)

    def deal(self, account: int, counterparty: int, **changes: Any) -> None:
        """Move what two accounts agreed, as the engine; lots and WAD."""
        said: dict[str, Any] = {
            "account": account,
            "counterparty": counterparty,
            "instrument": instrument_of(ETH),
            "size": 0,
            "cash": 0,
            "quote": 0,
            "fee": 0,
            "books": 0,
        } | changes
        self.engine.deal(tuple(said.values()))

    # ---- reading -------------------------------------------------------------------------------

    def mark(self, market: int) -> int:
        """Return the stored price [ticks]."""
        return int(self.markets.price_words(market) >> 192)

    def word(self, account: int) -> Word:
        """Return an account's decoded word."""
        return decode(self.clearinghouse.account_words(account)[0])

    def legs(self, account: int) -> dict[int, int]:
        """Return the legs of an account by position: instrument -> lots."""
        word, pairs, _ = self.clearinghouse.account_words(account)
        entries = halves(pairs)[: decode(word).legs]
        return {entry >> 64: signed(entry, 64) for entry in entries}

    def size(self, account: int, market: int = ETH) -> int:
        """Return the lots of a perp held."""
        return self.legs(account).get(instrument_of(market), 0)

    def amounts(self, account: int) -> dict[int, int]:
        """Return the collateral of an account by position: id -> atoms."""
        word, _, pairs = self.clearinghouse.account_words(account)
        head = decode(word)
        return dict(zip(head.ids[: head.collaterals], halves(pairs), strict=False))

    def tracked(self, id_: int) -> int:
        """Return the atoms that the ledger owes of a token."""
        return int(self.clearinghouse.token_info(self.tokens[id_].address)[2])

    def all_accounts(self) -> list[int]:
        """Return every listed account."""
        count = self.clearinghouse.account_count()
        return [self.clearinghouse.account_at(i) for i in range(count)]

    # ---- conservation --------------------------------------------------------------------------

    def assert_conserved(self) -> None:
        """Check every equation of docs/spec/ledger.md (conservation) to the wei."""
        accounts = self.all_accounts()
        assert len(set(accounts)) == len(accounts)
        words = [self.word(account) for account in accounts]
        pot, deficit = self.clearinghouse.pot(), self.clearinghouse.deficit()
        owed = self.tracked(0) * self.clearinghouse.settlement_scale()
        assert owed == sum(word.cash for word in words) + pot - deficit
        assert sum(word.quote for word in words) == pot
        self._assert_sizes(accounts)
        self._assert_amounts(accounts)
        self._assert_protected()

    def _assert_sizes(self, accounts: list[int]) -> None:
        sizes: dict[int, list[int]] = defaultdict(list)
        for account in accounts:
            for instrument, size in self.legs(account).items():
                sizes[instrument].append(size)
        for instrument, held in sizes.items():
            assert sum(held) == 0
            long = sum(size for size in held if size > 0)
            assert self.markets.open_interest(instrument >> 56) == long

    def _assert_amounts(self, accounts: list[int]) -> None:
        held: dict[int, int] = defaultdict(int)
        for account in accounts:
            for id_, amount in self.amounts(account).items():
                held[id_] += amount
        for id_, token in self.tokens.items():
            assert token.balanceOf(self.clearinghouse.address) >= self.tracked(id_)
            assert id_ == 0 or self.tracked(id_) == held[id_]

    def _assert_protected(self) -> None:
        """The cash that withdrawals leave alone is that of insurance and fees."""
        slot = layout()["ledger"]["books"]["slot"]
        books = boa.env.evm.get_storage_slot(self.clearinghouse.address, slot)
        both = (self.clearinghouse.insurance_account(), self.clearinghouse.fee_account())
        assert signed(int.from_bytes(books, "big"), 128) == sum(
            self.word(account).cash for account in both
        )


def new_token(kind: str, decimals: int) -> Any:
    """Deploy a test token."""
    if kind == "mocks/TestToken":
        return deployer(kind).deploy("Test", "TEST", decimals)
    return deployer(kind).deploy(decimals)


# ---- fixtures ----------------------------------------------------------------------------------


@contextmanager
def deployed(decimals: int = 6, settlement: str = "mocks/TestToken") -> Iterator[Books]:
    """Deploy in an environment of its own."""
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = GENESIS
        yield Books.deploy(decimals, settlement)


@contextmanager
def anchored(books: Books) -> Iterator[Books]:
    """Put everything back afterwards; what changed must have kept the books exact."""
    tokens = dict(books.tokens)
    with boa.env.anchor():
        yield books
        books.assert_conserved()
    books.tokens = tokens


def logs(contract: Any, name: str) -> list[Any]:
    """Return the events of this name in a contract's last call."""
    return [event for event in contract.get_logs() if type(event).__name__ == name]
