"""What a run tells: the log, TensorBoard's events, progress, validation, samples; and what if it cannot."""

import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.full_disk import file_size_limit
from tests.training.small_tasks import Regression
from torch import Tensor, nn

from cinefoley.config.mel import MelConfig
from cinefoley.config.training import TrainConfig
from cinefoley.errors import CinefoleyError, OutputError, RunInterrupted
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.run_log import Interval, RunLog
from cinefoley.training.engine.task import Sample

CONFIG = TrainConfig(
    steps=12, batch_size=8, learning_rate=0.02, warmup_steps=3, checkpoint_every=4, log_every=3, ema_decay=0.9
)
MEL = MelConfig(hop_length=250, n_mels=64)


class Told(Regression):
    """Notes the weights it is validated with; its sample is a tone that begins after half a second."""

    def __init__(self) -> None:
        super().__init__(dropout=0.5)
        self.seen: list[Tensor] = []

    def validate(self) -> dict[str, float]:
        assert not self.module.training
        assert not torch.is_grad_enabled()
        self.seen.append(next(self.module.parameters()).detach().clone())
        return {"score": float(len(self.seen))}

    def samples(self) -> list[Sample]:
        mel = torch.zeros(64, 64)
        mel[20, 32:] = 0.9
        return [Sample(name="tone", mel=mel, config=MEL, events_s=[0.5])]


def lines(run_dir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


def steps(run_dir: Path) -> list[float]:
    return [line["step"] for line in lines(run_dir)]


def test_a_log_line_has_means_speed_and_remaining_time(tmp_path: Path) -> None:
    told: list[dict[str, float]] = []
    fit(Regression(), CONFIG, tmp_path, on_log=told.append)
    assert told == lines(tmp_path)
    assert set(told[0]) == {
        *("step", "elapsed_s", "lr", "loss", "l1", "grad_norm", "clips_per_s", "remaining_s")
    }
    assert told[0]["clips_per_s"] > 0
    assert told[-1]["remaining_s"] == 0


def test_an_interval_gives_means_and_speed() -> None:
    interval = Interval()
    interval.add({"loss": 1.0}, seconds=1.0)
    interval.add({"loss": 2.0}, seconds=3.0)
    assert interval.means() == {"loss": 1.5}
    assert interval.speed(8, steps_left=5) == {"clips_per_s": 4.0, "remaining_s": 10.0}


def test_a_log_is_cut_back_to_what_the_checkpoint_has_seen(tmp_path: Path) -> None:
    whole = [json.dumps({"step": step, "loss": 1.0}) + "\n" for step in (3, 6, 9)]
    (tmp_path / "log.jsonl").write_text("".join(whole) + '{"step": 12, "lo')  # killed while it wrote
    log = RunLog(tmp_path, step=8)
    log.write({"step": 9, "loss": 2.0})
    log.close()
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [(3, 1.0), (6, 1.0), (9, 2.0)]


def test_tensorboard_shows_every_step_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed_at, values in ((0, {3: 1.0, 6: 1.0, 9: 1.0}), (6, {9: 2.0, 12: 2.0})):
        log = RunLog(tmp_path, step=resumed_at)
        for step, value in values.items():
            log.write({"step": step, "loss": value, "lr": 0.1})
        log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Tags()["scalars"] == ["loss", "lr"]
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert shown == [(3, 1.0), (6, 1.0), (9, 2.0), (12, 2.0)]


def test_validation_sees_the_averaged_weights_and_changes_nothing(tmp_path: Path) -> None:
    quiet = fit(Regression(dropout=0.5), CONFIG, tmp_path / "quiet")
    task = Told()
    config = replace(CONFIG, validate_every=6)
    ends = fit(task, config, tmp_path / "told")
    assert [line.get("valid_score") for line in lines(tmp_path / "told")] == [None, 1.0, None, 2.0]
    assert torch.equal(task.seen[-1], next(ends.parameters()))
    for a, b in zip(quiet.state_dict().values(), ends.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_held_out_clips_are_validated_on_alike_every_time(tmp_path: Path) -> None:
    task = Regression()
    task.held_out = Regression()
    task.held_out.module = task.module
    first, second = task.validate(), task.validate()
    assert first == second
    assert set(first) == {"loss", "l1"}
    assert Regression().validate() == {}


def test_samples_are_written_as_wav_and_png(tmp_path: Path) -> None:
    from PIL import Image

    from cinefoley.media.audio.files import read_audio

    fit(Told(), CONFIG, tmp_path)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "step-000012.tone.png",
        "step-000012.tone.wav",
    ]
    waveform, rate = read_audio(tmp_path / "samples" / "step-000012.tone.wav")
    assert waveform.shape == (1, 64 * 250)
    quiet, loud = waveform[0, : rate // 4], waveform[0, 3 * rate // 4 :]
    assert loud.square().mean() > 100 * quiet.square().mean()
    with Image.open(tmp_path / "samples" / "step-000012.tone.png") as picture:
        assert picture.size == (800, 300)


def test_progress_is_drawn_on_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stderr, is_drawn in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stderr)
        fit(Regression(), CONFIG, tmp_path / str(is_drawn), show_progress=True)
        assert ("regression" in stderr.getvalue() and "12/12" in stderr.getvalue()) == is_drawn


@pytest.mark.parametrize("package", ["accelerate", "tensorboard.compat.proto"])
def test_a_missing_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CinefoleyError, match=r"pip install 'cinefoley\[train\]'"):
        fit(Regression(), CONFIG, tmp_path)


