import io
import wave

import numpy as np
import pytest

from cinefoley.study.sound_check import LEAST_BEEPS, MOST_BEEPS, beeping_wav


@pytest.mark.parametrize("beeps", range(LEAST_BEEPS, MOST_BEEPS + 1))
def test_as_many_beeps_are_heard_as_asked_for(beeps: int) -> None:
    with wave.open(io.BytesIO(beeping_wav(beeps))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        window = file.getframerate() // 50
    loud = np.abs(samples[: len(samples) // window * window]).reshape(-1, window).max(axis=1) > 1000

    assert int((np.diff(loud.astype(int)) == 1).sum()) == beeps
    assert np.abs(samples).max() < 16384


def test_the_length_does_not_tell_the_number() -> None:
    assert len({len(beeping_wav(beeps)) for beeps in range(LEAST_BEEPS, MOST_BEEPS + 1)}) == 1


@pytest.mark.parametrize("beeps", [-1, 0, MOST_BEEPS + 1])
def test_other_numbers_are_refused(beeps: int) -> None:
    with pytest.raises(ValueError, match="beeps must be 2 to 5"):
        beeping_wav(beeps)
