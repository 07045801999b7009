import torch

from cinefoley.evaluation.stage.silence import silent_stretches, stays_silent


def test_silent_stretches_are_where_nothing_sounds() -> None:
    waveform = torch.zeros(8 * 16000)
    waveform[2 * 16000 : 3 * 16000] = 0.5
    waveform[int(3.5 * 16000) : 4 * 16000] = 0.5
    stretches = silent_stretches(waveform, sample_rate=16000)
    assert [(round(a, 2), round(b, 2)) for a, b in stretches] == [(0.0, 1.9), (4.1, 8.0)]
    assert silent_stretches(torch.zeros(32000), sample_rate=16000) == [(0.0, 2.0)]


def test_noise_thirty_decibels_down_is_silence_and_twenty_is_not() -> None:
    waveform = torch.zeros(4 * 16000)
    waveform[:16000] = 1.0
    for level_db, is_silent in ((-31.0, True), (-29.0, False)):
        waveform[16000:] = 10 ** (level_db / 20)
        assert stays_silent(waveform, (1.1, 4.0), sample_rate=16000, is_mute=False) is is_silent
    assert stays_silent(waveform * 0.01, (1.1, 4.0), sample_rate=16000, is_mute=True)
