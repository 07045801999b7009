"""Train `lite`, the default model, from nothing on the Foley stage.

    python recipes/lite.py                     # every stage, resuming whatever is unfinished
    python recipes/lite.py --only ldm          # one stage
    python recipes/lite.py --from latents      # this stage and those after it

Stages: clips (rendered and cached), encoder, autoencoder, latents, ldm, assemble. All checkpoints are under
``runs/lite``, and every stage resumes. ``recipes/lite_figures.py`` measures the model.
"""

import argparse
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cinefoley.config.presets import lite_training
from cinefoley.config.training import TrainConfig
from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips, prepare_stage_clips, prepare_stage_mels
from cinefoley.metrics.backbones.lite import LiteNet
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.build import (
    build_audio_encoder,
    build_autoencoder,
    build_conditioner,
    build_denoiser,
    build_scheduler,
    build_video_encoder,
)
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage import StageVersion, stage_digest
from cinefoley.training.engine.loop import fit
from cinefoley.training.engine.task import Task
from cinefoley.training.tasks.alignment import AlignmentTask
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs, longer_window, make_pairs
from cinefoley.training.tasks.audio_classifier import AudioClassifierTask
from cinefoley.training.tasks.autoencoder import AutoencoderTask
from cinefoley.training.tasks.cavp import CavpTask
from cinefoley.training.tasks.cavp_warm_start import WarmStartTask
from cinefoley.training.tasks.frame_targets import FrameTargetHeads
from cinefoley.training.tasks.ldm import LatentDiffusionTask
from cinefoley.training.tasks.stage_log_mels import prepare_log_mels

CARD = """---
library_name: cinefoley
license: apache-2.0
tags: [video-to-audio, foley]
---
# lite

The default model of cinefoley: the parts of Diff-Foley, small, trained from nothing on the Foley stage. It
knows only the stage. Use it to try the software, to test, and to study; for real videos import Diff-Foley's
weights.

Data: {clips} clips of the stage's `train` split (seeds 0 to {clips} - 1; stage digest `{stage}`), rendered by
this repository at commit {commit}; {pairs} longer ones for the alignment classifier. Recipe: `make lite`
(`recipes/lite.py`), every seed fixed. One CPU with two cores, bfloat16, {hours:.1f} hours.

| stage | steps | batch | peak learning rate | seed | last loss | hours |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

Both encoders of CAVP (`video_encoder/`, `audio_encoder/`) were first trained on per-frame targets from the
sound (coarse mel, events, kind), then with a contrastive loss between clips and between three windows of a
clip, compared frame by frame. The denoiser predicts velocity; half of its heads were guided to their own time
from the first step (`docs/log.md`). Autoencoder and denoiser were trained on mels of hop 250, so a window
lasts 8.000 s. The alignment classifier (`alignment/`) was trained on pairs: 50 % aligned, 25 % shifted by
0.5 s or more, 25 % of another clip; half of the latter two contain a stretch of the clip's own sound, and
count as aligned if it is the longer part. It adds each frame's feature to its own columns of the latents,
which Diff-Foley's does not.

{curves}

<!-- figures -->
"""

PRESET = lite_training()
# 12 frames a second with their residual motion: four are 250 ms apart (recipes/motion_inputs.py)
MODEL = replace(
    PRESET.model,
    foley=replace(
        PRESET.model.foley, video_fps=12.0, video_frames=96, frames_per_feature=3, frame_choice="nearest"
    ),
    video_encoder=replace(PRESET.model.video_encoder, frames_per_feature=3, has_motion=True),
)
STAGE: StageVersion = "filmed"  # what it is trained on
TRAIN_CLIPS = 6144
PAIR_CLIPS = 2048
assert PRESET.cavp.warm_start is not None
ENCODER = PRESET.cavp.warm_start.train_config(TRAIN_CLIPS)
CAVP = PRESET.cavp.schedule.train_config(TRAIN_CLIPS)
AUTOENCODER = PRESET.autoencoder.schedule.train_config(TRAIN_CLIPS)
LDM = PRESET.ldm.schedule.train_config(TRAIN_CLIPS)
ALIGNMENT = PRESET.alignment.schedule.train_config(PAIR_CLIPS)
AUDIO_CLASSIFIER = TrainConfig(
    steps=800,
    batch_size=32,
    learning_rate=2e-3,
    warmup_steps=50,
    seed=16,
    checkpoint_every=200,
)
TRAINED = {
    "encoder": ENCODER,
    "cavp": CAVP,
    "autoencoder": AUTOENCODER,
    "audio_classifier": AUDIO_CLASSIFIER,
    "alignment": ALIGNMENT,
    "ldm": LDM,
}
"""The rows of the card."""
AUDIO_CHANNELS = (24, 48, 96, 160, 256)


