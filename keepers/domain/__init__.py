"""Pure decisions on integers: no clock, no chain, no files beyond price series."""
