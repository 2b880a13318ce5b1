"""Chains of tests that need a few contracts only: a clock, and fixtures that put them back.

A module says `deployment = own_chain(Desk.deployed)` and `desk = put_back()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest


class Clocked:
    """Whatever lives on the chain of a test and asks it for the time."""

    @property
    def now(self) -> int:
        """The chain's time [s]."""
        return int(boa.env.evm.patch.timestamp)

    def wait(self, seconds: int, blocks: int = 1) -> None:
        """Let time pass."""
        boa.env.evm.patch.timestamp += seconds
        boa.env.evm.patch.block_number += blocks


def own_chain(deploy: Callable[[], Any]) -> Any:
    """Return a fixture of a module: what is deployed on a chain of its own."""

    @pytest.fixture(scope="module")
    def deployed() -> Iterator[Any]:
        with boa.swap_env(boa.Env()):
            yield deploy()

    return deployed


def put_back() -> Any:
    """Return a fixture of a test: the module's `deployment`, put back after the test."""

    @pytest.fixture
    def anchored(deployment: Any) -> Iterator[Any]:
        with boa.env.anchor():
            yield deployment

    return anchored
