import errno
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.data.events.event_file import read_annotations
from cinefoley.data.source_argument import has_splits, open_clip_source, read_labels
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.errors import DataError, MediaError, VideoError
from cinefoley.media.frames.video import resample_video, video_from_frames
from cinefoley.stage.export import ExportSettings, export_clips
from cinefoley.stage.render import draw_take, render_clip
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.videos import load_varied_video

Listed = Any  # tests/data/conftest.py


def is_source(source: ClipSource) -> ClipSource:
    """mypy says whether it is one."""
    return source


def test_a_clip_of_the_stage_is_the_one_that_is_exported() -> None:
    source = is_source(StageSource("valid", 2, duration_s=2.0, first_seed=5))
    assert list(source.ids) == ["valid-000005", "valid-000006"]
    clip, take = source[1], draw_take(6, split="valid", duration_s=2.0)
    assert clip.labels == tuple(actor.kind for actor in take.actors)
    assert torch.equal(clip.waveform(16000), torch.from_numpy(take.waveform(16000)))
    assert torch.equal(clip.waveform(8000, start=0.5, duration=1), clip.waveform(8000)[4000:12000])
    assert clip.events is not None
    assert [event.time_s for event in clip.events] == pytest.approx(take.hits.times.tolist())
    assert clip.find_fault() is None


def test_frames_of_the_stage_are_those_a_decoder_would_pick() -> None:
    (clip,) = [StageSource("train", 1, duration_s=2.0, version="plain")[0]]
    height, width = clip.frame_size()
    film = render_clip(0, split="train", fps=24, size=(height, width), duration_s=2.0, version="plain")
    decoded = resample_video(
        video_from_frames(torch.from_numpy(film.frames).permute(0, 3, 1, 2), fps=24), fps=4, size=(64, 64)
    )
    video = clip.video(fps=4, size=(64, 64))
    assert video.source_indices.tolist() == decoded.source_indices.tolist()
    assert video.duration == decoded.duration == 2.0
    assert (video.frames.float() - decoded.frames.float()).abs().mean() < 2


def test_a_section_of_the_stage_is_sampled_from_its_own_start() -> None:
    clip = StageSource("train", 1, duration_s=3.0, version="plain")[0]
    whole, part = clip.video(fps=4, size=(32, 32)), clip.video(fps=4, size=(32, 32), start=1.25, duration=1)
    assert torch.equal(part.frames, whole.frames[5:9])
    assert clip.video(fps=4, size=(32, 32), duration=9).frames.shape[0] == 12
    with pytest.raises(VideoError, match="ends at 3 s"):
        clip.video(fps=4, start=3.0)


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()])
def test_the_stage_renders_what_a_window_shows(variation: CloseUp | CameraMovement) -> None:
    clip = StageSource("train", 3, duration_s=2.0)[2]
    window = variation.draw(clip.frame_size(), generator=torch.Generator().manual_seed(1))
    shown = clip.video(fps=4, size=(48, 48), window=window).frames
    whole = video_from_frames(clip.video(fps=4).frames, fps=4).frames
    # cut out of the whole picture, and squashed: the same up to anti-aliasing
    last = clip.video(fps=30).source_indices[-1].item()
    picked = clip.video(fps=4).source_indices.tolist()
    for n, index in enumerate(picked):
        x0, y0, x1, y1 = window.box_at(index / last)
        cut = whole[n : n + 1, :, y0:y1, x0:x1].float()
        squashed = torch.nn.functional.interpolate(cut, (48, 48), mode="bilinear", antialias=True)[0]
        assert (shown[n].float() - squashed).abs().mean() < 6
    assert clip.video(fps=1, window=window).size == window.crop_size


def test_prints_of_the_stage_tell_split_seed_and_length_apart() -> None:
    sources = [StageSource("train", 2), StageSource("valid", 2), StageSource("train", 2, duration_s=8.0)]
    prints = [one for source in sources for one in source.fingerprints(file_sha256)]
    assert len(set(prints)) == 6
    assert StageSource("train", 1, first_seed=1).fingerprints(file_sha256) == prints[1:2]


@pytest.mark.parametrize("bad", [{"count": 0}, {"first_seed": -1}, {"duration_s": 0.5}, {"split": "dev"}])
def test_clips_that_the_stage_does_not_have_are_refused(bad: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"split": "train", "count": 1} | bad
    with pytest.raises(ValueError, match=r"stage's splits|need a clip"):
        StageSource(**settings)


