# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Batch: several actions of one owner, checked once at the end
@license AGPL-3.0-only
@notice docs/spec/ledger.md (Batch). Owns no state. Actions run in order on the ledger alone. Then
        every account that gave something away must stand above IM: these are read off the
        actions, so there is no list and no flag that an action could clear. A withdrawal is
        checked at once besides. Tokens move last. What could hurt others is no action:
        liquidation, write-off, settling others, insurance.
@custom:kill not deployable
"""

from interfaces import IClearinghouse
from interfaces import IMarkets
from libs import errors
from libs import tokens
from modules import custody
from modules import ledger

uses: custody
uses: ledger

MAX_ACTIONS: constant(uint256) = 8


@internal
def _run(owner: address, actions: DynArray[IClearinghouse.Action, MAX_ACTIONS], agent: bool):
    """
    @notice Apply, require health, move tokens.
    @param agent a listed hand acts for the owner, who alone is paid
    """
    for action: IClearinghouse.Action in actions:
        self._apply(owner, action, agent)

    # who only received is left as sound as he was
    for action: IClearinghouse.Action in actions:
        if action.kind != IClearinghouse.Kind.DEPOSIT:
            health: IMarkets.Health = ledger._current(action.account)
            ledger._require_initial(health.equity, health.im, health.status)

    for action: IClearinghouse.Action in actions:
        if action.kind == IClearinghouse.Kind.DEPOSIT:
            tokens._pull(action.token, owner, action.amount)
        elif action.kind == IClearinghouse.Kind.WITHDRAW:
            tokens._push(action.token, convert(action.other, address), action.amount)


@internal
def _apply(owner: address, action: IClearinghouse.Action, agent: bool):
    """
    @notice The ledger's half of one action.
    """
    custody._require_owner(action.account, owner)
    if action.kind == IClearinghouse.Kind.DEPOSIT:
        custody._take_in(action.account, action.token, action.amount, owner)
    elif action.kind == IClearinghouse.Kind.WITHDRAW:
        if agent and action.other != convert(owner, uint256):
            errors._fail("batch: not to the owner")
        custody._pay_out(
            convert(action.other, address), action.account, action.amount, action.token
        )
    elif action.kind == IClearinghouse.Kind.TRANSFER:
        if agent:
            custody._require_owner(action.other, owner)
        custody._shift(action, owner, False)
    else:
        errors._fail("batch: unknown action")
