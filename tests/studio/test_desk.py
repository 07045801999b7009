import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.errors import CinefoleyError, MissingWeightsError, RunInterrupted, VideoError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import probe
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.studio.desk import Desk, DeskTake, Progress
from cinefoley.studio.shelf import ModelShelf

pytest.importorskip("scenedetect")


@pytest.fixture(scope="module")
def shelf(tiny_model: Path) -> ModelShelf:
    return ModelShelf([str(tiny_model)], device="cpu")


@pytest.fixture
def upload(two_shots: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(two_shots, tmp_path / "my film; rm -rf $HOME.mp4"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "desks").mkdir()
    made = Desk(tmp_path / "desks", longest_s=10)
    yield made
    made.close()


def ignore(done: int, total: int, left_s: float | None) -> None: ...


def make(desk: Desk, shelf: ModelShelf, on_progress: Progress = ignore, **changes: Any) -> list[DeskTake]:
    wanted: dict[str, Any] = {
        "num_takes": 1,
        "seed": 0,
        "start_s": 0.0,
        "end_s": desk.duration_s,
        "encoder": "default",
    } | changes
    return desk.make_takes(shelf, model=shelf.names[0], on_progress=on_progress, **wanted)


def test_a_film_comes_onto_the_desk_under_a_harmless_name(desk: Desk, upload: Path) -> None:
    desk.open_film(upload)

    assert desk.film is not None
    assert desk.film.name == "my_film_rm_-rf_HOME.mp4"
    assert desk.duration_s == pytest.approx(3.0)
    assert len(desk.shots) == 2


def test_the_same_film_of_somebody_else_stays(desk: Desk, upload: Path, two_shots: Path) -> None:
    desk.open_film(upload)
    again = upload.with_name("again.mp4")
    shutil.copy(two_shots, again)
    again.replace(upload)  # the same path, since it is the same film
    desk.close()

    assert upload.exists()


def test_an_upload_goes_with_its_desk(desk: Desk, upload: Path) -> None:
    desk.open_film(upload)
    desk.close()

    assert not upload.exists()


def test_the_same_film_can_be_dropped_again(desk: Desk, upload: Path) -> None:
    desk.open_film(upload)
    desk.open_film(upload)

    assert len(desk.shots) == 2


def test_takes_of_two_regions_are_chosen_by_shot_and_taken_home(
    desk: Desk, shelf: ModelShelf, upload: Path, two_shots: Path
) -> None:
    desk.open_film(upload)
    make(desk, shelf, num_takes=2, seed=5)
    (third,) = make(desk, shelf, seed=9, start_s=desk.shots[1].start_s)
    assert [take.number for take in desk.takes] == [1, 2, 3]
    assert [take.number for take in desk.takes_for(0)] == [1, 2]
    assert [take.number for take in desk.takes_for(1)] == [1, 2, 3]
    with pytest.raises(CinefoleyError, match="Take 3 does not cover shot 1"):
        desk.accept(0, 3)
    desk.accept(0, 2)
    desk.accept(1, 3)
    unfinished = third.wav.parents[1] / "run9" / ".cinefoley-0.part"
    unfinished.mkdir(parents=True)
    (unfinished.parent / "film.take1.wav").write_text("of a run that failed")
    delivery = desk.deliver(subtype="PCM_24", sample_rate=48000)

    assert video_hash(delivery.film) == video_hash(two_shots)
    info = probe(delivery.wav)
    assert info.audio is not None
    assert (info.audio.sample_rate, info.audio.codec) == (48000, "pcm_s24le")
    sound = read_audio(delivery.wav)[0]
    assert sound.shape == (1, 144000)
    own = read_audio(third.wav, sample_rate=48000)[0][0]
    with zipfile.ZipFile(delivery.archive) as archive:
        names = set(archive.namelist())
        record = json.loads(archive.read("my_film_rm_-rf_HOME.foley.json"))
        run = json.loads(archive.read(record["runs"]["run2"]["record"]))
    assert (sound[0, 80000:140000] - record["gain"] * own[8000:68000]).abs().max() < 0.01
    assert {"my_film_rm_-rf_HOME.foley.wav", "my_film_rm_-rf_HOME.foley.mp4"} <= names
    assert [shot["take"] for shot in record["shots"]] == [2, 3]
    assert all(shot["wav"] in names for shot in record["shots"])
    assert not [name for name in names if name.startswith("run9")]
    assert len(names) == 3 + 2 + 2 * 3  # what was assembled, two runs' records, three takes
    assert run["seed"] == 9
    assert run["model"]["sha256"]


def test_every_form_of_wav_is_written(desk: Desk, shelf: ModelShelf, upload: Path) -> None:
    desk.open_film(upload)
    make(desk, shelf)
    desk.accept(1, 1)
    delivery = desk.deliver(subtype="PCM_16", sample_rate=16000)

    info = probe(delivery.wav)
    assert info.audio is not None
    assert (info.audio.sample_rate, info.audio.codec) == (16000, "pcm_s16le")
    assert read_audio(delivery.wav)[0][0, :23000].abs().max() == 0  # shot 1 is silence


def test_progress_tells_the_time_left_and_stop_stops(desk: Desk, shelf: ModelShelf, upload: Path) -> None:
    desk.open_film(upload)
    seen: list[tuple[int, int, float | None]] = []

    def stop_at_five(done: int, total: int, left_s: float | None) -> None:
        seen.append((done, total, left_s))
        if done == 5:
            desk.stop()

    with pytest.raises(RunInterrupted, match="Stopped; nothing of this run was kept"):
        make(desk, shelf, stop_at_five)
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 5]
    assert seen[0][2] is None
    assert all(left is not None and left > 0 for _, _, left in seen[1:])
    assert desk.takes == []
    assert make(desk, shelf)[0].number == 1