def test_a_listed_folder_gives_its_videos_sound_and_labels(listed: Listed) -> None:
    source = is_source(FolderSource(listed.clips, csv=listed.csv, split="test"))
    assert list(source.ids) == ["cat", "ant", "gone", "bee", "dud"]
    assert source.label_names == ("ants walking", "bee buzzing", "cat purring", "nothing")
    bee = pickle.loads(pickle.dumps(source[3]))
    assert (bee.labels, bee.events, bee.find_fault()) == (("bee buzzing",), None, None)
    assert bee.frame_size() == (64, 48)
    assert bee.video(fps=4, size=(16, 16)).frames.shape == (6, 3, 16, 16)
    assert len(bee.waveform(16000)) == pytest.approx(24000, abs=200)
    reasons = [fault.reason for clip in map(source.__getitem__, (2, 4)) if (fault := clip.find_fault())]
    assert reasons == ["missing", "unreadable"]
    with pytest.raises(MediaError, match=r"gone: no file named gone_000009 or .* is there"):
        source[2].video(fps=4)


def test_a_window_is_cut_out_before_the_picture_is_squashed(listed: Listed) -> None:
    clip = FolderSource(listed.clips, csv=listed.csv)[1]
    window = CloseUp().draw(clip.frame_size(), generator=torch.Generator().manual_seed(3))
    shown = clip.video(fps=4, size=(16, 16), window=window)
    expected = load_varied_video(listed.clips / "ant_000001.mp4", window, size=(16, 16))
    assert torch.equal(shown.frames, expected.frames)


def test_a_folder_without_a_list_gives_every_video(some_clips: Path) -> None:
    source = FolderSource(some_clips)
    assert list(source.ids) == ["ant_000001", "bee_20000_30000", "cat", "dud"]
    assert source.label_names == source[0].labels == ()
    assert len(source.first(2)) == 2


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        (tmp_path / f"rain{suffix}").touch()
    with pytest.raises(DataError, match=r"rain\.mp4 and rain\.mkv have the same name"):
        FolderSource(tmp_path)


def test_a_print_tells_content_and_label_but_not_place(listed: Listed, tmp_path: Path) -> None:
    def prints(csv: Path = listed.csv) -> list[str]:
        return FolderSource(listed.clips, csv=csv).fingerprints(file_sha256)

    other = tmp_path / "other.csv"
    other.write_text("ant,1,ants walking,valid\nbee,20,a bee,train\n")
    assert prints(other)[0] == prints()[1]
    assert prints(other)[1] != prints()[3]
    assert len(set(prints())) == 6


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    for split in ("train", "valid"):
        settings = ExportSettings(split=split, duration_s=1.5, side=32, fps=8, sample_rate=16000)
        export_clips(folder, 2, settings)
    return folder


def test_no_file_left_to_open_gives_no_print(listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's clips are known by their prints, and a machine in need must not make others of them."""
    source = FolderSource(listed.clips, csv=listed.csv)

    def refuse(path: Path, *args: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match="Too many open files"):
        source.fingerprints(file_sha256)


def test_an_exported_stage_keeps_its_events_and_both_sources(export: Path, tmp_path: Path) -> None:
    source = open_clip_source(str(export), split="valid")
    lines = [json.loads(line) for line in (export / "valid.events.jsonl").read_text().splitlines()]
    assert list(source.ids) == ["valid-000000", "valid-000001"]
    for index, line in enumerate(lines):
        clip = source[index]
        assert clip.labels == tuple(line["kinds"])
        assert clip.events is not None
        assert [event.time_s for event in clip.events] == [event["time_s"] for event in line["events"]]
        assert [event.is_onset_like for event in clip.events] == [e["is_onset_like"] for e in line["events"]]
    assert source.label_names == StageSource("train", 1).label_names
    assert list(open_clip_source(str(export)).ids) == ["train-000000", "train-000001"]
    tested = tmp_path / "tested"
    shutil.copytree(export, tested, ignore=shutil.ignore_patterns("train*"))
    with pytest.raises(DataError, match=r"export of the split valid and none of train.* --split"):
        open_clip_source(str(tested))
    assert len(open_clip_source(str(export), count=1)) == 1


def test_who_tells_clips_to_train_on_from_clips_to_test_with(export: Path, listed: Listed) -> None:
    assert has_splits("stage")
    assert has_splits(str(listed.clips), listed.csv)
    assert not has_splits(str(listed.clips))
    assert not has_splits(str(export)), "it has no clips to test with"


def test_an_unfinished_export_is_told(export: Path, tmp_path: Path) -> None:
    (tmp_path / "train.settings.json").write_bytes((export / "train.settings.json").read_bytes())
    with pytest.raises(DataError, match="'train' is unfinished"):
        open_clip_source(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "split"), [("stage", "train"), ("stage:valid", "valid"), ("stage:", "train")]
)
def test_the_stage_is_opened_by_name(text: str, split: str) -> None:
    source = open_clip_source(text, count=3)
    assert source.name == f"stage:{split}"
    assert len(source) == 3
    assert "drum" in source.label_names
    assert open_clip_source("stage", split="test").name == "stage:test"


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("nowhere", {}, r"nowhere: is neither the stage .* nor a folder"),
        ("stage:dev", {}, "no split 'dev'; it has train, valid, test"),
        ("stage:valid", {"split": "train"}, "ask for two splits"),
        ("stage", {"csv": Path("x.csv")}, "--csv and labels are for a folder"),
        ("CLIPS", {"split": "train"}, "needs a split CSV with splits"),
        ("CLIPS", {"csv": "LIST", "split": "dev"}, r"split 'dev' \(found test, train\)"),
        ("CLIPS", {"csv": "LIST", "split": "train"}, "holds none of the 1 clips"),
        ("CLIPS", {"csv": "LIST", "split": "test", "label_names": ("cat purring", "nothing", "bees buzzing")},
         r"split\.csv, line 2: unknown label 'ants walking'\. Expected one of the 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_told(
    listed: Listed, data: str, options: dict[str, Any], message: str
) -> None:
    named = {key: listed.csv if value == "LIST" else value for key, value in options.items()}
    with pytest.raises(DataError, match=message):
        open_clip_source(str(listed.clips) if data == "CLIPS" else data, **named)


