"""The Liquidator's views and calls: plans in, drafts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.reading import Reader
from keepers.chain.simulate import after
from keepers.chain.transactions import Draft
from keepers.domain.liquidation import (
    OK,
    Action,
    Case,
    Close,
    Flag,
    Reduce,
    ReducePlan,
    Settle,
    Take,
    TakePlan,
    WriteOff,
    has_headroom,
    plan_of,
)
from keepers.domain.margin import Health
from keepers.domain.planning import Pool, Terms
from keepers.domain.scan import Book, Candidate
from keepers.domain.units import WAD
from keepers.domain.words import Account, account_id
from keepers.errors import Reverted
from keepers.settings import LiquidateSettings, share

log = structlog.get_logger()

DEADLINE_S: Final = 300
GAS_SMALL: Final = 600_000


class Planner:
    """Asks for plans in one round trip, turns decisions into calldata."""

    def __init__(
        self, reader: Reader, deployment: Deployment, account: int, settings: LiquidateSettings
    ) -> None:
        """Plan for one keeper's account."""
        self.reader = reader
        self.account = account
        self.settings = settings
        self.address = deployment.address("Liquidator")
        self.house = deployment.address("Clearinghouse")
        self.capacity: dict[int, int] = {}
        self.exchange = deployment.address("Exchange") if settings.bids else ""
        self._abi = interface("Liquidator")
        self._plan_reduce = self._abi.function("plan_reduce")
        self._plan_take = self._abi.function("plan_take")
        self._clock = self._abi.function("clock")
        self._settle = interface("Clearinghouse").function("settle")
        self._health = interface("Clearinghouse").function("health")
        self._headroom = share(settings.headroom_percent)
        self._buyer: Account | None = None
        self._terms: dict[int, Terms] = {}
        self._pool = account_id(deployment.address("LiquidityPool"))

    async def load(self, markets: Sequence[int]) -> None:
        """Read each market's capacity of a block."""
        answers = await self.reader.many([("LiquidityPool", "params", (m,)) for m in markets])
        fields = interface("LiquidityPool").function("params").fields[0]["components"]
        names = [str(field["name"]) for field in fields]
        for market, answer in zip(markets, answers, strict=True):
            params = dict(zip(names, answer[0], strict=True))
            self.capacity[market] = capacity(params)
            if params["scale"]:
                self._terms[market] = plan_of(Terms, params)
        self._buyer = None

    def pool(self, book: Book) -> Pool | None:
        """Return the pool as the mirror sees it."""
        account = book.accounts.get(self._pool)
        return None if account is None else Pool(account, self._terms)

    async def buyer(self) -> Account:
        """Return the keeper's own account."""
        if self._buyer is None:
            self._buyer = (await self.reader.accounts([self.account]))[0]
        return self._buyer

    def forget_buyer(self) -> None:
        """Read the keeper's own account again next time."""
        self._buyer = None

    async def cases(self, candidates: Sequence[Candidate]) -> list[Case]:
        """Return the plans for these accounts; the take is asked for where no leg can be closed."""
        reduces = await self._reduces(candidates)
        stuck = [
            position
            for position, plans in enumerate(reduces)
            if not any(plan.status == OK for plan in plans)
        ]
        takes = await self._takes([candidates[position] for position in stuck])
        late = dict(zip(stuck, takes, strict=True))
        return [
            Case(candidate, plans, *late.get(position, (None, 0)))
            for position, (candidate, plans) in enumerate(zip(candidates, reduces, strict=True))
        ]

    async def _reduces(self, candidates: Sequence[Candidate]) -> list[list[ReducePlan]]:
        asked = [
            (position, self._plan_reduce.encode(each.account.id, leg.instrument))
            for position, each in enumerate(candidates)
            for leg in each.account.legs
            if not each.account.engaged  # these are taken only
        ]
        plans: list[list[ReducePlan]] = [[] for _ in candidates]
        answers = await self.reader.rpc.calls([(self.address, data) for _, data in asked])
        for (position, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, bytes):
                plans[position].append(plan_of(ReducePlan, self._plan_reduce.decode_named(answer)))
        return plans

    async def _takes(self, candidates: Sequence[Candidate]) -> list[tuple[TakePlan | None, int]]:
        asked = []
        for each in candidates:
            asked.append((self.address, self._plan_take.encode(each.account.id)))
            asked.append((self.address, self._clock.encode(each.account.id)))
        answers = await self.reader.rpc.calls(asked) if asked else []
        for each, plan in zip(candidates, answers[::2], strict=True):
            if each.account.engaged and isinstance(plan, Exception):
                # of 64 legs it takes more than some nodes spend: docs/spec/liquidation.md#take
                log.warning("no plan to take", account=hex(each.account.id), why=str(plan))
        return [
            (self._take_plan(plan), _last(self._clock.decode(clock)))
            if isinstance(clock, bytes)
            else (None, 0)
            for plan, clock in zip(answers[::2], answers[1::2], strict=True)
        ]

    def _take_plan(self, answer: object) -> TakePlan | None:
        if not isinstance(answer, bytes):
            return None
        made: TakePlan = plan_of(TakePlan, self._plan_take.decode_named(answer))
        return made

    async def underway(self, sender: str) -> set[int]:
        """Return the accounts that others' waiting transactions are about."""
        waiting = await self.reader.rpc.pending_calls(self.address)
        if self.exchange:
            closing = interface("Exchange").function("close", 3).selector
            calls = await self.reader.rpc.pending_calls(self.exchange)
            waiting += [each for each in calls if each[1].startswith(closing)]
        own = sender.lower()
        return {int.from_bytes(data[4:36], "big") for other, data in waiting if other != own}

    async def simulate(self, actions: Iterable[Action], now: int, sender: str) -> list[str | None]:
        """Return, per action, None if it would do something, else the reason why not."""
        chosen = list(actions)
        drafts = [self.draft(action, now) for action in chosen]
        calls = [(draft.to, draft.data) for draft in drafts]
        answers = await self.reader.rpc.calls(calls, sender=sender) if calls else []
        said = [
            self._refusal(action, answer) for action, answer in zip(chosen, answers, strict=True)
        ]
        for place, action in enumerate(chosen):
            if said[place] is None and isinstance(action, Take) and action.engaged:
                said[place] = await self._short(drafts[place], sender)
        return said

    async def _short(self, draft: Draft, sender: str) -> str | None:
        """Return why a take with options would leave the keeper too little, None where not.

        That E >= IM the take itself has been held to; more than that only the chain can tell.
        """
        if not self._headroom:
            return None
        asked = (self.house, self._health.encode(self.account))
        try:
            answers = await after(self.reader.rpc, draft, [asked], sender)
        except Reverted as error:
            return error.reason
        if answers is None:
            return "headroom"  # this node cannot tell
        found = Health(**self._health.decode_named(answers[0]))
        return None if has_headroom(found, self._headroom) else "headroom"

    def _refusal(self, action: Action, answer: object) -> str | None:
        if isinstance(answer, Reverted):
            return answer.reason
        if not isinstance(answer, bytes):
            return "node"
        # A gain waits until the pot can pay some of it: until then nothing moves.
        idle = isinstance(action, Settle) and self._settle.decode(answer) == (0,)
        return "pot" if idle else None

    def draft(self, action: Action, now: int) -> Draft:
        """Return the transaction of a decision."""
        deadline = now + DEADLINE_S
        key = f"{type(action).__name__.lower()} {action.account:#x}"
        if isinstance(action, Reduce):
            size, least = action.size, action.min_pay
            arguments = (action.account, action.instrument, size, least, self.account, deadline)
            return self._draft(key, self.settings.gas_reduce, "reduce", *arguments)
        if isinstance(action, Take):
            price, least = action.max_payment, action.min_insurance
            parts = (action.account, self.account, action.fraction, price, least, deadline)
            gas = self.settings.gas_take + action.legs * self.settings.gas_take_leg
            gas = min(gas, max(self.settings.gas_most, self.settings.gas_take))
            return self._draft(key, gas, "take", *parts)
        if isinstance(action, Close):
            asked = (action.account, action.order.struct, action.size)
            gas = self.settings.gas_close + action.legs * self.settings.gas_take_leg
            data = interface("Exchange").encode("close", *asked)
            return Draft(key, self.exchange, data, min(gas, self.settings.gas_most))
        if isinstance(action, Flag):
            return self._draft(key, GAS_SMALL, "flag", action.account)
        if isinstance(action, Settle):
            return Draft(key, self.house, self._settle.encode(action.account), GAS_SMALL)
        assert isinstance(action, WriteOff)
        return self._draft(key, GAS_SMALL, "write_off", action.account)

    def _draft(self, key: str, gas: int, name: str, *arguments: Any) -> Draft:
        return Draft(key, self.address, self._abi.encode(name, *arguments), gas)

    def actor(self, name: str, said: Mapping[str, Any]) -> str | None:
        """Return the address that an event names as the one that liquidated."""
        if name == "Reduced":
            return str(said["keeper"])
        return f"0x{said['buyer'] >> 96:040x}" if name == "Taken" else None

    def income(self, name: str, said: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return (account, USD WAD) when an event paid this keeper, None otherwise."""
        if name == "Reduced" and int(said["keeper"], 16) == self.account >> 96:
            return said["account"], said["pay"]
        if name == "Taken" and said["buyer"] == self.account:
            worth = said["equity_before"] * said["fraction"] // WAD + said["deficit"]
            return said["account"], worth - said["payment"] + said["insurance"]
        return None


def capacity(params: Mapping[str, int]) -> int:
    """Return what a block takes of one market [USD WAD]; docs/spec/liquidation.md."""
    width = 2 * params["spread_min"] + params["fee"]
    return params["mu"] * width // WAD * params["scale"] // WAD


def _last(clock: tuple[Any, ...]) -> int:
    return int(clock[1])
