"""Convert Diff-Foley's tensors to the names of this package and of diffusers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor, nn

from cinefoley.config.model import ModelConfig
from cinefoley.errors import CheckpointMismatchError
from cinefoley.models import build
from cinefoley.models.classifier import AlignmentClassifier

__all__ = ["Part", "convert_cavp", "convert_classifier", "convert_ldm"]

_VAE_PREFIX = "first_stage_model."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One folder of a model folder, before it is written."""

    name: str
    """Name of the folder."""
    module: Any
    """Network without weights, on torch's meta device, with its configuration."""
    tensors: dict[str, Tensor]
    """State dict: views into the checkpoint."""
    source: Path
    """The checkpoint."""


def convert_cavp(tensors: Mapping[str, Tensor], config: ModelConfig, source: Path) -> list[Part]:
    """Convert the video encoder, and the spectrogram encoder with the temperature of contrastive training.

    Raises:
        ValueError: If the configuration has no spectrogram encoder.
        CheckpointMismatchError: If a shape differs from the configuration's. All functions here raise it.
    """
    audio = config.audio_encoder
    if audio is None:
        raise ValueError("CAVP has a spectrogram encoder, but the configuration's audio_encoder is None")
    video_state = _rename(tensors, {"video_encoder.": "backbone.", "video_project_head.": "projection."})
    prefixes = {"bn.": "norm.", "fc1.": "hidden.", "final_project.": "projection."}
    prefixes |= {f"conv_block{number}.": f"blocks.{number - 1}." for number in range(1, 7)}
    audio_state = _rename(tensors, {f"spec_encoder.{old}": new for old, new in prefixes.items()})
    audio_state |= _rename(tensors, {"logit_scale": "logit_scale"})
    return [
        _part("video_encoder", lambda: build.build_video_encoder(config.video_encoder), video_state, source),
        _part("audio_encoder", lambda: build.build_audio_encoder(audio), audio_state, source),
    ]


def convert_ldm(tensors: Mapping[str, Tensor], config: ModelConfig, source: Path) -> list[Part]:
    """Convert denoiser, autoencoder and conditioner; the first two with diffusers' converters."""
    with torch.device("meta"):
        unet = build.build_denoiser(config.denoiser)
    unet_state = convert_ldm_unet_checkpoint(dict(tensors), dict(unet.config))
    conditioner = _rename(
        tensors, {"cond_stage_model.embedder.0.": "projection.", "cond_stage_model.pos_emb.": "positions."}
    )
    return [
        _checked(Part(name="unet", module=unet, tensors=unet_state, source=source)),
        _convert_vae("vae", tensors, config, source),
        _part("conditioner", lambda: build.build_conditioner(config), conditioner, source),
    ]


def convert_classifier(
    name: str, tensors: Mapping[str, Tensor], config: ModelConfig, source: Path
) -> list[Part]:
    """Convert a classifier, and the autoencoder if its file contains one, as the alignment classifier's does.

    Args:
        name: ``"alignment"`` or ``"guidance_classifier"``; the autoencoder's part is called ``NAME_vae``.
        tensors: The tensors of the file.
        config: Configuration with the widths of latents and features.
        source: Path of the checkpoint, for messages.
    """
    state = _rename(tensors, {"cond_model.embedder.0.": "conditioner.projection."})
    state |= _rename(tensors, {"cond_model.pos_emb.": "conditioner.positions."})
    state |= {
        _backbone_key(key.removeprefix("model.")): value
        for key, value in tensors.items()
        if key.startswith("model.")
    }

    def build_classifier() -> AlignmentClassifier:
        return AlignmentClassifier(
            latent_channels=config.denoiser.latent_channels,
            feature_dim=config.video_encoder.feature_dim,
            max_frames=config.max_frames,
        )

    parts = [_part(name, build_classifier, state, source)]
    if any(key.startswith(_VAE_PREFIX) for key in tensors):
        parts.append(_convert_vae(f"{name}_vae", tensors, config, source))
    return parts


def _convert_vae(name: str, tensors: Mapping[str, Tensor], config: ModelConfig, source: Path) -> Part:
    with torch.device("meta"):
        vae = build.build_autoencoder(config.autoencoder)
    ours = {key: value for key, value in tensors.items() if key.startswith(_VAE_PREFIX)}
    state = convert_ldm_vae_checkpoint(ours, dict(vae.config))
    return _checked(Part(name=name, module=vae, tensors=state, source=source))


def _rename(tensors: Mapping[str, Tensor], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Select the keys that begin with one of ``prefixes``, and replace the old prefix by the new one."""
    return {
        new + key.removeprefix(old): value
        for old, new in prefixes.items()
        for key, value in tensors.items()
        if key.startswith(old)
    }


_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
    "out.0": "norm_out",
    "out.2": "conv_out",
    "classifier": "classifier",
}


def _backbone_key(key: str) -> str:
    """Convert a key of the classifier's backbone to the name in this package.

    Input blocks alternate between a residual block (with attention from the second level) and a downsampler.
    """
    if key.startswith("input_blocks.") and not key.startswith("input_blocks.0."):
        _, block, branch, rest = key.split(".", 3)
        level, is_downsampler = divmod(int(block) - 1, 2)
        place = "downsamplers.0.conv" if is_downsampler else ("resnets.0", "attentions.0")[int(branch)]
        head, rest = f"down_blocks.{level}.{place}", rest.removeprefix("op.")
    else:
        old = next((old for old in _ENDS if key.startswith(old + ".")), "")
        head, rest = _ENDS.get(old, old), key.removeprefix(old + ".")
    if "resnets" in head:
        inner = next((inner for inner in _RESNET if rest.startswith(inner + ".")), "")
        rest = _RESNET.get(inner, inner) + rest.removeprefix(inner)
    return f"{head}.{rest}"


def _part(name: str, build_module: Callable[[], nn.Module], state: dict[str, Tensor], source: Path) -> Part:
    with torch.device("meta"):
        module = build_module()
    return _checked(Part(name=name, module=module, tensors=state, source=source))


def _checked(part: Part) -> Part:
    expected = part.module.state_dict()
    for key, value in expected.items():
        found = part.tensors.get(key)
        if found is None or found.shape != value.shape:
            shape = "is missing" if found is None else f"has shape {tuple(found.shape)}"
            raise CheckpointMismatchError(
                f"{part.source}: {part.name} {key!r} {shape}, expected {tuple(value.shape)}. "
                "Is this one of Diff-Foley's public files?"
            )
    unexpected = [key for key in part.tensors if key not in expected]
    if unexpected:
        raise CheckpointMismatchError(
            f"{part.source}: {len(unexpected)} unexpected keys for {part.name}, first {unexpected[0]!r}."
        )
    return part