def test_a_mistyped_label_is_answered_with_the_nearest(listed: Listed) -> None:
    labels = ["cat purring", "ants walking", "nothing", "bees buzzing", "something"]
    with pytest.raises(DataError, match=r"line 4: unknown label 'bee buzzing'.*did you mean 'bees buzzing'"):
        open_clip_source(str(listed.clips), csv=listed.csv, label_names=labels)
    right = [*labels, "bee buzzing"]
    assert open_clip_source(
        str(listed.clips), csv=listed.csv, split="test", label_names=right
    ).label_names == tuple(right)


def test_events_beside_a_list_are_found(listed: Listed) -> None:
    events = listed.csv.with_suffix(".events.jsonl")
    events.write_text('{"id": "ant", "events": [{"time_s": 1, "kind": "b"}, {"time_s": 0.5, "kind": "a"}]}\n')
    clip = open_clip_source(str(listed.clips), csv=listed.csv, split="test")[1]
    assert clip.events is not None
    assert [event.time_s for event in clip.events] == [0.5, 1.0]


@pytest.mark.parametrize("line", ["no JSON", "[]", '{"id": "a"}', '{"id": "a", "events": [{"kind": "b"}]}'])
def test_what_is_no_record_of_events_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.events.jsonl"
    path.write_text('{"id": "b", "events": []}\n' + line + "\n")
    with pytest.raises(DataError, match=r"x\.events\.jsonl, line 2: not the events of a clip"):
        read_annotations(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_annotations(tmp_path / "gone")
    path.write_text('{"id": "b", "events": []}\n' * 2)
    with pytest.raises(DataError, match="line 2: the clip 'b' is there twice"):
        read_annotations(path)


def test_a_clip_of_one_split_is_never_read_from_another_splits_video(
    tmp_path: Path, render_film: Callable[..., Path]
) -> None:
    for name in ("a", "a_0"):
        render_film(tmp_path / f"{name}.mp4")
    (tmp_path / "list.csv").write_text("id,label,split\na_0,x,train\na,y,test\nb,y,test\n")
    for split, names in (
        ("train", ["a_0.mp4"]),
        ("test", ["a.mp4", None]),
        (None, ["a_0.mp4", "a.mp4", None]),
    ):
        source = FolderSource(tmp_path, csv=tmp_path / "list.csv", split=split)
        paths = [source[number].path for number in range(len(source))]
        assert [path and path.name for path in paths] == names


def test_labels_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("rain\n\n wind \n")
    assert read_labels(path) == ("rain", "wind")
    for text, message in (("", "no label"), ("a\nb\na\n", "label 'a' twice")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_labels(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path / "gone.txt")


def test_strange_numbers_stay_out(render_film: Callable[..., Path], tmp_path: Path) -> None:
    """A film without sound is found out before anything is decoded."""
    render_film(tmp_path / "mute.mp4")
    fault = FolderSource(tmp_path)[0].find_fault()
    assert fault is not None
    assert fault.reason == "no sound"
    assert np.isfinite(FolderSource(tmp_path)[0].video(fps=4).duration)
