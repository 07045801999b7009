"""Control by example, by kind and by avoidance on stage clips: is the kind heard, and are the onsets kept?

Every clip has one source with onsets, and an example of another such kind. ``heard`` is the share of takes in
which the lite audio classifier hears the kind that was asked for, ``own`` the kind that the video shows, F1
that of onsets against the clip's events, within 100 ms. Intervals of 95 % over clips; F1 also as difference
from ``none``, paired. Rows:

- ``shift``: the mean over time of the video features is replaced (what ``--like`` does); ``shift, no kinds``:
  without the model's ``kinds/``, as other models do it.
- ``kind``: the same with the kind's mean (``--kind``).
- ``project``: what varies between kinds is replaced in every frame, what else varies inside clips is kept:
  the features' part in the span of the kinds' means gives way to the example's.
- ``similarity``: guidance by the gradient of the cosine between the example's embedding and that of the
  decoded estimate of the sound, at every step.
- ``unlike``: guidance away from an example of the own kind (``--unlike``); ``heard`` is then the own kind.

Run: python benchmarks/pipelines/control.py [--split valid] [--clips 16] [--first 0] [--quality draft]
     [--rows none shift ...] [--model lite] [--json FILE]
"""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cinefoley.evaluation.stage.take_metrics import stage_frames
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.onsets import detect_onsets, match_onsets
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.folder import load_part
from cinefoley.models.kinds import Kinds
from cinefoley.pipelines import control
from cinefoley.pipelines.allocator import keep_freed_memory
from cinefoley.pipelines.denoiser import Denoise
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.pipelines.schedulers import Scheduler, noise_level
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import StageTake, draw_take
from cinefoley.stage.kinds import KINDS

ROWS = ("none", "shift", "shift, no kinds", "kind", "project", "similarity", "unlike")
EXAMPLE_SEED = 1_000_000  # examples are clips of seeds that no benchmark reaches
SIMILARITY_SCALE = 0.3  # norm of the guidance, of that of the prediction


@dataclass(frozen=True)
class Case:
    """A clip, and an example of another kind."""

    clip: StageTake
    kind: str
    example: Tensor
    own_example: Tensor


def main() -> None:
    """Print one row per way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", default="valid", choices=("valid", "test"))
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--quality", default="draft", choices=("paper", "balanced", "draft"))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    keep_freed_memory()
    folder = resolve_model(args.model)
    bench = Bench(folder, args.quality)
    cases = draw_cases(args.split, args.clips, args.first, bench)
    tables: dict[str, NDArray[np.float64]] = {}
    for name in args.rows:
        batches = [cases[i : i + args.batch] for i in range(0, len(cases), args.batch)]
        tables[name] = np.concatenate([bench.judge(batch, bench.row(name, batch), name) for batch in batches])
        report_row(name, tables[name], tables.get("none"))
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}; {args.model}, "
        f"{args.quality}, {args.split}, {len(cases)} clips from seed {args.first}"
    )
    if args.json:
        args.json.write_text(json.dumps({name: table.tolist() for name, table in tables.items()}))


class Bench:
    """The model, and its ways to follow an example."""

    def __init__(self, folder: Path, quality: str) -> None:
        self.folder = folder
        self.pipeline = FoleyPipeline.from_pretrained(folder)
        self.encoder = load_part(folder / "audio_encoder", AudioEncoder).eval()
        self.kinds = Kinds.load(folder)
        self.backbone = LiteBackbone()
        self.quality = quality

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self.pipeline.foley_config.mel.sample_rate

    def row(self, name: str, cases: list[Case]) -> Tensor:
        """Sounds ``(B, N)`` of a way."""
        features = self.encode(cases)
        options: dict[str, Any] = {}
        if name == "shift":
            features = self.shifted(features, cases, self.kinds)
        elif name == "shift, no kinds":
            features = self.shifted(features, cases, None)
        elif name == "kind":
            means = [control.kind_mean(self.folder, self.kinds, case.kind) for case in cases]
            features = control.shift_mean(features, torch.stack(means))
        elif name == "project":
            features = self.projected(features, cases)
        elif name == "similarity":
            options["wrap_denoiser"] = self.similarity([case.example for case in cases])
        elif name == "unlike":
            avoided = [self.mean_of(case.own_example, self.kinds) for case in cases]
            options["negative_features"] = F.normalize(torch.stack(avoided), dim=-1)[:, None].expand_as(
                features
            )
        noise = torch.cat(
            [draw_noise((1, *self.pipeline.latent_shape), seed=c.clip.seed, take=0, window=0) for c in cases]
        )
        latents = self.pipeline.sample(features, latents=noise, quality=self.quality, **options)
        return self.pipeline.vocode(self.pipeline.decode(latents))

    def encode(self, cases: list[Case]) -> Tensor:
        """Video features ``(B, T, D)``."""
        return self.pipeline.encode_video(
            stage_frames([case.clip for case in cases], self.pipeline).float() / 255
        )

    def mean_of(self, example: Tensor, kinds: Kinds | None) -> Tensor:
        """What ``--like`` makes of an example, ``(D,)``."""
        config = self.pipeline.foley_config
        return control.example_mean((example, self.rate), self.encoder, kinds, config)

    def shifted(self, features: Tensor, cases: list[Case], kinds: Kinds | None) -> Tensor:
        """The mean over time replaced."""
        return control.shift_mean(
            features, torch.stack([self.mean_of(case.example, kinds) for case in cases])
        )

    def projected(self, features: Tensor, cases: list[Case]) -> Tensor:
        """The part in the span of the kinds' means replaced in every frame."""
        assert self.kinds is not None
        middle = self.kinds.video_mean
        basis = torch.linalg.svd(self.kinds.video_means - middle, full_matrices=False)[2][:-1]
        wanted = torch.stack([self.mean_of(case.example, self.kinds) for case in cases]) - middle
        rest = (features - middle) - (features - middle) @ basis.T @ basis
        return F.normalize(middle + rest + (wanted @ basis.T @ basis)[:, None], dim=-1)

    def similarity(self, examples: list[Tensor]) -> Callable[[Denoise, Scheduler], Denoise]:
        """Guidance by the example's embedding."""
        config = self.pipeline.foley_config
        with torch.no_grad():
            wanted = self.embed(mel_spectrogram(torch.stack(examples), config.mel))
        velocity = self.pipeline.scheduler.config.prediction_type == "v_prediction"

        def wrap(denoise: Denoise, scheduler: Scheduler) -> Denoise:
            def guided(latents: Tensor, timestep: Tensor) -> Tensor:
                prediction = denoise(latents, timestep)
                signal, sigma = noise_level(scheduler, timestep)
                estimate = (
                    signal * latents - sigma * prediction
                    if velocity
                    else (latents - sigma * prediction) / max(signal, 1e-3)
                )
                with torch.enable_grad():
                    leaf = estimate.detach().requires_grad_()
                    scaled = leaf / self.pipeline.vae.config.scaling_factor
                    mel = self.pipeline.vae.decode(scaled).sample[:, 0].clamp(0, 1)
                    nearness = F.cosine_similarity(self.embed(mel), wanted).sum()
                    (gradient,) = torch.autograd.grad(nearness, leaf)
                norms = [part.flatten(1).norm(dim=1)[:, None, None, None] for part in (prediction, gradient)]
                return prediction - SIMILARITY_SCALE * sigma * gradient * norms[0] / norms[1].clamp(min=1e-9)

            return guided

        return wrap

    def embed(self, mel: Tensor) -> Tensor:
        """Largest features over time, ``(B, D)``."""
        features: Tensor = self.encoder(mel)
        return features.amax(dim=1)

    def judge(self, cases: list[Case], sounds: Tensor, name: str) -> NDArray[np.float64]:
        """Heard, own, hits, extra and missed of each take."""
        rows = []
        for case, sound in zip(cases, sounds, strict=True):
            logits = np.asarray(self.backbone.embed(sound, self.rate).logits).reshape(
                -1, len(self.backbone.classes)
            )
            heard = self.backbone.classes[int(logits.mean(0).argmax())]
            counts = match_onsets(detect_onsets(sound, sample_rate=self.rate), case.clip.hits.times)
            own = case.clip.actor.kind
            wanted = own if name == "unlike" else case.kind
            rows.append([heard == wanted, heard == own, counts.hits, counts.extra, counts.missed])
        return np.array(rows, np.float64)


