# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Signed orders: what was signed, by whom, and how much of it is left
@license AGPL-3.0-only
@notice docs/spec/exchange.md#orders. The only writer of spent nonces and of partial fills.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IExchange
from libs import bounded_calls
from libs import errors
from libs import grant_packing
from libs import instruments
from libs import packing
from libs import units as u
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator

uses: eip712_domain_separator

MAX_LEGS: constant(uint256) = 8
MAX_SIGNATURE: constant(uint256) = 260
KEY_SIGNATURE: constant(uint256) = 65
# what a contract wallet may use to judge a signature
WALLET_GAS: constant(uint256) = 200_000
LEG_TYPE: constant(bytes32) = keccak256("Leg(uint256 instrument,int256 size,uint256 price)")
ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(uint256 account,address counterparty,bool takes,Leg[] legs,bool byNet,int256 net,"
    "uint256 feeCap,uint256 nonce,uint256 deadline,bool reduceOnly)"
    "Leg(uint256 instrument,int256 size,uint256 price)"
)

CLEARINGHOUSE: immutable(IClearinghouse)

# owner -> nonce // 256 -> bits
_nonces: HashMap[address, HashMap[uint256, uint256]]
# order -> lots of its only leg, while it is neither whole nor full
filled: HashMap[bytes32, uint256]


@deploy
def __init__(clearinghouse: address):
    CLEARINGHOUSE = IClearinghouse(clearinghouse)


# ---- external -----------------------------------------------------------------------------------


@external
def cancel(owner: address, word: uint256, mask: uint256):
    """
    @notice Spend nonces, so that orders with them are never filled (again): one, or up to 256.
    @param word nonce // 256
    @param mask bit i: the nonce 256 x word + i
    @custom:reverts "exchange: not the owner" unless the owner calls, or a hand that answers for him
    """
    if msg.sender != owner and not self._answers(msg.sender):
        errors._fail("exchange: not the owner")
    self._nonces[owner][word] |= mask

    log IExchange.NoncesSpent(owner=owner, word=word, mask=mask)


# ---- view ---------------------------------------------------------------------------------------


@external
@view
def order_hash(order: IExchange.Order) -> bytes32:
    """
    @return what the account's owner signs
    """
    return self._hash(order)


@external
@view
def remaining(order: IExchange.Order) -> uint256:
    """
    @return [lots of the first leg] what may still be filled; 0 when the order is spent or over
    @custom:reverts "exchange: bad order"
    """
    self._require_sound(order)
    if block.timestamp > order.deadline or self._is_spent(order):
        return 0
    return self._whole(order) - self.filled[self._hash(order)]


@external
@view
def nonces(owner: address, word: uint256) -> uint256:
    """
    @return bits of the nonces 256 x word .. that are spent
    """
    return self._nonces[owner][word]


# ---- consent ------------------------------------------------------------------------------------


@internal
@view
def _answers(caller: address) -> bool:
    """
    @return whether the Clearinghouse believes a contract about the consent of owners (Operators)
    """
    return IClearinghouse.Role.ACT in staticcall CLEARINGHOUSE.hands(caller)


@internal
@view
def _require_signed(account: uint256, order_id: bytes32, signature: Bytes[MAX_SIGNATURE]):
    """
    @notice A key signs; a contract is asked by EIP-1271, with a gas of its own.
    @custom:reverts "exchange: bad signature", "wallet: too little gas", "ecdsa: …" of snekmate
    """
    owner: address = packing._owner(account)
    signed: bool = False
    if owner.is_contract:
        signed = bounded_calls._confirms(owner, order_id, signature, WALLET_GAS)
    elif len(signature) <= KEY_SIGNATURE:
        key: Bytes[KEY_SIGNATURE] = convert(signature, Bytes[KEY_SIGNATURE])
        # one of another length recovers to nobody
        signed = owner != empty(address) and ecdsa._recover_sig(order_id, key) == owner
    if not signed:
        errors._fail("exchange: bad signature")


@internal
@view
def _hash(order: IExchange.Order) -> bytes32:
    """
    @notice EIP-712; after a fork of the chain orders are bound to the new id.
    """
    hashes: bytes32[MAX_LEGS] = empty(bytes32[MAX_LEGS])
    for i: uint256 in range(len(order.legs), bound=MAX_LEGS):
        leg: IExchange.Leg = order.legs[i]
        hashes[i] = keccak256(abi_encode(LEG_TYPE, leg.instrument, leg.size, leg.price))
    legs: bytes32 = keccak256(slice(abi_encode(hashes), 0, 32 * len(order.legs)))
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(
            abi_encode(
                ORDER_TYPE,
                order.account,
                order.counterparty,
                order.takes,
                legs,
                order.by_net,
                order.net,
                order.fee_cap,
                order.nonce,
                order.deadline,
                order.reduce_only,
            )
        )
    )


# ---- shape --------------------------------------------------------------------------------------


@internal
@pure
def _require_sound(order: IExchange.Order):
    """
    @notice One to eight canonical instruments, each once, in the order of their ids, which groups
            them by market; a net price for several legs alone.
    @custom:reverts "exchange: bad order"
    """
    sound: bool = len(order.legs) != 0 and not (order.by_net and len(order.legs) == 1)
    before: uint256 = 0
    for leg: IExchange.Leg in order.legs:
        # the smallest int256 has no opposite
        sound = sound and leg.instrument > before and instruments._is_canonical(leg.instrument)
        sound = sound and leg.size != 0 and leg.size >= -u.MAX_SIZE and leg.size <= u.MAX_SIZE
        sound = sound and leg.price <= u.MAX_PRICE
        before = leg.instrument
    if not sound:
        errors._fail("exchange: bad order")


@internal
@pure
def _whole(order: IExchange.Order) -> uint256:
    """
    @return [lots] size of the first leg of a sound order
    """
    return convert(abs(order.legs[0].size), uint256)


# ---- writers ------------------------------------------------------------------------------------


@internal
@view
def _is_spent(order: IExchange.Order) -> bool:
    owner: address = packing._owner(order.account)
    word: uint256 = self._nonces[owner][order.nonce // grant_packing.NONCES]
    return word & grant_packing._nonce_bit(order.nonce) != 0


@internal
def _spend(order: IExchange.Order, order_id: bytes32, size: uint256):
    """
    @notice Book a fill; the one that makes the order full spends its nonce.
    @param size [lots of the first leg] at most the whole order
    @custom:reverts "exchange: nonce used", "exchange: too much"
    """
    if self._is_spent(order):
        errors._fail("exchange: nonce used")
    whole: uint256 = self._whole(order)
    before: uint256 = 0
    # several legs are never filled in part
    if len(order.legs) == 1:
        before = self.filled[order_id]
    # sizes are below 2^63
    after: uint256 = unsafe_add(before, size)
    if after > whole:
        errors._fail("exchange: too much")
    if after < whole:
        self.filled[order_id] = after
        return

    if before != 0:
        self.filled[order_id] = 0
    owner: address = packing._owner(order.account)
    word: uint256 = order.nonce // grant_packing.NONCES
    bit: uint256 = grant_packing._nonce_bit(order.nonce)
    self._nonces[owner][word] |= bit

    log IExchange.NoncesSpent(owner=owner, word=word, mask=bit)
