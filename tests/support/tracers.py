"""Environments of titanoboa that do not slow each other down."""

from typing import Any

from boa.vm.py_evm import PyEVM, Sha3PreimageTracer, SstoreTracer

_begin = PyEVM._init_vm


def _plain(operation: Any) -> Any:
    """Return what stands below the tracers of an opcode."""
    while isinstance(operation, Sha3PreimageTracer | SstoreTracer):
        operation = getattr(operation, "sha3", None) or operation.sstore
    return operation


def _begin_alone(evm: PyEVM, *given: Any) -> None:
    _begin(evm, *given)
    computation = evm.vm.state.computation_class
    shared = computation.opcodes
    computation.opcodes = dict(shared)
    shared.update({number: _plain(operation) for number, operation in shared.items()})


def keep_apart() -> None:
    """Let every environment made from here on trace its own writes and hashes only.

    titanoboa 0.2.8 puts the tracers of a new environment around those of all before it, in the
    table of opcodes that their classes share: each lives as long as the process, and behind 200 of
    them a write of storage takes ten times as long.
    """
    PyEVM._init_vm = _begin_alone
