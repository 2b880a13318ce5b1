"""The chain as the keepers see it: calls, logs, keys, transactions."""
