import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cinefoley.errors import OutputError
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import probe
from cinefoley.stage.export import ExportSettings, export_clips
from cinefoley.stage.render import draw_take

SMALL = ExportSettings(split="valid", duration_s=1.0, side=32, fps=8, sample_rate=16000)


def films(folder: Path) -> dict[str, str]:
    return {path.name: video_hash(path) for path in sorted(folder.glob("*.mp4"))}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage") / "new" / "clips"
    export_clips(folder, 4, SMALL, first_seed=2)
    return folder


def test_a_film_a_row_and_a_line_for_every_seed(exported: Path) -> None:
    rows = list(csv.reader((exported / "valid.csv").read_text().splitlines()))
    lines = [json.loads(line) for line in (exported / "valid.events.jsonl").read_text().splitlines()]
    names = [f"valid-{seed:06d}" for seed in range(2, 6)]
    assert [row[0] for row in rows] == [line["id"] for line in lines] == names
    for row, line in zip(rows, lines, strict=True):
        take = draw_take(line["seed"], split="valid", duration_s=1.0)
        assert row[1:] == ["0", take.actor.kind, "valid"]
        assert [event["time_s"] for event in line["events"]] == pytest.approx(take.hits.times.tolist())
        assert len(line["sources"][0]["target_boxes"]) == 8
        info = probe(exported / f"{row[0]}.mp4")
        assert info.video is not None
        assert info.audio is not None
        assert (info.video.codec, info.audio.codec) == ("h264", "aac")
        assert [info.video.height, info.video.width] == line["size"]
        assert info.video.width / info.video.height == pytest.approx(take.aspect, rel=0.05)


def test_a_second_run_renders_only_what_is_missing(exported: Path) -> None:
    before = films(exported)
    (exported / "valid-000003.mp4").unlink()
    report = export_clips(exported, 4, SMALL, first_seed=2)
    assert (report.rendered, report.kept) == (1, 3)
    assert films(exported) == before


def test_clips_that_are_added_join_the_list(tmp_path: Path) -> None:
    export_clips(tmp_path, 2, SMALL)
    before = (tmp_path / "valid.events.jsonl").read_text()
    export_clips(tmp_path, 1, SMALL, first_seed=4)
    rows = list(csv.reader((tmp_path / "valid.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == ["valid-000000", "valid-000001", "valid-000004"]
    assert (tmp_path / "valid.events.jsonl").read_text().startswith(before)


def test_two_processes_make_what_one_makes(exported: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    export_clips(tmp_path, 4, SMALL, first_seed=2, workers=2, on_clip=seen.append)
    assert films(tmp_path) == films(exported)
    assert seen == [1, 2, 3, 4]


def test_other_settings_are_refused(exported: Path) -> None:
    other = ExportSettings(split="valid", duration_s=1.0, side=64, fps=8, sample_rate=16000)
    with pytest.raises(OutputError, match=r"other settings \(side 32, not 64"):
        export_clips(exported, 4, other)


def test_a_damaged_record_of_settings_is_told(tmp_path: Path) -> None:
    (tmp_path / "valid.settings.json").write_text("{")
    with pytest.raises(OutputError, match="is damaged"):
        export_clips(tmp_path, 1, SMALL)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        export_clips(tmp_path / "there", 1, SMALL)


@pytest.mark.parametrize("change", [{"count": 0}, {"first_seed": -1}, {"workers": 0}])
def test_numbers_out_of_range_are_refused(change: dict[str, int], tmp_path: Path) -> None:
    arguments = {"count": 1} | change
    with pytest.raises(ValueError, match="need count"):
        export_clips(tmp_path, settings=SMALL, **arguments)  # type: ignore[arg-type]


SCRIPT = """
import sys
from pathlib import Path
from cinefoley.stage.export import ExportSettings, export_clips
settings = ExportSettings(split="valid", duration_s=1.0, side=32, fps=8, sample_rate=16000)
export_clips(Path(sys.argv[1]), int(sys.argv[2]), settings, on_clip=lambda done: print(done, flush=True))
"""


def test_a_killed_run_goes_on_and_a_second_run_waits_outside(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        with pytest.raises(OutputError, match="another run is writing"):
            export_clips(tmp_path, 3, SMALL)
        os.kill(process.pid, signal.SIGKILL)
    began = time.monotonic()
    there = films(tmp_path)
    assert there, "every film under its own name must be whole"
    assert not (tmp_path / "valid.csv").exists()
    (tmp_path / ".cinefoley-0.part").write_text("half a film")
    report = export_clips(tmp_path, len(there) + 1, SMALL)
    assert report.rendered <= 2
    assert films(tmp_path).items() >= there.items()
    assert not list(tmp_path.glob("*.part"))
    assert time.monotonic() - began < 60