def main() -> None:
    """Run the selected stage, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/lite"), help="Folder of the checkpoints of every stage."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("src/cinefoley/assets/lite"), help="Model folder to write."
    )
    stages: dict[str, Callable[[Path], object]] = {
        "clips": _clips,
        "encoder": _warm_start,
        "cavp": _train_cavp,
        "autoencoder": _train_autoencoder,
        "audio_classifier": _train_audio_classifier,
        "latents": _encode_all,
        "pairs": _make_pairs,
        "alignment": _train_alignment,
        "ldm": _train_ldm,
        "assemble": lambda runs: _assemble(runs, args.out),
    }
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", choices=stages)
    which.add_argument("--from", choices=stages, default="clips", dest="first")
    args = parser.parse_args()
    names = list(stages)
    for stage in [args.only] if args.only else names[names.index(args.first) :]:
        stages[stage](args.runs)


def _clips(runs: Path) -> StageClips:
    workers = os.cpu_count() or 1
    return prepare_stage_clips(
        TRAIN_CLIPS,
        split="train",
        config=MODEL.foley,
        cache_dir=runs / "cache",
        workers=workers,
        version=STAGE,
    )


def _warm_start(runs: Path) -> None:
    torch.manual_seed(ENCODER.seed)  # initial weights only
    encoder = build_video_encoder(MODEL.video_encoder)
    assert MODEL.audio_encoder is not None
    audio_encoder = build_audio_encoder(MODEL.audio_encoder)
    task = WarmStartTask(
        encoder, _clips(runs), audio_encoder=audio_encoder, kinds_from=PRESET.cavp.kinds_from
    )
    _fit(task, ENCODER, runs / "encoder")
    encoder.save_pretrained(runs / "encoder" / "final")
    audio_encoder.save_pretrained(runs / "encoder" / "audio")
    save_file(task.heads.state_dict(), runs / "encoder" / "heads.safetensors")


def _train_cavp(runs: Path) -> None:
    encoder = load_part(runs / "encoder" / "final", VideoEncoder)
    audio_encoder = load_part(runs / "encoder" / "audio", AudioEncoder)
    heads = FrameTargetHeads(MODEL.video_encoder.feature_dim, len(KIND_NAMES))
    heads.load_state_dict(load_file(runs / "encoder" / "heads.safetensors"))
    for part in (encoder, audio_encoder):
        part.requires_grad_(True)
    task = CavpTask(encoder, audio_encoder, _clips(runs), pooling=PRESET.cavp.pooling, heads=heads)
    _fit(task, CAVP, runs / "cavp")
    encoder.save_pretrained(runs / "cavp" / "final")
    audio_encoder.save_pretrained(runs / "cavp" / "audio")


def _train_autoencoder(runs: Path) -> None:
    torch.manual_seed(AUTOENCODER.seed)
    autoencoder = build_autoencoder(MODEL.autoencoder).to(memory_format=torch.channels_last)
    recipe = PRESET.autoencoder
    mels = prepare_stage_mels(
        TRAIN_CLIPS,
        split="train",
        config=MODEL.foley,
        cache_dir=runs / "cache",
        workers=os.cpu_count() or 1,
        version=STAGE,
    )
    task = AutoencoderTask(
        autoencoder,
        mels,
        crop_frames=recipe.crop_frames,
        kl_weight=recipe.kl_weight,
        choices=recipe.choices,
        audible_weight=recipe.audible_weight,
        slope_weight=recipe.slope_weight,
    )
    _fit(task, AUTOENCODER, runs / "autoencoder")
    autoencoder.save_pretrained(runs / "autoencoder" / "final")


@torch.no_grad()
def _encode_all(runs: Path) -> None:
    """Features of every clip, and the latents' posteriors at unit scale."""
    clips = _clips(runs)
    encoder = load_part(runs / "cavp" / "final", VideoEncoder)
    autoencoder = load_part(runs / "autoencoder" / "final", AutoencoderKL)
    features: list[Tensor] = []
    means: list[Tensor] = []
    stds: list[Tensor] = []
    for start in range(0, len(clips), 16):
        features.append(encoder(clips.frames[start : start + 16].float() / 255))
        images = clips.mels[start : start + 16].float()[:, None]
        posterior = autoencoder.encode(images.expand(-1, MODEL.autoencoder.channels, -1, -1)).latent_dist
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


