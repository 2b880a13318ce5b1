"""Measures gas, sizes and latency against the targets: `python -m bench`."""
