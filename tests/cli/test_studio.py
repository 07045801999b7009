import sys
from collections.abc import Callable
from typing import Any

import pytest

RunCli = Callable[..., Any]


def test_without_the_web_extra_the_studio_says_what_to_install(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = run_cli("studio")

    assert result.code == 1
    assert "This needs gradio, which is not installed." in result.err
    assert "pip install 'cinefoley[web]'" in result.err


def test_the_help_tells_the_limits(run_cli: RunCli) -> None:
    result = run_cli("studio", "--help")

    assert result.code == 0
    assert "--max-upload" in result.out
    assert "--max-duration" in result.out
