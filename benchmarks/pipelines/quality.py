"""Sampling presets and single options on stage clips: level, takes limited and lowered, metrics and time.

Every row generates the same clips from the same noise with the bundled model's student, batch by batch in
turn, so that a busy machine is the same for all rows. Takes are measured as they are written, within full
scale; --raw measures them before that. Level is the RMS of a take relative to the real sound,
over clips that sound. KL is between the lite audio classifier's outputs for the take and the real sound; FD,
KID and IS are of its features and outputs, FAD of its features of 0.96 s. Differences to the first row have
95 % intervals over clips, paired. Seconds are processor time of the sampling alone, a take.

Run: python benchmarks/pipelines/quality.py [--split valid] [--clips 40] [--first 0] [--takes 1]
     [--rows paper balanced draft] [--raw] [--json FILE]
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.evaluation.stage.silence import silent_stretches, stays_silent
from cinefoley.evaluation.stage.take_metrics import stage_frames
from cinefoley.media.audio.fitted_writer import fit_to_full_scale
from cinefoley.metrics import (
    frechet_distance,
    inception_score,
    kernel_inception_distance,
    kl_divergence,
)
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.backbones.segments import SegmentBackbone
from cinefoley.metrics.onsets import detect_onsets, match_onsets
from cinefoley.pipelines.allocator import keep_freed_memory
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.stage import StageTake, draw_take

TEN = {"num_inference_steps": 10}
ROWS: dict[str, dict[str, Any]] = {
    "paper": {},
    "balanced": {"quality": "balanced"},
    "draft": {"quality": "draft"},
    "10 steps": TEN,
    "10 steps, rescale 0.7": TEN | {"guidance_rescale": 0.7},
    "10 steps, rescale 1": TEN | {"guidance_rescale": 1.0},
    "10 steps, projected, eta 0": TEN | {"adaptive_projected_guidance_eta": 0.0},
    "10 steps, interval 0.2 to 0.8": TEN | {"guidance_interval": (0.2, 0.8)},
    "10 steps, guidance 2": TEN | {"guidance_scale": 2.0},
    "10 steps, no guidance": TEN | {"guidance_scale": 1.0},
    **{
        f"{steps} steps, guidance {scale:g}, interval {start:g} to {stop:g}": {
            "num_inference_steps": steps,
            "guidance_scale": scale,
            "guidance_interval": (start, stop),
        }
        for steps, scale, start, stop in (
            *((12, 4.5, 0.0, stop) for stop in (0.2, 0.3, 0.4, 0.5)),
            *((12, 4.5, 0.1, stop) for stop in (0.3, 0.4, 0.5)),
            *((12, 3.0, 0.0, stop) for stop in (0.3, 0.4, 0.6)),
            *((steps, 4.5, 0.0, 0.4) for steps in (4, 5, 6, 8, 10)),
        )
    },
    **{
        f"{steps} steps, guidance 4.5, interval 0 to 0.4, {name}": {
            "num_inference_steps": steps,
            "guidance_interval": (0.0, 0.4),
            **option,
        }
        for steps in (5, 6)
        for name, option in (("UniPC", {"sampler": "unipc"}), ("Karras", {"use_karras_sigmas": True}))
    },
    "10 steps, UniPC": TEN | {"sampler": "unipc"},
    "10 steps, Karras": TEN | {"use_karras_sigmas": True},
    "10 steps, cache 2": TEN | {"cache_interval": 2},
    "balanced, UniPC": {"quality": "balanced", "sampler": "unipc"},
    "balanced, Karras": {"quality": "balanced", "use_karras_sigmas": True},
    "balanced, cache 2": {"quality": "balanced", "cache_interval": 2},
    "draft, UniPC": {"quality": "draft", "sampler": "unipc"},
    "draft, Karras": {"quality": "draft", "use_karras_sigmas": True},
}
"""Options of each row; without ``quality`` they start from the paper's."""

Table = dict[str, NDArray[np.float64]]
"""Columns over takes, and ``features`` and ``logits`` with a row per take."""


