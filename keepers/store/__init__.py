"""What a keeper remembers between runs; all of it can be derived from the chain again."""
