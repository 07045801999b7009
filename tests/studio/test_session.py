import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.errors import CinefoleyError, MissingWeightsError, RunInterrupted, VideoError
from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import probe
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.studio.model_store import ModelStore
from cinefoley.studio.session import Progress, StudioSession, StudioTake
from cinefoley.studio.shot_settings import ShotSettings, ShotSound

pytest.importorskip("scenedetect")


@pytest.fixture(scope="module")
def store(tiny_model: Path) -> ModelStore:
    return ModelStore([str(tiny_model)], device="cpu")


@pytest.fixture
def upload(two_shots: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(two_shots, tmp_path / "my film; rm -rf $HOME.mp4"))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[StudioSession]:
    (tmp_path / "sessions").mkdir()
    made = StudioSession(tmp_path / "sessions", longest_s=10)
    yield made
    made.close()


def hits(times: Sequence[float], duration_s: float = 3.0) -> torch.Tensor:
    """Bursts of noise at 16 kHz."""
    generator = torch.Generator().manual_seed(0)
    sound = torch.zeros(round(16000 * duration_s))
    for time_s in times:
        burst = sound[round(16000 * time_s) :][:8000]
        noise = torch.randn(len(burst), generator=generator).clamp(-2, 2)
        burst += 0.3 * torch.exp(-torch.arange(len(burst)) / 800) * noise
    return sound


def ignore(done: int, total: int, left_s: float | None) -> None: ...


def make(
    session: StudioSession, store: ModelStore, on_progress: Progress = ignore, **changes: Any
) -> list[StudioTake]:
    wanted: dict[str, Any] = {
        "num_takes": 1,
        "seed": 0,
        "start_s": 0.0,
        "end_s": session.duration_s,
        "encoder": "default",
    } | changes
    return session.generate(store, model=store.names[0], on_progress=on_progress, **wanted)


def test_a_video_is_opened_under_a_safe_name(session: StudioSession, upload: Path) -> None:
    session.open_video(upload)

    assert session.video is not None
    assert session.video.name == "my_film_rm_-rf_HOME.mp4"
    assert session.duration_s == pytest.approx(3.0)
    assert len(session.shots) == 2


def test_the_same_video_of_another_user_is_not_deleted(
    session: StudioSession, upload: Path, two_shots: Path
) -> None:
    session.open_video(upload)
    again = upload.with_name("again.mp4")
    shutil.copy(two_shots, again)
    again.replace(upload)  # the same path, since it is the same film
    session.close()

    assert upload.exists()


def test_uploads_are_deleted_with_their_session(session: StudioSession, upload: Path, tmp_path: Path) -> None:
    examples = [tmp_path / "hit.wav", tmp_path / "miss.wav"]
    for example in examples:
        example.write_bytes(b"RIFF")
    session.open_video(upload)
    for example in (*examples, examples[0]):
        session.adopt(example)
    session.clear()
    assert not any(path.exists() for path in (upload, *examples))
    upload.write_bytes(b"again")
    session.adopt(upload)
    session.close()
    assert not upload.exists()


def test_the_same_video_can_be_uploaded_again(session: StudioSession, upload: Path) -> None:
    session.open_video(upload)
    session.open_video(upload)

    assert len(session.shots) == 2


