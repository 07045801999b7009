"""Train `lite`, the default model, from nothing on the Foley stage.

    python recipes/lite.py                     # every stage, resuming whatever is unfinished
    python recipes/lite.py --only ldm          # one stage

Stages: clips (rendered and cached), encoder, autoencoder, latents, ldm, assemble. All of them keep their
state under
``runs/lite``; stop and start at will. What was measured is printed by ``recipes/lite_figures.py``.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from cinefoley.config.model import ModelConfig
from cinefoley.config.presets import lite
from cinefoley.config.training import TrainConfig
from cinefoley.data.stage_clips import StageClips, prepare_stage_clips
from cinefoley.models.build import (
    build_autoencoder,
    build_conditioner,
    build_denoiser,
    build_scheduler,
    build_video_encoder,
)
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.autoencoder import AutoencoderTask
from cinefoley.training.engine import Task, fit
from cinefoley.training.ldm import LatentDiffusionTask
from cinefoley.training.video_encoder import VideoEncoderTask

CARD = """---
library_name: cinefoley
license: apache-2.0
tags: [video-to-audio, foley]
---
# lite

The default model of cinefoley: the parts of Diff-Foley, small, trained from nothing on the Foley stage. It
knows the stage, not the world: use it to try the software, to test, and to study; for real films import
Diff-Foley's weights.

Data: {clips} clips of the stage's `train` split (seeds 0 to {clips} - 1), rendered by this repository at
commit {commit}. Recipe: `make lite` (`recipes/lite.py`), every seed fixed. One CPU with two cores, bfloat16
arithmetic.

| stage | steps | batch | peak learning rate | seed | last loss | hours |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

The video encoder learned per-frame targets from the sound (coarse mel, events, kind); it has not been trained
contrastively. The denoiser predicts velocity; its cross-attention was guided to its own moment from step
2000 on (`docs/log.md`). The autoencoder and the denoiser saw mels of hop 250, so a window lasts 8.000 s.

<!-- figures -->
"""

TRAIN_CLIPS = 4096
ENCODER = TrainConfig(
    steps=1000,
    batch_size=16,
    learning_rate=1e-3,
    warmup_steps=50,
    weight_decay=0.02,
    seed=11,
    checkpoint_every=100,
)
AUTOENCODER = TrainConfig(
    steps=520,
    batch_size=16,
    learning_rate=2e-3,
    warmup_steps=40,
    weight_decay=0.0,
    betas=(0.9, 0.99),
    seed=12,
)
GUIDANCE_START = 2000  # steps; docs/log.md, 2026-11-23: without guided attention timing was not found
LDM = TrainConfig(
    steps=3600,
    batch_size=16,
    learning_rate=8e-4,
    schedule="trapezoid",
    warmup_steps=100,
    betas=(0.9, 0.99),
    ema_decay=0.999,
    seed=13,
    checkpoint_every=200,
)


def main() -> None:
    """Run the stages that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/lite"), help="where every stage keeps its state"
    )
    parser.add_argument("--only", choices=["clips", "encoder", "autoencoder", "latents", "ldm", "assemble"])
    parser.add_argument(
        "--out", type=Path, default=Path("src/cinefoley/assets/lite"), help="the model folder"
    )
    args = parser.parse_args()
    model = lite()
    stages = [args.only] if args.only else ["clips", "encoder", "autoencoder", "latents", "ldm", "assemble"]
    for stage in stages:
        if stage == "clips":
            _clips(model, args.runs)
        elif stage == "encoder":
            _train_encoder(model, args.runs)
        elif stage == "autoencoder":
            _train_autoencoder(model, args.runs)
        elif stage == "latents":
            _encode_all(model, args.runs)
        elif stage == "ldm":
            _train_ldm(model, args.runs)
        else:
            _assemble(model, args.runs, args.out)


def _clips(model: ModelConfig, runs: Path) -> StageClips:
    workers = os.cpu_count() or 1
    return prepare_stage_clips(
        TRAIN_CLIPS, split="train", config=model.foley, cache_dir=runs / "cache", workers=workers
    )


def _train_encoder(model: ModelConfig, runs: Path) -> None:
    torch.manual_seed(ENCODER.seed)  # initial weights only
    encoder = build_video_encoder(model.video_encoder)
    task = VideoEncoderTask(encoder, _clips(model, runs))
    _fit(task, ENCODER, runs / "encoder")
    encoder.save_pretrained(runs / "encoder" / "final")


