import errno
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import pytest

from cinefoley.data.json_lines import read_records, write_records
from cinefoley.data.parallel import Engine
from cinefoley.data.shards import clip_encoder, writer
from cinefoley.data.shards.clip_encoder import EncodedClip
from cinefoley.data.shards.layout import ShardLayout, ShardSettings
from cinefoley.data.shards.prepare import PreparedShards, prepare_shards
from cinefoley.data.shards.writer import ShardPlan
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.sources.vggsound_stand_in import StandIn, make_stand_in
from cinefoley.errors import DataError, MediaError, OutputError
from cinefoley.stage.export import ExportSettings, export_clips

SETTINGS = ShardSettings(duration_s=2.0, least_s=1.5, clips_per_shard=8)


def prepare(stand_in: StandIn, out: Path, **options: Any) -> PreparedShards:
    given: dict[str, Any] = {"csv": stand_in.csv, "settings": SETTINGS} | options
    return prepare_shards(stand_in.clips, out, **given)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Forty rows, two of each fault. Not to be written to."""
    folder = tmp_path_factory.mktemp("vggsound")
    return make_stand_in(
        folder / "made", 40, faulty_share=0.35, num_distinct=2, size=(24, 32), fps=8, duration_s=2.0
    )


@pytest.fixture(scope="module")
def shards(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in shards. Not to be written to."""
    out = tmp_path_factory.mktemp("shards")
    prepare(stand_in, out)
    return out


def digests(folder: Path) -> dict[str, str]:
    """Every file that is not hidden."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)
    }


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shards/*.tar")}


def test_the_ledger_says_of_every_row_what_became_of_it(stand_in: StandIn, shards: Path) -> None:
    ledger = read_records(shards / "ledger.jsonl")
    assert {line["id"]: line["outcome"] for line in ledger} == stand_in.outcomes
    assert len(ledger) == 40
    assert set(stand_in.totals.values()) == {26, 2}
    about = json.loads((shards / "shards.json").read_bytes())
    assert about["totals"] == dict(sorted(stand_in.totals.items()))
    used = {line["id"] for line in read_records(shards / "index.jsonl")}
    assert used == {clip_id for clip_id, outcome in stand_in.outcomes.items() if outcome == "used"}
    assert all(line["message"] for line in ledger if line["outcome"] != "used")
    assert all(line["shard"].startswith(line["split"]) for line in ledger if line["outcome"] == "used")


def test_any_number_of_workers_gives_the_same_bytes(stand_in: StandIn, shards: Path, tmp_path: Path) -> None:
    prepared = prepare(stand_in, tmp_path, engine=Engine(jobs=2))
    assert prepared.num_made == 6
    assert digests(tmp_path) == digests(shards)


def test_finished_shards_are_not_made_again(stand_in: StandIn, shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path / "out")
    before, told = times(tmp_path / "out"), list[tuple[int, int]]()
    again = prepare(stand_in, tmp_path / "out", on_rows=lambda done, total: told.append((done, total)))
    assert again.num_made == 0
    assert not told
    (tmp_path / "out" / "shards" / "train-000001.tar").unlink()
    (tmp_path / "out" / "shards" / "train-000002.tar").write_bytes(b"cut off")
    (tmp_path / "out" / "shards" / "train-000003.json").write_bytes(b"{")
    again = prepare(stand_in, tmp_path / "out", on_rows=lambda done, total: told.append((done, total)))
    assert again.num_made == 3
    assert told[-1] == (40, 40)
    kept = {"train-000000.tar", "test-000000.tar"}
    after = times(tmp_path / "out")
    assert {name for name in before if before[name] == after[name]} >= kept
    assert digests(tmp_path / "out") == digests(shards)


def test_a_video_that_arrives_later_is_taken_in(stand_in: StandIn, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(stand_in.clips, clips, copy_function=shutil.copy2)
    (clip_id,) = [name for name, outcome in stand_in.outcomes.items() if outcome == "missing"][:1]
    first = prepare_shards(clips, tmp_path / "out", csv=stand_in.csv, settings=SETTINGS)
    good = next(name for name, outcome in stand_in.outcomes.items() if outcome == "used")
    shutil.copy2(next(clips.glob(f"{good}*")), clips / f"{clip_id}.mp4")
    second = prepare_shards(clips, tmp_path / "out", csv=stand_in.csv, settings=SETTINGS)
    assert second.num_made == 1
    assert second.totals["missing"] == first.totals["missing"] - 1
    assert second.num_clips == first.num_clips + 1


@pytest.mark.slow
def test_a_killed_run_leaves_no_torn_shard_and_is_taken_up(
    stand_in: StandIn, shards: Path, tmp_path: Path
) -> None:
    """Killed in the middle of a shard, with its first half in a file."""
    out = tmp_path / "out"
    script = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from cinefoley.data.shards import clip_encoder
        from cinefoley.data.shards import writer
        from cinefoley.data.shards.prepare import prepare_shards
        from cinefoley.data.shards.layout import ShardSettings
        read, seen = writer.encode_clip, []
        def read_or_die(clip, row, settings):
            seen.append(clip.id)
            if len(seen) == 20:
                os.kill(os.getpid(), signal.SIGKILL)
            return read(clip, row, settings)
        writer.encode_clip = read_or_die
        settings = ShardSettings(duration_s=2.0, least_s=1.5, clips_per_shard=8)
        prepare_shards({str(stand_in.clips)!r}, {str(out)!r}, csv={str(stand_in.csv)!r}, settings=settings)
    """)
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert list(out.glob("shards/.cinefoley-*.part"))
    assert not (out / "index.jsonl").exists()
    before = times(out)
    assert before
    prepared = prepare(stand_in, out)
    assert prepared.num_made == 6 - len(before)
    assert before.items() <= times(out).items()
    assert digests(out) == digests(shards)
    assert not list(out.glob("shards/.*"))


