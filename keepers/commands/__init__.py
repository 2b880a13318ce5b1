"""The commands of `plimsoll`, one module per group."""
