"""R9: signed reports in, guarded prices out, as docs/spec/oracle.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from tests.reference.facts import Market
from tests.reference.fixed import ceil_div
from tests.reference.markets import accept
from tests.reference.refused import require
from tests.reference.units import (
    ACTIVE,
    CONF_ONE,
    FUTURE,
    PENDING,
    POLLED,
    UNTRUSTED,
    WAD,
    WINDOW,
)

MAX_CONF = 65_535
JUMP_TIME = 300
CLOCK = 1
HELD = 15  # seconds behind the newest report: nobody falls back further


class Quote(NamedTuple):
    """One feed of a report: price in ticks, confidence in 1e-5 of it."""

    feed: int
    price: int
    conf: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one source signed; `valid` stands for a good signature by `signer`."""

    signer: int
    publish: int
    quotes: tuple[Quote, ...]
    valid: bool = True


class Verdict(Enum):
    """What an offered price did to its market."""

    NOTHING = 0
    STORED = 1
    DOUBT = 2  # refused, or outside the band without confirming


@dataclass(frozen=True, slots=True)
class Updated:
    """The facts after an update."""

    markets: Mapping[int, Market]
    signer_times: Mapping[int, int]
    stored: int


def feeds_of(report: Report) -> list[int]:
    """Return the feeds of a report in their order."""
    return [quote.feed for quote in report.quotes]


def verify(reports: Sequence[Report], signers: Sequence[int], quorum: int, now: int) -> None:
    """Refuse reports that no honest quorum signed (steps 1 and 2)."""
    require(len(reports) >= quorum, "oracle: no quorum")
    times = [report.publish for report in reports]
    require(max(times) <= now + FUTURE, "oracle: from the future")
    last = -1
    for report in reports:
        require(report.signer > last, "oracle: signer order")
        last = report.signer
    # the feeds stand in an update once, so who signed others did not sign these
    feeds = feeds_of(reports[0])
    for report in reports:
        signed = report.valid and report.signer in signers and feeds_of(report) == feeds
        require(signed, "oracle: bad signature")
    require(max(times) - min(times) <= WINDOW, "oracle: window")


def median(quotes: Sequence[Quote]) -> tuple[int, int]:
    """Return price and confidence of one feed over the included reports."""
    prices = sorted(quote.price for quote in quotes)
    confs = sorted(quote.conf for quote in quotes)
    half = len(prices) // 2
    price = prices[half] if len(prices) % 2 else (prices[half - 1] + prices[half]) // 2
    spread = ceil_div((prices[-1] - prices[0]) * CONF_ONE, 2 * price) if price else 0
    return price, min(MAX_CONF, max(confs[half], spread))


def outside(m: Market, price: int, dt: int) -> bool:
    """Return whether a price lies outside the jump band."""
    limit = m.feed.jump_0 + m.feed.jump_rate * min(dt, JUMP_TIME)
    return abs(price - m.price) * WAD > limit * m.price


def confirms(m: Market, price: int, publish: int) -> bool:
    """Return whether a price outside the band confirms the pending one."""
    return (
        publish >= m.pending_publish + m.feed.confirm_delay
        and (price > m.price) == (m.pending_price > m.price)
        and 2 * abs(price - m.price) >= abs(m.pending_price - m.price)
    )


def offer(
    m: Market,
    price: int,
    conf: int,
    publish: int,
    now: int,
    *,
    polled: bool = False,
    confirmed: bool = True,
) -> tuple[Market, Verdict]:
    """Return the market after a price was offered to it, and what that did.

    Args:
        m: the market.
        price: a median of reports, or what an adapter says [ticks].
        conf: its confidence [1e-5].
        publish: its time.
        now: the chain's time.
        polled: whether an adapter says it.
        confirmed: whether the market's cross-check, if it has one, agrees.
    """
    own = (m.flags & POLLED != 0) == polled
    if m.flags & ACTIVE == 0 or not own or publish <= m.publish:
        return m, Verdict.NOTHING
    if not m.feed.min_price <= price <= m.feed.max_price:
        return replace(m, flags=m.flags | UNTRUSTED), Verdict.DOUBT
    if not outside(m, price, publish - m.publish):
        return accept(m, price, conf, publish, now, confirmed=confirmed), Verdict.STORED
    pending = m.flags & PENDING != 0
    if pending and confirms(m, price, publish):
        return accept(m, price, conf, publish, now, confirmed=confirmed), Verdict.STORED
    if pending and publish < m.pending_publish + m.feed.confirm_delay:
        return m, Verdict.DOUBT
    waiting = replace(m, flags=m.flags | PENDING, pending_price=price, pending_publish=publish)
    return waiting, Verdict.DOUBT


def clock(markets: Mapping[int, Market]) -> int:
    """Return the publish time of the first market's price, 0 before it is listed."""
    return markets[CLOCK].publish if CLOCK in markets else 0


def held(signer_times: Mapping[int, int], reports: Sequence[Report]) -> dict[int, int]:
    """Return the times below which nobody may fall back after these reports."""
    newest = max(*signer_times.values(), *(report.publish for report in reports))
    floors = {signer: max(time, newest - HELD) for signer, time in signer_times.items()}
    return floors | {report.signer: report.publish for report in reports}


def update(
    markets: Mapping[int, Market],
    signer_times: Mapping[int, int],
    quorum: int,
    reports: Sequence[Report],
    now: int,
) -> Updated:
    """Return the facts after `Markets.update`; the keys of signer_times are the signers.

    No update is older than the price of the clock, and that price tells the times of reports
    which are all of its second; the signers are held to any other times that counted.
    """
    verify(reports, tuple(signer_times), quorum, now)
    publish = min(report.publish for report in reports)
    back = any(report.publish < signer_times[report.signer] for report in reports)
    if back or publish < clock(markets):
        return Updated(markets, signer_times, 0)
    after = dict(markets)
    stored, doubt = 0, False
    for position, feed in enumerate(feeds_of(reports[0])):
        market = after.get(feed)
        if market is None:
            continue
        price, conf = median([report.quotes[position] for report in reports])
        after[feed], verdict = offer(market, price, conf, publish, now)
        stored += verdict is Verdict.STORED
        doubt |= verdict is Verdict.DOUBT
    told = all(report.publish == clock(after) for report in reports)
    counts = doubt or stored > 0
    times = held(signer_times, reports) if counts and not told else signer_times
    return Updated(after, times, stored)