@pytest.mark.parametrize("happens", ["stop", "another film"])
def test_what_happens_after_the_last_step_ends_the_run_too(
    desk: Desk, shelf: ModelShelf, upload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: str
) -> None:
    other = Path(shutil.copy(upload, tmp_path / "other.mp4"))
    desk.open_film(upload)

    def generate(*arguments: Any, **options: Any) -> Any:
        report = generate_files(*arguments, **options)
        desk.stop() if happens == "stop" else desk.open_film(other)
        return report

    monkeypatch.setattr("cinefoley.studio.desk.generate_files", generate)
    with pytest.raises(RunInterrupted, match="nothing of this run was kept"):
        make(desk, shelf)
    assert desk.takes == []
    assert not list(desk._folder.glob("run*"))


def test_who_waits_for_the_model_can_stop_waiting(desk: Desk, shelf: ModelShelf, upload: Path) -> None:
    desk.open_film(upload)
    errors: list[Exception] = []

    def wait() -> None:
        try:
            make(desk, shelf)
        except RunInterrupted as exc:
            errors.append(exc)

    with shelf.borrow(shelf.names[0], "default"):
        before = desk._stop
        waiting = threading.Thread(target=wait)
        waiting.start()
        while desk._stop is before:
            waiting.join(0.01)
        desk.stop()
    waiting.join()

    assert len(errors) == 1


def test_a_wrong_file_is_refused_by_its_name_and_not_kept(desk: Desk, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.mp4"
    wrong.write_text("not a film")

    with pytest.raises(CinefoleyError, match=r"^notes\.mp4: "):
        desk.open_film(wrong)
    assert desk.film is None
    assert [path for path in (tmp_path / "desks").rglob("*") if path.is_file()] == []


def test_a_film_that_is_too_long_is_refused(tmp_path: Path, upload: Path) -> None:
    desk = Desk(tmp_path, longest_s=2)

    with pytest.raises(VideoError, match="lasts 3 s; this studio takes films of at most 2 s"):
        desk.open_film(upload)


def test_the_student_watches_unless_the_teacher_is_asked_for(
    desk: Desk, tiny_model: Path, upload: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "with_student"
    shutil.copytree(tiny_model, folder)
    student = VideoEncoder.from_pretrained(tiny_model / "video_encoder")
    with torch.no_grad():
        student.projection.bias.add_(torch.linspace(-1, 1, len(student.projection.bias)))
    student.save_pretrained(folder / "video_encoder_student")
    shelf = ModelShelf([str(folder)], device="cpu")
    desk.open_film(upload)
    sounds = {
        encoder: read_audio(make(desk, shelf, seed=3, encoder=encoder)[0].wav)[0]
        for encoder in ("default", "student", "teacher")
    }
    assert torch.equal(sounds["default"], sounds["student"])
    assert not torch.equal(sounds["student"], sounds["teacher"])
    assert [take.encoder for take in desk.takes] == ["default", "student", "teacher"]


def test_what_cannot_be_done_is_said(desk: Desk, shelf: ModelShelf, upload: Path) -> None:
    with pytest.raises(CinefoleyError, match="no film on the desk yet"):
        make(desk, shelf)
    desk.open_film(upload)
    with pytest.raises(CinefoleyError, match=r"from 2\.00 to 2\.00 s is empty"):
        make(desk, shelf, start_s=2.0, end_s=2.0)
    with pytest.raises(MissingWeightsError, match="this model has no student"):
        make(desk, shelf, encoder="student")
    with pytest.raises(MissingWeightsError, match="There is no model '/etc' here"):
        desk.make_takes(
            shelf,
            model="/etc",
            encoder="default",
            num_takes=1,
            seed=0,
            start_s=0,
            end_s=3,
            on_progress=ignore,
        )
    with pytest.raises(CinefoleyError, match="No take is accepted"):
        desk.deliver()
    with pytest.raises(CinefoleyError, match="There is no shot 3, only 2"):
        desk.accept(2, None)


def test_a_closed_desk_leaves_nothing(tmp_path: Path, shelf: ModelShelf, upload: Path) -> None:
    (tmp_path / "desks").mkdir()
    desk = Desk(tmp_path / "desks")
    desk.open_film(upload)
    make(desk, shelf)
    desk.close()

    assert list((tmp_path / "desks").iterdir()) == []
    assert not upload.exists()
