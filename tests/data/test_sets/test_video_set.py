import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from cinefoley.data.json_lines import read_records
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.test_sets.builder import claimed_set, clip_seed
from cinefoley.data.test_sets.test_set import SetLayout, read_test_set
from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.errors import DataError, OutputError
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.media.probe import probe
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.videos import draw_for_video

Listed = Any  # tests/data/conftest.py


def build(
    listed: Listed, out: Path, variation: CloseUp | CameraMovement | None = None, **settings: Any
) -> Any:
    settings = {"clips": listed.clips, "split": "test"} | settings
    return build_test_set(listed.csv, out, variation or CloseUp(), **settings)


def files(folder: Path) -> dict[str, bytes]:
    """All that must not depend on how a set was built."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("test_set.json", ".set.lock")
    }


def test_a_set_holds_every_clip_that_can_be_used_and_names_the_others(listed: Listed, tmp_path: Path) -> None:
    built = build(listed, tmp_path / "cu")
    assert [clip.id for clip in built.clips] == ["ant", "bee", "cat"]
    assert [(entry["id"], entry["reason"]) for entry in built.ledger] == [
        ("dud", "unreadable"),
        ("gone", "missing"),
    ]
    assert sorted(files(tmp_path / "cu")) == [
        *("clips/ant_000001.mp4", "clips/bee_20000_30000.mp4", "clips/cat.mp4"),
        *("ledger.jsonl", "manifest.jsonl"),
    ]
    for clip in built.clips:
        video = probe(clip.video_path).video
        assert video is not None
        assert (video.height, video.width) == clip.window.crop_size
        assert clip.window.kind == "close_up"
        assert probe(clip.video_path).audio == probe(clip.source_path).audio


def test_a_clips_window_depends_on_its_id_and_the_seed_alone(listed: Listed, tmp_path: Path) -> None:
    whole = build(listed, tmp_path / "a", is_view=True)
    listed.csv.write_text("id\ncat\n")
    (alone,) = build(listed, tmp_path / "b", is_view=True, split=None).clips
    assert alone.window == whole.clips[2].window
    generator = torch.Generator().manual_seed(clip_seed(0, "cat"))
    assert alone.window == draw_for_video(CloseUp(), alone.source_path, generator=generator)
    other = build(listed, tmp_path / "c", is_view=True, split=None, seed=1).clips[0]
    assert other.window != alone.window


def test_two_runs_do_not_build_one_set_at_once(listed: Listed, tmp_path: Path) -> None:
    with (
        claimed_set(SetLayout(tmp_path / "cu")),
        pytest.raises(OutputError, match="cu is in use: another run builds a set there"),
    ):
        build(listed, tmp_path / "cu")
    assert len(build(listed, tmp_path / "cu").clips) == 3


def test_a_video_whose_times_step_back_is_named_and_the_others_are_made(
    listed: Listed, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    once = tmp_path / "once.mkv"
    noise = torch.rand(2 * 16000, generator=torch.Generator().manual_seed(0)) - 0.5
    replace_audio(render_film(tmp_path / "silent.mkv"), noise, once, sample_rate=16000)
    videos = tmp_path / "films"
    videos.mkdir()
    (videos / "twice.mkv").write_bytes(2 * once.read_bytes())
    shutil.copy(once, videos / "well.mkv")
    (tmp_path / "list.csv").write_text("id\ntwice\nwell\n")
    built = build_test_set(tmp_path / "list.csv", tmp_path / "set", CloseUp(), clips=videos)
    assert [clip.id for clip in built.clips] == ["well"]
    assert [entry["id"] for entry in built.ledger] == ["twice"]
    assert "times may step back" in built.ledger[0]["message"]


def test_close_ups_and_movements_of_one_seed_have_windows_of_one_size(listed: Listed, tmp_path: Path) -> None:
    close_ups = build(listed, tmp_path / "cu", is_view=True).clips
    movements = build(listed, tmp_path / "cm", CameraMovement(), is_view=True).clips
    for close_up, movement in zip(close_ups, movements, strict=True):
        assert close_up.window.crop_size == movement.window.crop_size
    assert next(clip.window.direction for clip in movements if clip.id == "bee") in {"up", "down"}


def test_one_process_and_two_write_the_same_bytes(listed: Listed, tmp_path: Path) -> None:
    build(listed, tmp_path / "one", CameraMovement(), jobs=1)
    listed.csv.write_text("".join(reversed(listed.csv.read_text().splitlines(keepends=True))))
    build(listed, tmp_path / "two", CameraMovement(), jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


class _Stop(BaseException):
    pass


def _stop_after(count: int) -> Any:
    def on_clip(done: int, total: int, clip_id: str) -> None:
        if done == count:
            raise _Stop

    return on_clip


def test_a_stopped_run_goes_on_where_it_was(listed: Listed, tmp_path: Path) -> None:
    build(listed, tmp_path / "whole")
    out = tmp_path / "stopped"
    with pytest.raises(_Stop):
        build(listed, out, on_clip=_stop_after(2))
    with pytest.raises(DataError, match=r"stopped: the test set is unfinished\. Run the same command"):
        read_test_set(out)
    done = out / "clips" / "ant_000001.mp4"
    before = done.stat().st_mtime_ns
    with (out / "progress.jsonl").open("ab") as file:
        file.write(b'{"id": "bee", "sour')  # a line that a kill has cut
    (out / "clips" / ".cinefoley-0123.part").write_bytes(b"half a film")
    build(listed, out)
    assert done.stat().st_mtime_ns == before
    assert files(out) == files(tmp_path / "whole")


def test_a_finished_set_is_checked_and_mended_not_made_again(listed: Listed, tmp_path: Path) -> None:
    out = tmp_path / "cu"
    build(listed, out)
    whole = files(out)
    videos = sorted((out / "clips").iterdir())
    videos[0].write_bytes(videos[0].read_bytes()[:-1])
    videos[1].unlink()
    before = videos[2].stat().st_mtime_ns
    build(listed, out)
    assert files(out) == whole
    assert videos[2].stat().st_mtime_ns == before


def test_a_clip_that_arrives_later_is_added(listed: Listed, some_clips: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for path in some_clips.iterdir():
        if not path.name.startswith("bee"):
            (clips / path.name).write_bytes(path.read_bytes())
    assert len(build(listed, tmp_path / "cu", clips=clips).clips) == 2
    (clips / "bee_20.mp4").write_bytes((some_clips / "bee_20000_30000.mp4").read_bytes())
    built = build(listed, tmp_path / "cu", clips=clips)
    assert [clip.id for clip in built.clips] == ["ant", "bee", "cat"]
    assert "bee" not in {entry["id"] for entry in built.ledger}


def test_another_clip_under_the_same_name_is_made_anew(
    listed: Listed, some_clips: Path, tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "cat.mp4").write_bytes((some_clips / "cat.mp4").read_bytes())
    first = build(listed, tmp_path / "cu", clips=clips).clips[0].record
    (clips / "cat.mp4").write_bytes((some_clips / "ant_000001.mp4").read_bytes())
    second = build(listed, tmp_path / "cu", clips=clips).clips[0].record
    assert first["source_sha256"] != second["source_sha256"]
    assert first["film_sha256"] != second["film_sha256"]


def test_stopping_two_processes_is_quiet_and_keeps_what_is_done(listed: Listed, tmp_path: Path) -> None:
    with pytest.raises(_Stop):
        build(listed, tmp_path / "cu", jobs=2, on_clip=_stop_after(1))
    build(listed, tmp_path / "cu")
    build(listed, tmp_path / "whole")
    assert files(tmp_path / "cu") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 1}, "another test set .*seed is 0, requested 1"),
        ({"variation": CameraMovement()}, "variation is close_up, requested camera_movement"),
        ({"variation": CloseUp(placement="uniform")}, "placement is center, requested uniform"),
        ({"variation": CloseUp(scale_range=(0.3, 0.6))}, "scale_range"),
        ({"is_view": True}, "is_view is False, requested True"),
        ({"split": None}, "list_sha256"),
    ],
)
def test_the_folder_of_another_set_is_refused(
    listed: Listed, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    out = tmp_path / "set"
    with pytest.raises(_Stop):
        build(listed, out, on_clip=_stop_after(1))
    before = files(out)
    with pytest.raises(DataError, match=message):
        build(listed, out, **settings)
    assert files(out) == before


def test_folders_that_cannot_be_used_are_refused(listed: Listed, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(DataError, match="mine: holds other files and no test set"):
        build(listed, tmp_path / "mine")
    with pytest.raises(OutputError, match=r"split\.csv: cannot be written"):
        build(listed, listed.csv)
    with pytest.raises(DataError, match=r"holds none of the 5 clips of split\.csv .*ant_000001\.mp4"):
        build(listed, tmp_path / "cu", clips=tmp_path)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "test_set.json").write_text("[]")
    with pytest.raises(DataError, match="is not the record of test set"):
        build(listed, tmp_path / "odd")
    with pytest.raises(ValueError, match="jobs must not be 0"):
        build(listed, tmp_path / "cu", jobs=0)
    assert not (tmp_path / "cu").exists()


def test_a_clip_of_one_picture_goes_to_the_ledger_of_movements_alone(tmp_path: Path) -> None:
    from cinefoley.media.muxing.save_video import save_video

    save_video(tmp_path / "still.mp4", torch.zeros(1, 3, 48, 64, dtype=torch.uint8), 25)
    save_video(tmp_path / "film.mp4", torch.zeros(5, 3, 48, 64, dtype=torch.uint8), 25)
    (tmp_path / "list.csv").write_text("id\nstill\nfilm\n")
    movements = build_test_set(tmp_path / "list.csv", tmp_path / "cm", CameraMovement())
    assert [clip.id for clip in movements.clips] == ["film"]
    assert "holds one frame only" in movements.ledger[0]["message"]
    close_ups = build_test_set(tmp_path / "list.csv", tmp_path / "cu", CloseUp())
    assert len(close_ups.clips) == 2


def test_damage_is_recorded_beside_the_clip(some_clips: Path, tmp_path: Path) -> None:
    from cinefoley.media.muxing.save_video import save_video

    video = tmp_path / "cut.mkv"
    noise = torch.randint(0, 256, (60, 3, 48, 64), generator=torch.Generator().manual_seed(0))
    save_video(video, noise.to(torch.uint8), 25)
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    (tmp_path / "list.csv").write_text("id\ncut\n")
    (clip,) = build_test_set(tmp_path / "list.csv", tmp_path / "cu", CloseUp()).clips
    assert any("cut off or damaged" in warning for warning in clip.record["warnings"])


def test_the_manifest_holds_nothing_of_this_machine(listed: Listed, tmp_path: Path) -> None:
    build(listed, tmp_path / "cu")
    text = (tmp_path / "cu" / "manifest.jsonl").read_text()
    assert str(tmp_path) not in text
    assert str(listed.clips) not in text
    record = json.loads(text.splitlines()[0])
    assert list(record) == [
        *("id", "start_s", "label", "split", "seed", "source", "source_sha256", "film", "film_sha256"),
        *("window", "warnings"),
    ]
    assert SplitRow(**{key: record[key] for key in ("id", "start_s", "label", "split")}).start_s == 1


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_set(listed: Listed, tmp_path: Path) -> None:
    build(listed, tmp_path / "whole", CameraMovement())
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "cinefoley.cli.main", "vary", str(listed.csv), "--camera-movement"]
    command += ["--data", str(listed.clips), "--split", "test", "-o", str(out), "--workers", "1"]
    progress = SetLayout(out).progress
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while process.poll() is None and not (progress.exists() and progress.stat().st_size):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert files(out) == files(tmp_path / "whole")
    assert len(read_records(SetLayout(out).manifest)) == 3


@pytest.mark.slow
def test_the_clips_of_a_worker_that_dies_are_done_by_another(some_clips: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for n in range(8):
        (clips / f"c{n}.mp4").write_bytes((some_clips / "cat.mp4").read_bytes())
    csv = tmp_path / "list.csv"
    csv.write_text("\n".join(["id", *(f"c{n}" for n in range(8))]) + "\n")
    killed: list[int] = []

    def kill_workers(done: int, total: int, clip_id: str) -> None:
        for child in psutil.Process().children(recursive=True) if done == 2 else ():
            with contextlib.suppress(psutil.NoSuchProcess):  # has ended meanwhile
                if "loky" in " ".join(child.cmdline()) and "tracker" not in " ".join(child.cmdline()):
                    child.kill()
                    killed.append(child.pid)

    built = build_test_set(csv, tmp_path / "cu", CloseUp(), clips=clips, jobs=2, on_clip=kill_workers)
    assert killed
    assert [clip.id for clip in built.clips] == [f"c{n}" for n in range(8)]
    alone = build_test_set(csv, tmp_path / "alone", CloseUp(), clips=clips)
    assert files(tmp_path / "cu") == files(tmp_path / "alone")
    assert len(alone.clips) == 8
