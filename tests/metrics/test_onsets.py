import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.metrics.onsets import OnsetCounts, detect_block_onsets, detect_onsets, match_onsets
from cinefoley.stage.render import draw_take

RATE = 16000
moments = st.lists(st.floats(0, 8), max_size=12).map(lambda times: np.sort(np.array(times)))


def clicks(times_s: list[float], seconds: float = 4.0, rate: int = RATE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    waveform = 1e-4 * torch.randn(int(seconds * rate), generator=generator)
    burst = torch.randn(1600, generator=generator) * torch.exp(-torch.arange(1600) / 300)
    for time_s in times_s:
        start = round(time_s * rate)
        waveform[start : start + 1600] += 0.3 * burst
    return waveform


def test_clicks_are_found_where_they_are() -> None:
    times = [0.5, 1.1, 2.73, 3.3]
    assert detect_onsets(clicks(times), sample_rate=RATE) == pytest.approx(times, abs=0.02)


def test_times_do_not_drift_where_no_whole_number_of_samples_is_a_hundredth() -> None:
    found = detect_onsets(clicks([0.5, 58.0], seconds=60.0, rate=22050), sample_rate=22050)
    assert found == pytest.approx([0.5, 58.0], abs=0.02)


@pytest.mark.parametrize("rate", [16000, 22050])
def test_a_long_sound_in_blocks_has_the_onsets_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    sound = clicks([0.5, 0.98, 1.01, 2.0, 3.3, 3.89], rate=rate)
    whole = detect_onsets(sound, sample_rate=rate)
    monkeypatch.setattr("cinefoley.metrics.onsets._PART_S", 0.5)
    blocks = [sound.numpy()[None, begin : begin + 1111] for begin in range(0, len(sound), 1111)]

    assert detect_block_onsets(blocks, sample_rate=rate).tolist() == whole.tolist()
    with pytest.raises(ValueError, match="NaN or infinite"):
        detect_block_onsets([*blocks, np.full((1, 4), np.nan, np.float32)], sample_rate=rate)


def test_quiet_noise_and_silence_have_no_onsets() -> None:
    assert len(detect_onsets(clicks([]), sample_rate=RATE)) == 0
    assert len(detect_onsets(torch.zeros(RATE), sample_rate=RATE)) == 0


def test_a_steady_tone_has_no_onset() -> None:
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(4 * RATE) / RATE)
    assert len(detect_onsets(tone, sample_rate=RATE)) == 0


def test_the_stage_is_heard_as_it_is_written() -> None:
    counts = OnsetCounts()
    for seed in range(30):
        take = draw_take(seed, split="train")
        if take.actor.is_onset_like:
            onsets = detect_onsets(torch.from_numpy(take.waveform(RATE)), sample_rate=RATE)
            counts += match_onsets(onsets, take.hits.times)
    assert counts.f1 > 0.98


def test_each_event_is_matched_once() -> None:
    counts = match_onsets(np.array([0.95, 1.0, 1.05]), np.array([1.0]))
    assert counts == OnsetCounts(hits=1, extra=2, missed=0)
    assert counts.f1 == pytest.approx(0.5)


def test_the_tolerance_is_a_limit() -> None:
    assert match_onsets(np.array([1.08]), np.array([1.0]), tolerance_s=0.1).hits == 1
    assert match_onsets(np.array([1.08]), np.array([1.0]), tolerance_s=0.05).hits == 0


def test_a_clip_without_events_is_right_when_silent_and_wrong_when_not() -> None:
    nothing = np.empty(0)
    assert match_onsets(nothing, nothing).f1 == 1.0
    assert match_onsets(np.array([1.0]), nothing).f1 == 0.0
    assert match_onsets(nothing, np.array([1.0])).f1 == 0.0


@given(detected=moments, events=moments)
def test_counts_add_up_and_sides_mirror(detected: np.ndarray, events: np.ndarray) -> None:
    counts, mirrored = match_onsets(detected, events), match_onsets(events, detected)
    assert counts.hits + counts.extra == len(detected)
    assert counts.hits + counts.missed == len(events)
    assert counts.f1 == pytest.approx(mirrored.f1)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(2, RATE), r"must be \(N,\)"),
        (torch.zeros(100), "at least 0.1 s"),
        (torch.full((RATE,), float("nan")), "NaN"),
    ],
)
def test_what_is_no_sound_is_refused(waveform: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detect_onsets(waveform, sample_rate=RATE)
