"""The numbers to reach, the floors and what others measure; their reasons: docs/spec/gas.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table; `of` says which of the two figures the target is about."""

    of: str  # "execution" or "whole"
    reach: int | None = None
    floor: int | None = None
    peer: str = ""


# Peer: Derive v2-core, built and measured on the same EVM with cold storage.
TARGETS = {
    "health_1p": Target("execution", 15_000, 12_800, "143k (MM)"),
    "health_4c4p": Target("execution", 48_000, 37_000, "303k (2 perps)"),
    "deposit_again": Target("whole", 62_000, 58_000, "143k"),
    "deposit_erc20_again": Target("whole", 67_000, 61_000, "164k"),
    "withdraw_cash_only": Target("whole"),
    "withdraw_1p": Target("whole", 72_000, 62_000, "315k"),
    "commit": Target("whole", 75_000),
    "execute_first": Target("whole", 165_000, 125_000, "762k"),
    "execute_add": Target("whole", 145_000, 108_000, "617k"),
    "execute_close": Target("whole"),
    "liquidate_1p": Target("whole", 160_000, 115_000, "1,294k"),
    "take_1p": Target("whole", 125_000, None, "726k (bid)"),
    "take_4c4p": Target("whole"),
    "settle_pair": Target("whole"),
    "batch_3": Target("whole", 200_000),
    "permit_operator": Target("whole"),
    "isolate": Target("whole", 190_000),
    "transfer_leg": Target("whole"),
    "write_off": Target("whole"),
    "black76": Target("execution", 1_700, 900),
    # what the peer's figure includes: logarithm and root
    "black76_terms": Target("execution", None, None, "3,370-6,491"),
    "pm_8": Target("execution", 130_000, 70_000, "2.05M (23 rows)"),
    "pm_32": Target("execution", 490_000, 270_000, "7.28M (23 rows)"),
    "pm_64": Target("execution", 960_000, 540_000, "14.5M (23 rows)"),
    "pm_short_32": Target("execution"),
    "pm_hedged_32": Target("execution"),
    "pm_2markets_16": Target("execution"),
    "pm_32_two_ranges": Target("execution"),
    "pm_8_23": Target("execution"),
    "pm_32_23": Target("execution"),
    "pm_64_23": Target("execution"),
    "pm_short_32_23": Target("execution"),
    "pm_hedged_32_23": Target("execution"),
    "pm_2markets_16_23": Target("execution"),
    "pm_32_two_ranges_23": Target("execution"),
    "fill_1leg": Target("whole"),
    "fill_4legs": Target("whole", 650_000),
    "fill_4legs_again": Target("whole"),
    "fill_4legs_more": Target("whole"),
    "health_pm_8": Target("execution"),
    "health_pm_32": Target("execution"),
    "health_pm_64": Target("execution"),
    "health_many_2x64": Target("execution"),
    "health_many_8x64": Target("execution"),
    "health_pm_lens_per_position": Target("execution"),
    "flag_64": Target("whole", 10_000_000),
    "take_64": Target("whole", 10_000_000),
    "plan_take_64": Target("execution"),
    "settle_64": Target("whole", 3_000_000),
    "settle_64_again": Target("whole", 3_000_000),
    "c7_take": Target("whole", 10_000_000),
    "c7_reduce": Target("whole", 10_000_000),
    "c7_take_all": Target("whole", 10_000_000),
    "surface_update_3": Target("whole"),
    "surface_update_3x12": Target("whole"),
    "surface_update_3x12_same": Target("whole"),
    "marks_64": Target("execution"),
    "price_update_3": Target("whole", 65_000, 57_000, "48k (1 signer)"),
    "price_update_3x4": Target("whole", 80_000, 60_000),
}

# health_4c4p may cost 46k and 0.5k for each leg in the size tier, and all four are in it.

SIZE_CEILING = 22_000
SIZE_CEILINGS = {"Clearinghouse": 21_000}
GROWTH_PERCENT = 2
