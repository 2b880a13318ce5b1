"""Fewer examples for properties whose one example is a whole history."""

from __future__ import annotations

from hypothesis import settings


def part(share: int) -> settings:
    """Return the profile's settings with a part of its examples: 1 / share, one at least."""
    return settings(max_examples=max(1, settings.default.max_examples // share))
