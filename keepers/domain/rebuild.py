"""The ledger once more, from its events alone: what the logs say must be what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from keepers.domain.instruments import Kind, kind_of
from keepers.domain.words import Account

Said: TypeAlias = Mapping[str, Any]


@dataclass(slots=True)
class Entry:
    """One account as the events leave it."""

    cash: int = 0
    quote: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    options: dict[int, int] = field(default_factory=dict)  # and futures: the engine's legs
    amounts: dict[int, int] = field(default_factory=dict)


class Rebuilt:
    """All accounts, built up event by event; docs/spec/ledger.md."""

    def __init__(
        self,
        tokens: Mapping[str, int],
        scale: int,
        fee_account: int,
        insurance_account: int,
        engine_account: int = 0,
    ) -> None:
        """Start with nothing.

        Args:
            tokens: id by lower-case address; the settlement token has 0.
            scale: WAD in one atom of the settlement token.
            fee_account: where fees go.
            insurance_account: where liquidation fees go and cover comes from.
            engine_account: between holders and writers of what expired.
        """
        self._tokens = tokens
        self._scale = scale
        self._fees = fee_account
        self._insurance = insurance_account
        self._engine = engine_account
        self.paid: dict[int, int] = {}  # lots of each instrument that have settled at expiry
        self.entries: dict[int, Entry] = {}
        self.pot = 0
        self.deficit = 0
        self._handlers: dict[str, Callable[[Said], None]] = {
            "Deposited": lambda said: self._credit(said["account"], said["token"], said["amount"]),
            "Withdrawn": lambda said: self._credit(said["account"], said["token"], -said["amount"]),
            "Transferred": self._transferred,
            "Settled": self._settled,
            "SettlerPaid": self._settler_paid,
            "Filled": self._filled,
            "Posting": self._posting,
            "LegMoved": self._leg_moved,
            "CollateralMoved": self._collateral_moved,
            "WrittenOff": self._written_off,
            "FillTraded": self._fill_traded,
            "LegTraded": self._leg_traded,
            "LegCarried": self._leg_carried,
            "LegSettled": self._leg_settled,
        }

    def apply(self, name: str, said: Said) -> None:
        """Take one event of the Clearinghouse or of Options; what moves nothing is passed over."""
        handler = self._handlers.get(name)
        if handler is not None:
            handler(said)

    def differs(self, account: Account) -> bool:
        """Return whether the stored account is not what the events say."""
        entry = self._of(account.id)
        told = (_held(entry.sizes), _held(entry.options), _held(entry.amounts))
        return (entry.cash, entry.quote, *told) != (
            account.cash,
            account.quote,
            {leg.instrument: leg.size for leg in account.legs},
            {leg.instrument: leg.size for leg in account.options},
            {holding.collateral: holding.amount for holding in account.holdings},
        )

    def _of(self, account: int) -> Entry:
        return self.entries.setdefault(account, Entry())

    def _credit(self, account: int, token: str, amount: int) -> None:
        id_ = self._tokens[token.lower()]
        if id_ == 0:
            self._of(account).cash += amount * self._scale
        else:
            _add(self._of(account).amounts, id_, amount)

    def _transferred(self, said: Said) -> None:
        self._credit(said["sender"], said["token"], -said["amount"])
        self._credit(said["receiver"], said["token"], said["amount"])

    def _settled(self, said: Said) -> None:
        entry = self._of(said["account"])
        entry.cash += said["amount"]
        entry.quote -= said["amount"]
        self.pot -= said["amount"]

    def _settler_paid(self, said: Said) -> None:
        self._of(said["account"]).cash -= said["amount"]
        self._of(said["settler"]).cash += said["amount"]

    def _filled(self, said: Said) -> None:
        value = said["size"] * (said["price"] - said["funding"])
        taker, venue = self._of(said["account"]), self._of(said["venue"])
        _add(taker.sizes, said["instrument"], said["size"])
        _add(venue.sizes, said["instrument"], -said["size"])
        taker.quote -= value + said["fee"]
        venue.quote += value
        self._of(self._fees).quote += said["fee"]

    def _posting(self, said: Said) -> None:
        account, other = self._of(said["account"]), self._of(said["counterparty"])
        account.cash -= said["cash"]
        account.quote -= said["quote"] + said["fee"] + said["liquidation_fee"] + said["pay"]
        other.cash += said["cash"] + said["insurance"]
        other.quote += said["quote"]
        self._of(self._fees).quote += said["fee"]
        self._of(said["keeper"]).quote += said["pay"]
        fund = self._of(self._insurance)
        fund.cash -= said["insurance"]
        fund.quote += said["liquidation_fee"]

    def _leg_moved(self, said: Said) -> None:
        _add(self._of(said["account"]).sizes, said["instrument"], -said["size"])
        _add(self._of(said["counterparty"]).sizes, said["instrument"], said["size"])

    def _collateral_moved(self, said: Said) -> None:
        _add(self._of(said["account"]).amounts, said["collateral"], -said["amount"])
        _add(self._of(said["counterparty"]).amounts, said["collateral"], said["amount"])

    def _written_off(self, said: Said) -> None:
        self._of(said["account"]).cash += said["covered"] + said["deficit"]
        self.deficit += said["deficit"]
        self._of(self._insurance).cash -= said["covered"]

    def _fill_traded(self, said: Said) -> None:
        taker, maker = self._of(said["taker"]), self._of(said["maker"])
        taker.cash -= said["cash"]
        maker.cash += said["cash"]
        taker.quote -= said["quote"] + said["taker_fee"]
        maker.quote += said["quote"] - said["maker_fee"]
        self._of(self._fees).quote += said["taker_fee"] + said["maker_fee"]

    def _leg_traded(self, said: Said) -> None:
        if kind_of(said["instrument"]) == Kind.PERP:
            return  # the Clearinghouse says LegMoved of it
        _add(self._of(said["taker"]).options, said["instrument"], said["size"])
        _add(self._of(said["maker"]).options, said["instrument"], -said["size"])

    def _leg_carried(self, said: Said) -> None:
        _add(self._of(said["account"]).options, said["instrument"], -said["size"])
        _add(self._of(said["receiver"]).options, said["instrument"], said["size"])

    def _leg_settled(self, said: Said) -> None:
        entry = self._of(said["account"])
        _add(entry.options, said["instrument"], -said["size"])
        _add(self.paid, said["instrument"], said["size"])
        entry.quote += said["value"]
        self._of(self._engine).quote -= said["value"]


def _add(amounts: dict[int, int], key: int, amount: int) -> None:
    amounts[key] = amounts.get(key, 0) + amount


def _held(amounts: Mapping[int, int]) -> dict[int, int]:
    return {key: amount for key, amount in amounts.items() if amount}
