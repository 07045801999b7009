"""Recording of the filmed stage."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from cinefoley.stage.distribution import MICROPHONE
from cinefoley.stage.generator import make_generator
from cinefoley.stage.microphone import Microphone, Place, ambience, draw_microphone
from cinefoley.stage.render import draw_take, render_clip

RATE = 16000
PLAIN = Microphone(distance=1.0, reverb_s=0.3, band_hz=None, ambience_db=None, hum_hz=None)


def test_every_effect_comes_as_often_as_the_table_says() -> None:
    drawn = [draw_microphone(make_generator(seed, "train", "microphone")) for seed in range(500)]
    assert np.mean([it.ambience_db is not None for it in drawn]) == pytest.approx(
        MICROPHONE.ambience, abs=0.06
    )
    assert np.mean([it.band_hz is not None for it in drawn]) == pytest.approx(MICROPHONE.tone, abs=0.07)
    assert np.mean([it.hum_hz is not None for it in drawn]) == pytest.approx(MICROPHONE.hum, abs=0.07)
    distances = [it.distance for it in drawn]
    assert min(distances) < 1.1 * MICROPHONE.distance.low
    assert max(distances) > 0.9 * MICROPHONE.distance.high


@pytest.mark.parametrize("place", get_args(Place))
@pytest.mark.parametrize("rate", [16000, 48000])
def test_ambience_has_its_level_and_no_onset(place: Place, rate: int) -> None:
    sound = ambience(
        np.random.default_rng(1),
        4 * rate,
        microphone=replace(PLAIN, ambience_db=-40.0),
        place=place,
        sample_rate=rate,
    )
    assert 20 * np.log10(sound.std()) == pytest.approx(-40, abs=1.5)
    blocks = np.square(sound).reshape(16, -1).mean(axis=1)
    assert 10 * np.log10(blocks.max() / blocks.min()) < 12


def test_hum_is_heard_in_rooms_only() -> None:
    sounds = [
        ambience(
            np.random.default_rng(1),
            RATE,
            microphone=replace(PLAIN, ambience_db=-40.0, hum_hz=hum),
            place=place,
            sample_rate=RATE,
        )
        for place in ("room", "field")
        for hum in (None, 50.0)
    ]
    assert not np.array_equal(sounds[0], sounds[1])
    assert np.array_equal(sounds[2], sounds[3])


def test_a_far_microphone_hears_less_of_the_event_and_more_of_the_room() -> None:
    near, far = (replace(PLAIN, distance=distance) for distance in (0.5, 3.0))
    take = next(
        t for t in (draw_take(n, kind="axe", version="filmed") for n in range(9)) if len(t.hits.times)
    )
    levels = []
    for microphone in (near, far):
        sound = replace(take, film=replace(take.film, microphone=microphone)).event_waveform(RATE)
        start = round(take.hits.times[0] * RATE)
        direct, room = sound[start : start + 200], sound[start + 3000 : start + 5000]
        levels.append((np.abs(direct).max(), np.abs(room).max() / np.abs(direct).max()))
    assert levels[0][0] > 1.5 * levels[1][0]
    assert levels[0][1] < levels[1][1]


def test_a_narrow_microphone_loses_both_ends_of_the_spectrum() -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE)
    heard = replace(PLAIN, band_hz=(200.0, 4000.0)).colour(noise, sample_rate=RATE)
    power = np.abs(np.fft.rfft(heard)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    middle = power[(hz > 600) & (hz < 1500)].mean()
    assert power[(hz > 20) & (hz < 60)].mean() < 0.2 * middle
    assert power[hz > 7000].mean() < 0.35 * middle
    assert np.array_equal(PLAIN.colour(noise, sample_rate=RATE), noise)


def test_the_events_alone_are_silent_where_nothing_sounds_and_the_clip_is_not() -> None:
    takes = (draw_take(seed, version="filmed") for seed in range(60))
    take = next(t for t in takes if len(t.hits.times) and t.film.microphone and t.film.microphone.ambience_db)
    first = round(take.hits.times[0] * RATE)
    assert not take.event_waveform(RATE)[: first - 1].any()
    assert take.waveform(RATE)[: first - 1].any()
    assert np.abs(take.waveform(RATE)).max() <= 1


def test_a_description_tells_when_events_have_died_away_below_the_ambience() -> None:
    clip = render_clip(1, kind="axe", size=(32, 32), fps=4, version="filmed")
    assert clip.event_waveform is not None
    ends = [event["end_s"] - event["time_s"] for event in clip.describe()["events"]]
    assert 0 < min(ends) <= max(ends) < 2.5
