"""Short answers are refused whatever a process has made of eth_abi."""

from __future__ import annotations

import subprocess
import sys

import pytest
from eth_abi.exceptions import InsufficientDataBytes

from keepers.chain.codec import decode, encode

APE = "import ape.utils.abi"
# what Ape makes of it is said first, so that the test knows when Ape no longer does
SAYS = """
from eth_abi.abi import decode as theirs
print(*theirs(["uint256"], b""))
try:
    {call}
except Exception as error:
    print(type(error).__name__)
"""
KEEPERS = (
    "from keepers.chain.abi import interface",
    'print(*interface("Orders").function("commit_delay").decode(b""))',
)
SCRIPTS = (
    "from types import SimpleNamespace as Executor\n"
    "from keepers.chain.abi import interface\n"
    "from scripts.deployment.executor import Contract",
    'abi = [{"type": "function", "name": "f", "inputs": [], "outputs": [{"type": "uint256"}]}]\n'
    '    print(Contract(Executor(call=lambda *_: b""), "0x", abi).read("f"))',
)


def test_decode__fewer_bytes_than_words__is_refused() -> None:
    assert decode(["uint256", "uint8"], encode(["uint256", "uint8"], [7, 1])) == (7, 1)
    for length in (0, 31, 63):
        with pytest.raises(InsufficientDataBytes):
            decode(["uint256", "uint256"], bytes(length))


@pytest.mark.parametrize("ape_first", [True, False])
@pytest.mark.parametrize(
    ("imports", "call", "refusal"),
    [(*KEEPERS, "InsufficientDataBytes"), (*SCRIPTS, "DeploymentError")],
    ids=["keepers", "scripts"],
)
def test_read__in_a_process_of_ape__no_answer_is_no_zero(
    ape_first: bool, imports: str, call: str, refusal: str
) -> None:
    lines = [APE, imports] if ape_first else [imports, APE]
    program = "\n".join([*lines, SAYS.format(call=call)])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", refusal]
