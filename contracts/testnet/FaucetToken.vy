# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title FaucetToken: an exact ERC-20 with ERC-2612 permits that gives itself away, for test chains
@license AGPL-3.0-only
@notice Everybody may mint LIMIT atoms a window, its deployer any amount. The limit holds back a
        script that runs wild, not somebody with many addresses: the token is worth nothing.
        It calls nobody, so its functions need no lock; real tokens have none either.
@custom:kill none; it holds nothing of value
"""

from ethereum.ercs import IERC20

from libs import errors

implements: IERC20


WINDOW: constant(uint256) = 86_400  # s; a day, so that a limit is easily said
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)

decimals: public(immutable(uint8))
LIMIT: public(immutable(uint256))
OWNER: public(immutable(address))


struct Drawn:
    since: uint256          # unix s, 0 before the first time
    amount: uint256         # atoms since then


name: public(String[32])
symbol: public(String[12])
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])
drawn: HashMap[address, Drawn]


@deploy
def __init__(name: String[32], symbol: String[12], decimals_: uint8, limit: uint256):
    """
    @param decimals_ [0, 18]
    @param limit [whole tokens] what a caller may mint in a window
    """
    self.name = name
    self.symbol = symbol
    decimals = decimals_
    LIMIT = limit * 10 ** convert(decimals_, uint256)
    OWNER = msg.sender


@external
@reentrant
def mint(receiver: address, amount: uint256):
    """
    @notice Make tokens: the deployer any amount, everybody else what `left` says.
    @param amount [atoms]
    @custom:reverts "faucet: limit" when more is asked for than is left
    """
    if msg.sender != OWNER:
        self._draw(amount)
    self.totalSupply += amount
    self.balanceOf[receiver] += amount

    log IERC20.Transfer(sender=empty(address), receiver=receiver, value=amount)


@external
@reentrant
def approve(spender: address, amount: uint256) -> bool:
    """
    @param amount [atoms] max_value(uint256) is never used up
    """
    self._approve(msg.sender, spender, amount)
    return True


@external
@reentrant
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @param amount [atoms]
    """
    self._move(msg.sender, receiver, amount)
    return True


@external
@reentrant
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @param amount [atoms]
    """
    allowed: uint256 = self.allowance[sender][msg.sender]
    if allowed != max_value(uint256):
        self.allowance[sender][msg.sender] = allowed - amount
    self._move(sender, receiver, amount)
    return True


@external
@reentrant
def permit(
    owner: address,
    spender: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Approve by the owner's signature (ERC-2612).
    @param amount [atoms]
    @param deadline [unix s] last second at which it counts
    @custom:reverts "faucet: permit expired" after the deadline, "faucet: permit signature" when
                    the owner has not signed this; a nonce counts once
    """
    if block.timestamp > deadline:
        errors._fail("faucet: permit expired")
    nonce: uint256 = self.nonces[owner]
    told: bytes32 = keccak256(
        abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline)
    )
    digest: bytes32 = keccak256(concat(b"\x19\x01", self._domain(), told))
    if owner == empty(address) or ecrecover(digest, v, r, s) != owner:
        errors._fail("faucet: permit signature")
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
@view
@reentrant
def left(caller: address) -> uint256:
    """
    @notice What a caller may mint now.
    @return [atoms] max_value(uint256) for the deployer
    """
    if caller == OWNER:
        return max_value(uint256)
    return LIMIT - self._in_window(caller).amount


@external
@view
@reentrant
def refills_at(caller: address) -> uint256:
    """
    @notice When the limit is whole again.
    @return [unix s] 0 where it is
    """
    since: uint256 = self._in_window(caller).since
    return since + WINDOW if since > 0 else 0


@external
@view
@reentrant
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice EIP-712 domain of permits.
    """
    return self._domain()


@internal
@view
def _in_window(caller: address) -> Drawn:
    found: Drawn = self.drawn[caller]
    return found if block.timestamp < found.since + WINDOW else empty(Drawn)


@internal
@view
def _domain() -> bytes32:
    # not cached: a chain that splits has two ids
    version: bytes32 = keccak256("1")
    return keccak256(
        abi_encode(DOMAIN_TYPE, keccak256(self.name), version, chain.id, self)
    )


@internal
def _draw(amount: uint256):
    found: Drawn = self._in_window(msg.sender)
    if amount > LIMIT - found.amount:
        errors._fail("faucet: limit")
    since: uint256 = found.since if found.since > 0 else block.timestamp
    self.drawn[msg.sender] = Drawn(since=since, amount=found.amount + amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log IERC20.Approval(owner=owner, spender=spender, value=amount)


@internal
def _move(sender: address, receiver: address, amount: uint256):
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
