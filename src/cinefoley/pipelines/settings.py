"""Sampling settings: sampler, steps and guidance, with checks of their combinations."""

import math
from dataclasses import dataclass, fields
from typing import Literal, TypedDict, cast, get_args

from cinefoley.config.foley import Quality
from cinefoley.spectral.magnitude import Compat

__all__ = ["Sampler", "SamplingOptions", "SamplingSettings", "check_even_grid"]

Sampler = Literal["dpm++", "unipc", "ddim", "plms"]
"""DPM-Solver++ (2M), UniPC (order 2), DDIM (eta 0), or PLMS."""


class SamplingOptions(TypedDict, total=False):
    """The fields of :class:`SamplingSettings` as keyword arguments."""

    quality: Quality
    num_inference_steps: int
    guidance_scale: float
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    adaptive_projected_guidance_eta: float
    adaptive_projected_guidance_rescale: float
    adaptive_projected_guidance_momentum: float
    sampler: Sampler
    use_karras_sigmas: bool
    cache_interval: int
    double_guidance_scale: float
    compat: Compat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How latents are sampled. A combination that would be ignored is an error.

    The defaults are the paper's: 25 steps of DPM-Solver++ at guidance 4.5.

    Source: Diff-Foley, ``inference/diff_foley_inference.ipynb``.
    """

    quality: Quality = "paper"
    """Preset that the settings began with; a label only, the numbers below decide."""
    num_inference_steps: int = 25
    """Denoiser calls per window; PLMS makes one more."""
    guidance_scale: float = 4.5
    """Classifier-free guidance ``w``; 1 turns it off."""
    guidance_rescale: float = 0.0
    """Share, in [0, 1], by which the guided prediction gets the standard deviation of the conditional one
    (Lin et al., WACV 2024); 0 turns it off."""
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """Part of the sampling that is guided: 0 is pure noise, 1 is the end (Kynkaanniemi et al., NeurIPS 2024).
    Outside it the unconditional half of the batch is not computed."""
    adaptive_projected_guidance_eta: float = 1.0
    """Share of the guidance parallel to the conditional prediction that is used (Sadat et al., ICLR 2025);
    1 uses all of it."""
    adaptive_projected_guidance_rescale: float = 0.0
    """Largest norm of a step's guidance, in units of the latents; 0 sets no limit."""
    adaptive_projected_guidance_momentum: float = 0.0
    """Momentum of the guidance over steps, negative in the paper of that method; 0 turns it off."""
    sampler: Sampler = "dpm++"
    """Numerical solver; DDIM and PLMS need a number of steps that divides the 1000 training steps."""
    use_karras_sigmas: bool = False
    """Whether the noise levels are spaced as by Karras et al. (NeurIPS 2022) instead of evenly in time."""
    cache_interval: int = 1
    """Steps between two full evaluations of the denoiser; in between its deep features are reused
    (Ma et al., DeepCache, CVPR 2024). 1 evaluates all of it at every step."""
    double_guidance_scale: float = 0.0
    """Strength of the guidance classifier (Diff-Foley's notebook: 50); 0 turns it off."""
    compat: Compat | None = None
    """``"diff-foley"`` repeats known errors of the reference, for comparisons; see ``FoleyPipeline``."""

    def __post_init__(self) -> None:
        for name, choices in (("quality", get_args(Quality)), ("sampler", get_args(Sampler))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("num_inference_steps", "cache_interval"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("guidance_scale", "adaptive_projected_guidance_rescale", "double_guidance_scale"):
            scale = getattr(self, name)
            if not (math.isfinite(scale) and scale >= 0):
                raise ValueError(f"{name} must be 0 or more, got {scale}")
        if self.compat not in (None, *get_args(Compat)):
            raise ValueError(f"compat must be None or 'diff-foley', got {self.compat!r}")
        self._check_grid()
        self._check_guidance()
        if self.double_guidance_scale:
            self._check_double_guidance()

    @property
    def is_projected(self) -> bool:
        """Whether adaptive projected guidance replaces plain classifier-free guidance."""
        return (
            self.adaptive_projected_guidance_eta,
            self.adaptive_projected_guidance_rescale,
            self.adaptive_projected_guidance_momentum,
        ) != (1, 0, 0)

    def options(self) -> SamplingOptions:
        """Keyword arguments of these settings, without those that a subclass adds."""
        values = {field.name: getattr(self, field.name) for field in fields(SamplingSettings)}
        return cast(SamplingOptions, values)

    @property
    def num_denoiser_calls(self) -> int:
        """Denoiser calls per window: PLMS makes one more at its first step."""
        return self.num_inference_steps + (self.sampler == "plms")

    def _check_grid(self) -> None:
        if self.sampler in ("ddim", "plms"):
            check_even_grid(self.sampler, self.num_inference_steps)
            if self.use_karras_sigmas:
                raise ValueError(
                    f"sampler {self.sampler!r} has a fixed time grid, so use_karras_sigmas would be ignored; "
                    "use sampler 'dpm++' or 'unipc'"
                )

    def _check_guidance(self) -> None:
        start, stop = self.guidance_interval
        if not 0 <= start < stop <= 1:
            raise ValueError(f"guidance_interval needs 0 <= start < stop <= 1, got {start:g} to {stop:g}")
        for name in ("guidance_rescale", "adaptive_projected_guidance_eta"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not -1 < self.adaptive_projected_guidance_momentum < 1:
            raise ValueError(
                "adaptive_projected_guidance_momentum must lie between -1 and 1, got "
                f"{self.adaptive_projected_guidance_momentum}"
            )
        if self.guidance_scale == 1:
            ignored = {
                "guidance_rescale": self.guidance_rescale != 0,
                "guidance_interval": (start, stop) != (0, 1),
                "adaptive_projected_guidance": self.is_projected,
            }
            names = [name for name, is_set in ignored.items() if is_set]
            if names:
                raise ValueError(
                    f"guidance_scale 1 turns guidance off, so {' and '.join(names)} would be ignored; "
                    "omit it, or choose another guidance_scale"
                )

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
