"""Who may sign prices: an update names the signers that it leaves out, so a keeper follows them."""

from __future__ import annotations

from keepers.chain.abi import interface
from keepers.chain.reading import Reader
from keepers.chain.rpc import Block, Log
from keepers.web.board import Board


async def load_seats(board: Board, reader: Reader, block: Block) -> None:
    """Seat the signers that are listed at a block."""
    for seat, signer in enumerate(await reader.signers(block)):
        board.seat(seat, signer)


def follow_seats(board: Board, log: Log) -> None:
    """Take a change of the list, if the event is one."""
    event = interface("RiskConfigurator").topics.get(log.topics[0])
    if event is not None and event.name == "SignerSet":
        said = event.decode(log.topics, log.data)
        board.seat(said["index"], said["new"])
