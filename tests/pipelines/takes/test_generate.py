import errno
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import soundfile
import torch

from cinefoley.errors import MediaError, OutputError
from cinefoley.media.audio.fitted_writer import fit_to_full_scale
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.takes.existing import report_existing
from cinefoley.pipelines.takes.files import TakeFiles
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.staging import publish_take


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, render_film: Callable[..., Path]) -> Path:
    return render_film(tmp_path_factory.mktemp("film") / "rain.mp4", duration_s=4.0)


def test_what_is_streamed_to_disk_is_what_the_pipeline_returns(
    pipeline: FoleyPipeline, video: Path, tmp_path: Path
) -> None:
    settings = GenerationSettings(num_takes=2, seed=5, num_inference_steps=2, subtype="FLOAT", saves_mel=True)
    report = generate_files(pipeline, video, tmp_path, settings)
    result = pipeline(video, num_takes=2, seed=5, num_inference_steps=2)

    for take, audio in zip(report.takes, result.audios, strict=True):
        samples, rate = soundfile.read(take.wav, dtype="float32")
        assert rate == result.sample_rate
        assert torch.equal(torch.from_numpy(samples), fit_to_full_scale(audio, rate)[0])
        result.save(tmp_path / "again.wav", take=take.take, subtype="FLOAT")
        assert (tmp_path / "again.wav").read_bytes() == take.wav.read_bytes()
    for number in (0, 3):
        with pytest.raises(ValueError, match="take must be 1 to 2"):
            result.save(tmp_path / "none.wav", take=number)


def test_takes_of_another_seed_are_not_taken_for_what_is_asked_for(
    pipeline: FoleyPipeline, video: Path, tmp_path: Path
) -> None:
    settings = GenerationSettings(num_inference_steps=1)
    (take,) = generate_files(pipeline, video, tmp_path, settings).takes
    before = take.wav.read_bytes()
    with pytest.raises(OutputError, match=r"rain\.take1\.wav, generated with seed 0, not 1\."):
        generate_files(pipeline, video, tmp_path, replace(settings, seed=1, num_takes=2))
    assert take.wav.read_bytes() == before
    assert generate_files(pipeline, video, tmp_path, replace(settings, num_takes=2)).skipped == (take,)


def test_a_video_with_a_name_as_long_as_names_can_be(
    pipeline: FoleyPipeline, video: Path, tmp_path: Path
) -> None:
    longest = tmp_path / f"{'x' * (255 - len('.take1.mel.npy'))}.mp4"
    longest.hardlink_to(video)
    (take,) = generate_files(
        pipeline, longest, tmp_path / "out", GenerationSettings(num_inference_steps=1)
    ).takes
    assert take.wav.exists()


def test_the_report_names_what_is_on_disk(pipeline: FoleyPipeline, video: Path, tmp_path: Path) -> None:
    settings = GenerationSettings(num_takes=2, num_inference_steps=1, saves_mel=True)
    report = generate_files(pipeline, video, tmp_path / "new" / "folder", settings)

    on_disk = set((tmp_path / "new" / "folder").iterdir())
    written = {path for take in report.takes for path in (take.wav, take.video, take.mel)}
    assert written | {report.sidecar} == on_disk
    assert (report.duration_s, report.seed, report.skipped) == (4.0, 0, ())
    assert report.timings_s["total"] > 0
    assert report_existing(video, tmp_path / "new" / "folder", settings).skipped == report.takes


