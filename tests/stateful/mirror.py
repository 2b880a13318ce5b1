"""F7: the books rebuilt from the logs alone, to be compared with the chain's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reference import words
from tests.reference.facts import Account
from tests.reference.pauses import STOP_DEPOSITS, STOP_LIQUIDATION, STOP_OPENING
from tests.reference.state import SETTLEMENT, World
from tests.reference.units import GRACE, OPENING, PENDING, UNTRUSTED
from tests.reference.words import price_word

Arguments = Mapping[str, Any]


@dataclass(slots=True)
class Book:
    """What the logs say of one account."""

    cash: int = 0
    quote: int = 0
    auction: bool = False
    legs: dict[int, int] = field(default_factory=dict)
    collateral: dict[int, int] = field(default_factory=dict)

    def set_leg(self, instrument: int, size: int) -> None:
        self.legs.pop(instrument, None)
        if size:
            self.legs[instrument] = size

    def add_amount(self, token: int, change: int) -> None:
        amount = self.collateral.pop(token, 0) + change
        if amount:
            self.collateral[token] = amount


class Mirror:
    """Follows the events of all contracts; knows nothing else but how the house was set up."""

    def __init__(self, world: World, tokens: Mapping[int, int]) -> None:
        self.setup = world.setup
        self.tokens = tokens
        self.books: dict[int, Book] = defaultdict(Book)
        self.listed = list(world.listed)
        self.pot = 0
        self.deficit = 0
        self.tracked: dict[int, int] = defaultdict(int)
        self.prices = {key: price_word(market) for key, market in world.markets.items()}
        self.grants: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.trades = {key: (0, 0, 0, 0) for key in world.markets}

    def read(self, name: str, arguments: Arguments) -> None:
        """Take one event in; what moves no money is passed over."""
        handler: Callable[[Arguments], None] | None = getattr(self, f"_on_{name}", None)
        if handler is not None:
            handler(arguments)

    # ---- Clearinghouse

    def _credit(self, account: int, token: int, amount: int) -> None:
        book = self.books[account]
        if token == SETTLEMENT:
            book.cash += amount * self.setup.scale
        else:
            book.add_amount(token, amount)

    def _on_Deposited(self, e: Arguments) -> None:
        token = self.tokens[e["token"]]
        self._credit(e["account"], token, e["amount"])
        self.tracked[token] += e["amount"]

    def _on_Withdrawn(self, e: Arguments) -> None:
        token = self.tokens[e["token"]]
        self._credit(e["account"], token, -e["amount"])
        self.tracked[token] -= e["amount"]

    def _on_Transferred(self, e: Arguments) -> None:
        token = self.tokens[e["token"]]
        self._credit(e["sender"], token, -e["amount"])
        self._credit(e["receiver"], token, e["amount"])

    def _on_Settled(self, e: Arguments) -> None:
        book = self.books[e["account"]]
        book.cash += e["amount"]
        book.quote -= e["amount"]
        self.pot = e["pot"]

    def _on_SettlerPaid(self, e: Arguments) -> None:
        self.books[e["account"]].cash -= e["amount"]
        self.books[e["settler"]].cash += e["amount"]

    def _on_Filled(self, e: Arguments) -> None:
        value = e["size"] * (e["price"] - e["funding"])
        taker, venue = self.books[e["account"]], self.books[e["venue"]]
        taker.quote -= value + e["fee"]
        venue.quote += value
        self.books[self.setup.fee_account].quote += e["fee"]
        taker.set_leg(e["instrument"], e["account_size"])
        venue.set_leg(e["instrument"], e["venue_size"])

    def _on_LegMoved(self, e: Arguments) -> None:
        self.books[e["account"]].set_leg(e["instrument"], e["account_size"])
        self.books[e["counterparty"]].set_leg(e["instrument"], e["counterparty_size"])

    def _on_CollateralMoved(self, e: Arguments) -> None:
        self.books[e["account"]].add_amount(e["collateral"], -e["amount"])
        self.books[e["counterparty"]].add_amount(e["collateral"], e["amount"])

    def _on_Posting(self, e: Arguments) -> None:
        account, other = self.books[e["account"]], self.books[e["counterparty"]]
        account.cash -= e["cash"]
        account.quote -= e["quote"] + e["fee"] + e["liquidation_fee"] + e["pay"]
        other.cash += e["cash"] + e["insurance"]
        other.quote += e["quote"]
        self.books[self.setup.fee_account].quote += e["fee"]
        self.books[e["keeper"]].quote += e["pay"]
        self.books[self.setup.insurance_account].cash -= e["insurance"]
        self.books[self.setup.insurance_account].quote += e["liquidation_fee"]

    def _on_WrittenOff(self, e: Arguments) -> None:
        self.books[e["account"]].cash += e["covered"] + e["deficit"]
        self.deficit += e["deficit"]
        self.books[self.setup.insurance_account].cash -= e["covered"]

    def _on_AuctionSet(self, e: Arguments) -> None:
        self.books[e["account"]].auction = e["active"]

    def _on_AccountOpened(self, e: Arguments) -> None:
        assert e["index"] == len(self.listed)
        self.listed.append(e["account"])

    # ---- Operators

    def _on_Granted(self, e: Arguments) -> None:
        self.grants[e["account"], e["operator"]] = (e["scope"], e["expiry"], e["uses"])

    def _on_Used(self, e: Arguments) -> None:
        scope, expiry, _ = self.grants[e["account"], e["operator"]]
        self.grants[e["account"], e["operator"]] = (scope, expiry, e["left"])

    # ---- Markets

    def _on_PricesAccepted(self, e: Arguments) -> None:
        for market, word in zip(e["feeds"].to_bytes(4, "big"), e["words"], strict=True):
            if word:
                self.prices[market] = word

    def _on_PricePending(self, e: Arguments) -> None:
        self.prices[e["market"]] |= PENDING << 32

    def _on_PriceRefused(self, e: Arguments) -> None:
        self.prices[e["market"]] |= UNTRUSTED << 32

    def _on_Paused(self, e: Arguments) -> None:
        # pool deposits are no flag of a market
        flag = {STOP_OPENING: OPENING, STOP_LIQUIDATION: GRACE, STOP_DEPOSITS: GRACE}
        markets = [e["market"]] if e["market"] else list(self.prices)
        for market in markets:
            self.prices[market] |= flag.get(e["action"], 0) << 32

    def _on_FundingAccrued(self, e: Arguments) -> None:
        _, _, tilt, interest = self.trades[e["market"]]
        self.trades[e["market"]] = (e["funding"], e["rate"], tilt, interest)

    def _on_TradeRecorded(self, e: Arguments) -> None:
        self.trades[e["market"]] = (e["funding"], e["rate"], e["tilt"], e["open_interest"])

    # ---- comparison

    def compare(self, world: World) -> None:
        """Assert that the logs tell all of the world's books."""
        assert self.listed == world.listed
        self.compare_sums(world)
        assert self.grants == world.grants
        for key, account in world.accounts.items():
            self.compare_account(key, account)
        for key, market in world.markets.items():
            assert self.prices[key] == words.price_word(market)
            told = (market.funding, market.rate, market.tilt, market.open_interest)
            assert self.trades[key] == told

    def compare_sums(self, world: World) -> None:
        """Assert that the logs tell pot, deficit and what is tracked."""
        assert (self.pot, self.deficit) == (world.pot, world.deficit)
        for key, token in world.tokens.items():
            assert self.tracked[key] == token.tracked

    def compare_account(self, key: int, account: Account) -> None:
        """Assert that the logs tell one account."""
        book = self.books[key]
        assert (book.cash, book.quote) == (account.cash, account.quote)
        assert book.auction == account.in_auction
        assert book.legs == {leg.instrument: leg.size for leg in account.legs}
        assert book.collateral == {held.id: held.amount for held in account.collateral}