def main() -> None:
    """Print one row per way of sampling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", default="valid", choices=("valid", "test"))
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--takes", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8, help="clips at once")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--raw", action="store_true", help="measure takes before they are limited")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    keep_freed_memory()
    pipeline = FoleyPipeline.from_pretrained("lite")
    backbone = LiteBackbone()
    records: dict[str, list[dict[str, Any]]] = {name: [] for name in args.rows}
    last = args.first + args.clips
    for first in range(args.first, last, args.batch):
        clips = [
            draw_take(seed, split=args.split, duration_s=pipeline.foley_config.window_s)
            for seed in range(first, min(first + args.batch, last))
        ]
        for name, row in generate(pipeline, backbone, clips, args.rows, args.takes, is_raw=args.raw).items():
            records[name] += row
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}; lite, student, float32; {args.split} clips {args.first} to {last - 1}, "
        f"{args.takes} takes each, batches of {args.batch} clips"
    )
    report({name: to_table(row) for name, row in records.items()}, args.json)


@torch.no_grad()
def generate(
    pipeline: FoleyPipeline,
    backbone: LiteBackbone,
    clips: list[StageTake],
    rows: list[str],
    takes: int,
    *,
    is_raw: bool,
) -> dict[str, list[dict[str, Any]]]:
    """Generate and judge the takes of some clips, every row in turn."""
    rate = pipeline.foley_config.mel.sample_rate
    features = pipeline.encode_video(stage_frames(clips, pipeline).float() / 255)
    features = features.repeat_interleave(takes, dim=0)
    shape = (1, *pipeline.latent_shape)
    noise = torch.cat(
        [draw_noise(shape, seed=c.seed, take=take, window=0) for c in clips for take in range(takes)]
    )
    sounds = [torch.from_numpy(clip.waveform(rate)) for clip in clips]
    real = [backbone.embed(sound, rate) for sound in sounds]
    segments = SegmentBackbone(backbone)
    real_segments = [segments.embed(sound, rate).features.numpy() for sound in sounds]
    found: dict[str, list[dict[str, Any]]] = {}
    for name in rows:
        options: Any = {"quality": "paper"} | ROWS[name]
        began = time.process_time()
        latents = pipeline.sample(features, latents=noise, **options)
        seconds = (time.process_time() - began) / len(noise)
        found[name] = []
        for number, waveform in enumerate(pipeline.vocode(pipeline.decode(latents))):
            clip, sound = clips[number // takes], sounds[number // takes]
            written, fitting = fit_to_full_scale(waveform, rate)
            waveform = waveform if is_raw else written
            found[name].append(
                judge(clip, sound, waveform, backbone, rate)
                | {
                    "seconds": seconds,
                    "limited": fitting.limited_db < 0,
                    "lowered": fitting.gain < 1,
                    "real_features": real[number // takes].features.numpy(),
                    "real_logits": logits_of(real[number // takes]),
                    "real_segments": real_segments[number // takes],
                    "segments": segments.embed(waveform, rate).features.numpy(),
                }
            )
    return found


def judge(
    clip: StageTake, sound: Tensor, waveform: Tensor, backbone: LiteBackbone, rate: int
) -> dict[str, Any]:
    """Figures of one take; NaN where there is nothing to judge."""
    embedding = backbone.embed(waveform, rate)
    counts = match_onsets(detect_onsets(waveform, sample_rate=rate), clip.hits.times)
    is_judged = all(actor.is_onset_like for actor in clip.actors)
    is_silent = not bool(sound.any())
    kind = backbone.classes[int(logits_of(embedding).argmax())]
    stretches = silent_stretches(sound, sample_rate=rate)
    kept = [stays_silent(waveform, s, sample_rate=rate, is_mute=is_silent) for s in stretches]
    return {
        "clip": clip.seed,
        "level": np.nan if is_silent else rms_db(waveform) - rms_db(sound),
        "hits": counts.hits if is_judged else 0,
        "errors": counts.extra + counts.missed if is_judged else 0,
        "kept": sum(kept),
        "silences": len(kept),
        "heard": np.nan if is_silent else float(kind in {actor.kind for actor in clip.actors}),
        "features": embedding.features.numpy(),
        "logits": logits_of(embedding),
    }


def logits_of(embedding: Any) -> NDArray[np.float64]:
    """Logits of the lite backbone, which always has them."""
    return np.asarray(embedding.logits.numpy(), dtype=np.float64)


def rms_db(waveform: Tensor) -> float:
    """Root mean square in dB of full scale."""
    return 20 * log10(max(float(waveform.double().square().mean().sqrt()), 1e-9))


def to_table(records: list[dict[str, Any]]) -> Table:
    """Columns of a list of takes."""
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def onset_f1(table: Table) -> float:
    """F1 over all takes, +-100 ms."""
    hits, errors = table["hits"].sum(), table["errors"].sum()
    return float(2 * hits / max(2 * hits + errors, 1))


def divergence(table: Table) -> float:
    """KL of the classifier's outputs."""
    return float(kl_divergence(torch.from_numpy(table["real_logits"]), torch.from_numpy(table["logits"])))


