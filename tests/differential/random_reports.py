"""Reports of one update, right and wrong in every way."""

from __future__ import annotations

from random import Random

from tests.differential.random_facts import NOW
from tests.reference.facts import Market
from tests.reference.oracle import Quote, Report
from tests.support.signing import SIGNERS


def offered_price(rng: Random, m: Market) -> int:
    """Return a price inside the band, at its edge, outside, confirming, or out of bounds."""
    edge = m.price * (10**18 + m.feed.jump_0) // 10**18
    choices = (
        m.price * rng.randint(990, 1_010) // 1_000,
        edge + rng.randint(-2, 2),
        m.price * rng.randint(500, 2_000) // 1_000,
        m.pending_price + rng.randint(-3, 3),
        (m.price + m.pending_price) // 2 + rng.randint(-1, 1),
        rng.choice([m.feed.min_price, m.feed.max_price]) + rng.randint(-1, 1),
    )
    return min(2**64 - 1, max(0, rng.choice(choices)))


def random_reports(rng: Random, world: dict[int, Market]) -> list[Report]:
    """Return reports of one update: mostly near each other, some wrong in one way."""
    feeds = sorted(rng.sample(sorted(world), rng.randint(1, len(world))))
    if rng.random() < 0.2:
        # any order, one of them twice, one that is not listed
        feeds = rng.sample([*feeds, rng.choice(feeds), 200], len(feeds) + 2)
    signers = sorted(rng.sample(range(SIGNERS), rng.choice([2, 3, 3, 3, 3, 4, 4, 4])))
    middle = {feed: offered_price(rng, world[feed]) for feed in world} | {200: 7}
    publish = NOW + rng.choice([1, 0, 0, 0, -1, -2, -5, -30])
    differ = rng.random() < 0.5
    reports = []
    for signer in signers:
        quotes = tuple(
            Quote(
                feed,
                min(2**64 - 1, max(0, middle[feed] * (10_000 + rng.randint(-3, 3)) // 10_000)),
                rng.choice([0, rng.randint(0, 3_000), 2**16 - 1]),
            )
            for feed in feeds
        )
        late = differ * (rng.choice([0, 0, 1, 2, 3, 4]) - rng.choice([0] * 20 + [1]))
        reports.append(Report(signer, publish - late, quotes, valid=rng.random() < 0.98))
    return reports
