"""Commands run in this process, with the exit code, stdout and stderr that a shell would see."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.cli.main import main
from cinefoley.media.audio.files import write_audio


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


RunCli = Callable[..., Result]


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Iterator[RunCli]:
    """``run_cli("generate", film, "--takes", 2)``."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    logger = logging.getLogger("cinefoley")
    before = logger.handlers, logger.level
    yield run
    logger.handlers, level = before
    logger.setLevel(level)


@pytest.fixture
def generate(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> RunCli:
    """``generate(film, ...)`` with the tiny model and two steps, into ``tmp_path / "out"``."""
    options = ("--model", tiny_model, "--steps", 2, "--device", "cpu", "-o", tmp_path / "out")
    return lambda *arguments: run_cli("generate", *options, *arguments)


@pytest.fixture
def rain(tmp_path: Path, render_film: Callable[..., Path]) -> Path:
    """A silent film of two seconds."""
    return render_film(tmp_path / "rain.mp4")


@pytest.fixture
def make_hits_file() -> Callable[[Path], None]:
    """``make_hits_file(wav)`` writes two hits of noise, at 0.4 and 1.1 s, into two seconds."""

    def make(path: Path) -> None:
        generator = torch.Generator().manual_seed(0)
        sound = torch.zeros(32000)
        for time in (0.4, 1.1):
            decay = torch.exp(-torch.arange(8000) / 800)
            sound[round(16000 * time) :][:8000] += 0.3 * decay * torch.randn(8000, generator=generator)
        write_audio(path, sound.clamp(-1, 1), 16000)

    return make
