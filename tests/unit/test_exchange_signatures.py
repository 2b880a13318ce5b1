"""Who signed an order of the Exchange, and what is left of it: docs/spec/exchange.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from keepers.domain.exchange_orders import typed_data
from tests.reference.units import WAD
from tests.support.chains import own_chain, put_back
from tests.unit.exchange_support import (
    ACT,
    CHAIN_ID,
    ETH_CALL,
    ETH_PUT,
    MAKER,
    TAKER,
    Desk,
    Leg,
    Order,
    account_of,
    deployer_of,
    key_of,
    limit,
    lots,
    order_digest,
    package,
    sign,
    the_event,
    usd,
)

HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
CURVE_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WALLET_GAS = 200_000

deployment = own_chain(Desk.deployed)
desk = put_back()


# ---- signatures ---------------------------------------------------------------------------------


def test_order_hash__of_any_order__is_what_wallets_sign(desk: Desk) -> None:
    address = str(desk.exchange.address)
    for order in (limit(desk), package(desk, by_net=True, net=-5 * WAD), desk.take(package(desk))):
        digest = bytes(desk.exchange.order_hash(order.struct))
        assert digest == order_digest(order, CHAIN_ID, address)
        message = encode_typed_data(full_message=typed_data(order, CHAIN_ID, address))
        by_wallet = Account.sign_message(message, key_of("maker").secret).signature
        assert bytes(by_wallet) == sign(key_of("maker"), digest)


@pytest.mark.parametrize(
    "changes",
    [
        {"account": account_of(MAKER, 1)},
        {"counterparty": TAKER},
        {"legs": (Leg(ETH_CALL, -lots(10), usd(119)),)},
        {"legs": (Leg(ETH_CALL, -lots(11), usd(120)),)},
        {"legs": (Leg(ETH_PUT, -lots(10), usd(89)),)},
        {"net": 1},
        {"fee_cap": 999},
        {"nonce": 12_345},
        {"deadline": 2_000_000_000},
        {"reduce_only": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_fill__any_other_order_than_the_signed_one__reverts(
    desk: Desk, changes: dict[str, Any]
) -> None:
    signed = limit(desk)
    forged = replace(signed, **changes)
    with boa.reverts("exchange: bad signature"):
        desk.fill(forged, maker_signature=desk.signature(signed, "maker"))


@pytest.mark.parametrize("domain", [{"chain_id": CHAIN_ID + 1}, {"contract": MAKER}], ids=str)
def test_fill__signed_for_another_chain_or_contract__reverts(
    desk: Desk, domain: dict[str, Any]
) -> None:
    maker = limit(desk)
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, maker_signature=desk.signature(maker, "maker", **domain))


def test_fill__after_a_fork_of_the_chain__old_signatures_are_worthless(desk: Desk) -> None:
    maker = limit(desk)
    taker = desk.take(maker)
    boa.env.evm.patch.chain_id = 7
    try:
        with boa.reverts("exchange: bad signature"):
            desk.fill(maker, taker)
        own = desk.signature(maker, "maker", chain_id=7), desk.signature(taker, "taker", chain_id=7)
        desk.fill(maker, taker, maker_signature=own[0], taker_signature=own[1])
    finally:
        boa.env.evm.patch.chain_id = CHAIN_ID
    assert desk.held(TAKER, ETH_CALL) == lots(10)


@pytest.mark.parametrize("cut", [0, 1, 32, 63, 66, 130, 260])
def test_fill__signature_of_a_wrong_length__reverts(desk: Desk, cut: int) -> None:
    maker = limit(desk)
    signature = desk.signature(maker, "maker")
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, maker_signature=(signature * 4)[:cut])


def test_fill__compact_signature__is_the_same_consent(desk: Desk) -> None:
    # EIP-2098
    maker = limit(desk)
    raw = desk.signature(maker, "maker")
    s = int.from_bytes(raw[32:64], "big") | (raw[64] - 27) << 255
    desk.fill(maker, maker_signature=raw[:32] + s.to_bytes(32, "big"))
    assert desk.spent(maker)


def test_fill__other_root_of_a_signature__reverts_and_would_fill_no_more(desk: Desk) -> None:
    maker = limit(desk)
    raw = desk.signature(maker, "maker")
    s = CURVE_N - int.from_bytes(raw[32:64], "big")
    assert s > HALF_N
    other = raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])
    with boa.reverts("ecdsa: invalid signature `s` value"):
        desk.fill(maker, maker_signature=other)
    desk.fill(maker)
    with boa.reverts("exchange: nonce used"):
        desk.fill(maker)


def test_fill__account_of_nobody__reverts(desk: Desk) -> None:
    # ecrecover answers nobody to what is no signature
    maker = limit(desk, account=5)
    with pytest.raises(boa.BoaError):
        desk.fill(maker, maker_signature=b"\x01" * 64 + b"\x63")
    with boa.reverts("exchange: bad signature"):
        desk.fill(maker, maker_signature=b"")


# ---- contract wallets ---------------------------------------------------------------------------


@pytest.fixture
def wallet(desk: Desk) -> Any:
    return deployer_of("mocks/OddWallet").deploy()


def of_wallet(desk: Desk, wallet: Any) -> Order:
    """Return a limit order of a contract's account."""
    return limit(desk, account=account_of(str(wallet.address)))


