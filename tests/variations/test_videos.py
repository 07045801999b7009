from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from cinefoley.errors import MediaError, VideoError
from cinefoley.media.audio.files import write_audio
from cinefoley.media.frames.crop import FrameChange
from cinefoley.media.frames.video import load_video
from cinefoley.media.frames.windows import stream_windows
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.timing import video_duration
from cinefoley.variations import (
    AspectMask,
    CameraMovement,
    CloseUp,
    Cut,
    Handheld,
    LightChange,
    Occlusion,
    Pan,
    RackFocus,
    Sequence,
    Variation,
    Zoom,
)
from cinefoley.variations.videos import draw_for_video, follow_window, load_varied_video, vary_video

RenderFilm = Callable[..., Path]
Seeded = Callable[[int], torch.Generator]
VARIATIONS = [
    CloseUp(placement="uniform"),
    CameraMovement(),
    Pan(),
    Zoom(),
    Cut(),
    Sequence([Handheld(), RackFocus(), LightChange(), Occlusion(), AspectMask()]),
]

each = pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.kind)


@pytest.fixture
def rain(tmp_path: Path, render_film: RenderFilm) -> Path:
    return render_film(tmp_path / "rain.mp4")


@each
def test_a_video_of_the_window_shows_what_the_view_shows(
    rain: Path, seeded: Seeded, variation: Variation
) -> None:
    window = draw_for_video(variation, rain, generator=seeded(0))
    out = rain.with_name("out.mp4")
    vary_video(rain, out, window)
    for fps in (4, 12):
        view, film = load_varied_video(rain, window, fps), load_video(out, fps)
        assert view.size == film.size == window.crop_size
        assert torch.equal(view.source_indices, film.source_indices)
        difference = view.frames.float() - film.frames.float()
        assert (
            difference.square().mean() < 255**2 / 10**3.1
        )  # 31 dB: tiny frames, and a cut resamples sharp edges
    assert video_duration(out) == video_duration(rain)


@each
def test_frame_by_frame_the_view_is_the_kernel(rain: Path, seeded: Seeded, variation: Variation) -> None:
    window = draw_for_video(variation, rain, generator=seeded(1))
    whole = load_video(rain, fps=12)
    shown = load_varied_video(rain, window, fps=12)
    assert torch.equal(shown.frames, variation.apply(whole.frames, window))


def test_any_rate_and_any_section_show_a_source_frame_alike(rain: Path, seeded: Seeded) -> None:
    window = draw_for_video(CameraMovement(), rain, generator=seeded(2))
    every = load_varied_video(rain, window, fps=12)
    for fps, start in ((4, 0.0), (6, 0.5), (12, 1.0)):
        some = load_varied_video(rain, window, fps=fps, start=start)
        assert torch.equal(some.frames, every.frames[some.source_indices])
    (streamed,) = stream_windows(
        rain, starts=[0.5], frames_per_window=6, fps=4, crop=follow_window(window, rain)
    )
    assert torch.equal(streamed, load_varied_video(rain, window, 4, None, 0.5, 1.5).frames)


def test_the_video_and_its_array_of_frames_draw_the_same_fractions(rain: Path, seeded: Seeded) -> None:
    in_memory = CloseUp().draw((48, 64), generator=seeded(5))
    assert draw_for_video(CloseUp(), rain, generator=seeded(5)) == in_memory.on((48, 64), multiple=2)


def test_a_window_serves_a_smaller_copy_of_the_video(
    tmp_path: Path, render_film: RenderFilm, seeded: Seeded
) -> None:
    large = render_film(tmp_path / "a.mp4", size=(96, 128))
    window = draw_for_video(CloseUp(scale_range=(0.5, 0.5)), large, generator=seeded(0))
    small = load_varied_video(render_film(tmp_path / "b.mp4", size=(48, 64)), window)
    assert small.size == (24, 32)


def test_the_full_range_shows_everything(rain: Path, seeded: Seeded) -> None:
    for variation in (CloseUp(scale_range=(1, 1)), CameraMovement(scale_range=(1, 1))):
        window = draw_for_video(variation, rain, generator=seeded(0))
        assert torch.equal(load_varied_video(rain, window).frames, load_video(rain).frames)


def test_the_movement_follows_time_where_the_rate_varies(rain: Path, seeded: Seeded) -> None:
    window = draw_for_video(CameraMovement(direction="right"), rain, generator=seeded(0))
    box_at = follow_window(window, rain)
    assert not isinstance(box_at, FrameChange)
    last = Fraction(23, 12)
    assert box_at(Fraction(0), (48, 64)) == window.box_at(0)
    assert box_at(last / 3, (48, 64)) == window.box_at(1 / 3)
    assert box_at(last, (48, 64)) == box_at(last * 2, (48, 64)) == window.box_at(1)


def test_a_video_of_one_frame_cannot_be_moved_over_but_shown_close(tmp_path: Path, seeded: Seeded) -> None:
    film = tmp_path / "still.mp4"
    save_video(film, torch.zeros(1, 3, 48, 64, dtype=torch.uint8), 25)
    with pytest.raises(VideoError, match=r"still\.mp4: holds one frame only; a camera movement needs two"):
        draw_for_video(CameraMovement(), film, generator=seeded(0))
    window = draw_for_video(CloseUp(), film, generator=seeded(0))
    vary_video(film, tmp_path / "out.mp4", window)
    assert len(load_video(tmp_path / "out.mp4")) == 1


def test_the_smallest_video_is_varied_too(tmp_path: Path, seeded: Seeded) -> None:
    film = tmp_path / "tiny.mp4"
    save_video(film, torch.zeros(4, 3, 2, 2, dtype=torch.uint8), 4)
    window = draw_for_video(CloseUp(), film, generator=seeded(0))
    assert window.crop_size == (2, 2)
    vary_video(film, tmp_path / "out.mp4", window)
    assert load_video(tmp_path / "out.mp4").size == (2, 2)


def test_what_holds_no_frames_is_told(tmp_path: Path, seeded: Seeded) -> None:
    write_audio(tmp_path / "a.wav", torch.zeros(16), 16000)
    with pytest.raises(VideoError, match=r"a\.wav: no video stream"):
        draw_for_video(CloseUp(), tmp_path / "a.wav", generator=seeded(0))
    with pytest.raises(MediaError, match="no such file"):
        draw_for_video(CloseUp(), tmp_path / "b.mp4", generator=seeded(0))


def test_a_video_needs_a_window_on_even_pixels(rain: Path, seeded: Seeded) -> None:
    window = CloseUp().draw((48, 64), generator=seeded(0))
    with pytest.raises(ValueError, match="even pixels"):
        vary_video(rain, rain.with_name("out.mp4"), window)


def test_a_video_that_is_shorter_than_a_technique_needs_is_refused(
    tmp_path: Path, render_film: RenderFilm
) -> None:
    short = render_film(tmp_path / "short.mp4", duration_s=1.0)
    with pytest.raises(VideoError, match=r"short\.mp4: lasts 0\.\d+ s; a cut needs 1 s at least"):
        draw_for_video(Cut(), short)
