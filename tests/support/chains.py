"""Fixtures of tests that need a few contracts only: a chain of their own, put back after each test.

A module says `deployment = own_chain(Desk.deployed)` and `desk = put_back()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest


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
