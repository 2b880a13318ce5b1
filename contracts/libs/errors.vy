# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title One way to fail
@license AGPL-3.0-only
@notice Reverts with a standard Error(string). A call costs about 50 bytes where an inline
        reason costs 116, and nothing on the success path when it stands behind an `if`.
@custom:kill not deployable
"""


@internal
@pure
def _fail(reason: String[31]):
    """
    @notice Revert with `reason`, "module: reason" in lower case, listed in docs/errors.md.
    """
    raw_revert(abi_encode(reason, method_id=method_id("Error(string)")))
