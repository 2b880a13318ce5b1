"""The liquidator's decisions on price files, without a chain: the rules in exact integers."""
