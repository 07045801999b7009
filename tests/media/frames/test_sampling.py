from fractions import Fraction
from itertools import pairwise

import av
import pytest
from av.filter import Graph
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.frames.sampling import (
    frame_count,
    pick_frames,
    pick_regular,
    sampling_instant,
    window_schedule,
)
from cinefoley.media.sections import Section, as_fraction, as_rate

TICKS = 600
gaps = st.lists(st.integers(1, 400), min_size=1, max_size=40)
rates = st.sampled_from([Fraction(4), Fraction(25), Fraction(30000, 1001), Fraction(1, 2), Fraction(7)])


def _times(steps: list[int]) -> list[Fraction]:
    """Timestamps of a video with variable frame rate, and its end."""
    ticks = [0]
    for step in steps:
        ticks.append(ticks[-1] + step)
    return [Fraction(tick, TICKS) for tick in ticks]


def _sampled(times: list[Fraction], end: Fraction, fps: Fraction) -> list[int]:
    instants = [sampling_instant(n, Fraction(0), FrameRate(fps)) for n in range(frame_count(end, fps))]
    return list(pick_frames(((time, index) for index, time in enumerate(times)), instants))


def _sampled_by_ffmpeg(steps: list[int], fps: Fraction) -> list[int]:
    graph = Graph()
    source = graph.add("buffer", f"video_size=16x16:pix_fmt=gray:time_base=1/{TICKS}:frame_rate={TICKS}")
    rate = graph.add("fps", f"fps={fps.numerator}/{fps.denominator}")
    sink = graph.add("buffersink")
    source.link_to(rate)
    rate.link_to(sink)
    graph.configure()
    picked: list[int] = []
    tick = 0
    for index, step in enumerate(steps):
        frame = av.VideoFrame(16, 16, "gray")
        frame.planes[0].update(bytes([index]) * frame.planes[0].buffer_size)
        frame.pts, frame.time_base, frame.duration = tick, Fraction(1, TICKS), step
        tick += step
        graph.push(frame)
        picked += _pull(graph)
    graph.push(None)
    return picked + _pull(graph)


def _pull(graph: Graph) -> list[int]:
    pulled = []
    while True:
        try:
            pulled.append(bytes(graph.pull().planes[0])[0])
        except (av.BlockingIOError, av.EOFError):
            return pulled


@given(gaps, rates)
def test_the_rule_is_the_last_frame_before_each_instant(steps: list[int], fps: Fraction) -> None:
    *times, end = _times(steps)
    for n, index in enumerate(_sampled(times, end, fps)):
        assert index == max((i for i, t in enumerate(times) if t < (n + Fraction(1, 2)) / fps), default=0)


@given(gaps, rates)
def test_frames_and_their_number_are_those_of_ffmpegs_fps_filter(steps: list[int], fps: Fraction) -> None:
    *times, end = _times(steps)
    expected = _sampled_by_ffmpeg(steps, fps)
    assert _sampled(times, end, fps)[: len(expected)] == expected
    assert len(expected) == frame_count(end, fps) or end * fps < Fraction(1, 2)  # we never return nothing


def test_no_more_frames_are_read_than_the_instants_need() -> None:
    frames = iter([(Fraction(n), n) for n in range(100)])
    assert list(pick_frames(frames, [Fraction(5, 2)])) == [2]
    assert next(frames)[1] == 4


def test_from_no_frames_nothing_is_picked() -> None:
    assert list(pick_frames(iter(()), [Fraction(1)])) == []


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(1, 9), rates)
def test_a_schedule_ascends_and_holds_every_window_whole(
    starts: list[int], count: int, fps: Fraction
) -> None:
    begins = sorted(Fraction(s, 125) for s in starts)
    schedule = list(window_schedule(begins, count, FrameRate(fps)))
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(schedule))
    for number, begin in enumerate(begins):
        own = [instant for instant, window in schedule if window == number]
        assert own == [begin + (n + Fraction(1, 2)) / fps for n in range(count)]