@pytest.mark.parametrize("signature", [b"", b"\x01" * 65, b"\x02" * 260])
def test_fill__contract_that_says_yes__fills(desk: Desk, wallet: Any, signature: bytes) -> None:
    desk.fill(of_wallet(desk, wallet), maker_signature=signature)
    assert desk.held(str(wallet.address), ETH_CALL) == -lots(10)


@pytest.mark.parametrize("mode", range(1, 8))
def test_fill__contract_that_answers_badly__reverts(desk: Desk, wallet: Any, mode: int) -> None:
    # reverts, burns its gas, answers too short, too long or no, writes, or half a yes
    wallet.set_mode(mode)
    with boa.reverts("exchange: bad signature"):
        desk.fill(of_wallet(desk, wallet), maker_signature=b"")
    assert wallet.asked() == 0


def test_fill__contract_that_burns_its_gas__costs_no_more_than_its_share(
    desk: Desk, wallet: Any
) -> None:
    order = of_wallet(desk, wallet)
    desk.fill(order, size=lots(1), maker_signature=b"")
    usual = desk.exchange.call_trace().gas_used
    wallet.set_mode(2)
    with pytest.raises(boa.BoaError) as caught:
        desk.fill(order, size=lots(1), maker_signature=b"")
    assert caught.value.call_trace.gas_used < usual + WALLET_GAS


def test_fill__too_little_gas_for_a_wallet__says_so(desk: Desk, wallet: Any) -> None:
    with boa.reverts("wallet: too little gas"):
        desk.fill(of_wallet(desk, wallet), maker_signature=b"", gas=WALLET_GAS + 10_000)


def test_fill__contract_without_eip_1271__reverts(desk: Desk) -> None:
    # such as the pool: nobody trades with it by an order
    order = limit(desk, account=account_of(str(desk.core.address)))
    with boa.reverts("exchange: bad signature"):
        desk.fill(order, maker_signature=b"")


def test_fill__key_of_a_contract__is_not_enough(desk: Desk, wallet: Any) -> None:
    wallet.set_mode(5)
    order = of_wallet(desk, wallet)
    with boa.reverts("exchange: bad signature"):
        desk.fill(order, maker_signature=desk.signature(order, "maker"))


# ---- nonces -------------------------------------------------------------------------------------


def test_cancel__one_nonce__ends_its_orders_and_no_others(desk: Desk) -> None:
    gone, kept = limit(desk, nonce=255), limit(desk, nonce=256)
    desk.exchange.cancel(MAKER, 0, 1 << 255, sender=MAKER)
    event = the_event(desk, "NoncesSpent")
    assert (str(event.owner), event.word, event.mask) == (MAKER, 0, 1 << 255)
    assert desk.exchange.remaining(gone.struct) == 0
    with boa.reverts("exchange: nonce used"):
        desk.fill(gone)
    desk.fill(kept)


def test_cancel__a_word__ends_256_orders_at_once(desk: Desk) -> None:
    orders = [limit(desk, nonce=512 + i) for i in (0, 128, 255)]
    desk.exchange.cancel(MAKER, 2, 2**256 - 1, sender=MAKER)
    for order in orders:
        with boa.reverts("exchange: nonce used"):
            desk.fill(order)


def test_cancel__half_filled__ends_the_rest(desk: Desk) -> None:
    maker = limit(desk)
    desk.fill(maker, size=lots(4))
    desk.exchange.cancel(MAKER, 0, 1 << maker.nonce, sender=MAKER)
    with boa.reverts("exchange: nonce used"):
        desk.fill(maker, size=lots(1))


def test_cancel__by_somebody_else__reverts(desk: Desk) -> None:
    hand = str(boa.env.generate_address("operators"))
    with boa.reverts("exchange: not the owner"):
        desk.exchange.cancel(MAKER, 0, 1, sender=TAKER)
    with boa.reverts("exchange: not the owner"):
        desk.exchange.cancel(MAKER, 0, 1, sender=hand)
    desk.core.set_hand(hand, ACT)
    desk.exchange.cancel(MAKER, 0, 1, sender=hand)
    assert desk.exchange.nonces(MAKER, 0) == 1


def test_fill__two_orders_of_one_nonce__the_first_full_one_ends_the_other(desk: Desk) -> None:
    first, second = limit(desk, nonce=9), limit(desk, nonce=9, fee_cap=999)
    desk.fill(first)
    with boa.reverts("exchange: nonce used"):
        desk.fill(second)
