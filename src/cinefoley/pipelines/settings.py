"""Sampling settings: sampler, steps and guidance, with checks of their combinations."""

import math
from dataclasses import dataclass, fields
from typing import Literal, TypedDict, Unpack, cast, get_args

from cinefoley.spectral.magnitude import Compat

__all__ = ["Sampler", "SamplingOptions", "SamplingSettings", "check_even_grid", "sampling_settings"]

Sampler = Literal["dpm++", "ddim", "plms"]
"""DPM-Solver++ (2M), DDIM (eta 0), or PLMS."""


class SamplingOptions(TypedDict, total=False):
    """The fields of :class:`SamplingSettings` as keyword arguments."""

    num_inference_steps: int
    guidance_scale: float
    sampler: Sampler
    double_guidance_scale: float
    compat: Compat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How latents are sampled. A combination that would be ignored is an error.

    Source: Diff-Foley, ``inference/diff_foley_inference.ipynb``: 25 steps of DPM-Solver++ at guidance 4.5.
    """

    num_inference_steps: int = 25
    """Denoiser calls per window; PLMS makes one more."""
    guidance_scale: float = 4.5
    """Classifier-free guidance ``w``; 1 turns it off."""
    sampler: Sampler = "dpm++"
    """Numerical solver; DDIM and PLMS need a number of steps that divides the 1000 training steps."""
    double_guidance_scale: float = 0.0
    """Strength of the guidance classifier (Diff-Foley's notebook: 50); 0 turns it off."""
    compat: Compat | None = None
    """``"diff-foley"`` repeats known errors of the reference, for comparisons; see ``FoleyPipeline``."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(Sampler):
            raise ValueError(f"sampler must be one of {', '.join(get_args(Sampler))}, got {self.sampler!r}")
        if self.num_inference_steps < 1:
            raise ValueError(f"num_inference_steps must be at least 1, got {self.num_inference_steps}")
        if self.sampler != "dpm++":
            check_even_grid(self.sampler, self.num_inference_steps)
        for name in ("guidance_scale", "double_guidance_scale"):
            scale = getattr(self, name)
            if not (math.isfinite(scale) and scale >= 0):
                raise ValueError(f"{name} must be 0 or more, got {scale}")
        if self.compat not in (None, *get_args(Compat)):
            raise ValueError(f"compat is None or 'diff-foley', got {self.compat!r}")
        if self.double_guidance_scale:
            self._check_double_guidance()

    def options(self) -> SamplingOptions:
        """Keyword arguments of these settings, without those that a subclass adds."""
        values = {field.name: getattr(self, field.name) for field in fields(SamplingSettings)}
        return cast(SamplingOptions, values)

    @property
    def num_denoiser_calls(self) -> int:
        """Denoiser calls per window: PLMS makes one more at its first step."""
        return self.num_inference_steps + (self.sampler == "plms")

    def _check_double_guidance(self) -> None:
        if self.sampler == "plms":
            raise ValueError(
                "sampler 'plms' takes no double guidance (Diff-Foley silently drops both guidances there); "
                "use 'dpm++' or 'ddim'"
            )
        if self.compat and self.sampler == "dpm++" and self.guidance_scale == 1:
            raise ValueError(
                "Diff-Foley's DPM-Solver drops the classifier at guidance_scale 1, so there is nothing to "
                "repeat; omit compat to use double guidance alone, or choose another guidance_scale"
            )


def sampling_settings(**options: Unpack[SamplingOptions]) -> SamplingSettings:
    """Settings from keyword arguments.

    Raises:
        ValueError: As :class:`SamplingSettings`.
        TypeError: If a name is unknown; lists the known ones.
    """
    unknown = sorted(options.keys() - SamplingOptions.__annotations__.keys())
    if unknown:
        raise TypeError(
            f"unknown arguments: {', '.join(unknown)}. The sampling options are "
            f"{', '.join(SamplingOptions.__annotations__)}."
        )
    return SamplingSettings(**options)


def check_even_grid(sampler: Sampler, num_inference_steps: int, num_train_timesteps: int = 1000) -> None:
    """Refuse a number S for which Diff-Foley's grid, ``range(0, 1000, 1000 // S) + 1``, has not S steps.

    The reference makes 8 steps when asked for 7, fails beyond 500, and with one step starts at time 1, which
    treats noise as an almost finished sound.

    Raises:
        ValueError: Names the nearest valid numbers.
    """
    good = [n for n in range(2, num_train_timesteps // 2 + 1) if num_train_timesteps % n == 0]
    if num_inference_steps in good:
        return
    below = [n for n in good if n < num_inference_steps][-1:]
    above = [n for n in good if n > num_inference_steps][:1]
    raise ValueError(
        f"sampler {sampler!r} makes equal whole steps: their number must divide {num_train_timesteps} and "
        f"lie in [2, {num_train_timesteps // 2}], got {num_inference_steps}; "
        f"use {' or '.join(str(n) for n in below + above)}, or sampler 'dpm++'"
    )
