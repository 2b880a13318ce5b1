# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Exact transfers of tokens that were never asked to be well-behaved
@license AGPL-3.0-only
@notice A missing return value counts as true, false reverts, and the balance of this contract
        must move by exactly the amount: a fee or a rebase on the way refuses the transfer.
        The balance is only ever compared with itself; what is owed stands in the ledger.
@custom:kill not deployable
"""

from ethereum.ercs import IERC20
from libs import errors


@internal
def _pull(token: address, payer: address, amount: uint256):
    """
    @notice Move exactly `amount` atoms from payer to this contract.
    @custom:reverts "custody: inexact transfer"
    """
    held: uint256 = self._held(token)
    ok: bool = extcall IERC20(token).transferFrom(
        payer, self, amount, default_return_value=True
    )
    # a sum that wraps around is met by no balance
    self._require_exact(token, ok, unsafe_add(held, amount))


@internal
def _push(token: address, to: address, amount: uint256):
    """
    @notice Move exactly `amount` atoms from this contract to `to`.
    @custom:reverts "custody: inexact transfer"
    """
    held: uint256 = self._held(token)
    ok: bool = extcall IERC20(token).transfer(to, amount, default_return_value=True)
    # a difference that wraps around is met by no balance
    self._require_exact(token, ok, unsafe_sub(held, amount))


@internal
@view
def _require_exact(token: address, ok: bool, expected: uint256):
    if not ok or self._held(token) != expected:
        errors._fail("custody: inexact transfer")


@internal
@view
def _held(token: address) -> uint256:
    return staticcall IERC20(token).balanceOf(self)