def test_takes_of_another_video_of_the_same_name_are_neither_replaced_nor_taken_for_ones_own(
    pipeline: FoleyPipeline, video: Path, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    settings = GenerationSettings(num_inference_steps=1)
    (take,) = generate_files(pipeline, video, tmp_path / "out", settings).takes
    before = take.wav.read_bytes()
    (tmp_path / "other").mkdir()
    for suffix in (".mov", ".mp4"):
        other = render_film(tmp_path / "other" / f"rain{suffix}", seed=1, duration_s=2.0)
        for call in (report_existing, partial(generate_files, pipeline)):
            with pytest.raises(OutputError, match=r"belong to another video .*--force"):
                call(other, tmp_path / "out", settings)
    assert take.wav.read_bytes() == before
    forced = generate_files(pipeline, other, tmp_path / "out", replace(settings, overwrites=True))
    assert forced.takes[0].wav.read_bytes() != before
    assert report_existing(other, tmp_path / "out", settings).skipped


@pytest.mark.parametrize("failing", [".mp4", ".wav"])
def test_an_older_take_stays_where_a_new_one_cannot_be_put(
    pipeline: FoleyPipeline, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    settings = GenerationSettings(num_inference_steps=1)
    generate_files(pipeline, video, tmp_path, settings)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rename = Path.replace

    def fail(source: Path, target: Path) -> Path:
        if source.suffix == failing and target.parent == tmp_path:
            raise OSError(errno.EIO, "Input/output error")
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="cannot be written"):
        generate_files(pipeline, video, tmp_path, replace(settings, seed=1, overwrites=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_steps_are_counted_over_all_windows(pipeline: FoleyPipeline, video: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    settings = GenerationSettings(num_inference_steps=2)
    generate_files(pipeline, video, tmp_path, settings, lambda done, total: seen.append((done, total)))

    assert seen == [(done, 4) for done in (1, 2, 3, 4)]


class Stop(BaseException):
    pass


@pytest.mark.parametrize("last", [".mp4", ".wav"])
@pytest.mark.parametrize("is_new", [True, False])
def test_whoever_stops_it_between_two_files_finds_what_was_there_before(
    pipeline: FoleyPipeline,
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: str,
    is_new: bool,
) -> None:
    settings = GenerationSettings(num_inference_steps=1)
    if not is_new:
        generate_files(pipeline, video, tmp_path, settings)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rename = Path.replace

    def rename_and_stop(source: Path, target: Path) -> Path:
        placed = rename(source, target)
        if source.name == f"rain.take1{last}" and target.parent == tmp_path:
            raise Stop
        return placed

    monkeypatch.setattr(Path, "replace", rename_and_stop)
    with pytest.raises(Stop):
        generate_files(pipeline, video, tmp_path, replace(settings, seed=1, overwrites=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_take_in_place_is_on_record_though_stopped_before_its_record(
    pipeline: FoleyPipeline, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = GenerationSettings(num_takes=2, num_inference_steps=1)

    def publish_and_stop(take: TakeFiles, out_dir: Path, finished: list[TakeFiles]) -> None:
        publish_take(take, out_dir, finished)
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr("cinefoley.pipelines.takes.generate.publish_take", publish_and_stop)
        with pytest.raises(Stop):
            generate_files(pipeline, video, tmp_path, settings)
    assert {path.name for path in tmp_path.iterdir()} == {"rain.take1.mp4", "rain.take1.wav", "rain.json"}
    report = generate_files(pipeline, video, tmp_path, settings)
    assert [take.take for take in report.skipped] == [1]
    assert [take.take for take in report.takes] == [2]


@pytest.mark.parametrize("at", [1, 3, 4])
def test_whoever_stops_it_at_a_step_finds_nothing(
    pipeline: FoleyPipeline, video: Path, tmp_path: Path, at: int
) -> None:
    def stop(done: int, total: int) -> None:
        if done == at:
            raise Stop

    with pytest.raises(Stop):
        generate_files(pipeline, video, tmp_path, GenerationSettings(num_inference_steps=2), stop)
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_pictures_writes_nothing(pipeline: FoleyPipeline, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no film")

    with pytest.raises(MediaError):
        generate_files(pipeline, tmp_path / "notes.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_takes": 0},
        {"num_inference_steps": 0},
        {"seed": -1},
        {"guidance_scale": float("nan")},
        {"guidance_scale": -1.0},
        {"start": -0.1},
        {"start": float("inf")},
        {"duration": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[-1]):
        GenerationSettings(**wrong)  # type: ignore[arg-type]
