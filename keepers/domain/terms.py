"""Constants of a deployment that margin depends on; docs/spec/margin.md."""

from __future__ import annotations

from dataclasses import dataclass

from keepers.domain.units import WAD


@dataclass(frozen=True, slots=True)
class Terms:
    """Ages [s], charges [USD WAD] and funding bounds; the defaults are the shipped ones."""

    age_open: int = 15
    age_im: int = 60
    age_mm: int = 120
    dead_after: int = 3_600
    pending_for: int = 60
    kappa_flat: int = WAD
    kappa_leg: int = WAD // 4
    kappa_collateral: int = WAD // 4
    funding_velocity: int = 77_160_493  # 1e-18 per s per s
    funding_rate_max: int = 2_777_777_777_777  # 1e-18 per s
    funding_max: int = 3_600
