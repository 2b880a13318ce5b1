"""The laboratory: whole worlds on a local chain, replayed, measured and shown."""
