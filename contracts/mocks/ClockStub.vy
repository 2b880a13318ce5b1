# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ClockStub: what the Exchange asks a Liquidator, as a test says it
@license AGPL-3.0-only
@custom:kill not deployed outside tests
"""

concession: public(HashMap[uint256, uint256])


@external
def set_concession(account: uint256, share: uint256):
    """
    @param share [WAD]
    """
    self.concession[account] = share
