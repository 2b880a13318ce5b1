"""Surfaces beside a Markets with four sources, and surfaces that every check lets through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boa

from tests.reference import portfolio as pm
from tests.reference import surfaces as reference
from tests.reference.portfolio import Surface
from tests.reference.units import HOUR
from tests.reference.words import field, signed
from tests.support import surface_reports as wire
from tests.support.reports import domain_separator
from tests.unit.markets_support import ETH, Desk, anchored, build, deploy


def surface_of(word: int) -> Surface:
    """Return what a surface word says."""
    return Surface(
        market=field(word, 8, 248),
        hours=field(word, 24, 224),
        publish=field(word, 32, 192),
        ratio=field(word, 32, 160),
        a=signed(word, 32, 128),
        b=field(word, 32, 96),
        rho=signed(word, 32, 64),
        m=signed(word, 32, 32),
        sigma=field(word, 32, 0),
    )


@dataclass
class House:
    """Surfaces, and the desk whose sources sign them."""

    desk: Desk
    surfaces: Any

    @property
    def now(self) -> int:
        """Return chain time."""
        return self.desk.now

    def surface(
        self, hours: int, volatility: int = 80, market: int = ETH, **changes: int
    ) -> Surface:
        """Return a smile around a volatility in percent, `hours` from now, reported now."""
        facts = {
            "a": pm.VARIANCE_ONE * volatility**2 * 95 // 1_000_000,
            "b": pm.VARIANCE_ONE * volatility**2 // 200_000,
            "rho": -pm.RHO_ONE // 4,
            "m": pm.MONEY_ONE // 100,
            "publish": self.now,
            "ratio": pm.RATIO_ONE * 101 // 100,
            **changes,
        }
        return Surface(market, self.now // HOUR + hours, **facts)

    def raw(self, surfaces: Sequence[Surface], sources: Sequence[int] = (0, 1, 2)) -> bytes:
        """Return what some sources sign together."""
        domain = domain_separator(boa.env.evm.patch.chain_id, self.surfaces.address)
        words = [surface.word for surface in surfaces]
        signed = [(i, wire.signature(self.desk.signers[i], domain, words)) for i in sources]
        return wire.report(words, signed, self.desk.seats())

    def send_raw(self, raw: bytes) -> int:
        """Bring any bytes to the chain."""
        return int(self.surfaces.update(raw, sender=self.desk.anyone))

    def send(self, *surfaces: Surface) -> reference.Outcome:
        """Bring surfaces that three sources signed; return what the chain says of them."""
        count = self.send_raw(self.raw(surfaces))
        stored: list[Surface] = []
        pending: list[Surface] = []
        refused: list[tuple[Surface, reference.Why]] = []
        for event in self.surfaces.get_logs():
            said = surface_of(event.word)
            if type(event).__name__ == "SurfaceStored":
                stored.append(said)
            elif type(event).__name__ == "SurfacePending":
                pending.append(said)
            else:
                refused.append((said, reference.Why(event.why)))
        assert count == len(stored)
        return reference.Outcome(tuple(stored), tuple(pending), tuple(refused))

    def stored(self, hours: int, market: int = ETH) -> Surface | None:
        """Return the stored surface of an expiry, in hours since 1970."""
        word = self.surfaces.surface(market, hours)
        return surface_of(word) if word else None

    def live(self, market: int = ETH) -> list[Surface]:
        """Return all surfaces of expiries to come."""
        return [surface_of(word) for word in self.surfaces.surfaces(market)]


@contextmanager
def built() -> Iterator[House]:
    """A house on a chain of its own."""
    with boa.swap_env(boa.Env()):
        desk = build()
        surfaces = deploy("Surfaces", ["address"], [desk.markets.address], sender=desk.owner)
        yield House(desk, surfaces)


@contextmanager
def put_back(house: House) -> Iterator[House]:
    """The house, put back afterwards."""
    with anchored(house.desk):
        yield house