def _train_autoencoder(model: ModelConfig, runs: Path) -> None:
    torch.manual_seed(AUTOENCODER.seed)
    autoencoder = build_autoencoder(model.autoencoder).to(memory_format=torch.channels_last)
    _fit(AutoencoderTask(autoencoder, _clips(model, runs).mels), AUTOENCODER, runs / "autoencoder")
    autoencoder.save_pretrained(runs / "autoencoder" / "final")


@torch.no_grad()
def _encode_all(model: ModelConfig, runs: Path) -> None:
    """Features of every clip, and the latents' posteriors at unit scale."""
    clips = _clips(model, runs)
    encoder = load_part(runs / "encoder" / "final", VideoEncoder)
    autoencoder = load_part(runs / "autoencoder" / "final", AutoencoderKL)
    features: list[Tensor] = []
    means: list[Tensor] = []
    stds: list[Tensor] = []
    for start in range(0, len(clips), 16):
        features.append(encoder(clips.frames[start : start + 16].float() / 255))
        pictures = clips.mels[start : start + 16].float()[:, None]
        posterior = autoencoder.encode(pictures.expand(-1, model.autoencoder.channels, -1, -1)).latent_dist
        means.append(posterior.mean)
        stds.append(posterior.std)
    scale = 1 / float(torch.cat(means).std())
    stored = {
        "features": torch.cat(features),
        "means": torch.cat(means) * scale,
        "stds": torch.cat(stds) * scale,
    }
    torch.save(stored | {"scale": torch.tensor(scale)}, runs / "latents.pt")
    print(
        f"latents: scale {scale:.4f}, mean {float(stored['means'].mean()):.3f}, "
        f"noise {float(stored['stds'].mean()):.3f}"
    )


def _train_ldm(model: ModelConfig, runs: Path) -> None:
    stored = torch.load(runs / "latents.pt", weights_only=True)
    torch.manual_seed(LDM.seed)
    denoiser = build_denoiser(model.denoiser).to(memory_format=torch.channels_last)
    conditioner = build_conditioner(model)
    # features have unit norm over 512 numbers; this brings the context to unit variance from the start
    nn.init.normal_(conditioner.projection.weight, std=1.0)
    task = LatentDiffusionTask(
        denoiser,
        conditioner,
        build_scheduler(model.denoiser),
        means=stored["means"],
        stds=stored["stds"],
        video_features=stored["features"],
        null_condition=model.foley.null_condition,
        guidance_weight=0.2,
        guidance_start=GUIDANCE_START,
    )
    _fit(task, LDM, runs / "ldm")
    denoiser.save_pretrained(runs / "ldm" / "unet")
    conditioner.save_pretrained(runs / "ldm" / "conditioner")


def _assemble(model: ModelConfig, runs: Path, out: Path) -> None:
    """Write the model folder, half precision, and its card."""
    half = torch.float16
    autoencoder = load_part(runs / "autoencoder" / "final", AutoencoderKL, dtype=half)
    scale = float(torch.load(runs / "latents.pt", weights_only=True)["scale"])
    autoencoder.register_to_config(scaling_factor=round(scale, 5))
    pipeline = FoleyPipeline(
        video_encoder=load_part(runs / "encoder" / "final", VideoEncoder, dtype=half),
        conditioner=load_part(runs / "ldm" / "conditioner", Conditioner, dtype=half),
        unet=load_part(runs / "ldm" / "unet", UNet2DConditionModel, dtype=half),
        vae=autoencoder,
        scheduler=build_scheduler(model.denoiser),
        foley_config=model.foley,
    )
    pipeline.save_pretrained(out)
    (out / "README.md").write_text(_card(runs))
    for part in sorted(out.rglob("*.safetensors")):
        print(f"{part.relative_to(out)}: {part.stat().st_size / 2**20:.2f} MiB")


def _card(runs: Path) -> str:
    rows = []
    for name, config in (("encoder", ENCODER), ("autoencoder", AUTOENCODER), ("ldm", LDM)):
        last = json.loads((runs / name / "log.jsonl").read_text().splitlines()[-1])
        rows.append(
            f"| {name} | {last['step']} | {config.batch_size} | {config.learning_rate:g} | {config.seed} "
            f"| {last['loss']:.4f} | {last['elapsed_s'] / 3600:.2f} |"
        )
    return CARD.format(clips=TRAIN_CLIPS, rows="\n".join(rows), commit=_commit())


def _commit() -> str:
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def _fit(task: Task, config: TrainConfig, run_dir: Path) -> None:
    fit(task, config, run_dir, on_log=lambda line: print(run_dir.name, json.dumps(line), flush=True))


if __name__ == "__main__":
    main()
