"""The inputs of the metrics' fixtures, drawn again."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def metric_inputs() -> ModuleType:
    """The module beside this file; pytest puts no folder of tests on the import path."""
    path = Path(__file__).parent / "metric_inputs.py"
    spec = importlib.util.spec_from_file_location("metric_inputs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
