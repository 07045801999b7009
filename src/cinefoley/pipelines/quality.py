"""Quality presets: the paper's sampling, and faster settings (``paper``, ``balanced``, ``draft``)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Unpack, get_args

from cinefoley.config.foley import Quality
from cinefoley.pipelines.settings import SamplingOptions, SamplingSettings

__all__ = ["QUALITIES", "sampling_settings"]

QUALITIES: Mapping[Quality, SamplingSettings] = MappingProxyType(
    {
        "paper": SamplingSettings(),
        # guidance decides when something sounds in the first steps; later it mostly makes it louder
        "balanced": SamplingSettings(quality="balanced", num_inference_steps=8, guidance_interval=(0.0, 0.4)),
        "draft": SamplingSettings(
            quality="draft", num_inference_steps=5, guidance_interval=(0.0, 0.4), sampler="unipc"
        ),
    }
)
"""Settings of each preset; ``docs/quality.md`` has what they were measured to give and cost."""


def sampling_settings(default: Quality = "paper", **options: Unpack[SamplingOptions]) -> SamplingSettings:
    """Settings from keyword arguments: a preset, and what replaces its values.

    Args:
        default: Preset if ``quality`` is not given.
        options: Fields of :class:`SamplingSettings`.

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
    quality = options.pop("quality", default)
    if quality not in QUALITIES:
        raise ValueError(f"quality must be one of {', '.join(get_args(Quality))}, got {quality!r}")
    return replace(QUALITIES[quality], **options)
