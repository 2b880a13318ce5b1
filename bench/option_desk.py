"""Surfaces, signed orders and books of options on the scene's deployment: what `options` measures.

Smiles and marks are the deployment's own; both sides of a fill are signed with the actors' keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coincurve import PrivateKey

from bench.node import key_of
from bench.scene import MeasuredScene
from keepers.domain.exchange_orders import Leg, Order, order_digest
from scripts.deployment.executor import Contract
from tests.reference import facts
from tests.reference import portfolio as pm
from tests.reference.instruments import FUTURE, PERP, Instrument, lowest_terms, parts
from tests.reference.units import HOUR
from tests.support import surface_reports as wire
from tests.support.permits import sign
from tests.support.portfolio_engine import leg_words
from tests.support.reports import domain_separator, local_signers
from tests.support.scene import LOTS

FAR = 10**12
FEE_CAP = 1_000
# an order has eight legs at the most
PACKAGE = 8
# a surface may open for two minutes
FRESH = 60
VOLATILITY = 80


@dataclass
class OptionDesk:
    """Who trades options on a scene, with the expiries that have a surface."""

    scene: MeasuredScene
    expiries: dict[tuple[int, int], None] = field(default_factory=dict)
    nonce: int = 0
    reported: int = 0

    def contract(self, name: str) -> Contract:
        """Return a contract of the deployment."""
        return self.scene.contract(name)

    # ---- surfaces ------------------------------------------------------------------------------

    def words(self) -> list[int]:
        """Return the surface words of every expiry, reported now, in the order of their keys."""
        now = self.scene.now
        return [
            pm.Surface(
                market,
                hours,
                publish=now,
                ratio=pm.RATIO_ONE * 101 // 100,
                a=pm.VARIANCE_ONE * VOLATILITY**2 * 95 // 1_000_000,
                b=pm.VARIANCE_ONE * VOLATILITY**2 // 200_000,
                rho=-pm.RHO_ONE // 4,
                m=pm.MONEY_ONE // 100,
            ).word
            for market, hours in sorted(self.expiries)
        ]

    def report(self) -> bytes:
        """Return the surfaces of all expiries as a quorum signs them."""
        site, words = self.scene.site, self.words()
        surfaces = site.record.address("Surfaces")
        domain = domain_separator(site.parameters.chain_id, surfaces)
        signers = local_signers()
        chosen = signers[: site.parameters.quorum]
        signed = [(signer.index, wire.signature(signer, domain, words)) for signer in chosen]
        return wire.report(words, signed, {signer.index: signer.address for signer in signers})

    def forget(self) -> None:
        """Begin anew after the chain has gone back."""
        self.expiries.clear()
        self.reported = 0

    def refresh(self, legs: Sequence[Leg] = ()) -> None:
        """Bring prices of now, and surfaces where a leg's has none or they are a minute old."""
        said = [parts(leg.instrument) for leg in legs]
        wanted = {(each.market, each.hours): None for each in said if each.kind != PERP}
        stale = self.scene.now > self.reported + FRESH
        self.scene.publish(3)
        if stale or not wanted.keys() <= self.expiries.keys():
            self.expiries |= wanted
            self.contract("Surfaces").send("update", self.report())
            self.reported = self.scene.now

    # ---- orders --------------------------------------------------------------------------------

    def instrument(self, symbol: str, kind: int, hours: int, strike: int = 0) -> int:
        """Return an instrument; the strike in ticks, whole dollars of it."""
        market, expires = self.scene.market(symbol), self.scene.now // HOUR + hours
        if kind in (PERP, FUTURE):
            return Instrument(market, kind, expires if kind == FUTURE else 0, 0, 0).id
        whole = strike // 10**10 * 10**10
        return Instrument(market, kind, expires, *lowest_terms(whole)).id

    def priced(self, sizes: Mapping[int, int]) -> list[Leg]:
        """Return legs at their marks, in the order of their ids."""
        found, by_id = [], {v.id: s for s, v in self.scene.site.parameters.markets.items()}
        for instrument in sorted(sizes):
            said = parts(instrument)
            price = mark = self.scene.prices[by_id[said.market]]
            if said.kind != PERP:
                pair = leg_words([facts.Leg(instrument, 1)])
                mark = self.contract("Surfaces").read("marks", said.market, price, pair)[0]
            found.append(Leg(instrument, sizes[instrument], mark))
        return found

    def orders(self, maker: str, taker: str, legs: Sequence[Leg]) -> list[Any]:
        """Return what `fill` takes: two signed orders, the taker gets `legs`, each at its price."""
        self.nonce += 1
        rest = Order(
            account=self.scene.account(maker),
            legs=tuple(Leg(leg.instrument, -leg.size, leg.price) for leg in legs),
            nonce=self.nonce,
            deadline=self.scene.now + FAR,
            fee_cap=FEE_CAP,
        )
        take = rest.mirrored(self.scene.account(taker), self.nonce, rest.deadline, FEE_CAP)
        return [
            (rest.struct, self._signature(maker, rest)),
            (take.struct, self._signature(taker, take)),
            rest.size,
            [],
        ]

    def _signature(self, actor: str, order: Order) -> bytes:
        site, key = self.scene.site, PrivateKey(key_of(actor))
        digest = order_digest(order, site.parameters.chain_id, site.record.address("Exchange"))
        return sign(key, digest)

    def fill(self, maker: str, taker: str, sizes: Mapping[int, int], key: str = "") -> None:
        """Let the taker get legs from the maker at their marks; measure it under `key`."""
        asked = [Leg(instrument, size) for instrument, size in sizes.items()]
        self.refresh(asked)
        call = self.orders(maker, taker, self.priced(sizes))
        exchange = self.contract("Exchange")
        if key:
            self.scene.measure(key, "keeper", (exchange, "fill", tuple(call)))
        else:
            self.scene.by("keeper", exchange).send("fill", *call)

    def build(self, maker: str, taker: str, sizes: Mapping[int, int]) -> None:
        """Fill a book, eight legs at a time, in the order in which they stand."""
        entries = list(sizes.items())
        for start in range(0, len(entries), PACKAGE):
            self.fill(maker, taker, dict(entries[start : start + PACKAGE]))

    # ---- accounts ------------------------------------------------------------------------------

    def portfolio(self, actor: str, dollars: int) -> int:
        """Return a funded account under portfolio margin."""
        account = self.scene.fund(actor, USDC=dollars * 10**6)
        self.scene.by(actor, self.contract("Options")).send("set_mode", account, True)
        return account

    def spend(self, actor: str) -> None:
        """Let an owner spend his nonce 0."""
        exchange = self.scene.by(actor, self.contract("Exchange"))
        exchange.send("cancel", self.scene.actor(actor), 0, 1)


def units(size: float) -> int:
    """Return a size in lots."""
    return round(size * LOTS)
