"""Which price executes an order, and which orders are dead; docs/spec/orders.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepers.domain.orders import Fate, Order, fate, led, ranked
from keepers.domain.words import perp
from tests.keepers.facts import NOW, market

DELAY = 2
ORDER = Order(
    id=b"\x01" * 32,
    account=7 << 96,
    venue="0x" + "11" * 20,
    instrument=perp(1),
    size=10**18,
    limit_price=2_000 * 10**18,
    deadline=NOW + 100,
    reduce_only=False,
    reserve=10**15,
    salt=1,
    commit_time=NOW,
)


@pytest.mark.parametrize(
    ("publish", "gap", "now", "expected"),
    [
        (NOW + 1, 10, NOW + 5, Fate.WAIT),  # before commit + delay
        (NOW + 2, 10, NOW + 5, Fate.EXECUTE),  # the first second that counts
        (NOW + 11, 10, NOW + 12, Fate.EXECUTE),  # the one before was at commit + 1
        (NOW + 12, 10, NOW + 13, Fate.REFUND),  # the one before was at commit + 2
        (NOW + 7, 1, NOW + 8, Fate.EXECUTE),  # not the first, but of 5 s behind it
        (NOW + 8, 1, NOW + 9, Fate.REFUND),
        (NOW + 2, 10, NOW + 100, Fate.EXECUTE),  # the deadline itself
        (NOW + 2, 10, NOW + 101, Fate.REFUND),
        (NOW + 300, 255, NOW + 50, Fate.REFUND),  # an outage counts as 255 s
    ],
)
def test_fate__price_times__decide(publish: int, gap: int, now: int, expected: Fate) -> None:
    price = replace(market().price, publish_time=publish, gap=gap)
    assert fate(ORDER, price, DELAY, now) is expected


@pytest.mark.parametrize(
    ("stored", "brought", "now", "expected"),
    [
        (NOW, NOW + 2, NOW + 3, True),
        (NOW, NOW + 1, NOW + 3, False),  # too early
        (NOW + 2, NOW + 12, NOW + 13, False),  # a price stands already
        (NOW, NOW + 2, NOW + 101, False),  # expired
        (NOW - 300, NOW + 2, NOW + 3, True),  # 255 s back is still before the commitment
        (NOW - 300, NOW + 260, NOW + 50, False),
    ],
)
def test_led__own_reports__execute_only_as_the_first(
    stored: int, brought: int, now: int, expected: bool
) -> None:
    price = replace(market().price, publish_time=stored)
    assert led(ORDER, price, brought, DELAY, now) is expected


def test_ranked__reduce_only_then_pay_then_age() -> None:
    rich = replace(ORDER, reserve=10**17, salt=2)
    close = replace(ORDER, reduce_only=True, salt=3)
    late = replace(ORDER, commit_time=NOW + 1, salt=4)
    assert [each.salt for each in ranked([late, ORDER, rich, close])] == [3, 2, 1, 4]