def _train_audio_classifier(runs: Path) -> None:
    sounds = prepare_log_mels(
        TRAIN_CLIPS, split="train", cache_dir=runs / "cache", workers=os.cpu_count() or 1, version=STAGE
    )
    torch.manual_seed(AUDIO_CLASSIFIER.seed)
    network = LiteNet(len(KIND_NAMES), AUDIO_CHANNELS).to(memory_format=torch.channels_last)
    task = AudioClassifierTask(network, sounds.log_mels, sounds.kinds, sounds.is_heard)
    _fit(task, AUDIO_CLASSIFIER, runs / "audio_classifier")
    # channels last is for speed here; files hold the usual layout
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, runs / "audio_classifier" / "model.safetensors")


def _make_pairs(runs: Path) -> None:
    clips = prepare_stage_clips(
        PAIR_CLIPS,
        split="train",
        config=longer_window(MODEL.foley),
        cache_dir=runs / "cache",
        workers=os.cpu_count() or 1,
        version=STAGE,
    )
    pairs = make_pairs(
        clips,
        MODEL.foley,
        load_part(runs / "cavp" / "final", VideoEncoder),
        load_part(runs / "autoencoder" / "final", AutoencoderKL),
        seed=ALIGNMENT.seed,
        scale=float(torch.load(runs / "latents.pt", weights_only=True)["scale"]),
    )
    torch.save(asdict(pairs), runs / "pairs.pt")
    share = float(pairs.is_negative[:, 1:].float().mean())
    print(f"pairs: {PAIR_CLIPS} clips, {share:.1%} of the shifts are negatives")


def _train_alignment(runs: Path) -> None:
    pairs = AlignmentPairs(**torch.load(runs / "pairs.pt", weights_only=True))
    torch.manual_seed(ALIGNMENT.seed)
    recipe = PRESET.alignment
    classifier = AlignmentClassifier(
        block_out_channels=recipe.block_out_channels,
        num_heads=recipe.num_heads,
        norm_num_groups=recipe.norm_num_groups,
        adds_frames=recipe.adds_frames,
    ).to(memory_format=torch.channels_last)
    task = AlignmentTask(classifier, pairs, feature_noise=recipe.feature_noise, splices=recipe.splices)
    _fit(task, ALIGNMENT, runs / "alignment")
    classifier.save_pretrained(runs / "alignment" / "final")


