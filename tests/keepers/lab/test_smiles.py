"""Fits of smiles: what was put in is found, without arbitrage, and the chain takes the result."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.domain import svi
from keepers.domain.svi import ONE, Smile
from keepers.domain.units import DAY, WAD
from keepers.errors import BadInput
from keepers.lab.smiles import main
from keepers.smiles.chains import read_chains
from keepers.smiles.fit import Quotes, density, fit, fit_chain, variance
from tests.keepers.lab.chains import NOW, TRUE, quotes, recorded
from tests.reference import svi as reference


def test_fit__quotes_of_an_svi_smile__finds_its_volatilities() -> None:
    made = fit(quotes(30, TRUE))
    assert made.fault == ""
    # a twentieth of a point, which is what the price of steepness moves it by
    assert np.abs(made.residuals).max() < 5e-4


def test_fit__noisy_quotes__is_as_close_as_the_smile_that_made_them() -> None:
    given_quotes = quotes(30, TRUE, noise=0.005)
    made = fit(given_quotes)
    true = np.sqrt(variance(TRUE, given_quotes.k) / given_quotes.years)
    weight = given_quotes.weight**2
    best = math.sqrt(float((weight * (true - given_quotes.volatility) ** 2).sum() / weight.sum()))
    assert made.rms <= best * 1.01


def test_fit_chain__an_expiry_quoted_below_the_one_before__is_lifted_above_it() -> None:
    # the second expiry's quotes have a tenth less total variance than the first one's
    scaled = TRUE * np.array([0.9, 0.9, 1, 1, 1])
    first, second = fit_chain([quotes(37, scaled), quotes(30, TRUE)])
    assert (first.fault, second.fault) == ("", "")
    k = [round(x * ONE) for x in np.linspace(-3, 3, 601)]
    gap = [second.smile.total_variance(x) - first.smile.total_variance(x) for x in k]
    # between the samples a ten-thousandth of the variance at the money is the most that is missing
    assert min(gap) > -WAD * 3 // 10**6
    # no further above than it has to be
    assert second.rms < 0.06 * first.quotes.volatility.mean()


def test_fit__quotes_with_a_butterfly__has_a_density() -> None:
    bent = quotes(30, TRUE)
    # a kink that no density has: volatility falls by a third at the upper strikes
    volatility = np.where(bent.k > 0.15, bent.volatility * 0.66, bent.volatility)
    made = fit(Quotes(bent.expiry, bent.years, bent.forward, bent.k, volatility))
    assert made.fault == ""
    p = made.smile
    floats = np.array([p.a / WAD, p.b / WAD, p.rho / ONE, p.m / ONE, p.sigma / ONE])
    root = math.sqrt(float(variance(floats, np.array([0.0]))[0]))
    assert density(floats, np.linspace(-8, 8, 49) * root).min() > -1e-6


def test_fit__a_straight_skew__gets_no_wing_that_nobody_quoted() -> None:
    # volatility falls by three points a standard deviation; a hyperbola whose bend is far away,
    # with a steep left wing, would fit as well and leave later expiries no room under Lee's bound
    flat = quotes(30, TRUE)
    root = float(flat.volatility[12]) * math.sqrt(flat.years)
    skewed = 0.6 - 0.03 * flat.k / root
    made = fit(Quotes(flat.expiry, flat.years, flat.forward, flat.k, skewed))
    assert made.fault == ""
    assert made.rms < 0.002
    assert max(made.smile.wing(1), made.smile.wing(-1)) < WAD * ONE // 4


def test_fit__what_it_returns__is_sound_for_the_reference() -> None:
    fits = fit_chain([quotes(days, TRUE * days / 30, noise=0.01) for days in (7, 30, 90)])
    smiles = [reference.Smile(s.a, s.b, s.rho, s.m, s.sigma) for s in (f.smile for f in fits)]
    assert all(reference.is_sound(smile) for smile in smiles)
    assert reference.is_after(smiles[1], smiles[0])
    assert reference.is_after(smiles[2], smiles[1])


# ---- the integers --------------------------------------------------------------------------------

# A. Vogt's smile: sound by every bound of its variance, and with a negative density
VOGT = Smile(
    -41 * WAD // 1_000,
    1_331 * WAD // 10_000,
    306 * ONE // 1_000,
    3_586 * ONE // 10_000,
    4_153 * ONE // 10_000,
)
smiles = st.builds(
    Smile,
    st.integers(-WAD, WAD),
    st.integers(0, 2 * WAD + 1),
    st.integers(-ONE, ONE),
    st.integers(-9 * ONE, 9 * ONE),
    st.integers(0, 9 * ONE),
)


@given(smile=smiles, other=smiles, k=st.integers(-3 * ONE, 3 * ONE))
def test_b7_smile__any_parameters__equals_the_reference(smile: Smile, other: Smile, k: int) -> None:
    one, two = (reference.Smile(s.a, s.b, s.rho, s.m, s.sigma) for s in (smile, other))
    fine = reference.is_sound(one) and reference.has_density(one)
    assert (svi.fault(smile) == "") == fine
    assert smile.total_variance(k) == reference.total_variance(one, k)
    assert svi.is_after(smile, other) == reference.is_after(one, two)


@pytest.mark.parametrize(
    ("smile", "said"),
    [
        (Smile(0, 3 * WAD, 0, 0, ONE), "a or b"),
        (Smile(0, WAD, ONE, 0, ONE), "rho, m or sigma"),
        (Smile(0, 2 * WAD, ONE // 2, 0, ONE), "steeper"),
        (Smile(-WAD, WAD // 2, 0, 0, ONE), "least variance"),
        (VOGT, "density"),
    ],
)
def test_fault__each_bound__is_named(smile: Smile, said: str) -> None:
    assert said in svi.fault(smile)


# ---- files and the command -----------------------------------------------------------------------


def test_read_chains__both_sides_of_a_strike__takes_the_one_out_of_the_money(
    tmp_path: Path,
) -> None:
    chains = read_chains(recorded(tmp_path / "chain.csv.gz"), "BTC")
    assert list(chains) == [NOW]
    first, second = chains[NOW]
    assert (first.expiry, second.expiry) == (NOW + 30 * DAY, NOW + 60 * DAY)
    assert first.volatility == pytest.approx(quotes(30, TRUE).volatility)
    assert second.forward == 60_000


def test_main__a_recorded_chain__prints_residuals_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "smiles.png"
    assert main([str(recorded(tmp_path / "chain.csv.gz")), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[1:3]] == ["30.0", "60.0"]
    assert all("takes it" in line for line in said[1:3])
    assert out.read_bytes().startswith(b"\x89PNG")


def test_main__no_such_chain__is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "chain.csv.gz")
    for arguments in (["nowhere.csv.gz"], [str(path), "--currency", "SOL"], [str(path), "--at=1"]):
        assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_read_chains__another_file__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("currency\nBTC\n", encoding="utf-8")
    with pytest.raises(BadInput):
        read_chains(path, "BTC")
