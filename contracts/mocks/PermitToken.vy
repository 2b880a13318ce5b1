# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title PermitToken: snekmate's ERC-20 with ERC-2612 permits
@license AGPL-3.0-only
@notice The deployer mints.
@custom:kill none; it holds nothing of value
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]

exports: erc20.__interface__


@deploy
def __init__(decimals: uint8):
    ownable.__init__()
    erc20.__init__("Permit", "PRM", decimals, "Permit", "1")
