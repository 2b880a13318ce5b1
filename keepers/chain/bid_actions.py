"""Bids for liquidations among a user's actions: written by makers, brought by anyone."""

from __future__ import annotations

from keepers.chain import close_plans
from keepers.chain.close_plans import NO_WISH
from keepers.chain.desk import Desk
from keepers.chain.exchange_plans import Wish
from keepers.chain.plans import Plan
from keepers.domain.exchange_orders import Leg, Order, SignedOrder


class BidActions:
    """What `Actions` has of closes; nothing here sends."""

    __slots__ = ()
    desk: Desk

    async def draw_bid(
        self,
        target: int,
        leg: Leg,
        account: int = 0,
        conceded: int | None = None,
        wish: Wish = NO_WISH,
    ) -> Order:
        """Return a bid as it would be signed (`sign_order`): an order that closes a leg.

        Args:
            target: account under maintenance, or that may come there.
            leg: instrument, lots to close (0: the whole leg), and a price, 0 for one by `conceded`.
            account: own one that takes the leg over.
            conceded: what the target may lose by it of the MM released [WAD]; what its clock
                concedes now if left out. The band bounds the price in any case.
            wish: as of any order. With the target's owner as its counterparty it is for nobody
                else's accounts.
        """
        pair = (self.desk.account(target), leg, self.desk.account(account))
        return await close_plans.bid(self.desk, *pair, conceded, wish)

    async def outlook_bid(self, offer: Order, target: int) -> Plan:
        """Plan nothing: show target and maker as if a bid were brought now, and what forbids it."""
        return await close_plans.outlook(self.desk, offer, self.desk.account(target))

    async def close_against(
        self, target: int, *given: SignedOrder, size: int | None = None
    ) -> Plan:
        """Plan to close legs of an account under maintenance against makers' signed orders.

        Args:
            target: under maintenance; its owner is not asked.
            given: orders of one leg each that rest, brought one after the other.
            size: lots of each; as much as is left, held and needed if left out.
        """
        return await close_plans.bring(self.desk, self.desk.account(target), given, size)
