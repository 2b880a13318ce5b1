"""The four sources of the options act: keepers' own code, in one process, seat by seat.

They sign prices as publishers do, and surfaces as co-signers do: one proposes what it sees, the
others sign what is like their own, a quorum is brought. Their boards are one board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, cast

from keepers.bots.cosign import CoSigner, Smiles
from keepers.bots.runtime import Runtime
from keepers.chain.deployment import Deployment
from keepers.chain.signer import Signer, test_secret
from keepers.chain.transactions import Draft
from keepers.domain.reports import (
    NOBODY,
    QUORUM,
    SEATS,
    Quote,
    domain_separator,
    encode_blob,
    make_report,
    quorum,
)
from keepers.domain.surfaces import Surface
from keepers.domain.units import WAD
from keepers.errors import ChainError
from keepers.lab.options_act_market import Market
from keepers.lab.world import PUBLISHERS
from keepers.settings import PublishSettings
from keepers.web.cosigned import Proposals

CONF: Final = 10  # 1e-5 of the price
BEAT: Final = 5  # seconds: a surface that waits is confirmed with the price
ROUNDS: Final = 3  # proposed, signed, brought
OFF: Final = 20  # 1e-4 by which a source sees other volatilities, at most
NOISE: Final = 1  # 1e-4 of a price

Letter = tuple[Signer, Draft]


@dataclass(slots=True)
class Outbox:
    """Where a co-signer leaves what it would send."""

    signer: Signer
    letters: list[Letter]

    async def send(self, draft: Draft) -> None:
        """Keep a transaction for whoever fills the block."""
        self.letters.append((self.signer, draft))


@dataclass(frozen=True, slots=True)
class Seat:
    """All that a co-signer asks of its runtime."""

    signer: Signer
    sender: Outbox
    deployment: Deployment


@dataclass
class Sources:
    """All four, and what they see."""

    deployment: Deployment
    market: Market
    seed: int
    letters: list[Letter] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take the seats."""
        deployed = self.deployment
        self.signers = [Signer(test_secret(number)) for number in PUBLISHERS]
        self.seats = tuple(deployed.signers) + (NOBODY,) * (SEATS - len(deployed.signers))
        self._separator = domain_separator(deployed.chain_id, deployed.address("Markets"))
        separator = domain_separator(deployed.chain_id, deployed.address("Surfaces"))
        self._board = Proposals(separator, lambda: self.seats)
        rng = Random(self.seed)
        factors = [WAD + WAD * rng.randint(-OFF, OFF) // 10_000 for _ in self.signers]
        settings = PublishSettings(surface_heartbeat_s=BEAT)
        self._cosigners = [
            CoSigner(
                cast(Runtime, Seat(signer, Outbox(signer, self.letters), deployed)),
                settings,
                self._smiles(factor),
                self._board,
                index,
            )
            for index, (signer, factor) in enumerate(zip(self.signers, factors, strict=True))
        ]

    def _smiles(self, factor: int) -> Smiles:
        async def smiles(now: int) -> Mapping[int, Sequence[Surface]]:
            return self.market.surfaces(now, factor)

        return smiles

    def prices(self, now: int) -> bytes:
        """Return an update of every price, signed by a quorum."""
        prices = self.market.prices(now)
        signed = []
        for index, signer in enumerate(self.signers):
            rng = Random(f"{self.seed} {index} {now}")
            quotes = [
                Quote(self.deployment.market(symbol), _near(price, rng), CONF)
                for symbol, price in prices.items()
            ]
            signed.append(signer.sign_report(index, make_report(now, quotes), self._separator))
        chosen = quorum(signed)
        assert chosen is not None
        return encode_blob(chosen, self.seats)

    async def surfaces(self, now: int) -> list[Letter]:
        """Return the updates that a quorum agrees on: one a market that has an expiry to come."""
        self.letters.clear()
        for _ in range(ROUNDS):
            for cosigner in self._cosigners:
                await cosigner.step(now, self.seats, len(self.signers))
        wanted = len(self.market.surfaces(now))
        if len(self.letters) != wanted:
            raise ChainError(
                f"{len(self.letters)} of {wanted} surfaces found their {QUORUM} signers"
            )
        return list(self.letters)


def _near(price: int, rng: Random) -> int:
    return price + price * rng.randint(-NOISE, NOISE) // 10_000