def draw_cases(split: Any, count: int, first: int, bench: Bench) -> list[Case]:
    """Clips of one source with onsets, and examples of other such kinds."""
    window_s, length = bench.pipeline.foley_config.window_s, bench.pipeline.foley_config.window_samples
    kinds = [actor.kind for actor in KINDS if actor.is_onset_like]
    cases: list[Case] = []
    seed = first
    while len(cases) < count:
        clip = draw_take(seed, split=split, duration_s=window_s)
        rng = np.random.default_rng(seed)
        seed += 1
        if len(clip.actors) > 1 or not clip.actor.is_onset_like or not len(clip.hits.times):
            continue
        kind = str(rng.choice([name for name in kinds if name != clip.actor.kind]))
        examples = [
            draw_take(EXAMPLE_SEED + seed, split=split, duration_s=window_s, kind=name)
            for name in (kind, clip.actor.kind)
        ]
        sounds = [torch.from_numpy(each.waveform(bench.rate))[:length] for each in examples]
        sounds = [F.pad(sound, (0, length - len(sound))) for sound in sounds]
        if all(float(sound.abs().max()) > 0.01 for sound in sounds):
            cases.append(Case(clip=clip, kind=kind, example=sounds[0], own_example=sounds[1]))
    return cases


def report_row(name: str, table: NDArray[np.float64], base: NDArray[np.float64] | None) -> None:
    """Print shares and F1 with intervals."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(table), size=(2000, len(table)))
    heard = np.quantile(table[draws, 0].mean(1), (0.025, 0.975))
    text = f"{name:16} heard {table[:, 0].mean():.2f} [{heard[0]:.2f}, {heard[1]:.2f}]"
    text += f"  own {table[:, 1].mean():.2f}"
    scores = np.array([f1(table[row]) for row in draws])
    low, high = np.quantile(scores, (0.025, 0.975))
    text += f"  F1 {f1(table):.3f} [{low:.3f}, {high:.3f}]"
    if base is not None and base is not table:
        differences = scores - np.array([f1(base[row]) for row in draws])
        low, high = np.quantile(differences, (0.025, 0.975))
        text += f"  difference {f1(table) - f1(base):+.3f} [{low:+.3f}, {high:+.3f}]"
    print(text, flush=True)


def f1(table: NDArray[np.float64]) -> float:
    """F1 over all onsets."""
    hits, extra, missed = table[:, 2:].sum(0)
    return float(2 * hits / max(2 * hits + extra + missed, 1))


if __name__ == "__main__":
    main()
