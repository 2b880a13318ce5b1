"""Hypothesis profiles for every test; fixtures stand in the folders that use them."""

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=25, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=200, deadline=None, print_blob=True)
settings.register_profile("night", max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
