"""A deployment on any node and the moves that set it up, through executors alone.

Serves the bench and the journeys; unit tests have `World`, which is faster and richer. Every move
is a transaction of its own. Prices are ticks, sizes lots, ledger amounts WAD: docs/spec/words.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from scripts.deployment import params
from scripts.deployment.command import carry_out, open_site
from scripts.deployment.executor import Contract, Executor
from scripts.deployment.plan import MOCK, full_plan
from scripts.deployment.runner import Site
from tests.support.reports import (
    Quote,
    blob,
    domain_separator,
    feed_bytes,
    local_signers,
    packed_quotes,
    signed_report,
)

WAD = 10**18
LOT = 10**10
LOTS = 10**8
TICK = 10**8
TICKS = 10**10
FOREVER = 2**256 - 1
ANY_PRICE = (2**63 - 1) * TICK
STEADY_SECONDS = 60
CONFIDENCE = 10  # 1e-5 of the price, what a calm market quotes


class Chain(Protocol):
    """A node whose clock and actors are ours."""

    def actor(self, name: str) -> Executor:
        """Return the executor of a funded account, one for each name."""

    def now(self) -> int:
        """Return the time of the latest block [s]."""

    def wait(self, seconds: int) -> None:
        """Let time pass in an empty block."""


@dataclass
class Scene:
    """A deployment with actors by name; `owner` deployed it."""

    chain: Chain
    site: Site
    prices: dict[str, int] = field(default_factory=dict)
    salt: int = 0

    # ---- actors and contracts ----------------------------------------------------------------

    def actor(self, name: str) -> str:
        """Return the address of an actor."""
        return self.chain.actor(name).sender

    def account(self, name: str) -> int:
        """Return the first account of an actor."""
        return int(self.actor(name), 16) << 96

    def contract(self, name: str) -> Contract:
        """Return a contract, read and sent to by the owner."""
        return self.site.contract(name)

    def by(self, actor: str, contract: Contract) -> Contract:
        """Return a contract for another sender."""
        return contract.by(self.chain.actor(actor))

    def token(self, symbol: str) -> Contract:
        """Return a test token."""
        return self.site.at(self.site.record.token(symbol), MOCK)

    def market(self, symbol: str) -> int:
        """Return a market's id."""
        return self.site.parameters.markets[symbol].id

    # ---- time and prices ---------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The time of the latest block [s]."""
        return self.chain.now()

    def reports(self, prices: Mapping[str, int]) -> bytes:
        """Return reports of a quorum, signed for the latest block's time."""
        parameters, now = self.site.parameters, self.now
        quotes = {self.market(symbol): Quote(price, CONFIDENCE) for symbol, price in prices.items()}
        feeds, packed = feed_bytes(quotes), packed_quotes(quotes)
        domain = domain_separator(parameters.chain_id, self.site.record.address("Markets"))
        signers = local_signers()
        signed = [
            signed_report(signer, domain, now, feeds, packed)
            for signer in signers[: parameters.quorum]
        ]
        return blob(signed, {signer.index: signer.address for signer in signers})

    def publish(self, seconds: int = 10, **prices: int) -> None:
        """Wait, then publish the named prices and the last ones of all other markets."""
        self.chain.wait(seconds)
        self.prices.update(prices)
        self.contract("Markets").send("update", self.reports(self.prices))

    def pass_time(self, seconds: int) -> None:
        """Let time pass with prices coming in, so that nothing looks like an outage."""
        for _ in range(seconds // STEADY_SECONDS + 1):
            self.publish(STEADY_SECONDS)

    # ---- money and trades --------------------------------------------------------------------

    def mint(self, actor: str, symbol: str, amount: int, spender: str) -> Contract:
        """Give an actor new atoms that a contract may draw, and return the token."""
        token = self.token(symbol)
        token.send("mint", self.actor(actor), amount)
        self.by(actor, token).send("approve", spender, FOREVER)
        return token

    def fund(self, actor: str, **amounts: int) -> int:
        """Deposit new atoms of tokens into an actor's account."""
        account, ledger = self.account(actor), self.contract("Clearinghouse")
        for symbol, amount in amounts.items():
            token = self.mint(actor, symbol, amount, ledger.address)
            self.by(actor, ledger).send("deposit", account, token.address, amount)
        return account

    def seed_pool(self, amount: int) -> None:
        """Give the pool its first settlement atoms."""
        pool = self.contract("LiquidityPool")
        self.mint("provider", self.site.parameters.settlement.symbol, amount, pool.address)
        self.by("provider", pool).send("request_deposit", amount, self.actor("provider"))
        self.publish(5)
        pool.send("execute_deposit", pool.read("request_count"))

    def seed_insurance(self, amount: int) -> None:
        """Give the insurance fund settlement atoms."""
        fund = self.contract("InsuranceFund")
        self.mint("sponsor", self.site.parameters.settlement.symbol, amount, fund.address)
        self.by("sponsor", fund).send("fund", amount)

    def order(self, actor: str, symbol: str, lots: int, reduce_only: bool = False) -> list[Any]:
        """Return an order at any price, valid for half an hour."""
        self.salt += 1
        return [
            self.account(actor),
            self.site.record.address("LiquidityPool"),
            self.market(symbol) << 56,
            lots * LOT,
            ANY_PRICE if lots > 0 else 0,
            self.now + 1_800,
            reduce_only,
            self.site.parameters.min_reserve,
            self.salt,
        ]

    def trade(self, actor: str, symbol: str, lots: int) -> None:
        """Trade against the pool through a committed order, at the next price."""
        orders, order = self.contract("Orders"), self.order(actor, symbol, lots)
        self.by(actor, orders).send("commit", order, value=order[7])
        self.publish(3)
        self.by("keeper", orders).send("execute", order)

    # ---- books -------------------------------------------------------------------------------

    def books(self) -> dict[str, int]:
        """Return what each conservation law is out by, 0 where it holds: docs/spec/ledger.md."""
        ledger = self.contract("Clearinghouse")
        accounts = [ledger.read("account_at", i) for i in range(ledger.read("account_count"))]
        words = [ledger.read("account_words", account) for account in accounts]
        cash = sum(signed(word >> 160, 96) for word, _, _ in words)
        quote = sum(signed(word >> 64 & (2**96 - 1), 96) for word, _, _ in words)
        pot, deficit = ledger.read("pot"), ledger.read("deficit")
        settlement = self.site.parameters.settlement.symbol
        tracked = ledger.read("token_info", self.site.record.token(settlement)).tracked
        out = {"cash": tracked * ledger.read("settlement_scale") - cash - pot + deficit}
        out["quote"] = quote - pot
        for instrument, size in _sizes(words).items():
            out[f"size of {instrument >> 56}"] = size
        return out


def signed(raw: int, bits: int) -> int:
    """Return the two's complement value of a field."""
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _sizes(words: list[Any]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for word, pairs, _ in words:
        for position in range(word >> 57 & 0x7F):
            entry = pairs[position // 2] >> (128 * (position % 2)) & (2**128 - 1)
            sizes[entry >> 64] = sizes.get(entry >> 64, 0) + signed(entry & (2**64 - 1), 64)
    return sizes


def deploy(chain: Chain, network: str, path: Path | None = None) -> Site:
    """Deploy and configure everything by the owner."""
    parameters = params.load(network)
    site = open_site(chain.actor("owner"), parameters, path)
    carry_out(site, full_plan(parameters), lambda _: None)
    return site
