"""What the chain says at one block: words decoded into the domain's facts, in few round trips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keepers.chain.abi import interface
from keepers.chain.deployment import Deployment
from keepers.chain.rpc import Block, Head, Rpc
from keepers.domain.margin import Collateral, Health, Market, Snapshot, snapshot
from keepers.domain.pauses import DEPOSITS, OF_MARKETS, OPENING, POOL_DEPOSITS, Pause
from keepers.domain.reports import SEATS
from keepers.domain.terms import Terms
from keepers.domain.words import (
    OPENING_PAUSED,
    Account,
    account_id,
    decode_account,
    decode_legs,
    decode_price,
    decode_state,
)
from keepers.errors import BadInput, ChainError

# accounts in a call, so that a page of full accounts fits what nodes spend on a view
HEALTH_PAGE = 16


@dataclass(frozen=True, slots=True)
class Token:
    """One token of the ledger at a block."""

    id: int
    address: str
    decimals: int
    tracked: int  # atoms
    held: int  # atoms, what the token says that the Clearinghouse has


@dataclass(frozen=True, slots=True)
class Totals:
    """The ledger's own sums at a block, WAD."""

    pot: int
    deficit: int
    scale: int
    insurance_account: int
    fee_account: int


class Reader:
    """Reads one deployment."""

    def __init__(self, rpc: Rpc, deployment: Deployment) -> None:
        """Remember where the contracts are."""
        self.rpc = rpc
        self.deployment = deployment

    async def check(self) -> None:
        """Refuse a node on another chain, and a file that is about other contracts."""
        chain_id = await self.rpc.chain_id()
        wanted = self.deployment.chain_id
        if chain_id != wanted:
            raise BadInput(
                f"the node is on chain {chain_id}, the deployment on chain {wanted}",
                "point --rpc and --deployment at the same chain",
            )
        found = await self.one("Clearinghouse", "markets")
        if str(found[0]).lower() != self.deployment.address("Markets").lower():
            raise BadInput(
                "the deployment file names another Markets than its Clearinghouse uses",
                "take the file that the deploy script wrote",
            )

    async def one(
        self, contract: str, name: str, *arguments: Any, block: Block = "latest"
    ) -> tuple[Any, ...]:
        """Return the outputs of one view."""
        return (await self.many([(contract, name, arguments)], block))[0]

    async def many(
        self, calls: Sequence[tuple[str, str, tuple[Any, ...]]], block: Block = "latest"
    ) -> list[tuple[Any, ...]]:
        """Return the outputs of many views at one block; the first refusal is raised."""
        functions = [interface(kind).function(name, len(args)) for kind, name, args in calls]
        answers = await self.rpc.calls(
            [
                (self.deployment.address(kind), function.encode(*args))
                for (kind, _, args), function in zip(calls, functions, strict=True)
            ],
            block,
        )
        return [
            _decoded(function.outputs, function.decode, answer, kind)
            for (kind, _, _), function, answer in zip(calls, functions, answers, strict=True)
        ]

    # ---- markets

    async def terms(self, block: Block = "latest") -> Terms:
        """Return the constants of margin and funding."""
        views = interface("Markets")
        timing, charges = await self.many(
            [("Markets", "timing", ()), ("Markets", "charges", ())], block
        )
        times = dict(zip(_names(views, "timing"), timing[0], strict=True))
        kappas = dict(zip(_names(views, "charges"), charges[0], strict=True))
        return Terms(
            age_im=times["age_im"],
            age_mm=times["age_mm"],
            dead_after=times["dead_after"],
            kappa_flat=kappas["kappa_flat"],
            kappa_leg=kappas["kappa_leg"],
            kappa_collateral=kappas["kappa_collateral"],
            funding_velocity=kappas["funding_velocity"],
            funding_rate_max=kappas["funding_rate_max"],
        )

    async def signers(self, block: Block = "latest") -> list[str]:
        """Return who sits in every seat of the price signers."""
        calls = [("RiskConfigurator", "signers", (seat,)) for seat in range(SEATS)]
        return [str(found) for (found,) in await self.many(calls, block)]

    async def markets(self, block: Block = "latest") -> list[Market]:
        """Return the words of every market."""
        (count,) = await self.one("Markets", "market_count", block=block)
        return await self.markets_of(range(1, int(count) + 1), block)

    async def markets_of(self, ids: Iterable[int], block: Block = "latest") -> list[Market]:
        """Return the words of these markets."""
        wanted = list(ids)
        calls: list[tuple[str, str, tuple[Any, ...]]] = []
        for id_ in wanted:
            calls += [("Markets", "market_words", (id_,)), ("Markets", "pending", (id_,))]
        answers = await self.many(calls, block)
        made = [
            Market(
                id=id_,
                price=decode_price(words[0]),
                state=decode_state(words[1]),
                pending_publish=pending[1],
                grace_until=pending[2],
            )
            for id_, words, pending in zip(wanted, answers[::2], answers[1::2], strict=True)
        ]
        return await self._with_pauses(made, block)

    async def _with_pauses(self, markets: list[Market], block: Block) -> list[Market]:
        """Add how long opening is paused where it is; elsewhere nothing is asked for."""
        held = [each.id for each in markets if each.price.flags & OPENING_PAUSED]
        if not held:
            return markets
        calls = [("RiskConfigurator", "pause_of", (OPENING, id_)) for id_ in held]
        answers = await self.many(calls, block)
        until = {id_: int(answer[1]) for id_, answer in zip(held, answers, strict=True)}
        return [replace(each, opening_until=until.get(each.id, 0)) for each in markets]

    async def snapshot(self, head: Head, markets: Sequence[Market]) -> Snapshot:
        """Return these markets with all else that margin depends on at a block."""
        at = head.number
        return snapshot(head.time, markets, await self.collaterals(at), await self.terms(at))

    async def pauses(self, block: Block = "latest") -> list[Pause]:
        """Return the last pause of every scope."""
        (count,) = await self.one("Markets", "market_count", block=block)
        scopes = [(kind, id_) for kind in OF_MARKETS for id_ in range(1, int(count) + 1)]
        scopes += [(POOL_DEPOSITS, 0), (DEPOSITS, 0)]
        calls = [("RiskConfigurator", "pause_of", scope) for scope in scopes]
        answers = await self.many(calls, block)
        return [
            Pause(*scope, *(int(each) for each in answer))
            for scope, answer in zip(scopes, answers, strict=True)
        ]

    async def collaterals(self, block: Block = "latest") -> list[Collateral]:
        """Return the parameters of every listed collateral."""
        ids = [token.id for token in self.deployment.tokens.values() if token.id]
        answers = await self.many([("Markets", "collateral_params", (id_,)) for id_ in ids], block)
        return [
            Collateral(id_, *(int(each) for each in answer))
            for id_, answer in zip(ids, answers, strict=True)
        ]

    # ---- accounts

    async def account_ids(self, block: Block = "latest", first: int = 0) -> list[int]:
        """Return the ids of all accounts from an index of the list on."""
        (count,) = await self.one("Clearinghouse", "account_count", block=block)
        calls = [("Clearinghouse", "account_at", (i,)) for i in range(first, int(count))]
        return [int(answer[0]) for answer in await self.many(calls, block)]

    async def accounts(self, ids: Sequence[int], block: Block = "latest") -> list[Account]:
        """Return what the ledger keeps about these accounts."""
        answers = await self.many(
            [("Clearinghouse", "account_words", (id_,)) for id_ in ids], block
        )
        made = [decode_account(id_, *answer) for id_, answer in zip(ids, answers, strict=True)]
        return await self._with_options(made, block)

    async def _with_options(self, accounts: list[Account], block: Block) -> list[Account]:
        """Add what the engine keeps; where it answers for nobody, nothing is asked for."""
        ids = [each.id for each in accounts if each.engaged]
        if not ids:
            return accounts
        calls: list[tuple[str, str, tuple[Any, ...]]] = []
        for id_ in ids:
            calls += [("Options", "account_legs", (id_,)), ("Options", "mode", (id_,))]
        answers = await self.many(calls, block)
        found = {
            id_: (decode_legs(legs[0]), bool(mode[1]))
            for id_, legs, mode in zip(ids, answers[::2], answers[1::2], strict=True)
        }
        return [
            replace(each, options=found[each.id][0], portfolio=found[each.id][1])
            if each.engaged
            else each
            for each in accounts
        ]

    async def healths(
        self, ids: Sequence[int], block: Block = "latest"
    ) -> dict[int, Health | None]:
        """Return the contracts' own health of these accounts; None where they do not answer.

        Accounts of a page share the prices of their scenarios. Who has no answer in it is asked
        about alone, so that neither a node's limit of gas nor one account stands in the way of the
        others.
        """
        shared = await self._shared_healths(ids, block)
        alone = [id_ for id_ in ids if id_ not in shared]
        function = interface("Clearinghouse").function("health")
        address = self.deployment.address("Clearinghouse")
        answers = await self.rpc.calls([(address, function.encode(id_)) for id_ in alone], block)
        found = {
            id_: Health(**function.decode_named(answer)) if isinstance(answer, bytes) else None
            for id_, answer in zip(alone, answers, strict=True)
        }
        return {id_: shared.get(id_) or found[id_] for id_ in ids}

    async def _shared_healths(self, ids: Sequence[int], block: Block) -> dict[int, Health]:
        """Return what BatchLens answers, where a deployment has one."""
        if "BatchLens" not in self.deployment.contracts:
            return {}
        function = interface("BatchLens").function("health_many")
        address = self.deployment.address("BatchLens")
        pages = [ids[at : at + HEALTH_PAGE] for at in range(0, len(ids), HEALTH_PAGE)]
        calls = [(address, function.encode(list(page))) for page in pages]
        answers = await self.rpc.calls(calls, block)
        return {
            id_: Health(**told["health"])
            for page, answer in zip(pages, answers, strict=True)
            if isinstance(answer, bytes)
            for id_, told in zip(page, function.decode_named(answer), strict=True)
            if told["answered"]
        }

    # ---- options

    @property
    def engine_account(self) -> int | None:
        """Return the account between holders and writers of what expired, None without Options."""
        if "Options" not in self.deployment.contracts:
            return None
        return account_id(self.deployment.address("Options"))

    async def settlement_prices(
        self, series: Iterable[tuple[int, int]], block: Block = "latest"
    ) -> dict[tuple[int, int], int]:
        """Return the prices [ticks] of the series, market and hour, that have one."""
        wanted = sorted(series)
        answers = await self.many(
            [("Expiries", "settlement_price", each) for each in wanted], block
        )
        found = zip(wanted, answers, strict=True)
        return {each: int(answer[0]) for each, answer in found if answer[0]}

    # ---- the books

    async def totals(self, block: Block = "latest") -> Totals:
        """Return the sums that the ledger keeps."""
        names = ("pot", "deficit", "settlement_scale", "insurance_account", "fee_account")
        answers = await self.many([("Clearinghouse", name, ()) for name in names], block)
        return Totals(*(int(answer[0]) for answer in answers))

    async def tokens(self, block: Block = "latest") -> list[Token]:
        """Return what the ledger owes and what it has, token by token."""
        listed = sorted(self.deployment.tokens.values(), key=lambda token: token.id)
        house = self.deployment.address("Clearinghouse")
        infos = await self.many(
            [("Clearinghouse", "token_info", (token.address,)) for token in listed], block
        )
        names = _names(interface("Clearinghouse"), "token_info")
        balance = interface("ERC20").encode("balanceOf", house)
        held = await self.rpc.calls([(token.address, balance) for token in listed], block)
        made = []
        for token, info, answer in zip(listed, infos, held, strict=True):
            if isinstance(answer, Exception):
                raise ChainError(f"{token.symbol} does not tell the Clearinghouse's balance")
            fields = dict(zip(names, info[0], strict=True))
            made.append(
                Token(
                    token.id,
                    token.address,
                    int(fields["decimals"]),
                    int(fields["tracked"]),
                    int.from_bytes(answer, "big"),
                )
            )
        return made


def _names(views: Any, function: str) -> list[str]:
    """Return the field names of the struct that a view returns."""
    return [str(field["name"]) for field in views.function(function).fields[0]["components"]]


def _decoded(outputs: Sequence[str], decode: Any, answer: object, kind: str) -> tuple[Any, ...]:
    if isinstance(answer, Exception):
        raise answer
    if not answer and outputs:
        raise BadInput(
            f"there is no {kind} at the address of the deployment file",
            "point --rpc and --deployment at the same chain",
        )
    values: tuple[Any, ...] = decode(answer)
    return values
