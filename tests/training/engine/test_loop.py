import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.small_tasks import Contrast, Regression
from torch import Tensor, nn

from cinefoley.config.training import TrainConfig
from cinefoley.errors import CheckpointMismatchError, CinefoleyError, RunInterrupted
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.step_seeds import step_generator
from cinefoley.training.engine.task import Batch

SETTINGS: dict[str, Any] = {
    "steps": 20,
    "batch_size": 8,
    "learning_rate": 0.05,
    "warmup_steps": 3,
    "ema_decay": 0.9,
    "checkpoint_every": 6,
    "log_every": 1,
    "precision": "fp32",
}
CONFIG = TrainConfig(**SETTINGS)
SCRIPT = [sys.executable, "-m", "tests.training.small_tasks"]
ROOT = Path(__file__).parents[3]


def changed(**changes: Any) -> TrainConfig:
    return TrainConfig(**(SETTINGS | changes))


def log(run_dir: Path) -> list[dict[str, float]]:
    """Lines of the log without what a clock says."""
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    clock = ("elapsed_s", "clips_per_s", "remaining_s")
    return [{name: value for name, value in line.items() if name not in clock} for line in lines]


def weights(module: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in module.state_dict().values()]


def are_equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def saved_step(run_dir: Path) -> int:
    return int(torch.load(run_dir / "checkpoint.pt", weights_only=True)["step"])


def test_the_loss_falls(tmp_path: Path) -> None:
    fit(Regression(), CONFIG, tmp_path)
    lines = log(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("muon", marks=pytest.mark.muon)])
def test_a_stopped_run_continues_to_the_same_end(tmp_path: Path, optimizer: str) -> None:
    # an interval is in the middle when the run is stopped
    config = changed(log_every=7, optimizer=optimizer)
    whole = weights(fit(Regression(dropout=0.1), config, tmp_path / "whole"))
    with pytest.raises(RunInterrupted, match=r"Stopped by SIGTERM at step 10 of 20.*Run the same command"):
        fit(Regression(dropout=0.1, stop_at=9), config, tmp_path / "parts")
    parts = weights(fit(Regression(dropout=0.1), config, tmp_path / "parts"))
    assert are_equal(whole, parts)
    assert log(tmp_path / "whole") == log(tmp_path / "parts")


