import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.levels import amplitude_to_unit, unit_to_amplitude

CONFIGS = st.builds(
    MelConfig, floor_db=st.floats(-120, -40).map(round), ceiling_db=st.floats(0, 40).map(round)
)


@given(CONFIGS, st.floats(0, 1, width=32))
def test_levels_come_back(config: MelConfig, value: float) -> None:
    unit = torch.tensor([value])
    there = unit_to_amplitude(unit, config)
    torch.testing.assert_close(amplitude_to_unit(there, config), unit, rtol=0, atol=1e-5)


def test_the_scale_ends_at_floor_and_ceiling() -> None:
    amplitudes = torch.tensor([0.0, 1e-5, 1e-4, 1.0, 10.0, 100.0])
    wanted = torch.tensor([0.0, 0.0, 0.0, 0.8, 1.0, 1.0])
    torch.testing.assert_close(amplitude_to_unit(amplitudes, MelConfig()), wanted)


def test_values_beyond_the_scale_are_clipped() -> None:
    ends = unit_to_amplitude(torch.tensor([-3.0, 0.0, 1.0, 7.0]), MelConfig())
    torch.testing.assert_close(ends, torch.tensor([1e-4, 1e-4, 10.0, 10.0]))
