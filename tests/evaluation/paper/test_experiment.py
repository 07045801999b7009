import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.errors import DataError
from cinefoley.evaluation.paper.experiment import RealClips
from cinefoley.evaluation.views import View, window_of
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.segments import SegmentBackbone
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.variations import CameraMovement, CloseUp

CLIP_S = 2.5
RATE = 16000


def test_every_take_of_every_clip_is_judged(make_experiment: Any, teacher: VideoEncoder) -> None:
    experiment = make_experiment()
    real = experiment.read_real(teacher)
    assert real.ids == tuple(experiment.source.ids)
    assert real.teacher_features.shape == (4, 10, 16)
    takes = experiment.measure(real, "close_up")
    assert takes.probability.shape == (4, 2)
    assert takes.onsets.shape == takes.visible_onsets.shape == (4, 2, 3)
    assert len(takes.embeddings["spectrum"]) == 8
    judged = takes.onsets[..., 0] >= 0
    for row in range(4):
        events = stage_events(experiment.source[row], None)
        assert events is not None
        assert judged[row].tolist() == [events.is_onset_like] * 2
        if events.is_onset_like:
            hits, _, missed = takes.onsets[row].unbind(dim=1)
            assert (hits + missed).tolist() == [len(events.times)] * 2


def test_what_is_finished_is_not_made_again(
    make_experiment: Any, teacher: VideoEncoder, spectrum: Any
) -> None:
    """More clips than before find those that are there, and so does a run that was killed."""
    first = make_experiment(4).measure(make_experiment(4).read_real(teacher), "full")
    spectrum.heard = 0
    larger = make_experiment(6)
    again = larger.measure(larger.read_real(teacher), "full")
    assert spectrum.heard == 2 + 2 * 2, "two clips' sounds, and their takes"
    assert torch.equal(again.probability[:4], first.probability)


def test_batches_do_not_matter(make_experiment: Any, teacher: VideoEncoder, tmp_path: Path) -> None:
    experiment = make_experiment()
    takes = experiment.measure(experiment.read_real(teacher), "camera_movement")
    single = make_experiment(
        cache_dir=tmp_path, settings=replace(experiment.settings, batch_size=1, clips_per_file=3)
    )
    other = single.measure(single.read_real(teacher), "camera_movement")
    assert torch.allclose(takes.probability, other.probability, atol=1e-4)
    assert single.describe("full") == experiment.describe("full"), "scores are kept for any batch"


def test_takes_of_another_configuration_are_others(
    make_experiment: Any, tiny_judge: Path, tmp_path: Path
) -> None:
    """The same weights, read with another ``foley_config.json``."""
    model = tmp_path / "model"
    shutil.copytree(tiny_judge, model)
    config = json.loads((model / "foley_config.json").read_text())
    changed = "zero_features" if config["null_condition"] == "zero_context" else "zero_context"
    (model / "foley_config.json").write_text(json.dumps(config | {"null_condition": changed}))
    other = make_experiment(
        model=model, model_folder=model, alignment=AlignmentScorer.from_model(model).eval()
    )
    assert other.describe("full") != make_experiment().describe("full")


@pytest.mark.gpu
def test_takes_of_a_gpu_are_judged_alike(make_experiment: Any, teacher: VideoEncoder, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    experiment = make_experiment(cache_dir=tmp_path / "cpu")
    takes = experiment.measure(experiment.read_real(teacher), "close_up")
    device = torch.device("cuda")
    on_gpu = make_experiment(
        cache_dir=tmp_path / "gpu", device=device, alignment=experiment.alignment.to(device)
    )
    real = on_gpu.read_real(teacher.to(device))
    assert real.teacher_features.device.type == "cpu"
    assert torch.allclose(on_gpu.measure(real, "close_up").probability, takes.probability, atol=1e-2)


def test_the_window_is_that_of_the_test_set(make_experiment: Any) -> None:
    from cinefoley.data.test_sets.builder import clip_seed

    clip = make_experiment().source[1]
    generator = torch.Generator().manual_seed(clip_seed(0, clip.id))
    assert window_of(clip, "close_up") == CloseUp().draw(clip.frame_size(), generator=generator)
    assert window_of(clip, "full") is None
    assert window_of(clip, "camera_movement") != window_of(clip, "camera_movement", seed=1)


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()])
def test_a_videos_window_is_that_of_the_test_set(
    render_film: Any, tmp_path: Path, variation: CloseUp | CameraMovement
) -> None:
    (tmp_path / "films").mkdir()
    render_film(tmp_path / "films" / "one.mp4", size=(90, 130))
    (tmp_path / "one.csv").write_text("id\none\n")
    (built,) = build_test_set(
        tmp_path / "one.csv", tmp_path / "set", variation, clips=tmp_path / "films", is_view=True
    ).clips
    view: View = "close_up" if isinstance(variation, CloseUp) else "camera_movement"
    assert window_of(FolderSource(tmp_path / "films")[0], view) == built.window