def test_a_resumed_run_keeps_its_number_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a faster float32 may have been lent the folder of one with a faster bf16."""
    config = changed(precision="auto")
    monkeypatch.setattr("cinefoley.training.engine.ranks.has_fast_bf16", lambda: True)
    whole = weights(fit(Regression(), config, tmp_path / "whole"))
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=9), config, tmp_path / "parts")
    monkeypatch.setattr("cinefoley.training.engine.ranks.has_fast_bf16", lambda: False)
    assert are_equal(whole, weights(fit(Regression(), config, tmp_path / "parts")))
    assert not are_equal(whole, weights(fit(Regression(), config, tmp_path / "other")))


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_ends_with_the_losses_of_an_uninterrupted_one(tmp_path: Path) -> None:
    """kill -9 from outside, somewhere in the middle."""
    settings = SETTINGS | {"steps": 4000, "checkpoint_every": 7, "log_every": 5, "ema_decay": None}
    job = {"task": "regression", "options": {"dropout": 0.1}, "config": settings, "run": "killed"}
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    run = subprocess.Popen([*SCRIPT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run, run.stdout:
        steps = (json.loads(line)["step"] for line in run.stdout)
        assert next(step for step in steps if step >= 100) == 100
        run.kill()
    assert run.returncode == -signal.SIGKILL
    step = saved_step(tmp_path / "killed")
    assert 98 <= step < 4000

    def end_at(run_dir: Path, steps: int) -> list[Tensor]:
        # the schedule is that of the long run; only the end comes sooner
        task = Regression(dropout=0.1, stop_at=steps - 1)
        with pytest.raises(RunInterrupted):
            fit(task, TrainConfig(**settings), run_dir)
        return weights(task.module)

    end = step + 20
    assert are_equal(end_at(tmp_path / "killed", end), end_at(tmp_path / "whole", end))
    assert log(tmp_path / "killed") == log(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob("*.part"))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = weights(fit(Regression(), CONFIG, tmp_path))
    second = weights(fit(Regression(nan_at=0), CONFIG, tmp_path))
    assert are_equal(first, second)


def test_a_run_from_before_there_was_a_choice_of_optimizer_resumes(tmp_path: Path) -> None:
    whole = weights(fit(Regression(), CONFIG, tmp_path / "whole"))
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=9), CONFIG, tmp_path / "old")
    path = tmp_path / "old" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    assert state["run"]["config"].pop("optimizer") == "adamw"
    torch.save(state, path)
    with pytest.raises(CheckpointMismatchError, match="optimizer is 'adamw' there and 'muon' here"):
        fit(Regression(), changed(optimizer="muon"), tmp_path / "old")
    assert are_equal(whole, weights(fit(Regression(), CONFIG, tmp_path / "old")))


def test_a_run_whose_schedule_allows_it_can_be_made_longer(tmp_path: Path) -> None:
    settings = {"schedule": "trapezoid"}
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=9), changed(**settings), tmp_path)
    fit(Regression(), changed(**settings, steps=30), tmp_path)
    assert log(tmp_path)[-1]["step"] == 30
    fit(Regression(), changed(**settings, steps=30), tmp_path)  # what is finished is finished
    with pytest.raises(CheckpointMismatchError, match=r"for 30 steps, not 40\. .* falls from step 24 on"):
        fit(Regression(), changed(**settings, steps=40), tmp_path)


@pytest.mark.parametrize("schedule", ["trapezoid", "constant"])
def test_a_run_does_not_end_before_the_step_that_it_is_at(tmp_path: Path, schedule: str) -> None:
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=9), changed(schedule=schedule), tmp_path)
    begun: list[str] = []
    with pytest.raises(CheckpointMismatchError, match="is at step 10 and cannot end after 9"):
        fit(Regression(), changed(schedule=schedule, steps=9), tmp_path, on_begin=begun.append)
    assert begun == []
    fit(Regression(), changed(schedule=schedule, steps=13), tmp_path)
    assert log(tmp_path)[-1]["step"] == 13


def test_a_trapezoid_is_not_made_so_short_that_its_rate_should_have_fallen(tmp_path: Path) -> None:
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=9), changed(schedule="trapezoid"), tmp_path)
    with pytest.raises(CheckpointMismatchError, match=r"for 20 steps, not 11\. .* falls from step 9 on"):
        fit(Regression(), changed(schedule="trapezoid", steps=11), tmp_path)


def test_every_number_format_of_a_run_is_recorded(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=9), changed(precision="bf16"), tmp_path, on_begin=told.append)
    for precision in ("fp32", "auto", "bf16"):  # what is finished stays what it was computed in
        fit(Regression(), changed(precision=precision), tmp_path, on_begin=told.append)
    assert told == ["bf16"] + 3 * ["bf16, fp32 from step 10"]


def test_a_batch_in_parts_trains_as_a_whole_one(tmp_path: Path) -> None:
    settings = {"batch_norm": "frozen", "ema_decay": None}
    whole = weights(fit(Regression(), changed(**settings), tmp_path / "whole"))
    parts = weights(fit(Regression(), changed(**settings, gradient_accumulation=4), tmp_path / "parts"))
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(whole, parts, strict=True))
    for a, b in zip(log(tmp_path / "whole"), log(tmp_path / "parts"), strict=True):
        assert a == pytest.approx(b, rel=1e-5)


def test_contrast_in_parts_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(Contrast(), changed(gradient_accumulation=2, steps=1), tmp_path)
    assert "in 2 parts it compares 4 at a time, not 8" in caplog.text


@pytest.mark.parametrize("mode", ["train", "frozen"])
def test_batch_norm_keeps_its_statistics_only_when_frozen(tmp_path: Path, mode: str) -> None:
    task = Regression()
    before = [value.clone() for value in task.module.buffers()]
    fit(task, changed(batch_norm=mode), tmp_path)
    assert are_equal(before, list(task.module.buffers())) == (mode == "frozen")


def test_long_gradients_are_clipped_unless_told_otherwise(tmp_path: Path) -> None:
    steps = {"steps": 2, "ema_decay": None}
    short = fit(Regression(), changed(**steps, max_grad_norm=1e-12), tmp_path / "short")
    plain = fit(Regression(), changed(**steps, max_grad_norm=None), tmp_path / "plain")
    assert log(tmp_path / "short")[0]["grad_norm"] == log(tmp_path / "plain")[0]["grad_norm"] > 1e-3
    start = weights(Regression().module)[0]
    # AdamW's own epsilon makes nothing of gradients that short
    assert (weights(short)[0] - start).abs().max() < 1e-3 < (weights(plain)[0] - start).abs().max()


def test_a_loss_that_is_no_number_names_its_clips_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(
        CinefoleyError, match="loss of step 8 is nan, with clip 806, clip 807; the last check"
    ):
        fit(Regression(nan_at=8), changed(gradient_accumulation=4, batch_norm="frozen"), tmp_path)
    assert saved_step(tmp_path) == 6


def test_a_gradient_that_is_no_number_names_the_batch(tmp_path: Path) -> None:
    class Steep(Regression):
        def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
            losses = super().losses(batch, step=step)
            # the square root of 0 is 0, its slope is infinite
            return {"loss": losses["loss"] + (losses["loss"] * float(step != 8) - 0.0).sqrt()}

    with pytest.raises(CinefoleyError, match=r"gradient of step 8 is nan, with clip 800, .*clip 807;"):
        fit(Steep(), CONFIG, tmp_path)
    assert saved_step(tmp_path) == 6


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    class Second(Regression):
        def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
            with pytest.raises(CinefoleyError, match="in use by another run"):
                fit(Regression(), CONFIG, tmp_path)
            return super().losses(batch, step=step)

    fit(Second(), changed(steps=1), tmp_path)
    assert (tmp_path / "checkpoint.pt").exists()


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    fit(Regression(), changed(steps=1), tmp_path)
    refusals = {
        r"it is of stage 'regression', this is 'contrast'": (Contrast(), changed(steps=1)),
        r"1\.bias is \[8\] there and \[16\] here": (Regression(width=16), changed(steps=1)),
        r"learning_rate is 0.05 there and 0.01 here": (Regression(), changed(steps=1, learning_rate=0.01)),
        r"steps is 1 there and 20 here.*Give the same settings again": (Regression(), CONFIG),
    }
    for message, (task, config) in refusals.items():
        with pytest.raises(CheckpointMismatchError, match=message):
            fit(task, config, tmp_path)
    fit(Regression(), changed(steps=1, log_every=5, checkpoint_every=2, precision="auto"), tmp_path)


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    fit(Regression(), CONFIG, tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(CheckpointMismatchError, match=r"checkpoint\.pt is no checkpoint of this version"):
        fit(Regression(), CONFIG, tmp_path)


def test_partial_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".cinefoley-0123.part").write_bytes(b"half")
    fit(Regression(), changed(steps=1), tmp_path)
    assert not list(tmp_path.glob(".*.part"))


def test_randomness_depends_on_seed_and_step_alone(tmp_path: Path) -> None:
    draws = {
        (seed, step): torch.rand(4, generator=step_generator(seed, step)).tolist()
        for seed in range(3)
        for step in range(3)
    }
    assert len({tuple(draw) for draw in draws.values()}) == 9
    assert draws[1, 2] == torch.rand(4, generator=step_generator(1, 2)).tolist()
    before = torch.get_rng_state()
    fit(Regression(dropout=0.5), changed(steps=1), tmp_path)
    made = Regression(dropout=0.5)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    fit(made, changed(steps=2), tmp_path / "more")
    assert torch.equal(torch.get_rng_state(), state), "training moved the caller's generator"
    assert not torch.equal(before, state)
