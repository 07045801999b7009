import numpy as np
import pytest

from cinefoley.stage.synthesis import (
    filtered_noise,
    formants,
    harmonics,
    layers,
    modes,
    place_in_room,
    plucked_string,
    steady_noise,
    swell,
)

RATE = 16000


def strongest_frequency(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * RATE / len(waveform))


def test_a_mode_rings_at_its_pitch_and_dies_by_sixty_decibels() -> None:
    ring = modes([440.0], [0.5], [1.0], sample_rate=RATE)
    assert strongest_frequency(ring) == pytest.approx(440, abs=3)
    assert 20 * np.log10(np.abs(ring[-200:]).max()) == pytest.approx(-60, abs=2)


def test_modes_above_the_band_are_left_out() -> None:
    assert not modes([7600.0], [0.1], [1.0], sample_rate=RATE).any()


def test_a_string_sounds_at_its_fundamental() -> None:
    note = plucked_string(220.0, decay_s=1.0, brightness=0.2, sample_rate=RATE)
    assert strongest_frequency(note) == pytest.approx(220, abs=3)


def test_noise_stays_in_its_band() -> None:
    noise = filtered_noise(np.random.default_rng(0), band_hz=(1000, 2000), decay_s=0.5, sample_rate=RATE)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE)
    inside = power[(frequencies > 700) & (frequencies < 3000)].sum()
    assert inside / power.sum() > 0.85


def test_a_room_answers_after_the_direct_sound() -> None:
    click = np.zeros(8000)
    click[100] = 1.0
    heard = place_in_room(click, rng=np.random.default_rng(0), reverb_s=0.3, wet=0.2, sample_rate=RATE)
    assert len(heard) == len(click)
    assert heard[100] == pytest.approx(1.0)
    assert np.abs(heard[101:220]).max() < 1e-9
    assert 0.1 < np.sqrt(np.sum(heard[230:] ** 2)) < 0.3


def test_a_gliding_mode_starts_higher_and_settles() -> None:
    ring = modes([400.0], [1.0], [1.0], sample_rate=RATE, glide=0.5)
    assert strongest_frequency(ring[:800]) > 440
    assert strongest_frequency(ring[4000:]) == pytest.approx(400, abs=3)


def test_harmonics_follow_the_pitch_and_stay_below_the_limit() -> None:
    tone = harmonics(np.full(RATE, 1500.0), slope=1.0, count=20, sample_rate=RATE)
    power = np.abs(np.fft.rfft(tone * np.hanning(RATE))) ** 2
    peaks = np.flatnonzero(power > power.max() / 100)
    assert set(np.round(peaks / 1500).astype(int)) == {1, 2, 3, 4}


def test_a_throat_favours_its_formants() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE)
    voice = formants(noise, (800.0, 2000.0), (100.0, 150.0), sample_rate=RATE)
    power = np.abs(np.fft.rfft(voice)) ** 2
    assert power[750:850].mean() > 20 * power[1300:1500].mean()
    assert np.abs(voice).max() == pytest.approx(1.0)


def test_a_swell_begins_and_ends_at_nothing() -> None:
    shape = swell(1.0, attack_s=0.1, release_s=0.2, sample_rate=RATE)
    assert len(shape) == 19200
    assert shape[0] == 0
    assert shape[-1] < 1e-4
    assert shape[8000] == pytest.approx(1.0)


def test_layers_start_together() -> None:
    assert layers(np.ones(3), np.ones(1)).tolist() == [2, 1, 1]


def test_steady_noise_has_unit_power() -> None:
    noise = steady_noise(np.random.default_rng(0), RATE, band_hz=(500, 900), sample_rate=RATE)
    assert noise.std() == pytest.approx(1.0)