def _train_ldm(runs: Path) -> None:
    stored = torch.load(runs / "latents.pt", weights_only=True)
    torch.manual_seed(LDM.seed)
    denoiser = build_denoiser(MODEL.denoiser).to(memory_format=torch.channels_last)
    conditioner = build_conditioner(MODEL)
    # features have unit norm over 512 numbers; this brings the context to unit variance from the start
    assert PRESET.ldm.conditioner_std is not None
    nn.init.normal_(conditioner.projection.weight, std=PRESET.ldm.conditioner_std)
    task = LatentDiffusionTask(
        denoiser,
        conditioner,
        build_scheduler(MODEL.denoiser),
        means=stored["means"],
        stds=stored["stds"],
        video_features=stored["features"],
        null_condition=MODEL.foley.null_condition,
        guidance_weight=PRESET.ldm.guidance_weight,
    )
    _fit(task, LDM, runs / "ldm")
    denoiser.save_pretrained(runs / "ldm" / "unet")
    conditioner.save_pretrained(runs / "ldm" / "conditioner")


def _assemble(runs: Path, out: Path) -> None:
    """Write the model folder, half precision, and its card."""
    half = torch.float16
    autoencoder = load_part(runs / "autoencoder" / "final", AutoencoderKL, dtype=half)
    scale = float(torch.load(runs / "latents.pt", weights_only=True)["scale"])
    autoencoder.register_to_config(scaling_factor=round(scale, 5))
    pipeline = FoleyPipeline(
        video_encoder=load_part(runs / "cavp" / "final", VideoEncoder, dtype=half),
        conditioner=load_part(runs / "ldm" / "conditioner", Conditioner, dtype=half),
        unet=load_part(runs / "ldm" / "unet", UNet2DConditionModel, dtype=half),
        vae=autoencoder,
        scheduler=build_scheduler(MODEL.denoiser),
        foley_config=MODEL.foley,
    )
    shutil.rmtree(out, ignore_errors=True)
    pipeline.save_pretrained(out)
    load_part(runs / "cavp" / "audio", AudioEncoder, dtype=half).save_pretrained(out / "audio_encoder")
    classifier = load_part(runs / "alignment" / "final", AlignmentClassifier, dtype=half)
    classifier.save_pretrained(out / "alignment")
    (out / "README.md").write_text(_card(runs))
    _save_audio_classifier(runs, out.parent / "lite_backbone")
    for part in [*sorted(out.rglob("*.safetensors")), out.parent / "lite_backbone" / "model.safetensors"]:
        print(f"{part.relative_to(out.parent)}: {part.stat().st_size / 2**20:.2f} MiB")


def _save_audio_classifier(runs: Path, folder: Path) -> None:
    """Write the weights of the ``lite`` backbone: its classes, its channels and half precision numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"classes": KIND_NAMES, "channels": AUDIO_CHANNELS}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = load_file(runs / "audio_classifier" / "model.safetensors")
    halved = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(halved, folder / "model.safetensors")


def _card(runs: Path) -> str:
    rows, seconds = [], 0.0
    curves = ["| loss at | 10 % | 25 % | 50 % | 75 % | 100 % |", "| --- | --- | --- | --- | --- | --- |"]
    for name, config in TRAINED.items():
        log = [json.loads(line) for line in (runs / name / "log.jsonl").read_text().splitlines()]
        last = log[-1]
        seconds += last["elapsed_s"]
        points = [log[max(0, round(share * len(log)) - 1)]["loss"] for share in (0.1, 0.25, 0.5, 0.75, 1)]
        curves.append(f"| {name} | " + " | ".join(f"{loss:.4f}" for loss in points) + " |")
        rows.append(
            f"| {name} | {last['step']} | {config.batch_size} | {config.learning_rate:g} | {config.seed} "
            f"| {last['loss']:.4f} | {last['elapsed_s'] / 3600:.2f} |"
        )
    return CARD.format(
        clips=TRAIN_CLIPS,
        pairs=PAIR_CLIPS,
        stage=stage_digest(STAGE)[:12],
        commit=_commit(),
        rows="\n".join(rows),
        hours=seconds / 3600,
        curves="\n".join(curves),
    )


def _commit() -> str:
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def _fit(task: Task, config: TrainConfig, run_dir: Path) -> None:
    fit(task, config, run_dir, on_log=lambda line: print(run_dir.name, json.dumps(line), flush=True))


if __name__ == "__main__":
    main()
