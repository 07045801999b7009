from typing import Any

import pytest

from cinefoley.pipelines.settings import SamplingSettings, check_even_grid
from cinefoley.pipelines.takes.settings import GenerationSettings


def test_the_defaults_are_diff_foleys() -> None:
    settings = SamplingSettings()
    assert (settings.sampler, settings.num_inference_steps, settings.guidance_scale) == ("dpm++", 25, 4.5)
    assert (settings.double_guidance_scale, settings.compat) == (0, None)


def test_options_make_the_same_settings_again() -> None:
    settings = GenerationSettings(seed=3, sampler="ddim", num_inference_steps=50, double_guidance_scale=20)
    again = SamplingSettings(**settings.options())
    assert again.options() == settings.options()
    assert "seed" not in settings.options()


def test_plms_makes_one_call_more() -> None:
    calls = [SamplingSettings(sampler=name).num_denoiser_calls for name in ("dpm++", "ddim", "plms")]
    assert calls == [25, 25, 26]


@pytest.mark.parametrize("steps", [2, 5, 8, 25, 40, 250, 500])
def test_a_good_number_of_steps_is_the_number_that_the_reference_walks(steps: int) -> None:
    check_even_grid("ddim", steps)
    times = [time + 1 for time in range(0, 1000, 1000 // steps)]
    assert len(times) == steps
    assert max(times) < 1000


@pytest.mark.parametrize(
    ("steps", "told"),
    [(1, "got 1; use 2,"), (7, "got 7; use 5 or 8,"), (30, "use 25 or 40,"), (1000, "got 1000; use 500,")],
)
def test_other_numbers_of_steps_are_refused_with_the_nearest_good_ones(steps: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SamplingSettings(sampler="plms", num_inference_steps=steps)
    assert SamplingSettings(num_inference_steps=steps).num_inference_steps == steps


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"sampler": "euler"}, r"sampler must be one of dpm\+\+, unipc, ddim, plms, got 'euler'"),
        ({"quality": "best"}, "quality must be one of paper, balanced, draft, got 'best'"),
        ({"guidance_interval": (0.8, 0.2)}, "needs 0 <= start < stop <= 1, got 0.8 to 0.2"),
        ({"guidance_interval": (0.2, 1.2)}, "needs 0 <= start < stop <= 1, got 0.2 to 1.2"),
        ({"guidance_interval": (-0.1, 1.0)}, "needs 0 <= start < stop <= 1, got -0.1 to 1"),
        ({"guidance_interval": (0.5, float("nan"))}, "needs 0 <= start < stop <= 1"),
        ({"guidance_rescale": 1.5}, r"guidance_rescale must lie in \[0, 1\], got 1.5"),
        ({"guidance_rescale": float("nan")}, r"guidance_rescale must lie in \[0, 1\]"),
        ({"adaptive_projected_guidance_eta": -0.5}, r"eta must lie in \[0, 1\], got -0.5"),
        ({"adaptive_projected_guidance_rescale": -1.0}, "rescale must be 0 or more, got -1"),
        ({"adaptive_projected_guidance_momentum": 1.0}, "momentum must lie between -1 and 1, got 1"),
        ({"cache_interval": 0}, "cache_interval must be at least 1, got 0"),
        ({"sampler": "ddim", "use_karras_sigmas": True}, "use_karras_sigmas would be ignored"),
        ({"guidance_scale": 1.0, "guidance_rescale": 0.5}, "so guidance_rescale would be ignored"),
        ({"guidance_scale": 1.0, "guidance_interval": (0.2, 0.8)}, "guidance_interval would be ignored"),
        (
            {"guidance_scale": 1.0, "adaptive_projected_guidance_eta": 0.0},
            "adaptive_projected_guidance would be ignored",
        ),
        ({"num_inference_steps": 0}, "num_inference_steps must be at least 1, got 0"),
        ({"guidance_scale": float("nan")}, "guidance_scale must be 0 or more, got nan"),
        ({"double_guidance_scale": -1.0}, "double_guidance_scale must be 0 or more, got -1"),
        ({"double_guidance_scale": float("inf")}, "double_guidance_scale must be 0 or more, got inf"),
        ({"compat": "audioldm"}, "compat must be None or 'diff-foley', got 'audioldm'"),
        ({"sampler": "plms", "double_guidance_scale": 5.0}, "'plms' takes no double guidance"),
        (
            {"compat": "diff-foley", "double_guidance_scale": 5.0, "guidance_scale": 1.0},
            "drops the classifier at guidance_scale 1",
        ),
    ],
)
def test_what_would_be_ignored_or_makes_no_sense_is_refused(choices: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SamplingSettings(**choices)


def test_a_classifier_alone_is_no_mistake_of_ours() -> None:
    assert SamplingSettings(guidance_scale=1, double_guidance_scale=5).double_guidance_scale == 5
    repeated = SamplingSettings(
        sampler="ddim", guidance_scale=1, double_guidance_scale=5, compat="diff-foley"
    )
    assert repeated.compat == "diff-foley", "the reference's DDIM keeps the classifier"
