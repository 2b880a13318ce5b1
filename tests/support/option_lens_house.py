"""A deployment with options, its lenses, and what they say in the reference's words."""

from __future__ import annotations

from typing import Any

from tests.stateful.evm import Contract, deploy
from tests.support import books
from tests.support.options_house import ENGINEER, OptionsHouse
from tests.support.portfolio_engine import array_arguments


class OptionLensHouse(OptionsHouse):
    """A house with options and the lenses that explain them."""

    def __init__(self) -> None:
        """Deploy the house, then what asks it."""
        super().__init__()
        array = array_arguments(books.SIXTEEN, books.RHOS)
        self.rows: Contract = deploy(self.evm, ENGINEER, "PortfolioRows", array)
        core, engine = self.clearinghouse.address, self.options.address
        stub = self.surfaces.address
        self.option_lens: Contract = deploy(
            self.evm, ENGINEER, "OptionLens", core, engine, stub, stub
        )
        self.margin_lens: Contract = deploy(
            self.evm,
            ENGINEER,
            "MarginLens",
            core,
            engine,
            self.margin.address,
            stub,
            stub,
            self.rows.address,
        )

    def decomposition(self, account: int) -> tuple[bool, int, int, list[tuple[int, ...]]]:
        """Return the mode, MM, IM and the parts (kind, about, MM, IM) of an account."""
        found: Any = self.margin_lens.view("decomposition", account)
        return found[0], found[1], found[2], [tuple(part) for part in found[3]]