def test_takes_of_two_regions_are_accepted_by_shot_and_exported(
    session: StudioSession, store: ModelStore, upload: Path, two_shots: Path
) -> None:
    session.open_video(upload)
    make(session, store, num_takes=2, seed=5)
    (third,) = make(session, store, seed=9, start_s=session.shots[1].start_s)
    assert [take.number for take in session.takes] == [1, 2, 3]
    assert [take.number for take in session.takes_for(0)] == [1, 2]
    assert [take.number for take in session.takes_for(1)] == [1, 2, 3]
    assert session.accepted == {0: 1, 1: 1}  # by default the first
    with pytest.raises(CinefoleyError, match="Take 3 does not cover shot 1"):
        session.accept(0, 3)
    session.accept(0, 2)
    session.accept(1, 3)
    unfinished = third.wav.parents[1] / "run9" / ".cinefoley-0.part"
    unfinished.mkdir(parents=True)
    (unfinished.parent / "video.take1.wav").write_text("of a run that failed")
    exported = session.export(subtype="PCM_24", sample_rate=48000)

    assert video_hash(exported.video) == video_hash(two_shots)
    info = probe(exported.wav)
    assert info.audio is not None
    assert (info.audio.sample_rate, info.audio.codec) == (48000, "pcm_s24le")
    sound = read_audio(exported.wav)[0]
    assert sound.shape == (1, 144000)
    own = read_audio(third.wav, sample_rate=48000)[0][0]
    with zipfile.ZipFile(exported.archive) as archive:
        names = set(archive.namelist())
        record = json.loads(archive.read("my_film_rm_-rf_HOME.foley.json"))
        run = json.loads(archive.read(record["runs"]["run2"]["record"]))
    assert (sound[0, 80000:140000] - record["gain"] * own[8000:68000]).abs().max() < 0.01
    assert {"my_film_rm_-rf_HOME.foley.wav", "my_film_rm_-rf_HOME.foley.mp4"} <= names
    assert [shot["take"] for shot in record["shots"]] == [2, 3]
    assert all(shot["wav"] in names for shot in record["shots"])
    assert not [name for name in names if name.startswith("run9")]
    delivered = {name for name in names if name.startswith("delivery/")}
    assert {f"delivery/my_film_rm_-rf_HOME{end}" for end in (".otio", ".aaf", "_001_T2.wav")} <= delivered
    assert len(names - delivered) == 3 + 2 + 2 * 3  # what was assembled, two runs' records, three takes
    assert run["seed"] == 9
    assert run["model"]["sha256"]


def test_every_form_of_wav_is_written(session: StudioSession, store: ModelStore, upload: Path) -> None:
    session.open_video(upload)
    make(session, store)
    session.accept(0, None)
    session.accept(1, 1)
    session.set_shot(1, ShotSettings(gain_db=-6.0, nudge_frames=6))
    exported = session.export(subtype="PCM_16", sample_rate=16000)

    info = probe(exported.wav)
    assert info.audio is not None
    assert (info.audio.sample_rate, info.audio.codec) == (16000, "pcm_s16le")
    sound, take = read_audio(exported.wav)[0][0], read_audio(session.takes[0].wav)[0][0]
    assert sound[:23000].abs().max() == 0  # shot 1 is silence
    later = 10 ** (-6 / 20) * take[26000 - 8000 : 46000 - 8000]  # six frames at 12 a second
    assert (sound[26000:46000] - later).abs().max() < 1e-3
    with pytest.raises(CinefoleyError, match="There is no shot 3"):
        session.set_shot(2, ShotSettings())
    with pytest.raises(CinefoleyError, match="must be -60 to 24 dB"):
        ShotSettings(gain_db=99)


def test_a_stretch_is_redone_and_silence_that_was_chosen_stays(
    session: StudioSession, store: ModelStore, upload: Path
) -> None:
    session.open_video(upload)
    session.accept(0, None)
    make(session, store)
    assert session.accepted == {1: 1}
    before = read_audio(session.takes[0].wav)[0][0]
    done = session.redo(store, 1, 1.0, 2.0, seed=0, on_progress=ignore)

    after = read_audio(done.wav)[0][0]
    assert torch.equal(after[:16000], before[:16000])
    assert not torch.equal(after[16000:32000], before[16000:32000])
    with pytest.raises(CinefoleyError, match="There is no take 2"):
        session.redo(store, 2, 1.0, 2.0, seed=0, on_progress=ignore)


