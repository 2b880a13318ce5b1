# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Healths in batches: asked so that who cannot be checked spoils no other
@license AGPL-3.0-only
@notice docs/spec/lens.md#total. Owns no state.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from libs import bounded_calls

# of a health: the words of its struct
HEALTH_BYTES: constant(uint256) = 256


@internal
@view
def _require_idle(clearinghouse: address):
    """
    @notice Revert in the middle of a call of the core, where it answers about nobody.
    """
    # any getter behind the core's lock
    count: uint256 = staticcall IClearinghouse(clearinghouse).account_count()


@internal
@view
def _health(clearinghouse: address, account: uint256) -> (bool, IMarkets.Health):
    """
    @return whether the Clearinghouse answers about an account, and what; zeros where it does not
    """
    answered: bool = False
    said: Bytes[HEALTH_BYTES] = b""
    answered, said = bounded_calls._view(
        clearinghouse, abi_encode(account, method_id=method_id("health(uint256)"))
    )
    if not answered or len(said) != HEALTH_BYTES:
        return False, empty(IMarkets.Health)
    return True, abi_decode(said, IMarkets.Health)
