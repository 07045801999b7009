import math

import pytest
import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.starting_phase import starting_phase
from cinefoley.spectral.transform import FrameTransform

CONFIG = MelConfig()
NUM_FRAMES = 20


def _start(waveform: Tensor) -> Tensor:
    """What the phase alone makes of the true magnitudes, ``(1, N)``."""
    spectrum = torch.stft(
        waveform, 1024, 256, window=torch.hann_window(1024), pad_mode="constant", return_complex=True
    )
    magnitude = spectrum.abs()[..., :NUM_FRAMES].transpose(1, 2).contiguous()
    phase = starting_phase(magnitude, first=torch.zeros(513), config=CONFIG)
    transform = FrameTransform(CONFIG, 1, NUM_FRAMES, waveform.device)
    return transform.waveform(torch.polar(magnitude, phase))


# near a frame's middle (2560, 2816) that frame shows no onset, and its bins run on from the frame before
@pytest.mark.parametrize(("place", "share"), [(2560, 0.75), (2600, 0.99), (2688, 0.99), (2800, 0.75)])
def test_an_impulse_stays_in_its_place(place: int, share: float) -> None:
    # alone it has a flat spectrum, whose peaks would be each processor's own rounding
    noise = torch.randn(1, NUM_FRAMES * 256, generator=torch.Generator().manual_seed(place))
    impulse = 1e-6 * noise
    impulse[0, place] += 1
    found = _start(impulse)[0]
    assert abs(int(found.abs().argmax()) - place) <= 2
    near = found[place - 4 : place + 5].square().sum()
    assert near > share * found.square().sum()


@pytest.mark.parametrize("hertz", [400.0, 1003.0, 3210.0])
def test_a_steady_tone_runs_on_from_frame_to_frame(hertz: float) -> None:
    seconds = torch.arange(NUM_FRAMES * 256) / CONFIG.sample_rate
    tone = torch.sin(2 * math.pi * hertz * seconds)[None]
    middle = _start(tone)[0, 1500:3500]
    seconds = seconds[1500:3500]
    carrier = torch.stack(
        [torch.sin(2 * math.pi * hertz * seconds), torch.cos(2 * math.pi * hertz * seconds)]
    )
    coefficients = carrier @ middle / 1000
    assert float(coefficients.norm()) == pytest.approx(1.0, abs=0.1)


def test_phases_are_finite_for_silence_and_for_a_single_frame() -> None:
    for magnitude in (torch.zeros(1, 4, 513), torch.ones(1, 1, 513)):
        phase = starting_phase(magnitude, first=torch.zeros(513), config=CONFIG)
        assert torch.isfinite(phase).all()
