"""The exact integer model of docs/spec: no code shared with contracts or keepers."""
