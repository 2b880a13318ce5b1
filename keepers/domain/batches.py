"""What a batch holds, docs/spec/ledger.md: deposits, withdrawals and transfers of one owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEPOSIT: Final = 1
WITHDRAW: Final = 2
TRANSFER: Final = 4
MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Deposit:
    """Atoms of a token out of the wallet into an own account."""

    amount: int
    token: str  # symbol or address
    account: int = 0


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Atoms of a token out of an own account, to an address (the wallet if left out)."""

    amount: int
    token: str
    account: int = 0
    to: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Atoms of a token from an own account to another account."""

    amount: int
    token: str
    to: int
    account: int = 0


Action = Deposit | Withdraw | Transfer
