"""Markets with its configurator, four price sources, and words written by hand where it helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import boa
import pytest
from boa.contracts.abi.abi_contract import ABIContractFactory
from eth.exceptions import Revert
from eth_abi.abi import decode, encode

from tests.reference import words
from tests.reference.facts import Account, FeedParams, Health, MarginParams, Market
from tests.reference.units import (
    AGE_IM,
    AGE_MM,
    GRACE_MAX,
    KAPPA_COLLATERAL,
    KAPPA_FLAT,
    KAPPA_LEG,
    RATE_MAX,
    T_DEAD,
    TAU_VARIANCE,
    TICK_WAD,
    TICKS_PER_USD,
    VELOCITY,
    WAD,
    WINDOW,
)
from tests.stateful.compiled import compiled
from tests.support.reports import (
    Quote,
    Signed,
    Signer,
    blob,
    domain_separator,
    feed_bytes,
    packed_quotes,
    signed_report,
)
from tests.support.signing import key_of, source_address

GENESIS = 1_700_000_000
ETH, BTC, LINK = 1, 2, 3
SOURCES = 4
SEATS = 8
QUORUM = 3
MILLION = 1_000_000 * WAD
TIMING = (AGE_IM, AGE_MM, T_DEAD, GRACE_MAX, WINDOW, TAU_VARIANCE)
CHARGES = (KAPPA_FLAT, KAPPA_LEG, KAPPA_COLLATERAL, VELOCITY, RATE_MAX)
KEEP_TILT = 2**255 - 1

# R13 for ETH and BTC; bounds of the feed a factor of hundred either way
MARGIN = MarginParams(
    base=WAD // 20,
    mm_ratio=WAD // 2,
    tier_start=MILLION,
    spread_rate=WAD // 100,
    oi_max=3 * WAD,
    oi_lo=WAD // 2,
    oi_cap=30 * MILLION,
)
PERCENT = WAD // 100
LISTED = {ETH: 3_000, BTC: 60_000, LINK: 10}  # USD


class Decoded(NamedTuple):
    """A price word."""

    price: int
    stable: int
    conf: int
    gap: int
    publish: int
    v: int
    v_slow: int
    flags: int
    sample_time: int


class State(NamedTuple):
    """A state word without its margin parameters."""

    funding: int
    rate: int
    tilt: int
    time: int
    open_interest: int


def usd(amount: float) -> int:
    """Return ticks."""
    return round(amount * TICKS_PER_USD)


def feed_params(price_usd: int) -> FeedParams:
    """Return R13's tuning of a feed that trades around a price."""
    return FeedParams(
        min_price=usd(price_usd) // 100,
        max_price=usd(price_usd) * 100,
        jump_0=3 * PERCENT,
        jump_rate=WAD // 2_000,
        confirm_delay=5,
        conf_cap=PERCENT,
        stable_growth=20 * PERCENT,
        stable_tau=1_800,
        sigma_ref=80 * PERCENT,
        v_max=3 * WAD,
        v_step=10 * PERCENT,
    )


def feed_tuple(p: FeedParams) -> tuple[int, ...]:
    """Return a feed's parameters as the setter takes them: bounds in WAD."""
    low, high, *rest = astuple(p)
    return (low * TICK_WAD, high * TICK_WAD, *rest)


@cache
def _factory(name: str) -> ABIContractFactory:
    return ABIContractFactory(Path(name).stem, compiled(name).abi)


def deploy(name: str, types: Sequence[str], args: Sequence[Any], **kwargs: Any) -> Any:
    """Deploy a contract from its cached bytecode."""
    bytecode = bytes.fromhex(compiled(name).initcode) + encode(types, args)
    address, _ = boa.env.deploy_code(bytecode=bytecode, **kwargs)
    return _factory(name).at(address)


