import numpy as np
import pytest

from cinefoley.first_stage.synthesis import filtered_noise, modes, place_in_room, plucked_string

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
