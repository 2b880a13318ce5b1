"""The loops: read a snapshot, decide, send, count."""
