"""Fixtures of the unit tests: `world` is the whole protocol, put back after each test."""

from tests.support.fixtures import *  # noqa: F403
