"""Default parameters that are constants of the contracts: no file changes them, so they are shown.

Read out of the sources, which `verify` holds against the deployed code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

from scripts.deployment.artifacts import ROOT
from scripts.deployment.errors import DeploymentError
from scripts.deployment.quantities import WAD

# factors that the sources write by name
NAMED = {"u.WAD": WAD, "u.IWAD": WAD}


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant: what it limits, the file below contracts/, its name there and its unit."""

    what: str
    file: str
    name: str
    unit: str

    def value(self, root: Path = ROOT) -> int:
        """Return the value in its unit.

        Raises:
            DeploymentError: the sources have no such constant.
        """
        text = (root / "contracts" / self.file).read_text(encoding="utf-8")
        found = re.search(rf"^{self.name}: constant\(\w+\) = ([\w.* ]+?) *(?:#.*)?$", text, re.M)
        if found is None:
            raise DeploymentError(f"contracts/{self.file} has no constant {self.name}")
        factors = (factor.strip() for factor in found[1].split(" * "))
        number = prod(NAMED[each] if each in NAMED else int(each) for each in factors)
        return number // WAD if self.unit == "USD" else number


CONSTANTS = (
    Constant("oldest price to open at", "modules/trading.vy", "AGE_OPEN", "s"),
    Constant("oldest price of pool shares", "modules/pool_shares.vy", "MAX_PRICE_AGE", "s"),
    Constant("smallest leg after opening", "modules/trading.vy", "MIN_LEG", "USD"),
    Constant("the same where min_leg says so", "modules/trading.vy", "MIN_LEG_SMALL", "USD"),
    Constant("smallest leg after closing", "modules/trading.vy", "DUST", "USD"),
    Constant("settler's pay at most", "modules/ledger.vy", "SETTLE_PAY", "USD"),
    Constant("and one part of the loss in", "modules/ledger.vy", "SETTLE_SHARE", ""),
    Constant("for a loss above", "modules/ledger.vy", "SETTLE_FROM", "USD"),
    Constant("funding after the last price", "libs/funding_math.vy", "ACCRUAL_MAX", "s"),
)


def shown() -> list[str]:
    """Return a line for each constant."""
    return [
        f"{each.what:<32}{each.value():>8,} {each.unit:<4} {each.name} in contracts/{each.file}"
        for each in CONSTANTS
    ]