def test_a_window_hides_events() -> None:
    """Somewhere among a few clips a camera movement hides what the whole picture shows."""
    hidden = 0
    for row in range(4):
        clip = StageSource("test", 4, duration_s=CLIP_S, version="plain")[row]
        whole, seen = (stage_events(clip, window_of(clip, view)) for view in ("full", "camera_movement"))
        assert whole is not None
        assert seen is not None
        assert whole.is_visible.all()
        assert whole.off_screen is not None
        assert not len(whole.off_screen)
        assert seen.off_screen is not None
        hidden += len(seen.off_screen)
        assert seen.times.tolist() == whole.times.tolist()
    assert hidden > 0


def test_videos_have_no_known_events(some_videos: Path) -> None:
    assert stage_events(FolderSource(some_videos)[0], None) is None


@pytest.fixture
def some_videos(tmp_path: Path, render_film: Any) -> Path:
    (tmp_path / "films").mkdir()
    render_film(tmp_path / "films" / "one.mp4")
    return tmp_path / "films"


def test_real_sounds_are_as_long_as_takes_and_mute_ones_are_left_out(
    make_experiment: Any, teacher: VideoEncoder, render_film: Any, spectrum: Any, tmp_path: Path
) -> None:
    """A sound may end before its picture; heard second by second it would give fewer rows than the others."""
    videos = tmp_path / "films"
    videos.mkdir()
    silent = render_film(tmp_path / "silent.mp4", duration_s=3.0)
    noise = torch.rand(RATE * 3, generator=torch.Generator().manual_seed(0)) - 0.5
    for name, sound in (("long", noise), ("mute", 0 * noise), ("short", noise[: RATE * 3 // 4])):
        replace_audio(silent, sound, videos / f"{name}.mkv", sample_rate=RATE)
    experiment = make_experiment(
        source=FolderSource(videos), backbones=[SegmentBackbone(spectrum)], cache_dir=tmp_path / "cache"
    )

    real = experiment.read_real(teacher)

    assert real.ids == ("long", "short")
    assert [(entry["id"], entry["reason"]) for entry in real.ledger] == [("mute", "mute")]
    long, short = (embedding.features for embedding in real.embeddings["spectrum-segments"])
    assert long.shape == short.shape
    assert len(long) >= 2
    assert float(short[1].max()) < 1e-3 < float(long[1].min())


def test_a_broken_video_is_named_and_left_out(
    make_experiment: Any, teacher: VideoEncoder, tmp_path: Path
) -> None:
    from cinefoley.media.muxing.save_video import save_video
    from cinefoley.stage.render import render_clip

    folder = tmp_path / "films"
    folder.mkdir()
    for seed in range(2):
        clip = render_clip(seed, split="test", fps=10, size=(48, 64), duration_s=CLIP_S)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(folder / f"{seed}.mp4", frames, 10, waveform=clip.waveform, sample_rate=16000)
        save_video(
            folder / f"short{seed}.mp4", frames[:10], 10, waveform=clip.waveform[:16000], sample_rate=16000
        )
    (folder / "dud.mp4").write_text("no film")
    experiment = make_experiment(source=FolderSource(folder), cache_dir=tmp_path / "work")
    real: RealClips = experiment.read_real(teacher)
    assert real.ids == ("0", "1")
    assert {(entry["id"], entry["reason"]) for entry in real.ledger} == {
        ("dud", "unreadable"),
        ("short0", "too short"),
        ("short1", "too short"),
    }
    takes = experiment.measure(real, "close_up")
    assert (takes.onsets == -1).all()
    assert takes.off_screen.isnan().all()
    (folder / "1.mp4").unlink()
    with pytest.raises(DataError, match=r"1 can be used\. dud: unreadable \(.*dud\.mp4"):
        make_experiment(source=FolderSource(folder), cache_dir=tmp_path / "work").read_real(teacher)


def test_a_judges_failure_is_not_held_against_a_clip(
    make_experiment: Any,
    teacher: VideoEncoder,
    spectrum: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = make_experiment(cache_dir=tmp_path)

    def fail(waveform: torch.Tensor, sample_rate: int) -> None:
        raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")

    with monkeypatch.context() as patched:
        patched.setattr(spectrum, "embed", fail)
        with pytest.raises(RuntimeError, match="CUBLAS"):
            experiment.read_real(teacher)
    assert experiment.read_real(teacher).ledger == ()