@pytest.mark.slow
def test_what_a_dead_worker_was_at_is_done_by_another(
    stand_in: StandIn, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = [name for name, outcome in stand_in.outcomes.items() if outcome == "used"][3]
    monkeypatch.setattr("cinefoley.data.shards.prepare.write_shard", _Dying(victim, tmp_path / "died"))
    prepare(stand_in, tmp_path / "out", engine=Engine(jobs=2))
    assert (tmp_path / "died").exists()
    assert digests(tmp_path / "out") == digests(shards)


class _Dying:
    """Makes shards; the first to read one clip is killed over it."""

    def __init__(self, victim: str, died: Path) -> None:
        self.victim, self.died = victim, died

    def __call__(self, plan: ShardPlan) -> int:
        if any(clip.id == self.victim for _, clip in plan.rows) and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return writer.write_shard(plan)


def test_a_clip_that_keeps_killing_its_reader_is_stepped_over(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process that reads it dies; the fourth knows, and keeps the others of its shard."""
    victim = [name for name, outcome in stand_in.outcomes.items() if outcome == "used"][3]
    read, tried = clip_encoder.encode_clip, list[str]()

    def read_or_die(clip: FileClip, row: SplitRow, settings: ShardSettings) -> EncodedClip | ClipFault:
        if clip.id == victim:
            tried.append(clip.id)
            raise _KilledError
        return read(clip, row, settings)

    def make(plan: ShardPlan) -> int:
        for _ in range(3):
            with suppress(_KilledError):
                return writer.write_shard(plan)
        return writer.write_shard(plan)

    monkeypatch.setattr(writer, "encode_clip", read_or_die)
    monkeypatch.setattr("cinefoley.data.shards.prepare.write_shard", make)
    prepared = prepare(stand_in, tmp_path)
    assert len(tried) == 3
    expected = Counter(stand_in.totals) + Counter({"unreadable": 1}) - Counter({"used": 1})
    assert prepared.totals == dict(sorted(expected.items()))
    (line,) = [line for line in read_records(tmp_path / "ledger.jsonl") if line["id"] == victim]
    assert "has ended 3 processes" in line["message"]


class _KilledError(BaseException):
    """What a process that is killed leaves is what one leaves that nobody catches anything in."""


def test_a_folder_without_a_list_is_taken_whole(stand_in: StandIn, tmp_path: Path) -> None:
    prepared = prepare_shards(stand_in.clips, tmp_path, settings=SETTINGS)
    expected = {name: count for name, count in stand_in.totals.items() if name != "missing"}
    assert prepared.totals == dict(sorted(expected.items()))
    assert {path.name for path in (tmp_path / "shards").glob("*.tar")} == {
        f"clips-{number:06d}.tar" for number in range(5)
    }


def test_a_split_called_as_no_split_is_loses_no_row(stand_in: StandIn, tmp_path: Path) -> None:
    rows = [line.rpartition(",")[0] for line in stand_in.csv.read_text().splitlines()]
    rows = [row for row in rows if stand_in.outcomes.get(row[:11]) == "used"][:3]
    used = [row[:11] for row in rows]
    csv = tmp_path / "rows.csv"
    csv.write_text("".join(f"{row},{split}\n" for row, split in zip(rows, ["clips", "", ""], strict=True)))
    prepared = prepare_shards(stand_in.clips, tmp_path / "out", csv=csv, settings=SETTINGS)
    assert prepared.totals == {"used": 3}
    assert sorted(line["id"] for line in read_records(tmp_path / "out" / "index.jsonl")) == sorted(used)


def test_other_events_make_the_shard_again(tmp_path: Path) -> None:
    videos = tmp_path / "films"
    export_clips(videos, 2, ExportSettings(split="train", duration_s=2.0, side=32, fps=8, sample_rate=16000))

    def make() -> int:
        return prepare_shards(videos, tmp_path / "out", csv=videos / "train.csv", settings=SETTINGS).num_made

    assert make() == 1
    events = videos / "train.events.jsonl"
    changed = [line | {"events": [e | {"is_onset_like": False} for e in line["events"]]}
               for line in read_records(events)]  # fmt: skip
    write_records(events, changed)
    assert make() == 1
    entries = read_records(tmp_path / "out" / "index.jsonl")
    assert not any(event["is_onset_like"] for entry in entries for event in entry["events"])
    assert make() == 0


def test_no_file_left_to_open_is_not_held_against_a_clip(
    stand_in: StandIn, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def refuse(*args: Any, **options: Any) -> Any:
        opened.append(args)
        raise av.error.OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as machine:
        machine.setattr(av, "open", refuse)
        with pytest.raises(MediaError, match="Too many open files"):
            prepare(stand_in, tmp_path)
    assert opened
    prepare(stand_in, tmp_path)
    assert digests(tmp_path) == digests(shards)


def test_one_split_is_prepared_by_itself(stand_in: StandIn, tmp_path: Path) -> None:
    prepared = prepare(stand_in, tmp_path, split="test")
    assert prepared.num_rows == 4
    assert [path.name for path in (tmp_path / "shards").glob("*.tar")] == ["test-000000.tar"]


def test_a_shard_without_a_clip_is_no_file(stand_in: StandIn, tmp_path: Path) -> None:
    csv = tmp_path / "bad.csv"
    bad = [name for name, outcome in stand_in.outcomes.items() if outcome in ("mute", "still")]
    csv.write_text("".join(f"{line}\n" for line in stand_in.csv.read_text().splitlines() if line[:11] in bad))
    prepared = prepare_shards(stand_in.clips, tmp_path / "out", csv=csv, settings=SETTINGS)
    assert (prepared.num_clips, prepared.num_shards, prepared.num_bytes) == (0, 0, 0)
    assert not list((tmp_path / "out").glob("shards/*.tar"))
    assert prepare_shards(stand_in.clips, tmp_path / "out", csv=csv, settings=SETTINGS).num_made == 0


def test_another_list_or_other_settings_are_refused(stand_in: StandIn, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"other settings \(jpeg_quality is 90, requested 80\).*--out"):
        prepare(stand_in, shards, settings=ShardSettings(
            duration_s=2.0, least_s=1.5, clips_per_shard=8, jpeg_quality=80
        ))  # fmt: skip
    with pytest.raises(DataError, match="a split CSV of 40 rows, requested one of 4"):
        prepare(stand_in, shards, split="test")
    (tmp_path / "film.txt").touch()
    with pytest.raises(DataError, match="holds other files and no shards"):
        prepare(stand_in, tmp_path)


def test_two_runs_in_one_folder_are_refused(stand_in: StandIn, tmp_path: Path) -> None:
    def again(done: int, total: int) -> None:
        with pytest.raises(OutputError, match="in use: another run is preparing clips there"):
            prepare(stand_in, tmp_path)

    prepare(stand_in, tmp_path, split="test", on_rows=again)


def test_what_is_wrong_with_the_machine_stops_the_run_and_is_told(
    stand_in: StandIn, shards: Path, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=r"no space left .* rows are finished and stored in .* resumes"):
            prepare(stand_in, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "out").glob("shards/.cinefoley-*"))
    prepare(stand_in, tmp_path / "out")
    assert digests(tmp_path / "out") == digests(shards)


def test_settings_are_checked_and_read_back() -> None:
    assert ShardSettings.from_description(SETTINGS.describe()) == SETTINGS
    for bad in (
        {"fps": 0},
        {"short_side": 8},
        {"jpeg_quality": 99},
        {"least_s": 11.0},
        {"clips_per_shard": 0},
    ):
        with pytest.raises(ValueError, match=r"need|one clip at least"):
            ShardSettings(**bad)
    for broken in ({"format": 0}, {"format": 1}):
        with pytest.raises(ValueError, match=r"format|not the settings"):
            ShardSettings.from_description(broken)


def test_what_is_not_about_shards_is_told(tmp_path: Path) -> None:
    layout = ShardLayout(tmp_path)
    assert layout.read_about() is None
    assert ShardLayout.find(tmp_path) is None
    for content, message in ((b"{", "cannot be read"), (b"{}", "is not the record of shards")):
        layout.about.write_bytes(content)
        with pytest.raises(DataError, match=message):
            layout.read_about()
