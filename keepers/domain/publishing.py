"""When a publisher reports, and whose turn it is to submit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When reports are due."""

    heartbeat: int  # seconds
    deviation: int  # 1e-4 of the price; 0: never early
    confirm_delay: int  # seconds after which a pending jump is confirmed


def due(
    rhythm: Rhythm,
    now: int,
    last: int,
    pending: int,
    prices: Mapping[int, int],
    last_prices: Mapping[int, int],
) -> int | None:
    """Return the publish time of the report that is due, None when there is none.

    Args:
        rhythm: heartbeat, deviation and confirmation delay.
        now: chain time [s].
        last: publish time of this publisher's last report.
        pending: publish time of a jump that waits for its confirmation, 0 for none.
        prices: ticks by feed now.
        last_prices: ticks by feed in the last report.
    """
    beat = now - now % rhythm.heartbeat
    if beat > last:
        return beat
    confirm = pending + rhythm.confirm_delay
    if pending and last < confirm <= now:
        return confirm
    if rhythm.deviation and now > last and moved(rhythm.deviation, prices, last_prices):
        return now
    return None


def moved(deviation: int, prices: Mapping[int, int], last: Mapping[int, int]) -> bool:
    """Return whether any price went further than the deviation [1e-4] from the last report."""
    return any(
        abs(price - last[feed]) * 10_000 > deviation * last[feed]
        for feed, price in prices.items()
        if feed in last
    )


def turn(signer: int, publish_time: int, heartbeat: int, signers: int) -> int:
    """Return this signer's place in the order of submission: it goes round with the beats."""
    return (signer - publish_time // heartbeat) % signers


@dataclass(frozen=True, slots=True)
class Claim:
    """A publisher's word that it has submitted an update."""

    signer: int
    publish_time: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a publisher knows when it wonders whether to submit."""

    publish_time: int  # of the quorum that it holds
    stored: int  # newest publish time known to be on the chain
    submitted: int  # newest publish time that it has submitted itself
    held_for: float  # seconds since it held this quorum
    blocks: int  # blocks since it held this quorum
    claimed: bool  # a peer says that it has submitted this time or a newer one


def submits(standing: Standing, place: int, stagger_s: float, patience_s: float) -> bool:
    """Return whether to submit now.

    The first in line submits at once; the next ones let its claim reach them. Whoever hears a
    claim waits for a block, and submits only if the update was not in it.
    """
    if standing.publish_time <= max(standing.stored, standing.submitted):
        return False
    if standing.claimed:
        return standing.blocks >= 1 and standing.held_for >= patience_s * (1 + place)
    return standing.held_for >= stagger_s * place


def polls(*, stored: bool, sound: bool, doubted: bool) -> bool:
    """Return whether to poll an adapter.

    Args:
        stored: the poll would store a new price.
        sound: the adapter has a price.
        doubted: the market is in doubt already.
    """
    return stored or not (sound or doubted)
