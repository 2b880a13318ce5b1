# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Grants: which operators may act for an account, how often and until when
@license AGPL-3.0-only
@notice docs/spec/operators.md. The only writer of grants and of spent nonces.
@custom:kill not deployable
"""

from interfaces import IOperators
from libs import errors
from libs import grant_packing
from libs import packing
from snekmate.utils import eip712_domain_separator
from snekmate.utils import signature_checker

uses: eip712_domain_separator

PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(uint256 account,address operator,uint256 scope,uint256 expiry,uint256 uses,"
    "uint256 nonce,uint256 deadline)"
)

# account -> operator -> docs/spec/words.md (grant)
grants: HashMap[uint256, HashMap[address, uint256]]
# owner -> nonce // 256 -> bits
nonces: HashMap[address, HashMap[uint256, uint256]]


# ---- external -----------------------------------------------------------------------------------


@external
def grant(g: IOperators.Grant):
    """
    @notice Let an operator act for an account of the caller, `uses` times until `expiry`; an empty
            scope revokes.
    @custom:reverts "operators: not the owner", "operators: out of range"
    """
    self._set(g)


@external
def permit(g: IOperators.Grant, nonce: uint256, deadline: uint256, signature: Bytes[65]):
    """
    @notice The same by the owner's EIP-712 signature (EIP-1271 where he is a contract); anyone may
            bring it, once, until `deadline` [unix s].
    @param nonce any number that the owner has not used
    @custom:reverts "operators: expired", "operators: nonce used", "operators: bad signature",
            "operators: out of range"
    """
    if block.timestamp > deadline:
        errors._fail("operators: expired")
    owner: address = packing._owner(g.account)
    self._spend(owner, nonce)
    self._require_signed(owner, g, nonce, deadline, signature)
    self._save(g)


@external
def cancel_nonce(nonce: uint256):
    """
    @notice Make a permit of the caller that nobody has brought yet worthless.
    @custom:reverts "operators: nonce used"
    """
    self._spend(msg.sender, nonce)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def granted(account: uint256, operator: address) -> IOperators.Grant:
    """
    @return what stands, expired or used up or not
    """
    scope: uint256 = 0
    expiry: uint256 = 0
    uses_left: uint256 = 0
    scope, expiry, uses_left = grant_packing._fields(self.grants[account][operator])
    return IOperators.Grant(
        account=account,
        operator=operator,
        scope=convert(scope, IOperators.Scope),
        expiry=expiry,
        uses=uses_left,
    )


@external
@view
def nonce_used(owner: address, nonce: uint256) -> bool:
    """
    @return whether a permit with this nonce was brought or cancelled
    """
    return self._used(owner, nonce) & grant_packing._nonce_bit(nonce) != 0


# ---- consent ------------------------------------------------------------------------------------


@internal
@view
def _require_owner(account: uint256):
    if packing._owner(account) != msg.sender:
        errors._fail("operators: not the owner")


@internal
def _require(account: uint256, scope: IOperators.Scope):
    """
    @notice The owner; or an operator whose grant covers it, of which one use is spent.
    """
    if packing._owner(account) == msg.sender:
        return
    granted: uint256 = 0
    expiry: uint256 = 0
    left: uint256 = 0
    granted, expiry, left = grant_packing._fields(self.grants[account][msg.sender])
    lapsed: bool = block.timestamp > expiry or left == 0
    if lapsed or scope not in convert(granted, IOperators.Scope):
        errors._fail("operators: not granted")
    if left != grant_packing.MAX_USES:
        left -= 1
        self.grants[account][msg.sender] = grant_packing._word(granted, expiry, left)

    log IOperators.Used(account=account, operator=msg.sender, scope=scope, left=left)


@internal
@view
def _require_signed(
    owner: address,
    g: IOperators.Grant,
    nonce: uint256,
    deadline: uint256,
    signature: Bytes[65],
):
    """
    @notice A malformed signature recovers to nobody, who owns no account.
    """
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(
        keccak256(
            abi_encode(
                PERMIT_TYPE, g.account, g.operator, g.scope, g.expiry, g.uses, nonce, deadline
            )
        )
    )
    signed: bool = signature_checker._is_valid_signature_now(owner, digest, signature)
    if owner == empty(address) or not signed:
        errors._fail("operators: bad signature")


# ---- writers ------------------------------------------------------------------------------------


@internal
def _set(g: IOperators.Grant):
    """
    @notice A grant by the caller himself.
    """
    self._require_owner(g.account)
    self._save(g)


@internal
def _save(g: IOperators.Grant):
    if g.expiry > grant_packing.MAX_EXPIRY or g.uses > grant_packing.MAX_USES:
        errors._fail("operators: out of range")
    word: uint256 = grant_packing._word(convert(g.scope, uint256), g.expiry, g.uses)
    self.grants[g.account][g.operator] = word

    log IOperators.Granted(
        account=g.account, operator=g.operator, scope=g.scope, expiry=g.expiry, uses=g.uses
    )


@internal
def _spend(owner: address, nonce: uint256):
    used: uint256 = self._used(owner, nonce)
    bit: uint256 = grant_packing._nonce_bit(nonce)
    if used & bit != 0:
        errors._fail("operators: nonce used")
    self.nonces[owner][nonce // grant_packing.NONCES] = used | bit

    log IOperators.NonceUsed(owner=owner, nonce=nonce)


@internal
@view
def _used(owner: address, nonce: uint256) -> uint256:
    """
    @return the bits of the 256 nonces around this one
    """
    return self.nonces[owner][nonce // grant_packing.NONCES]
