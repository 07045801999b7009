import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.config.presets import diff_foley
from cinefoley.models.build import build_scheduler
from cinefoley.pipelines.sampling import draw_noise, set_exact_timesteps


def scheduler_with(steps: int):  # type: ignore[no-untyped-def]
    scheduler = build_scheduler(diff_foley().denoiser)
    set_exact_timesteps(scheduler, steps)
    return scheduler


def test_times_are_diff_foleys_and_fractional() -> None:
    times = scheduler_with(25).timesteps
    assert len(times) == 25
    assert times[:3].tolist() == pytest.approx([999, 959.04, 919.08], abs=1e-3)
    assert float(times[-1]) == pytest.approx(39.96, abs=1e-3)


def test_noise_ends_at_the_first_training_level_not_at_zero() -> None:
    scheduler = scheduler_with(10)
    last = ((1 - scheduler.alphas_cumprod[0]) / scheduler.alphas_cumprod[0]).sqrt()
    assert float(scheduler.sigmas[-1]) == pytest.approx(float(last), rel=1e-5)
    assert (scheduler.sigmas[:-1] > scheduler.sigmas[1:]).all()


@pytest.mark.parametrize("steps", [1, 5, 14, 15, 25])
def test_a_perfect_denoiser_finds_the_latents(steps: int) -> None:
    """With the true noise at every step, any number of steps ends at the signal of the last level."""
    scheduler = scheduler_with(steps)
    latents = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(0)).double()
    noise = torch.randn(1, 4, 2, 8, generator=torch.Generator().manual_seed(1)).double()

    def level(sigma: torch.Tensor) -> torch.Tensor:
        return (latents + sigma.double() * noise) / (1 + sigma.double() ** 2).sqrt()

    sample = level(scheduler.sigmas[0])
    for time in scheduler.timesteps:
        sample = scheduler.step(noise, time, sample).prev_sample
    assert torch.allclose(sample, level(scheduler.sigmas[-1]), atol=1e-3)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        scheduler_with(0)


@given(seed=st.integers(0, 2**31), take=st.integers(0, 100), window=st.integers(0, 1000))
def test_noise_depends_on_seed_take_and_window_alone(seed: int, take: int, window: int) -> None:
    draw = draw_noise((1, 4, 2, 2), seed=seed, take=take, window=window)
    assert torch.equal(draw, draw_noise((1, 4, 2, 2), seed=seed, take=take, window=window))
    for other in ((seed + 1, take, window), (seed, take + 1, window), (seed, take, window + 1)):
        assert not torch.equal(draw, draw_noise((1, 4, 2, 2), seed=other[0], take=other[1], window=other[2]))


def test_noise_is_standard_normal_and_pinned() -> None:
    noise = draw_noise((1, 4, 64, 256), seed=7, take=0, window=0)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
