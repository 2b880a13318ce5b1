"""How the books of the options act come to be: funded, quoted, filled, brought near their line.

Two makers read the chain's marks, quote each package and sign it; the trader signs the better one
for both of its accounts, and somebody else brings the fills.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from eth_utils.crypto import keccak

from keepers.chain.abi import interface
from keepers.chain.signer import Signer, test_secret
from keepers.chain.transactions import Draft
from keepers.domain.exchange_orders import Leg, Order, SignedOrder, order_digest
from keepers.domain.units import WAD
from keepers.domain.words import account_id
from keepers.lab.options_act_books import (
    FEE_CAP,
    STRUCTURES,
    Book,
    costs,
    last,
    legs,
    maker_order,
)
from keepers.lab.options_act_market import EXPIRIES
from keepers.lab.options_act_sources import Letter
from keepers.lab.options_act_stage import Stage
from keepers.lab.world import EXECUTORS, INSURANCE_USD, LENDER, LIQUIDATORS

ENDOWMENT: Final = 100 * WAD  # native coin of everybody who sends
FOREVER: Final = 2**256 - 1
USDC: Final = 10**6
TRADER_USD: Final = 200_000  # of each account, until it takes out what it does not need
HOUSE_USD: Final = 5_000_000  # of each maker and liquidator
LEFT_USD: Final = 10  # cash that an account keeps at least
GAS_FILL: Final = 6_000_000
GAS_MODE: Final = 1_000_000
EXPIRER: Final = EXECUTORS[1]  # the key of the keeper of expiries
MAKERS: Final = (15, 16)  # numbers of their test keys
WIDE: Final = (90, 110)  # percent of the usual half spread; each package moves them


@dataclass
class Opening:
    """Everybody of the act."""

    stage: Stage
    seed: int

    def __post_init__(self) -> None:
        """Make the keys and the books."""
        self.makers = [Signer(test_secret(number)) for number in MAKERS]
        self.buyers = [Signer(test_secret(number)) for number in LIQUIDATORS]
        self.lender = Signer(test_secret(LENDER))
        self.traders = [
            Signer(keccak(text=f"{self.seed} options {place}")) for place in range(len(STRUCTURES))
        ]
        self.books = [
            Book(structure, bool(index), account_id(trader.address, index))
            for structure, trader in zip(STRUCTURES, self.traders, strict=True)
            for index in range(2)
        ]
        self.spent: dict[str, int] = {}  # nonces of orders, by owner
        self.fills = 0

    @property
    def house(self) -> list[int]:
        """Return the accounts of the makers and the buyers."""
        return [account_id(signer.address) for signer in (*self.makers, *self.buyers)]

    def trader(self, book: Book) -> Signer:
        """Return whose book it is."""
        return self.traders[self.books.index(book) // 2]

    # ---- money

    async def fund(self) -> None:
        """Give everybody what it trades with, and every second account portfolio margin."""
        stage = self.stage
        everybody = [*self.traders, *self.makers, *self.buyers, self.lender, stage.relayer]
        everybody += [*stage.sources.signers, Signer(test_secret(EXPIRER))]
        addresses = [each.address for each in everybody]
        await stage.desk.endow(addresses, ENDOWMENT)
        await stage.act(list(self._deposits()))
        modes = [(self.trader(book), book.account) for book in self.books if book.portfolio]
        modes += list(zip((*self.makers, *self.buyers), self.house, strict=True))
        await stage.act(
            [
                (signer, stage.draft("Options", "set_mode", account, True, gas=GAS_MODE))
                for signer, account in modes
            ]
        )

    def _deposits(self) -> Iterator[Letter]:
        stage, deployed = self.stage, self.stage.world.deployment
        usdc = deployed.settlement.address
        yield from self._minted(self.lender, usdc, INSURANCE_USD * USDC, "InsuranceFund")
        yield self.lender, stage.draft("InsuranceFund", "fund", INSURANCE_USD * USDC)
        for signer in (*self.makers, *self.buyers):
            yield from self._minted(signer, usdc, HOUSE_USD * USDC)
            yield self._deposit(signer, account_id(signer.address), usdc, HOUSE_USD * USDC)
        for signer in self.traders:
            yield from self._minted(signer, usdc, 2 * TRADER_USD * USDC)
        for book in self.books:
            signer, coin = self.trader(book), book.structure.coin
            yield self._deposit(signer, book.account, usdc, TRADER_USD * USDC)
            if coin:
                token = deployed.token(coin)
                amount = book.structure.units * 10**token.decimals
                yield from self._minted(signer, token.address, amount)
                yield self._deposit(signer, book.account, token.address, amount)

    def _minted(
        self, signer: Signer, token: str, amount: int, spender: str = "Clearinghouse"
    ) -> Iterator[Letter]:
        to = self.stage.world.deployment.address(spender)
        selector = bytes.fromhex("40c10f19")  # mint(address,uint256) of the test token
        body = int(signer.address, 16).to_bytes(32, "big") + amount.to_bytes(32, "big")
        yield signer, Draft("mint", token, selector + body, 200_000)
        approve = interface("ERC20").encode("approve", to, FOREVER)
        yield signer, Draft("approve", token, approve, 200_000)

    def _deposit(self, signer: Signer, account: int, token: str, amount: int) -> Letter:
        return signer, self.stage.draft("Clearinghouse", "deposit", account, token, amount)

    # ---- quotes and fills

    async def trade(self) -> None:
        """Have every structure quoted by all makers, and filled twice at the better price."""
        letters: list[Letter] = []
        for place, structure in enumerate(STRUCTURES):
            wanted = await self._wanted(structure.symbol, place)
            maker, order = await self._best(structure.symbol, wanted, place)
            letters += [self._fill(maker, order, book) for book in self._pair(place)]
        await self.stage.act(letters)
        self.fills += len(letters)

    async def unwind(self, expiry: int) -> None:
        """Have the perps closed of those whose last option or future has expired."""
        due = [book for book in self.books if EXPIRIES[last(book.structure)] == expiry]
        known = await self.stage.reader.accounts([book.account for book in due])
        letters: list[Letter] = []
        for book, account in zip(due, known, strict=True):
            symbol, place = book.structure.symbol, STRUCTURES.index(book.structure)
            for leg in account.legs:
                wanted = [Leg(leg.instrument, -leg.size)]
                maker, order = await self._best(symbol, wanted, place)
                letters.append(self._fill(maker, order, book))
        await self.stage.act(letters)
        self.fills += len(letters)

    def _pair(self, place: int) -> list[Book]:
        return self.books[2 * place : 2 * place + 2]

    async def _wanted(self, symbol: str, place: int) -> list[Leg]:
        stage = self.stage
        market = stage.world.deployment.market(symbol)
        surfaces = stage.market.surfaces(stage.clock.now)[market]
        price = stage.market.prices(stage.clock.now)[symbol]
        return legs(STRUCTURES[place], market, surfaces, price, stage.clock.now)

    async def _best(self, symbol: str, wanted: Sequence[Leg], place: int) -> tuple[Signer, Order]:
        """Return the maker whose package costs the trader least, and the package."""
        stage = self.stage
        market = stage.world.deployment.market(symbol)
        marks = await stage.marks(market, [leg.instrument for leg in wanted])
        price = marks[market << 56]
        offers = [
            (signer, maker_order(account_id(signer.address), wanted, marks, price, wide))
            for signer, wide in zip(self.makers, WIDE[:: 1 if place % 2 else -1], strict=True)
        ]
        return min(offers, key=lambda offer: costs(offer[1]))

    def _nonce(self, signer: Signer) -> int:
        self.spent[signer.address] = self.spent.get(signer.address, 0) + 1
        return self.spent[signer.address]

    def _deadline(self) -> int:
        return self.stage.clock.now + 60

    def made(self, maker: Signer, order: Order, deadline: int, counterparty: str) -> Order:
        """Return a maker's order for one owner alone, until a time, under a nonce of its own."""
        nonce = self._nonce(maker)
        return replace(order, nonce=nonce, deadline=deadline, counterparty=counterparty)

    def signed(self, signer: Signer, order: Order) -> SignedOrder:
        """Return an order with its owner's signature."""
        deployed = self.stage.world.deployment
        message = order_digest(order, deployed.chain_id, deployed.address("Exchange"))
        return SignedOrder(order, signer.sign_compact(message))

    def _fill(self, maker: Signer, order: Order, book: Book) -> Letter:
        """Return the fill of a maker's order by a trader's, which anyone may bring."""
        trader = self.trader(book)
        theirs = replace(order, nonce=self._nonce(maker), deadline=self._deadline())
        mine = theirs.mirrored(book.account, self._nonce(trader), self._deadline(), FEE_CAP)
        book.entries |= {leg.instrument: leg.price for leg in mine.legs}
        both = self.signed(maker, theirs).struct, self.signed(trader, mine).struct
        draft = self.stage.draft("Exchange", "fill", *both, theirs.size, [], gas=GAS_FILL)
        return self.stage.relayer, draft

    # ---- to the line

    async def trim(self) -> None:
        """Take out of both accounts of a structure what the more demanding margin does not need."""
        stage = self.stage
        found = await stage.healths([book.account for book in self.books])
        known = {
            # what is lost is settled first, and leaves cash
            each.id: each.cash + min(0, found[each.id].unsettled)
            for each in await stage.reader.accounts(list(found))
        }
        letters: list[Letter] = []
        for place, structure in enumerate(STRUCTURES):
            pair = self._pair(place)
            need = max(found[each.account].im for each in pair) * structure.margin // 100
            spare = min(found[each.account].equity for each in pair) - need
            cash = min(known[each.account] for each in pair) - LEFT_USD * WAD
            amount = min(spare, cash) * USDC // WAD
            if amount > 0:
                letters += [self._withdraw(each, amount) for each in pair]
        await stage.act(letters)
        found = await stage.healths(list(found))
        for book in self.books:
            health = found[book.account]
            book.im, book.mm, book.equity = health.im, health.mm, health.equity
            book.low = book.end = health.equity

    def _withdraw(self, book: Book, amount: int) -> Letter:
        signer, usdc = self.trader(book), self.stage.world.deployment.settlement.address
        parts = (book.account, usdc, amount, signer.address)
        return signer, self.stage.draft("Clearinghouse", "withdraw", *parts, gas=GAS_MODE)