def distance(table: Table) -> float:
    """FD of the classifier's features."""
    real, made = (torch.from_numpy(table[name]).double() for name in ("real_features", "features"))
    return float(frechet_distance(real, made))


def segment_distance(table: Table) -> float:
    """FAD of the classifier's features of segments."""
    real, made = (
        torch.from_numpy(table[name]).double().flatten(0, 1) for name in ("real_segments", "segments")
    )
    return float(frechet_distance(real, made))


def kernel_distance(table: Table) -> float:
    """KID of the classifier's features, times 1000."""
    real, made = (torch.from_numpy(table[name]).double() for name in ("real_features", "features"))
    return 1000 * float(kernel_inception_distance(real, made, subsets=20, subset_size=min(200, len(made)))[0])


def silence(table: Table) -> float:
    """Share of silences of 1 s or more that are kept."""
    return float(table["kept"].sum() / max(1, table["silences"].sum()))


METRICS: dict[str, Callable[[Table], float]] = {
    "onset F1": onset_f1,
    "kind heard": lambda table: float(np.nanmean(table["heard"])),
    "KL": divergence,
    "FD": distance,
    "FAD": segment_distance,
    "KID": kernel_distance,
    "IS": lambda table: float(inception_score(torch.from_numpy(table["logits"]))[0]),
    "silence kept": silence,
}


def difference(first: Table, other: Table, metric: Callable[[Table], float], replicas: int) -> list[float]:
    """95 % interval of a metric's difference to the first row; clips are drawn with all their takes."""
    places = {seed: np.flatnonzero(first["clip"] == seed) for seed in np.unique(first["clip"])}
    generator = np.random.default_rng(0)
    values = []
    for _ in range(replicas):
        drawn = generator.choice(list(places), len(places))
        rows = np.concatenate([places[seed] for seed in drawn])
        values.append(
            metric({name: column[rows] for name, column in other.items()})
            - metric({name: column[rows] for name, column in first.items()})
        )
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def report(tables: dict[str, Table], path: Path | None) -> None:
    """Print a table, and write everything as JSON."""
    first = next(iter(tables.values()))
    everything: dict[str, Any] = {}
    print(
        "\n| sampling | level, dB (quartiles) | limited | lowered | " + " | ".join(METRICS) + " | s | times |"
    )
    print("| --- " * (6 + len(METRICS)) + "|")
    for name, table in tables.items():
        low, median, high = np.nanpercentile(table["level"], [25, 50, 75])
        seconds = float(table["seconds"].mean())
        cells = []
        found: dict[str, Any] = {"level_db": [low, median, high], "seconds": seconds}
        found |= {share: float(table[share].mean()) for share in ("limited", "lowered")}
        for label, metric in METRICS.items():
            value = metric(table)
            found[label] = value
            if table is first:
                cells.append(f"{value:.3f}")
                continue
            interval = difference(first, table, metric, 40 if label in ("FD", "FAD", "KID") else 500)
            found[f"{label}, difference"] = interval
            cells.append(f"{value:.3f} ({interval[0]:+.3f} to {interval[1]:+.3f})")
        everything[name] = found
        ratio = float(first["seconds"].mean()) / seconds
        print(
            f"| {name} | {median:+.1f} ({low:+.1f} to {high:+.1f}) | "
            + " | ".join([f"{100 * found['limited']:.0f} %", f"{100 * found['lowered']:.1f} %", *cells])
            + f" | {seconds:.2f} | {ratio:.1f} |",
            flush=True,
        )
    if path is not None:
        path.write_text(json.dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
