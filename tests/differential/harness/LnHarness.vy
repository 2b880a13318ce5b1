# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LnHarness: snekmate's logarithm, callable, for the differential tests
@license AGPL-3.0-only
@custom:kill not deployable; a test's harness
"""

from snekmate.utils import math


@external
@pure
def wad_ln(x: int256) -> int256:
    return math._wad_ln(x)
