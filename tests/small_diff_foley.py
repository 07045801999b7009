"""Small checkpoints with the names and the nesting of Diff-Foley's public files."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from cinefoley.config.model import ModelConfig

__all__ = ["draw_state", "make_config", "save_checkpoint"]

_MANIFESTS = Path(__file__).parent / "parity" / "manifests"
_FILES = {
    "cavp": "cavp",
    "ldm": "ldm",
    "guidance_classifier": "double_guidance_classifier",
    "alignment": "eval_classifier",
}


def make_config() -> "ModelConfig":
    """Diff-Foley's depths at a small fraction of its widths."""
    from cinefoley.config.presets import diff_foley

    full = diff_foley()
    assert full.audio_encoder is not None
    return replace(
        full,
        audio_encoder=replace(full.audio_encoder, channels=(4, 8, 16, 32, 64, 128), feature_dim=16),
        video_encoder=replace(full.video_encoder, width=4, feature_dim=16),
        denoiser=replace(full.denoiser, block_out_channels=(32, 64, 128, 128), context_dim=24),
        autoencoder=replace(full.autoencoder, block_out_channels=(32, 64, 128, 128)),
    )


def draw_state(kind: str) -> dict[str, "torch.Tensor"]:
    """Draw the state dict of one public file in the widths of :func:`make_config`."""
    import torch

    manifest = json.loads((_MANIFESTS / f"{_FILES[kind]}.json").read_text())
    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, (shape, dtype) in manifest.items():
        small = [_shrink(key, size) for size in shape]
        numbers = torch.randn(small, generator=generator) / max(1, math.prod(small[1:])) ** 0.5
        if key.endswith("running_var") or (key.endswith("weight") and len(small) == 1):
            numbers = 1 + 0.1 * numbers.tanh()
        state[key] = numbers.to(getattr(torch, dtype))
    return state


def save_checkpoint(kind: str, path: Path) -> None:
    """Write a file as Lightning writes it."""
    import torch

    torch.save({"epoch": 3, "state_dict": draw_state(kind), "optimizer_states": [{}]}, path)


def _shrink(key: str, size: int) -> int:
    if key.startswith("model.diffusion_model."):
        return 24 if size == 768 else size // 10 if size % 320 == 0 else size
    if key.startswith("first_stage_model."):
        return size // 4 if size >= 128 else size
    if key.startswith("cond_stage_model."):
        return {512: 16, 768: 24}.get(size, size)
    if key.startswith("cond_model.") or ("attn2.to_k" in key or "attn2.to_v" in key):
        return {512: 16}.get(size, size)
    if key.startswith("spec_encoder.bn."):
        return size
    if key.startswith(("video_project_head.", "spec_encoder.final_project.")):
        return {512: 16, 2048: 128}.get(size, size)
    if key.startswith(("video_encoder.", "spec_encoder.")):
        return size // 16 if size >= 64 else size
    return size