def test_instants_past_the_end_are_moved_to_it() -> None:
    schedule = window_schedule([Fraction(1)], 3, FrameRate(Fraction(1)), end=Fraction(2))
    assert [instant for instant, _ in schedule] == [1.5, 2, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, Fraction(1, 10)),
        (29.97, Fraction(2997, 100)),
        (8.192, Fraction(1024, 125)),
        (7200.1, Fraction(72001, 10)),
    ],
)
def test_floats_are_read_as_the_fractions_they_were_written_for(value: float, expected: Fraction) -> None:
    assert as_fraction(value) == expected


@given(st.integers(0, 7200 * 48000), st.sampled_from([16000, 44100, 48000]))
def test_a_place_in_audio_survives_as_a_float(samples: int, sample_rate: int) -> None:
    assert as_fraction(samples / sample_rate) == Fraction(samples, sample_rate)


@pytest.mark.parametrize(
    ("duration", "count"), [("8.2", 33), ("8", 32), ("8.192", 33), ("8.1", 32), ("8.125", 33), ("0.01", 1)]
)
def test_the_number_of_frames_is_rounded(duration: str, count: int) -> None:
    assert frame_count(Fraction(duration), Fraction(4)) == count


@pytest.mark.parametrize("bad", [0, -4, float("nan"), float("inf")])
def test_a_rate_must_be_positive_and_finite(bad: float) -> None:
    with pytest.raises(ValueError, match=r"positive|finite"):
        as_rate(bad)


@pytest.mark.parametrize(("start", "duration"), [(-1, None), (0, 0), (0, -2), (float("nan"), None)])
def test_a_section_must_lie_in_the_video(start: float, duration: float | None) -> None:
    with pytest.raises(ValueError, match=r"start|duration|finite"):
        Section.of(start, duration)


@given(rates, rates, st.integers(0, 3000), st.integers(1, 40))
def test_the_nearest_frame_is_never_further_than_half_a_source_frame(
    fps: Fraction, source_fps: Fraction, start: int, count: int
) -> None:
    rate = FrameRate(fps, "nearest")
    instants = [sampling_instant(n, Fraction(start, 1000), rate) for n in range(count)]
    last = int(instants[-1] * source_fps) + 2
    picked = list(pick_frames(((n / source_fps, n) for n in range(last + 1)), instants, "nearest"))
    assert picked == pick_regular(instants, source_fps, "nearest")
    for instant, number in zip(instants, picked, strict=True):
        assert abs(number / source_fps - instant) <= 1 / source_fps / 2


@given(rates, rates, st.integers(1, 40))
def test_the_rule_for_a_constant_rate_is_the_rule_for_any(
    fps: Fraction, source_fps: Fraction, count: int
) -> None:
    instants = [sampling_instant(n, Fraction(0), FrameRate(fps)) for n in range(count)]
    frames = ((n / source_fps, n) for n in range(int(instants[-1] * source_fps) + 2))
    assert list(pick_frames(frames, instants)) == pick_regular(instants, source_fps)


def test_nearest_frames_are_as_late_at_any_rate_of_the_source() -> None:
    def lateness(source_fps: int, rate: FrameRate) -> float:
        instants = [sampling_instant(n, Fraction(0), rate) for n in range(96)]
        picked = pick_regular(instants, Fraction(source_fps), rate.choice)
        return float(sum(Fraction(n, source_fps) - Fraction(k, 12) for k, n in enumerate(picked))) / 96

    late = [lateness(fps, FrameRate(Fraction(12), "nearest")) for fps in (12, 24, 25, 30, 50, 60)]
    assert max(late) - min(late) < 0.001
    late = [lateness(fps, FrameRate(Fraction(12))) for fps in (12, 24, 25, 30, 50, 60)]
    assert max(late) - min(late) > 0.03
