"""What the makers of the options act leave for its liquidators: bids for legs of who has fallen.

Each step both makers quote every option and future of an account below maintenance, as they quote
anything else, and leave the signed orders in a folder that the liquidators read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keepers.chain.signer import Signer
from keepers.domain.exchange_orders import Leg, Order, line
from keepers.domain.words import Account, account_id
from keepers.lab.options_act_books import maker_order
from keepers.lab.options_act_market import STEP
from keepers.lab.options_act_open import WIDE, Opening
from keepers.lab.options_act_stage import Stage

FOLDER: Final = "bids"
FILE: Final = "makers.txt"
# the liquidators look often, since a block of the act is a moment of this machine
SETTINGS: Final = {"PLIMSOLL_BIDS_POLL_S": "0.05"}


@dataclass(slots=True)
class Desk:
    """Both makers' bids, in one file of a folder."""

    stage: Stage
    opening: Opening
    folder: Path

    def __post_init__(self) -> None:
        """Make the folder, which the liquidators ask for when they start."""
        self.folder.mkdir(parents=True, exist_ok=True)

    async def leave(self, under: Sequence[int]) -> None:
        """Bid for everything that these accounts hold here; what was bid before is taken back."""
        lines: list[str] = []
        for account in await self.stage.reader.accounts(list(under)) if under else []:
            for maker, wide in zip(self.opening.makers, WIDE, strict=True):
                lines += [await self._bid(maker, wide, account, leg) for leg in _wanted(account)]
        fresh = self.folder / f".{FILE}"
        fresh.write_text("\n".join(lines), encoding="utf-8")
        fresh.replace(self.folder / FILE)

    async def _bid(self, maker: Signer, wide: int, account: Account, leg: Leg) -> str:
        market = leg.instrument >> 56
        marks = await self.stage.marks(market, [leg.instrument])
        own = account_id(maker.address)
        drawn = maker_order(own, [leg], marks, marks[market << 56], wide)
        until = self.stage.clock.now + 2 * STEP
        return line(self.opening.signed(maker, self._for(maker, drawn, account, until)))

    def _for(self, maker: Signer, drawn: Order, account: Account, until: int) -> Order:
        return self.opening.made(maker, drawn, until, f"0x{account.id >> 96:040x}")


def _wanted(account: Account) -> list[Leg]:
    """Return what closes every option and future of an account, as the account gets it."""
    return [Leg(leg.instrument, -leg.size) for leg in account.options]
