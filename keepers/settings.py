"""Settings of every keeper: defaults, then the environment (`PLIMSOLL_…`), then the options."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from keepers.domain.units import WAD
from keepers.errors import BadInput

GWEI = 10**9


class Settings(BaseSettings):
    """Where the chain is, who signs, and within which limits.

    Amounts of money are whole USD; they become WAD where decisions are made.
    """

    model_config = SettingsConfigDict(
        env_prefix="PLIMSOLL_", frozen=True, extra="forbid", allow_inf_nan=False
    )

    rpc: str = "http://127.0.0.1:8545"
    rpc_fallback: str = ""
    ws: str = ""  # empty: the rpc address with ws:// for http://
    deployment: Path | None = None  # empty: deployments/<chain id>.json
    deployments: Path = Path("deployments")
    key: str = ""
    password_file: Path | None = None
    store: Path | None = None  # empty: in memory
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)  # 0: no HTTP server

    fee_cap_gwei: int = Field(default=500, ge=1)
    tip_gwei: float = Field(default=1.0, ge=0)
    stuck_s: float = Field(default=15.0, gt=0)  # replace a transaction after this
    confirmations: int = Field(default=3, ge=0)
    watchdog_s: float = Field(default=15.0, gt=0)  # no head for this long: look over HTTP
    native_usd: float = Field(default=0.0, ge=0)  # 0: the ETH market's price

    @property
    def ws_url(self) -> str:
        """Return the WebSocket address of the node."""
        return self.ws or self.rpc.replace("http", "ws", 1)

    @property
    def fee_cap(self) -> int:
        """Return the most that is paid per gas, in wei."""
        return self.fee_cap_gwei * GWEI

    @property
    def tip(self) -> int:
        """Return the tip per gas, in wei."""
        return int(self.tip_gwei * GWEI)


class PublishSettings(Settings):
    """What a publisher adds."""

    peers: tuple[str, ...] = ()
    heartbeat_s: int = Field(default=10, ge=1)
    deviation_bp: int = Field(default=0, ge=0)  # 0: on the heartbeat only
    conf: int = Field(default=10, ge=0, le=65_535)  # 1e-5 of the price
    quorum: int = Field(default=3, ge=1)
    poll_s: float = Field(default=0.1, gt=0)
    stagger_s: float = Field(default=0.15, ge=0)  # between the places in line
    patience_s: float = Field(default=2.0, ge=0)  # how long a claim is believed
    confirm_delay_s: int = Field(default=5, ge=1)  # delta: after a jump
    keep: int = Field(default=8, ge=1)  # reports served per signer
    surface_heartbeat_s: int = Field(default=30, ge=1)  # well inside the 120 s that one is fresh
    surface_volatility_bp: int = Field(default=500, ge=1)  # how far a signed smile may be off
    surface_ratio_bp: int = Field(default=30, ge=1)  # and its forward, 1e-4 of the price
    surface_poll_s: float = Field(default=0.5, gt=0)  # between two looks at peers' proposals


class ExecuteSettings(Settings):
    """What an executor adds."""

    peers: tuple[str, ...] = ()
    min_profit_usd: float = 0.0
    stagger_s: float = Field(default=0.5, ge=0)  # between the places in line
    # what the contract asks for (docs/spec/orders.md), of which a sixth is used at most; the prices
    # that it brings are on top
    gas_execute: int = Field(default=2_800_000, ge=2_700_000)
    # least deposit or redemption to serve, in USD or shares: these pay nothing
    serve_from: int = Field(default=100, ge=0)
    refund: bool = True


class LiquidateSettings(Settings):
    """What a liquidator adds; the limits bind its own capital."""

    account: int = Field(default=0, ge=0)  # index of the keeper's own account
    take: bool = True
    max_take_usd: int = Field(default=250_000, ge=0)  # gross value of one slice
    max_inventory_usd: int = Field(default=1_000_000, ge=0)  # gross value held after it
    min_profit_usd: float = 0.0
    dash: bool = True  # the first try after a price goes out on the mirror's word
    headroom_percent: Decimal = Field(default=Decimal(0), ge=0, le=1_000)  # of IM, kept above it
    unwind: bool = True  # commit reduce-only orders for what was taken
    max_slippage_percent: Decimal = Field(default=Decimal(2), gt=0, le=50)  # of those orders
    withdraw: bool = False  # send collateral that was taken to the key's address
    # makers' signed orders to close accounts against: folders, or HTTP addresses that serve /bids
    bids: tuple[str, ...] = ()
    bids_poll_s: float = Field(default=2.0, gt=0)  # between two looks at them
    max_bid_gas_usd: float = Field(default=5.0, ge=0)  # for a close, which pays nothing
    gas_close: int = Field(default=3_000_000, ge=100_000)
    audit_s: float = Field(default=30.0, gt=0)  # hold the mirror against the lens so often
    batch: int = Field(default=32, ge=1)  # accounts looked at per price
    gas_reduce: int = Field(default=1_500_000, ge=100_000)
    gas_take: int = Field(default=3_000_000, ge=100_000)
    gas_take_leg: int = Field(default=200_000, ge=0)  # more for each option or future of the two
    gas_most: int = Field(default=16_000_000, ge=100_000)  # of one transaction, the chain's limit
    backoff_blocks: int = Field(default=2, ge=1)
    stagger_s: float = Field(default=0.15, ge=0)  # between the places in line


class ExpireSettings(Settings):
    """What a keeper of expiries adds."""

    peers: tuple[str, ...] = ()
    # between two observations of a series; a second keeper with more of them acts when the first
    # does not. A window bears five minutes without one
    observe_s: int = Field(default=30, ge=1, le=240)
    batch: int = Field(default=16, ge=1)  # transactions of one round


class ClientSettings(Settings):
    """What somebody who uses the protocol adds."""

    slippage_percent: Decimal = Field(default=Decimal("0.5"), ge=0, le=50)  # of an order's limit
    lifetime_s: int = Field(default=300, ge=5, le=86_400)  # of an order
    wait_s: float = Field(default=60.0, ge=0)  # for an order's execution
    patience_s: float = Field(default=120.0, gt=0)  # for a transaction's block
    poll_s: float = Field(default=0.25, gt=0)  # between two looks at the chain


def usd(amount: float) -> int:
    """Return whole or fractional dollars as WAD."""
    return round(amount * 1_000_000) * (WAD // 1_000_000)


def share(percent: Decimal) -> int:
    """Return a percentage as WAD."""
    return int(percent * WAD / 100)


S = TypeVar("S", bound="Settings")


def make(kind: type[S], **given: object) -> S:
    """Build settings from the environment and the options that were given."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        raise BadInput(
            f"the setting {name} is not usable ({first['msg']})",
            f"check --{name.replace('_', '-')} or PLIMSOLL_{name.upper()}",
        ) from error
