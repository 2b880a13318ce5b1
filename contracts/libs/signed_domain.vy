# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The EIP-712 domain of what the price signers sign
@license AGPL-3.0-only
@notice docs/spec/oracle.md#blob: `Plimsoll`, version 1, the chain, the contract that verifies.
@custom:kill not deployable
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


@internal
@view
def _domain() -> bytes32:
    """
    @notice EIP-712 domain; after a fork of the chain reports are bound to the new id.
    """
    return keccak256(
        abi_encode(DOMAIN_TYPE, keccak256("Plimsoll"), keccak256("1"), chain.id, self)
    )
