"""The test chains' token: exact, with permits, and free for everybody up to a limit a day."""

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.support.world import deployer_of

DAY = 86_400
LIMIT = 1_000
NOW = 1_700_000_000
FOREVER = 2**256 - 1


@pytest.fixture(autouse=True)
def chain():
    with boa.swap_env(boa.Env()):
        boa.env.evm.patch.timestamp = NOW
        yield


@pytest.fixture
def deployer():
    return boa.env.generate_address("deployer")


@pytest.fixture
def user():
    return boa.env.generate_address("user")


@pytest.fixture(params=[6, 8, 18])
def token(request, deployer):
    compiled = deployer_of("contracts/testnet/FaucetToken.vy")
    with boa.env.prank(deployer):
        return compiled.deploy("Test Gold", "tGOLD", request.param, LIMIT)


def atoms(token, whole):
    return whole * 10 ** token.decimals()


def test_mint__within_the_limit__is_given_and_counted(token, user):
    amount = atoms(token, 400)
    token.mint(user, amount, sender=user)
    (event,) = token.get_logs()

    assert (event.sender, event.receiver, event.value) == ("0x" + "00" * 20, user, amount)
    assert token.balanceOf(user) == token.totalSupply() == amount
    assert token.left(user) == atoms(token, 600)
    assert token.refills_at(user) == NOW + DAY
    assert token.left(boa.env.generate_address("another")) == atoms(token, LIMIT)


def test_mint__for_somebody_else__counts_for_the_caller(token, user):
    friend = boa.env.generate_address("friend")
    token.mint(friend, atoms(token, LIMIT), sender=user)

    assert token.balanceOf(friend) == atoms(token, LIMIT)
    assert (token.left(user), token.left(friend)) == (0, atoms(token, LIMIT))


def test_mint__an_atom_too_much__is_refused_and_nothing_changes(token, user):
    token.mint(user, atoms(token, LIMIT), sender=user)
    with boa.reverts("faucet: limit"):
        token.mint(user, 1, sender=user)
    assert token.totalSupply() == atoms(token, LIMIT)


def test_mint__window_over__is_whole_again_a_second_before_it_is_not(token, user):
    token.mint(user, atoms(token, LIMIT), sender=user)

    boa.env.evm.patch.timestamp = NOW + DAY - 1
    with boa.reverts("faucet: limit"):
        token.mint(user, 1, sender=user)
    boa.env.evm.patch.timestamp = NOW + DAY
    assert (token.left(user), token.refills_at(user)) == (atoms(token, LIMIT), 0)
    token.mint(user, atoms(token, LIMIT), sender=user)

    assert token.balanceOf(user) == 2 * atoms(token, LIMIT)
    assert token.refills_at(user) == NOW + 2 * DAY


def test_mint__later_in_the_window__does_not_move_its_end(token, user):
    token.mint(user, 1, sender=user)
    boa.env.evm.patch.timestamp = NOW + DAY // 2
    token.mint(user, 1, sender=user)
    assert token.refills_at(user) == NOW + DAY


def test_mint__deployer__has_no_limit(token, user, deployer):
    token.mint(user, atoms(token, 10**9), sender=deployer)
    assert token.balanceOf(user) == atoms(token, 10**9)
    assert token.left(deployer) == FOREVER
    assert token.refills_at(deployer) == 0


def test_transfer__by_approval__moves_exactly_and_uses_it_up(token, user):
    spender, receiver = (boa.env.generate_address(name) for name in ("spender", "receiver"))
    token.mint(user, 10, sender=user)
    assert token.approve(spender, 7, sender=user)
    assert token.transferFrom(user, receiver, 7, sender=spender)
    assert token.transfer(receiver, 2, sender=user)

    assert (token.balanceOf(user), token.balanceOf(receiver)) == (1, 9)
    assert token.allowance(user, spender) == 0
    with boa.reverts():
        token.transferFrom(user, receiver, 1, sender=spender)
    with boa.reverts():
        token.transfer(receiver, 2, sender=user)


def test_transfer_from__endless_approval__is_never_used_up(token, user):
    spender = boa.env.generate_address("spender")
    token.mint(user, 10, sender=user)
    token.approve(spender, FOREVER, sender=user)
    token.transferFrom(user, spender, 10, sender=spender)
    assert token.allowance(user, spender) == FOREVER


# ---- permits


HOLDER = Account.from_key(b"\x05" * 32)
SPENDER = "0x" + "44" * 20


def permit(token, amount=9, deadline=NOW, nonce=0, chain_id=None, key=HOLDER.key):
    """Return the arguments of a signed approval."""
    fields = ("owner address", "spender address", "value uint256", "nonce uint256")
    kinds = [each.split() for each in (*fields, "deadline uint256")]
    domain = {
        "name": "Test Gold",
        "version": "1",
        "chainId": chain_id or boa.env.evm.patch.chain_id,
        "verifyingContract": token.address,
    }
    told = {
        "owner": HOLDER.address,
        "spender": SPENDER,
        "value": amount,
        "nonce": nonce,
        "deadline": deadline,
    }
    types = {"Permit": [{"name": name, "type": kind} for name, kind in kinds]}
    made = Account.sign_message(encode_typed_data(domain, types, told), key)
    signature = (made.v, made.r.to_bytes(32, "big"), made.s.to_bytes(32, "big"))
    return (HOLDER.address, SPENDER, amount, deadline, *signature)


def test_permit__signed__approves_once(token):
    token.permit(*permit(token))
    assert token.allowance(HOLDER.address, SPENDER) == 9
    assert token.nonces(HOLDER.address) == 1
    with boa.reverts("faucet: permit signature"):
        token.permit(*permit(token))
    token.permit(*permit(token, amount=3, nonce=1))
    assert token.allowance(HOLDER.address, SPENDER) == 3


def test_permit__deadline_over__is_refused(token):
    boa.env.evm.patch.timestamp = NOW + 1
    with boa.reverts("faucet: permit expired"):
        token.permit(*permit(token))


@pytest.mark.parametrize("other", [{"chain_id": 5}, {"nonce": 1}, {"key": b"\x06" * 32}])
def test_permit__signed_for_something_else__is_refused(token, other):
    with boa.reverts("faucet: permit signature"):
        token.permit(*permit(token, **other))
    assert token.allowance(HOLDER.address, SPENDER) == 0


def test_permit__of_nobody__is_refused_although_no_signature_recovers_to_him(token):
    nobody = "0x" + "00" * 20
    with boa.reverts("faucet: permit signature"):
        token.permit(nobody, SPENDER, 1, NOW, 27, b"\x00" * 32, b"\x00" * 32)