@pytest.mark.parametrize(("size", "name"), [(4000, "checkpoint.pt"), (100, "log.jsonl")])
def test_where_nothing_more_can_be_written_a_run_stops_and_continues_later(
    tmp_path: Path, size: int, name: str
) -> None:
    whole = fit(Regression(), CONFIG, tmp_path / "whole")
    run_dir = tmp_path / "parts"
    with pytest.raises(RunInterrupted):
        fit(Regression(stop_at=4), CONFIG, run_dir)
    checkpoint = (run_dir / "checkpoint.pt").read_bytes()
    message = rf"{name} cannot be written \(File too large\); the last checkpoint is untouched.*same command"
    with file_size_limit(size), pytest.raises(OutputError, match=message):
        fit(Regression(), CONFIG, run_dir)
    assert (run_dir / "checkpoint.pt").read_bytes() == checkpoint
    check_same(whole, fit(Regression(), CONFIG, run_dir))
    assert steps(run_dir) == steps(tmp_path / "whole") == [3, 6, 9, 12]


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    """A real one: a file system of 60 KiB, in a mount namespace that ends with the run."""
    config = {"steps": 4000, "batch_size": 8, "learning_rate": 0.02, "checkpoint_every": 10, "log_every": 1}
    (tmp_path / "disk").mkdir()
    job = {"task": "regression", "config": config, "run": "disk/run"}
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    root = Path(__file__).parents[3]
    inside = (
        f'mount -t tmpfs -o size=60k none "{tmp_path}/disk" '
        f'&& "{sys.executable}" -m tests.training.small_tasks "{tmp_path}" '
        f'&& cp -r "{tmp_path}/disk/run" "{tmp_path}/kept"'
    )
    for options in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        command = ["unshare", *options, "sh", "-c"]
        if shutil.which("unshare") and not subprocess.run([*command, "true"], check=False).returncode:
            break
    else:
        pytest.skip("file systems cannot be mounted here")
    subprocess.run([*command, inside], cwd=root, check=True, stdout=subprocess.DEVNULL)
    error = json.loads((tmp_path / "0.0.json").read_text())["error"]
    assert "cannot be written (No space left on device); the last checkpoint is untouched" in error
    step = torch.load(tmp_path / "kept" / "checkpoint.pt", weights_only=True)["step"]
    assert step >= 10
    with pytest.raises(RunInterrupted, match=f"at step {step + 3} of 4000"):
        fit(Regression(stop_at=step + 2), TrainConfig(**config), tmp_path / "kept")  # type: ignore[arg-type]


def check_same(first: nn.Module, second: nn.Module) -> None:
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
