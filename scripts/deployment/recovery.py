"""Take up what an interrupted run sent: wait until it is mined, note the contract it created."""

from __future__ import annotations

import time
from collections.abc import Callable

from scripts.deployment.errors import DeploymentError
from scripts.deployment.executor import Receipt
from scripts.deployment.plan import same_code
from scripts.deployment.runner import Site

PATIENCE_S = 120
POLL_S = 0.25

Pause = Callable[[float], None]


def recover(site: Site, pause: Pause = time.sleep) -> None:
    """Bring the record to what the chain has of the run before.

    A contract is noted before it is sent, with the address that its nonce gives it. Whether it came
    to be is asked here: with its code there it is taken over, and otherwise its nonce is free, so
    that it gets the same address when it is sent again.

    Raises:
        DeploymentError: transactions of the sender are not mined in time.
    """
    wait_until_mined(site, pause)
    begun = site.record.begun
    if not begun:
        return
    address = begun["address"]
    if same_code(site.executor.code(address), site.artifacts[begun["artifact"]]):
        # the block before it was sent: a history that starts too early lacks nothing
        site.record.add(begun["name"], Receipt("", begun["block"], 0, address))
    site.record.begun = {}
    site.save()


def wait_until_mined(site: Site, pause: Pause = time.sleep) -> None:
    """Wait for what the sender has sent already, since sending it again could do it twice."""
    for _ in range(int(PATIENCE_S / POLL_S)):
        if not site.executor.in_flight():
            return
        pause(POLL_S)
    raise DeploymentError(
        f"{site.executor.in_flight()} transactions of {site.executor.sender} wait to be mined; run "
        "this again when they are"
    )
