# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Wallet: a contract that owns accounts and answers for signatures (EIP-1271)
@license AGPL-3.0-only
@custom:kill none; it holds nothing of value
"""

MAGIC: constant(bytes4) = 0x1626BA7E

approved: HashMap[bytes32, bool]
broken: bool


@external
def approve_digest(digest: bytes32):
    """
    @notice Sign for a digest, whatever the signature says.
    """
    self.approved[digest] = True


@external
def set_broken(broken: bool):
    """
    @notice Whether every question about a signature reverts.
    """
    self.broken = broken


@external
def act(target: address, data: Bytes[4096]):
    """
    @notice Call `target` as this contract.
    """
    raw_call(target, data)


@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    assert not self.broken, "wallet: broken"
    if self.approved[digest]:
        return MAGIC
    return 0xFFFFFFFF
