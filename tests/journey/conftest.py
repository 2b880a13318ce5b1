"""Journeys cross every contract; the in-process ones share the world of the unit tests."""

from tests.support.fixtures import *  # noqa: F403
