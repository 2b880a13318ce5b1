"""A deployment file as the deploy script writes it."""

from __future__ import annotations

from typing import Any

ADDRESS = "0x" + "1a" * 20

GOOD: dict[str, Any] = {
    "chain_id": 31337,
    "block": 3,
    "commit": "abc",
    "compiler": "vyper 0.4.3",
    "contracts": {"Markets": {"address": ADDRESS, "tx": "0x1", "block": 4}},
    "tokens": {
        "USDC": {"address": ADDRESS, "decimals": 6, "id": 0},
        "WETH": {"address": "0x" + "2b" * 20, "decimals": 18, "id": 1},
    },
    "markets": {"ETH": {"id": 1}, "BTC": 2},
    "signers": [ADDRESS],
    "parameters": {"network": "local"},
}
