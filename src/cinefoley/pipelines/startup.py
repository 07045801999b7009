"""Faster start of commands: load diffusers without scipy.stats and TorchDynamo, which are never used."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

__all__ = ["without_unused_imports"]


@contextmanager
def without_unused_imports() -> Iterator[None]:
    """Replace two large modules by empty ones while diffusers is imported and a model is loaded.

    diffusers imports ``scipy.stats`` for beta noise levels, and ``torch._dynamo`` to mark code for
    ``torch.compile`` and to ask whether a module is compiled. Both can be imported as usual afterwards; code
    that was marked meanwhile is traced if compiled. For commands: libraries should not decide this for other
    code in the process. Modules that are loaded already are not replaced.
    """
    import torch

    added = [stub for stub in (ModuleType("scipy.stats"), _dynamo_stub()) if stub.__name__ not in sys.modules]
    for stub in added:
        sys.modules[stub.__name__] = stub
        if stub.__name__ == "torch._dynamo":
            torch._dynamo = stub
    try:
        yield
    finally:
        for stub in added:
            if sys.modules.get(stub.__name__) is stub:
                del sys.modules[stub.__name__]
            if stub.__name__ == "torch._dynamo":
                del torch._dynamo


def _dynamo_stub() -> ModuleType:
    stub = ModuleType("torch._dynamo")

    def mark(function: Any = None, *args: Any, **kwargs: Any) -> Any:
        return _identity if function is None else function

    stub.disable = stub.allow_in_graph = mark  # type: ignore[attr-defined]
    stub.eval_frame = SimpleNamespace(OptimizedModule=_NoModule)  # type: ignore[attr-defined]
    return stub


def _identity(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


class _NoModule:
    """What no module is an instance of."""