@dataclass
class Desk:
    """The contracts, who may call them, and the sources that sign prices."""

    markets: Any
    configurator: Any
    owner: str
    clearinghouse: str
    anyone: str
    now: int = GENESIS
    signers: list[Signer] = field(default_factory=list)

    # ---- time and words --------------------------------------------------------------------

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds
        boa.env.evm.patch.timestamp = self.now

    def price(self, market: int = ETH) -> Decoded:
        """Return the stored price word."""
        word = self.markets.market_words(market)[0]
        fields = ((64, 192), (64, 128), (16, 112), (8, 104), (32, 72), (16, 56), (16, 40), (8, 32))
        return Decoded(*(words.field(word, *at) for at in (*fields, (32, 0))))

    def state(self, market: int = ETH) -> State:
        """Return the stored state word."""
        word = self.markets.market_words(market)[1]
        return State(
            words.signed(word, 64, 192),
            words.signed(word, 32, 160),
            words.signed(word, 16, 144),
            words.field(word, 32, 112),
            words.field(word, 56, 56),
        )

    def write(self, market: int, facts: Market) -> None:
        """Write the words of a market straight into storage."""
        layout = compiled("Markets").layout["storage_layout"]["market_state"]
        for name, word in (
            ("prices", words.price_word(facts)),
            ("states", words.state_word(facts)),
            ("samplers", words.sampler_word(facts)),
            ("pendings", words.pending_word(facts)),
        ):
            slot = layout[name]["slot"] + market
            boa.env.set_storage(self.markets.address, slot, word)

    def digest(self) -> list[Any]:
        """Return everything that an update may change."""
        feeds = [
            (self.markets.market_words(m)[:2], self.markets.pending(m), self.markets.sampler(m))
            for m in LISTED
        ]
        return [feeds, self.markets.signers()]

    def signer_times(self) -> list[int]:
        """Return the times below which the sources may not fall back."""
        return [words.signer_time(self.markets.signers(), i) for i in range(SOURCES)]

    # ---- reports -----------------------------------------------------------------------------

    def report(self, source: int, publish: int, quotes: Mapping[int, Quote]) -> Signed:
        """Return what one source signs."""
        domain = domain_separator(boa.env.evm.patch.chain_id, self.markets.address)
        feeds, packed = feed_bytes(quotes), packed_quotes(quotes)
        return signed_report(self.signers[source], domain, publish, feeds, packed)

    def seats(self) -> dict[int, str]:
        """Return who sits where."""
        listed = ((i, str(self.configurator.signers(i))) for i in range(SEATS))
        return {seat: address for seat, address in listed if int(address, 16)}

    def send(self, reports: Sequence[Signed]) -> int:
        """Bring reports to the chain as anyone may."""
        return self.send_raw(blob(reports, self.seats()))

    def send_raw(self, raw: bytes) -> int:
        """Bring any bytes to the chain."""
        return int(self.markets.update(raw, sender=self.anyone))

    def blob(
        self,
        price: int,
        *,
        market: int = ETH,
        publish: int | None = None,
        conf: int = 0,
        sources: Sequence[int] = (0, 1, 2),
    ) -> list[Signed]:
        """Return equal reports of one feed by some sources."""
        at = self.now if publish is None else publish
        return [self.report(source, at, {market: Quote(price, conf)}) for source in sources]

    def offer(self, price: int, **how: Any) -> int:
        """Send equal reports of one feed."""
        return self.send(self.blob(price, **how))

    # ---- margin ------------------------------------------------------------------------------

    def check(self, account: Account) -> Health:
        """Ask for the health of an account that exists as words alone."""
        word, legs, amounts = words.encode_account(account)
        found: Health = self.markets.check(word, legs, amounts)
        return found

    def trade(self, oi_delta: int, tilt: int = KEEP_TILT, market: int = ETH) -> None:
        """Book a trade as the Clearinghouse does."""
        self.markets.record_trade(market, oi_delta, tilt, sender=self.clearinghouse)

    def events(self, name: str) -> list[Any]:
        """Return the events of this name of the last call."""
        return [e for e in self.markets.get_logs() if type(e).__name__ == name]


def build() -> Desk:
    """Deploy Markets and its configurator, list the markets, seat the sources."""
    roles = {
        role: str(boa.env.generate_address(role))
        for role in ("owner", "clearinghouse", "anyone", "configurator", "markets")
    }
    boa.env.evm.patch.timestamp = GENESIS
    configurator = deploy(
        "RiskConfigurator",
        ["address"],
        [roles["markets"]],
        sender=roles["owner"],
        override_address=roles["configurator"],
    )
    markets = deploy_markets(roles, QUORUM, override_address=roles["markets"])
    desk = Desk(markets, configurator, roles["owner"], roles["clearinghouse"], roles["anyone"])
    for market, price in LISTED.items():
        margin, feed = tuple(astuple(MARGIN)), feed_tuple(feed_params(price))
        configurator.list_market(market, f"M{market}", margin, feed, price * WAD, sender=desk.owner)
    for index in range(SOURCES + 1):
        address = f"0x{source_address(index):040x}"
        desk.signers.append(Signer(index, address, key_of(index)))
        if index < SOURCES:
            configurator.set_signer(index, address, sender=desk.owner)
    return desk


def tuple_type(values: Sequence[int]) -> str:
    """Return the ABI type of a struct of integers."""
    return f"({','.join(['uint256'] * len(values))})"


def deploy_markets(roles: Mapping[str, str], quorum: int, **kwargs: Any) -> Any:
    """Deploy Markets alone; `timing` and `charges` replace the shipped ones."""
    timing = kwargs.pop("timing", TIMING)
    charges = kwargs.pop("charges", CHARGES)
    return deploy(
        "Markets",
        ["address", "address", tuple_type(timing), tuple_type(charges), "uint256"],
        [roles["configurator"], roles["clearinghouse"], timing, charges, quorum],
        **kwargs,
    )


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """Expect a deployment to revert with a reason."""
    with pytest.raises(Revert) as caught:
        yield
    assert decode(["string"], caught.value.args[0][4:]) == (reason,)


@contextmanager
def built() -> Iterator[Desk]:
    """A desk on a chain of its own."""
    with boa.swap_env(boa.Env()):
        yield build()


@contextmanager
def anchored(desk: Desk) -> Iterator[Desk]:
    """The desk, put back afterwards."""
    now = desk.now
    with boa.env.anchor():
        boa.env.evm.patch.timestamp = now
        yield desk
    desk.now = now
    boa.env.evm.patch.timestamp = now
