import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.full_disk import file_size_limit

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.data.cache import stage_cache
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.tensor_files import claimed_cache, read_chunk
from cinefoley.data.json_lines import json_digest
from cinefoley.data.sources.clip_reader import ClipSettings, read_clip
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.errors import OutputError
from cinefoley.media.muxing.save_video import save_video
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage.render import render_clip

CONFIG = FoleyConfig(
    mel=MelConfig(hop_length=250, n_mels=16), mel_frames=96, video_frames=6, frame_size=(16, 16)
)  # 1.5 s
DURATION_S = 2.5


def prepare(count: int, cache: Path, **options: Any) -> DecodedClips:
    source = StageSource("train", count, duration_s=DURATION_S)
    return prepare_clips(source, CONFIG, cache, duration_s=DURATION_S, clips_per_file=2, **options)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> DecodedClips:
    return prepare(5, tmp_path_factory.mktemp("cache"))


def cached(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def test_columns_hold_what_the_clips_show_and_sound_like(prepared: DecodedClips) -> None:
    source = StageSource("train", 5, duration_s=DURATION_S)
    assert prepared.ids == tuple(source.ids)
    assert prepared.frames.shape == (5, 10, 3, 16, 16)
    assert prepared.mels.shape == (5, 16, 160)
    for row in range(5):
        clip = source[row]
        assert torch.equal(prepared.frames[row], clip.video(fps=4, size=(16, 16)).frames)
        mel = mel_spectrogram(clip.waveform(16000)[None], CONFIG.mel)[0]
        assert torch.equal(prepared.mels[row], mel.half())
        names = [prepared.label_names[number] for number in prepared.kinds[row].tolist()]
        assert names == [clip.labels[0], clip.labels[-1]]
        times = prepared.events_s[row]
        assert clip.events is not None
        assert times[~times.isnan()].tolist() == pytest.approx([event.time_s for event in clip.events])
        sharp = prepared.is_onset_like[row, : len(clip.events)].tolist()
        assert sharp == [event.is_onset_like for event in clip.events]
    assert prepared.has_events.all()
    assert prepared.lengths_s.tolist() == [DURATION_S] * 5
    assert prepared.ledger == ()


def test_clips_of_one_window_are_those_that_lite_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the stage's own cache can go one day."""
    monkeypatch.setattr(stage_cache, "_CHUNK", 2)
    config = FoleyConfig(mel=MelConfig(hop_length=250), mel_frames=512, video_frames=32, frame_size=(64, 64))
    source = StageSource("train", 2, duration_s=config.window_s)
    clips = prepare_clips(source, config, tmp_path, duration_s=config.window_s)
    same = stage_cache.prepare_stage_clips(
        2, split="train", config=config, cache_dir=tmp_path / "stage", workers=1
    )
    assert torch.equal(clips.frames[:], same.frames)
    assert torch.equal(clips.mels[:], same.mels)
    assert torch.equal(clips.kinds, same.kinds)
    width = clips.events_s.shape[1]
    assert torch.allclose(clips.events_s, same.events_s[:, :width], equal_nan=True)
    assert torch.equal(clips.is_onset_like, same.is_onset_like[:, :width])


def test_processes_make_the_same_as_one(prepared: DecodedClips, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    parallel = prepare(5, tmp_path, workers=2, on_clip=lambda done, total: told.append((done, total)))
    assert torch.equal(parallel.frames[:], prepared.frames[:])
    assert torch.equal(parallel.mels[:], prepared.mels[:])
    assert parallel.digest == prepared.digest
    assert told[-1] == (5, 5)


def test_what_is_there_is_not_made_again_and_a_longer_list_adds_to_it(tmp_path: Path) -> None:
    prepare(4, tmp_path)
    before = cached(tmp_path)
    prepare(6, tmp_path)
    assert before.items() < cached(tmp_path).items()
    assert len(cached(tmp_path)) == 3
    prepare(4, tmp_path)
    assert len(cached(tmp_path)) == 3


def test_other_settings_never_meet_stale_numbers(tmp_path: Path) -> None:
    prepare(2, tmp_path)
    for changed in (
        FoleyConfig(mel=CONFIG.mel, mel_frames=96, video_frames=6, frame_size=(12, 16)),
        FoleyConfig(
            mel=MelConfig(hop_length=240, n_mels=16), mel_frames=96, video_frames=5, frame_size=(16, 16)
        ),
    ):
        source = StageSource("train", 2, duration_s=DURATION_S)
        other = prepare_clips(source, changed, tmp_path, duration_s=DURATION_S)
        assert other.frames.shape[3:] == changed.frame_size
    assert len(cached(tmp_path)) == 3
    with pytest.raises(ValueError, match=r"clips of 1 s hold no window of 1\.5 s"):
        prepare_clips(StageSource("train", 2), CONFIG, tmp_path, duration_s=1.0)
    with pytest.raises(ValueError, match="workers must not be 0"):
        prepare(2, tmp_path, workers=0)


@pytest.mark.parametrize("kept", [0, 7, -1])
def test_a_file_that_was_cut_off_is_made_again(tmp_path: Path, kept: int) -> None:
    whole = prepare(4, tmp_path)
    frames = whole.frames[:]
    broken, intact = sorted(tmp_path.rglob("*.safetensors"))
    broken.write_bytes(broken.read_bytes()[:kept])
    assert read_chunk(broken) is None
    before = cached(tmp_path)[intact.name]
    assert torch.equal(prepare(4, tmp_path).frames[:], frames)
    assert cached(tmp_path)[intact.name] == before


@pytest.mark.slow
def test_a_killed_run_is_taken_up_where_it_was(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        import test_clip_cache as t
        def kill(done, total):
            if done == 4:
                (Path({str(tmp_path)!r}) / t.cache_folder() / ".cinefoley-half.part").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
        t.prepare(6, Path({str(tmp_path)!r}), on_clip=kill)
    """)
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    before = cached(tmp_path)
    assert len(before) == 2
    assert len(prepare(6, tmp_path)) == 6
    assert before.items() < cached(tmp_path).items()
    assert not list(tmp_path.rglob("*.part"))


def cache_folder() -> str:
    reading = ClipSettings.of(CONFIG, DURATION_S)
    return f"clips-{json_digest(reading.describe())[:12]}"


def test_two_that_want_the_same_make_it_once(tmp_path: Path) -> None:
    """Ranks of one run: the second waits, and then finds everything there."""
    made: list[int] = []

    def second() -> None:
        prepare(2, tmp_path, on_clip=lambda done, total: made.append(done))

    with claimed_cache(tmp_path / cache_folder()):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join()
    assert made == [2]
    prepare(2, tmp_path, on_clip=lambda done, total: made.append(done))
    assert made == [2]


def test_a_full_disk_is_told_and_what_is_finished_is_kept(tmp_path: Path) -> None:
    prepare(2, tmp_path)
    before = cached(tmp_path)
    with (
        file_size_limit(10_000),
        pytest.raises(OutputError, match=r"no space left .* 2 of 4 clips are cached in .*clips-"),
    ):
        prepare(4, tmp_path)
    assert cached(tmp_path) == before
    assert not list(tmp_path.rglob("*.part"))
    assert len(prepare(4, tmp_path)) == 4


def test_a_cache_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(OutputError, match=r"the cache cannot be written .* --cache"):
        prepare(2, tmp_path / "cache")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good film, and one of each fault."""
    folder = tmp_path_factory.mktemp("faulty")
    clip = render_clip(3, split="train", fps=10, size=(32, 32), duration_s=2.0, kind="drum")
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    sound = {"waveform": clip.waveform, "sample_rate": 16000}
    save_video(folder / "good.mp4", frames, 10, **sound)  # type: ignore[arg-type]
    save_video(folder / "soundless.mp4", frames, 10)
    save_video(folder / "zeros.mp4", frames, 10, waveform=0 * clip.waveform, sample_rate=16000)
    save_video(folder / "faint.mp4", frames, 10, waveform=3e-4 * clip.waveform, sample_rate=16000)
    save_video(folder / "still.mp4", frames[:1].expand(20, -1, -1, -1), 10, **sound)  # type: ignore[arg-type]
    short = {"waveform": clip.waveform[:16000], "sample_rate": 16000}
    save_video(folder / "short.mp4", frames[:10], 10, **short)  # type: ignore[arg-type]
    (folder / "text.mp4").write_text("no film")
    whole = (folder / "good.mp4").read_bytes()
    (folder / "torn.mp4").write_bytes(whole[: len(whole) // 3])
    from cinefoley.media.audio.files import write_audio

    write_audio(folder / "tone.wav", clip.waveform, 16000)
    (folder / "tone.wav").rename(folder / "tone.mp4")
    rows = ["good", "soundless", "zeros", "faint", "still", "short", "text", "torn", "tone", "gone"]
    (folder / "list.csv").write_text("".join(f"{name},0,drum,train\n" for name in rows))
    return folder


def test_every_bad_clip_is_named_with_its_reason_and_skipped(faulty: Path, tmp_path: Path) -> None:
    source = FolderSource(faulty, csv=faulty / "list.csv")
    clips = prepare_clips(source, CONFIG, tmp_path, duration_s=DURATION_S)
    assert clips.ids == ("good",)
    assert {record["id"]: record["reason"] for record in clips.ledger} == {
        "soundless": "no sound",
        "zeros": "mute",
        "faint": "mute",
        "still": "still",
        "short": "too short",
        "text": "unreadable",
        "torn": "unreadable",
        "tone": "no picture",
        "gone": "missing",
    }
    messages = {record["id"]: record["message"] for record in clips.ledger}
    assert "nothing but zeros" in messages["zeros"]
    assert "below -60 dB" in messages["faint"]
    assert messages["short"] == "short: lasts 1.00 s, a window needs 1.38 s"
    again = prepare_clips(source, CONFIG, tmp_path, duration_s=DURATION_S)
    assert again.ledger == clips.ledger


@pytest.mark.parametrize("error", [ValueError("strange"), RuntimeError("strange"), OSError(5, "strange")])
def test_a_clip_that_trips_a_library_is_one_clip_less(error: Exception, tmp_path: Path) -> None:
    class Tripping(StageSource):
        def __getitem__(self, index: int) -> Any:
            clip = super().__getitem__(index)
            return clip if index else _Tripping(clip, error)

    source = Tripping("train", 3, duration_s=DURATION_S)
    clips = prepare_clips(source, CONFIG, tmp_path, duration_s=DURATION_S)
    assert clips.ids == ("train-000001", "train-000002")
    (entry,) = clips.ledger
    assert (entry["id"], entry["reason"]) == ("train-000000", "unreadable")
    assert "strange" in entry["message"]


def test_what_is_wrong_with_the_machine_is_no_clips_fault(tmp_path: Path) -> None:
    clip = StageSource("train", 1, duration_s=DURATION_S)[0]
    reading = ClipSettings.of(CONFIG, DURATION_S)
    with pytest.raises(OSError, match="Too many"):
        read_clip(_Tripping(clip, OSError(24, "Too many open files")), reading)


class _Tripping:
    """A clip whose pictures cannot be had."""

    def __init__(self, clip: Any, error: Exception) -> None:
        self._clip, self._error = clip, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clip, name)

    def video(self, **_: Any) -> Any:
        raise self._error


def test_a_clip_shorter_than_what_is_kept_repeats_its_last_frame(faulty: Path, tmp_path: Path) -> None:
    source = FolderSource(faulty, csv=faulty / "list.csv")
    clips = prepare_clips(source, CONFIG, tmp_path, duration_s=DURATION_S)
    assert clips.lengths_s[0] == pytest.approx(2.0)
    assert clips.frames.shape[1] == 10
    assert all(torch.equal(clips.frames[0, n], clips.frames[0, 7]) for n in (8, 9))
    assert clips.mels[0, :, -8:].max() == 0
    assert not clips.has_events.any()
    assert clips.events_s.isnan().all()
    assert clips.kinds.tolist() == [[0, 0]]


def test_silence_that_is_known_is_no_fault(faulty: Path, tmp_path: Path) -> None:
    (faulty / "known.csv").write_text("zeros,0,drum,train\n")
    known = tmp_path / "known.events.jsonl"
    known.write_text('{"id": "zeros", "kinds": ["drum"], "events": []}\n')
    from cinefoley.data.events.event_file import read_annotations

    source = FolderSource(faulty, csv=faulty / "known.csv", events=read_annotations(known))
    clips = prepare_clips(source, CONFIG, tmp_path, duration_s=DURATION_S)
    assert clips.ids == ("zeros",)
    assert clips.has_events.all()
    assert clips.events_s.isnan().all()


def test_clips_that_are_all_bad_leave_empty_columns(faulty: Path, tmp_path: Path) -> None:
    (faulty / "bad.csv").write_text("zeros,0,drum,train\nstill,0,drum,train\nshort,0,drum,train\n")
    clips = prepare_clips(
        FolderSource(faulty, csv=faulty / "bad.csv"), CONFIG, tmp_path, duration_s=DURATION_S
    )
    assert len(clips) == 0
    assert clips.frames.shape == (0, 10, 3, 16, 16)
    assert [record["reason"] for record in clips.ledger] == ["mute", "still", "too short"]


def test_a_video_that_is_replaced_is_decoded_again(
    render_film: Callable[..., Path], faulty: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "films"
    videos.mkdir()
    video = videos / "rain.mp4"
    video.write_bytes((faulty / "zeros.mp4").read_bytes())
    first = prepare_clips(FolderSource(videos), CONFIG, tmp_path / "cache", duration_s=DURATION_S)
    video.write_bytes((faulty / "good.mp4").read_bytes())
    second = prepare_clips(FolderSource(videos), CONFIG, tmp_path / "cache", duration_s=DURATION_S)
    assert (len(first), len(second)) == (0, 1)
    assert len((tmp_path / "cache" / "digests.jsonl").read_text().splitlines()) == 2
    assert second.kinds.tolist() == [[-1, -1]]


def test_windows_are_evenly_spaced_on_the_grid_of_the_frames(prepared: DecodedClips) -> None:
    windows = prepared.windows(CONFIG, 3)
    assert windows.starts.tolist() == [[0, 2, 4]] * 5
    assert len(windows) == 15
    assert windows.per_clip == 3
    assert windows.frames.shape == (15, 6, 3, 16, 16)
    assert windows.mels.shape == (15, 16, 96)
    assert torch.equal(windows.frames[4], prepared.frames[1, 2:8])
    assert torch.equal(windows.mels[4], prepared.mels[1, :, 32:128])
    assert windows.kinds[4].tolist() == prepared.kinds[1].tolist()


def test_a_window_is_what_sampling_from_its_own_start_gives(prepared: DecodedClips) -> None:
    clip = StageSource("train", 5, duration_s=DURATION_S)[2]
    windows = prepared.windows(CONFIG, 3)
    alone = clip.video(fps=4, size=(16, 16), start=0.5, duration=1.5)
    assert torch.equal(windows.frames[2 * 3 + 1], alone.frames)


def test_events_are_counted_from_their_windows_start(prepared: DecodedClips) -> None:
    windows = prepared.windows(CONFIG, 3)
    for row in range(len(windows)):
        start = float(windows.starts.flatten()[row]) / 4
        whole = prepared.events_s[row // 3].tolist()
        expected = [time - start for time in whole if start <= time < start + 1.5]
        times = windows.events_s[row]
        assert times[~times.isnan()].tolist() == pytest.approx(expected, abs=1e-5)
        assert int((windows.is_onset_like[row] & times.isnan()).sum()) == 0


def test_mels_off_the_grid_begin_at_the_nearest_mel_frame(tmp_path: Path) -> None:
    """Hop 256 at 16 kHz: a quarter of a second is 15.625 mel frames; the rounding must not add up."""
    config = FoleyConfig(mel=MelConfig(n_mels=16), mel_frames=64, video_frames=4, frame_size=(16, 16))
    clips = prepare_clips(
        StageSource("train", 1, duration_s=DURATION_S), config, tmp_path, duration_s=DURATION_S
    )
    windows = clips.windows(config, 6)
    for row, start in enumerate(windows.starts[0].tolist()):
        begin = round(start / 4 * 62.5)
        assert torch.equal(windows.mels[row], clips.mels[0, :, begin : begin + 64])
    assert windows.starts[0, -1] == 5  # 1.024 s of mel fit behind 1.25 s, not behind 1.5 s


def test_shorter_windows_have_as_much_mel(prepared: DecodedClips) -> None:
    windows = prepared.windows(CONFIG, 2, num_frames=4)
    assert windows.frames.shape[1] == 4
    assert windows.mels.shape[2] == 64
    assert windows.starts[0].tolist() == [0, 6]
    with pytest.raises(ValueError, match="another mel, rate or frame size"):
        prepared.windows(FoleyConfig())
    with pytest.raises(ValueError, match="need windows of 11 frames"):
        prepared.windows(CONFIG, num_frames=11)


def test_a_short_clips_windows_end_with_its_picture(faulty: Path, tmp_path: Path) -> None:
    source = FolderSource(faulty, csv=faulty / "list.csv")
    clips = prepare_clips(source, CONFIG, tmp_path, duration_s=DURATION_S)
    assert clips.windows(CONFIG, 3).starts.tolist() == [[0, 1, 2]]
