"""The seeded economy: reproducible, in the proportions that the demo promises."""

from __future__ import annotations

from itertools import accumulate

import pytest

from keepers.domain.units import WAD
from keepers.errors import BadInput
from keepers.lab import economy, replay, world
from keepers.lab.economy import Economy, Plan
from scripts.deployment import ranges

PARAMETERS = world.parameters_for(replay.crash().first_prices)
WORLD = world.World(None, PARAMETERS, PARAMETERS.prices)  # type: ignore[arg-type]
SEEDS = (1, 2, 3, 19_052_021)


def drawn(seed: int, accounts: int = 240) -> Economy:
    return economy.generate(seed, accounts, WORLD.traded, WORLD.coins)


def notional(plan: Plan, market: str) -> float:
    price = PARAMETERS.prices[market]
    return sum(want.size * price / WAD for want in plan.wants if want.market == market)


@pytest.mark.parametrize("seed", SEEDS)
def test_generate__a_seed__the_same_economy_and_keys_again(seed: int) -> None:
    first, second = drawn(seed), drawn(seed)
    assert first == second
    assert first.secret(3) == second.secret(3)


def test_generate__another_seed__another_economy() -> None:
    assert drawn(1).plans != drawn(2).plans
    assert drawn(1).secret(0) != drawn(2).secret(0)


@pytest.mark.parametrize("accounts", [60, 200, 240, 500])
def test_generate__a_number__that_many_accounts(accounts: int) -> None:
    assert len(drawn(1, accounts).plans) == accounts


@pytest.mark.parametrize("accounts", [0, 59, 2_001])
def test_generate__too_few_or_too_many__refused(accounts: int) -> None:
    with pytest.raises(BadInput, match="accounts are not between"):
        drawn(1, accounts)


@pytest.mark.parametrize("seed", SEEDS)
def test_generate__default_size__every_kind_and_a_tight_third(seed: int) -> None:
    counts = drawn(seed).counts()
    cross = 240 - counts["isolated"]
    assert all(counts[kind] >= 20 for kind in ("directional", "basket", "hedged", "isolated"))
    assert counts["tight"] == -(-cross // 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_twins__a_family__the_same_legs_and_the_same_deposit_in_all(seed: int) -> None:
    made = drawn(seed)
    assert made.families()
    for cross, twins in made.families().items():
        plan = made.plans[cross]
        members = [made.plans[twin] for twin in twins]
        assert tuple(want for twin in members for want in twin.wants) == plan.wants
        assert all(len(twin.wants) == 1 and twin.owner == plan.owner for twin in members)
        assert sorted(twin.index for twin in members) == list(range(1, len(members) + 1))
        sums: dict[str, int] = {}
        for twin in members:
            for token, amount in twin.deposits:
                sums[token] = sums.get(token, 0) + amount
        assert sums == dict(plan.deposits)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [1, 25])
def test_generate__prices_of_then_or_a_fraction__coins_within_their_soft_caps(
    seed: int, share: int
) -> None:
    # ETH at 130 USD, as in March 2020, makes many more coins of the same deposits
    prices = {symbol: price // share for symbol, price in PARAMETERS.prices.items()}
    then = world.World(None, PARAMETERS, prices)  # type: ignore[arg-type]
    held: dict[str, int] = {}
    for plan in economy.generate(seed, 240, then.traded, then.coins).plans:
        for token, amount in plan.deposits:
            held[token] = held.get(token, 0) + amount
    for token in PARAMETERS.collaterals.values():
        assert 0 < held[token.symbol] <= token.soft_cap * 10**token.decimals


@pytest.mark.parametrize("seed", SEEDS)
def test_generate__market_by_market__inside_the_room_of_pool_and_cap(seed: int) -> None:
    made = drawn(seed)
    for market in WORLD.traded:
        sizes = [notional(plan, market.symbol) for plan in made.plans]
        assert sum(size for size in sizes if size > 0) < market.interest_cap / 2
        assert max(abs(skew) for skew in accumulate(sizes)) < market.skew_cap


@pytest.mark.parametrize("seed", SEEDS)
def test_generate__every_leg__worth_more_than_the_least_leg(seed: int) -> None:
    for plan in drawn(seed).plans:
        for want in plan.wants:
            assert abs(notional(plan, want.market)) > 1_000


def test_generate__hedged__opposite_legs_or_a_short_against_its_coin() -> None:
    hedged = [plan for plan in drawn(1).plans if plan.kind == "hedged" and not plan.isolated]
    pairs = [plan for plan in hedged if len(plan.wants) == 2]
    basis = [plan for plan in hedged if len(plan.wants) == 1]
    assert len(pairs) >= 5 and len(basis) >= 5
    for plan in pairs:
        first, second = plan.wants
        assert first.market != second.market
    assert all(plan.deposits[1][0] != "cash" for plan in basis)


def test_parameters_for__an_unknown_symbol__listed_like_its_class() -> None:
    made = world.parameters_for({"LUNA": 5_0000000000})
    assert made.markets["LUNA"].id == 5
    assert made.markets["LUNA"].margin == made.markets["LINK"].margin
    first, feed = 5 * WAD, made.markets["LUNA"].feed
    assert feed.min_price * 50_000 < first < feed.max_price // 10
    ranges.check(made)