def test_events_are_moved_from_the_take_as_generated(
    session: StudioSession, store: ModelStore, upload: Path
) -> None:
    session.open_video(upload)
    (take,) = make(session, store)
    generated = hits([0.5, 1.5, 2.5])
    write_audio(take.wav, generated, 16000)
    first = session.cues(1)
    assert [cue.time_s for cue in first] == pytest.approx([0.5, 1.5, 2.5], abs=0.02)

    for times in ([0.5, 1.8, 2.5], [0.5, 1.4, 2.5, 2.99]):  # the second does not begin where the first ended
        unmet = session.move(1, times)
        assert [cue.time_s for cue in session.cues(1)] == pytest.approx(times[:3], abs=0.02)
    assert unmet == (2.99,)
    assert session.cues(1)[1].generated_s == first[1].time_s
    assert not torch.equal(read_audio(take.wav)[0][0], generated)
    rows = session.write_cue_sheet(1).read_text().splitlines()
    assert rows[3].split(",")[2:4] == ["1.400", f"{first[1].time_s:.3f}"]
    record = json.loads((take.wav.parent / "my_film_rm_-rf_HOME.json").read_text())
    assert [move["to_s"] for move in record["takes"][0]["cues"]][1:] == [
        1.4,
        pytest.approx(2.5, abs=0.02),
        None,
    ]
    session.redo(store, 1, 1.0, 2.0, seed=0, on_progress=ignore)
    assert all(cue.generated_s is None for cue in session.cues(1))
    for times, message in (
        ([], "no cue to move to"),
        ([2.0, 1.0], "must not cross"),
        ([9.0], "outside the video"),
    ):
        with pytest.raises(CinefoleyError, match=message):
            session.move(1, times)
    with pytest.raises(CinefoleyError, match="There is no take 2"):
        session.cues(2)


def test_shots_of_one_run_have_sounds_of_their_own(
    session: StudioSession,
    tiny_model: Path,
    upload: Path,
    tmp_path: Path,
    add_audio_encoder: Callable[[Path], None],
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    add_audio_encoder(model)
    store = ModelStore([str(model)], device="cpu")
    write_audio(tmp_path / "door.wav", hits([0.2], duration_s=1.0), 16000)
    session.open_video(upload)
    session.set_sound(1, ShotSound(like=tmp_path / "door.wav"))
    seen: list[tuple[int, int, float | None]] = []

    made = make(session, store, lambda *step: seen.append(step), num_takes=2)

    cut = session.shots[1].start_s
    assert [(take.number, take.start_s, str(take.sound)) for take in made] == [
        (1, 0.0, "as seen"),
        (2, 0.0, "as seen"),
        (3, cut, "like door.wav"),
        (4, cut, "like door.wav"),
    ]
    assert session.accepted == {0: 1, 1: 3}
    assert seen[-1][0] == seen[-1][1]
    session.set_sound(1, ShotSound(kind="door"))
    with pytest.raises(MissingWeightsError, match="names no kinds"):
        make(session, store)
    assert len(session.takes) == 4  # nothing of the shot before is kept
    session.set_sound(1, ShotSound())
    assert len(make(session, store)) == 1
    with pytest.raises(CinefoleyError, match="There is no shot 3"):
        session.set_sound(2, ShotSound())


def test_progress_has_the_remaining_time_and_stop_stops(
    session: StudioSession, store: ModelStore, upload: Path
) -> None:
    session.open_video(upload)
    seen: list[tuple[int, int, float | None]] = []

    def stop_at_five(done: int, total: int, left_s: float | None) -> None:
        seen.append((done, total, left_s))
        if done == 5:
            session.stop()

    with pytest.raises(RunInterrupted, match="The takes of this run were discarded"):
        make(session, store, stop_at_five)
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 5]
    assert seen[0][2] is None
    assert all(left is not None and left > 0 for _, _, left in seen[1:])
    assert session.takes == []
    assert make(session, store)[0].number == 1


