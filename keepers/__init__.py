"""Plimsoll's keepers: publish prices, execute orders, liquidate, read the books."""
