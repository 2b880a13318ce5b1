"""R9: signed reports in, guarded prices out, as docs/spec/oracle.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.reference.facts import Market
from tests.reference.fixed import ceil_div
from tests.reference.markets import accept
from tests.reference.refused import require
from tests.reference.units import ACTIVE, CONF_ONE, FUTURE, PENDING, UNTRUSTED, WAD, WINDOW

MAX_CONF = 65_535
JUMP_TIME = 300


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


@dataclass(frozen=True, slots=True)
class Updated:
    """The facts after an update."""

    markets: Mapping[int, Market]
    signer_times: Mapping[int, int]
    stored: int


def verify(reports: Sequence[Report], signers: Sequence[int], quorum: int, now: int) -> None:
    """Refuse reports that no honest quorum signed (steps 1 and 2)."""
    require(len(reports) >= quorum, "oracle: no quorum")
    last = -1
    for report in reports:
        require(report.signer > last, "oracle: signer order")
        last = report.signer
        require(report.signer in signers, "oracle: unknown signer")
        require(report.valid, "oracle: bad signature")
    times = [report.publish for report in reports]
    require(max(times) <= now + FUTURE, "oracle: from the future")
    require(max(times) - min(times) <= WINDOW, "oracle: window")


def verify_feeds(reports: Sequence[Report]) -> None:
    """Refuse reports that do not list the same feeds in ascending order."""
    last = -1
    for position, quote in enumerate(reports[0].quotes):
        same = all(report.quotes[position].feed == quote.feed for report in reports)
        require(same, "oracle: feeds differ")
        require(quote.feed > last, "oracle: feed order")
        last = quote.feed


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


def offer(m: Market, price: int, conf: int, publish: int, now: int) -> tuple[Market, bool]:
    """Return the market after a median was offered to it, and whether it was stored."""
    if m.flags & ACTIVE == 0 or publish <= m.publish:
        return m, False
    if not m.feed.min_price <= price <= m.feed.max_price:
        return replace(m, flags=m.flags | UNTRUSTED), False
    if not outside(m, price, publish - m.publish):
        return accept(m, price, conf, publish, now), True
    pending = m.flags & PENDING != 0
    if pending and confirms(m, price, publish):
        return accept(m, price, conf, publish, now), True
    if pending and publish < m.pending_publish + m.feed.confirm_delay:
        return m, False
    waiting = replace(m, flags=m.flags | PENDING, pending_price=price, pending_publish=publish)
    return waiting, False


def update(
    markets: Mapping[int, Market],
    signer_times: Mapping[int, int],
    quorum: int,
    reports: Sequence[Report],
    now: int,
) -> Updated:
    """Return the facts after `Markets.update`; the keys of signer_times are the signers."""
    verify(reports, tuple(signer_times), quorum, now)
    if any(report.publish < signer_times[report.signer] for report in reports):
        return Updated(markets, signer_times, 0)
    verify_feeds(reports)
    times = {**signer_times, **{report.signer: report.publish for report in reports}}
    publish = min(report.publish for report in reports)
    after = dict(markets)
    stored = 0
    for position, quote in enumerate(reports[0].quotes):
        market = markets.get(quote.feed)
        if market is None:
            continue
        price, conf = median([report.quotes[position] for report in reports])
        after[quote.feed], accepted = offer(market, price, conf, publish, now)
        stored += accepted
    return Updated(after, times, stored)
