import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinefoley.cli import data, train
from cinefoley.config.recipes import TrainingPreset
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.vggsound_stand_in import StandIn, make_stand_in
from cinefoley.data.test_sets.test_set import read_test_set

RunCli = Callable[..., Any]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Fourteen rows, one of each fault. Not to be written to."""
    folder = tmp_path_factory.mktemp("vggsound")
    return make_stand_in(
        folder / "made", 14, faulty_share=0.5, num_distinct=2, size=(24, 32), fps=8, duration_s=5.0
    )


@pytest.fixture
def shards(run_cli: RunCli, stand_in: StandIn, tmp_path: Path) -> Path:
    options = ("--duration", 5, "--min-duration", 4, "--workers", 1, "--clips-per-shard", 4)
    result = run_cli(
        "data", "prepare", "--csv", stand_in.csv, "--data", stand_in.clips, "-o", tmp_path / "s", *options
    )
    assert result.code == 0, result.err
    assert result.out == f"{tmp_path / 's'}\n"
    return tmp_path / "s"


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CINEFOLEY_HOME", str(tmp_path / "home"))


def test_a_list_becomes_shards_and_every_row_is_accounted_for(
    run_cli: RunCli, stand_in: StandIn, tmp_path: Path
) -> None:
    given = ("--csv", stand_in.csv, "--data", stand_in.clips, "-o", tmp_path / "s")
    settings = ("--duration", 5, "--min-duration", 4, "--workers", 1)
    first = run_cli("data", "prepare", *given, *settings, "--json")
    assert first.json["totals"] == dict(sorted(stand_in.totals.items()))
    assert (first.json["num_rows"], first.json["num_made"]) == (14, 2)
    assert "14 rows: 1 missing, 1 mute, " in first.err
    assert f"reasons: {tmp_path / 's' / 'ledger.jsonl'}" in first.err
    again = run_cli("data", "prepare", *given, *settings, "--quiet", "--json")
    assert (again.json["num_made"], again.err) == (0, "")


def test_the_options_default_to_the_settings() -> None:
    options = inspect.signature(data.prepare).parameters
    settings = ShardSettings()
    assert options["short_side"].default == settings.short_side
    assert options["jpeg_quality"].default == settings.jpeg_quality
    assert (options["fps"].default, options["frame_choice"].default) == (settings.fps, settings.frame_choice)
    assert options["duration"].default == settings.duration_s
    assert options["min_duration"].default == settings.least_s
    assert options["clips_per_shard"].default == settings.clips_per_shard


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "test"), "pass one with --csv"),
        (("--workers", 0), "jobs must not be 0"),
        (("--engine", "dask"), "needs a scheduler's address"),
        (("--scheduler", "tcp://x:1"), "no other engine takes one"),
    ],
)
def test_what_does_not_fit_together_is_a_usage_error(
    run_cli: RunCli, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    result = run_cli("data", "prepare", "--data", tmp_path, "-o", tmp_path / "s", *options)
    assert result.code == 2
    assert message in " ".join(result.err.replace("│", "").split())


def test_a_folder_of_which_nothing_can_be_used_is_a_failure(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "dud.mp4").write_text("no film")
    result = run_cli("data", "prepare", "--data", tmp_path / "clips", "-o", tmp_path / "s", "--workers", 1)
    assert result.code == 1
    assert "no clip could be used" in result.err


def test_a_look_at_shards_is_figures_and_a_page(run_cli: RunCli, shards: Path, stand_in: StandIn) -> None:
    result = run_cli("data", "inspect", shards, "--check", "--clips", 3)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].split() == ["rows", "of", "the", "split", "CSV", "14"]
    assert lines[-1] == str(shards / "inspect.html")
    page = (shards / "inspect.html").read_text()
    assert page.count("<figure>") == 3
    assert page.count("data:audio/flac") == page.count("data:image/jpeg") == 3
    assert "http" not in page
    report = run_cli("data", "inspect", shards, "--json", "--page", shards / "other.html").json
    assert report["outcomes"] == stand_in.totals
    assert (report["num_clips"], report["page"]) == (7, str(shards / "other.html"))
    assert sum(report["labels"].values()) == 7


def test_a_shard_that_has_changed_is_found_out(run_cli: RunCli, shards: Path) -> None:
    path = sorted((shards / "shards").glob("*.tar"))[0]
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(bytes(content))
    assert run_cli("data", "inspect", shards).code == 0
    result = run_cli("data", "inspect", shards, "--check")
    assert result.code == 1
    assert f"{path}: has changed since it was made" in result.err
    path.unlink()
    assert "is missing" in run_cli("data", "inspect", shards, "--check").err


def test_a_damaged_clip_does_not_spoil_the_page(run_cli: RunCli, shards: Path) -> None:
    path = ShardSource(shards)[0].path
    path.write_bytes(path.read_bytes()[:1000])
    assert run_cli("data", "inspect", shards).code == 0
    assert "was truncated" in (shards / "inspect.html").read_text()


@pytest.mark.slow
def test_every_stage_trains_on_shards(
    run_cli: RunCli,
    shards: Path,
    tiny_training: TrainingPreset,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(train, "_preset", lambda name: tiny_training)
    common: tuple[object, ...] = (
        "--data",
        shards,
        "--cache",
        tmp_path / "cache",
        "--duration",
        5,
        "--workers",
        1,
    )
    common = (*common, "--device", "cpu", "--json", "--quiet")
    models: tuple[object, ...] = ()
    for stage in ("cavp", "autoencoder", "ldm", "alignment"):
        given = models if stage in ("ldm", "alignment") else ()
        result = run_cli("train", stage, *common, *given, "--run-dir", tmp_path / stage)
        assert result.code == 0, result.err
        assert (result.json["data"], result.json["num_clips"]) == (str(shards), 5)
        models = (*models, "--model", tmp_path / stage)


@pytest.mark.parametrize("view", [(), ("--view",)], ids=["films", "view"])
def test_shards_become_a_test_set(
    run_cli: RunCli, shards: Path, tmp_path: Path, view: tuple[str, ...]
) -> None:
    """Of the split ``test``, unless another is named; nothing is unpacked."""
    result = run_cli("vary", shards, "--close-up", "-o", tmp_path / "cu", "--workers", 1, *view)
    assert result.code == 0, result.err
    built = read_test_set(tmp_path / "cu")
    assert [clip.id for clip in built.clips] == sorted(ShardSource(shards, split="test").ids)
    assert built.clips[0].load_video(fps=4).frames.shape[0] == 20
    named = run_cli(
        "vary", shards, "--close-up", "-o", tmp_path / "t", "--split", "train", "--view", "--json"
    )
    assert named.json["num_clips"] == 5
    refused = run_cli("vary", shards, "--close-up", "-o", tmp_path / "x", "--data", tmp_path)
    assert refused.code == 2
    assert not (tmp_path / "home").exists()


def test_takes_are_generated_for_shards_and_measured_on_them(
    generate: RunCli, run_cli: RunCli, shards: Path, tmp_path: Path
) -> None:
    made = generate(shards, "--quiet")
    assert made.code == 0, made.err
    takes = [Path(line) for line in made.out.split() if line.endswith(".wav")]
    source = ShardSource(shards, split="test")
    assert {take.name for take in takes} == {
        f"{Path(source[number].about()['source']).stem}.take1.wav" for number in range(len(source))
    }
    assert all(take.with_suffix(".mkv").is_file() for take in takes)
    assert not (tmp_path / "home").exists(), "nothing is unpacked"
    again = generate(shards, "--json", "--quiet")
    assert [len(film["skipped"]) for film in again.json["films"]] == [1] * len(source)
    result = run_cli("evaluate", takes[0].parent, "--reference", shards, "--backbone", "lite", "--json")
    assert result.code in (0, 1)  # two clips are too few for every figure; that they are paired is the point
    assert "without a real" not in result.err
    assert json.dumps(str(shards)) not in result.err