@pytest.mark.parametrize("happens", ["stop", "another video"])
def test_what_happens_after_the_last_step_ends_the_run_too(
    session: StudioSession,
    store: ModelStore,
    upload: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    happens: str,
) -> None:
    other = Path(shutil.copy(upload, tmp_path / "other.mp4"))
    session.open_video(upload)

    def generate(*arguments: Any, **options: Any) -> Any:
        report = generate_files(*arguments, **options)
        session.stop() if happens == "stop" else session.open_video(other)
        return report

    monkeypatch.setattr("cinefoley.studio.session.generate_files", generate)
    with pytest.raises(RunInterrupted, match="takes of this run were discarded"):
        make(session, store)
    assert session.takes == []
    assert not list(session._folder.glob("run*"))


def test_a_run_that_waits_for_the_model_can_be_stopped(
    session: StudioSession, store: ModelStore, upload: Path
) -> None:
    session.open_video(upload)
    errors: list[Exception] = []

    def wait() -> None:
        try:
            make(session, store)
        except RunInterrupted as exc:
            errors.append(exc)

    with store.use(store.names[0], "default"):
        before = session._stop
        waiting = threading.Thread(target=wait)
        waiting.start()
        while session._stop is before:
            waiting.join(0.01)
        session.stop()
    waiting.join()

    assert len(errors) == 1


def test_a_file_that_is_no_video_is_rejected_by_name_and_deleted(
    session: StudioSession, tmp_path: Path
) -> None:
    wrong = tmp_path / "notes.mp4"
    wrong.write_text("not a video")

    with pytest.raises(CinefoleyError, match=r"^notes\.mp4: "):
        session.open_video(wrong)
    assert session.video is None
    assert [path for path in (tmp_path / "sessions").rglob("*") if path.is_file()] == []


def test_a_video_that_is_too_long_is_rejected(tmp_path: Path, upload: Path) -> None:
    session = StudioSession(tmp_path, longest_s=2)

    with pytest.raises(VideoError, match="lasts 3 s; this studio accepts videos of at most 2 s"):
        session.open_video(upload)


def test_the_student_is_used_unless_the_teacher_is_chosen(
    session: StudioSession, tiny_model: Path, upload: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "with_student"
    shutil.copytree(tiny_model, folder)
    student = VideoEncoder.from_pretrained(tiny_model / "video_encoder")
    with torch.no_grad():
        student.projection.bias.add_(torch.linspace(-1, 1, len(student.projection.bias)))
    student.save_pretrained(folder / "video_encoder_student")
    store = ModelStore([str(folder)], device="cpu")
    session.open_video(upload)
    sounds = {
        encoder: read_audio(make(session, store, seed=3, encoder=encoder)[0].wav)[0]
        for encoder in ("default", "student", "teacher")
    }
    assert torch.equal(sounds["default"], sounds["student"])
    assert not torch.equal(sounds["student"], sounds["teacher"])
    assert [take.encoder for take in session.takes] == ["default", "student", "teacher"]


def test_impossible_requests_are_explained(session: StudioSession, store: ModelStore, upload: Path) -> None:
    with pytest.raises(CinefoleyError, match="There is no video yet"):
        make(session, store)
    session.open_video(upload)
    with pytest.raises(CinefoleyError, match=r"from 2\.00 to 2\.00 s is empty"):
        make(session, store, start_s=2.0, end_s=2.0)
    with pytest.raises(MissingWeightsError, match="this model has no student"):
        make(session, store, encoder="student")
    with pytest.raises(MissingWeightsError, match="No model '/etc' in this studio"):
        session.generate(
            store,
            model="/etc",
            encoder="default",
            num_takes=1,
            seed=0,
            start_s=0,
            end_s=3,
            on_progress=ignore,
        )
    with pytest.raises(CinefoleyError, match="No take is accepted"):
        session.export()
    with pytest.raises(CinefoleyError, match="There is no shot 3, only 2"):
        session.accept(2, None)


def test_a_closed_session_leaves_nothing(tmp_path: Path, store: ModelStore, upload: Path) -> None:
    (tmp_path / "sessions").mkdir()
    session = StudioSession(tmp_path / "sessions")
    session.open_video(upload)
    make(session, store)
    session.close()

    assert list((tmp_path / "sessions").iterdir()) == []
    assert not upload.exists()
