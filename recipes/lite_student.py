"""Distil the student that ships with `lite`, on the Foley stage, and put it into the model folder.

    python recipes/lite_student.py                # resumes; about 3 hours on one core
    python recipes/lite_student.py --steps N      # another length, before the learning rate begins to fall
    torchrun --nproc-per-node=2 recipes/lite_student.py     # one process per core

``recipes/student_figures.py --card`` measures the student.
"""

import argparse
import json
import os
from pathlib import Path

import torch

from cinefoley.config.training import OPTIMIZERS
from cinefoley.data.sources.stage import StageSource
from cinefoley.distillation.presets import distillation
from cinefoley.distillation.run import DistillSettings, distill
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.models.importing.published import cache_home
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.loading import resolve_model
from cinefoley.stage import stage_digest

CLIPS, VALID_CLIPS, STEPS, SEED = 8192, 64, 9000, 0

CARD = """---
library_name: cinefoley
license: apache-2.0
tags: [video-to-audio, foley]
---
# lite's student

The video encoder that `lite` uses by default. It was distilled from its teacher, `../video_encoder/`, on
clips in full view (20 %), as close-ups anywhere in the frame (40 %) and under camera movements (40 %). This
is the preset `cinematic` of `cinefoley distill`, not the paper's main setting, which has only centred
close-ups. The generator is the teacher's, unchanged.

Data: {clips} clips of the stage's `train` split (seeds 0 to {clips} - 1; stage digest `{stage}`), of
which the teacher was trained on the first 6144 in full view. Recipe: `make student`
(`recipes/lite_student.py`): {steps}
steps of {batch} clips, {optimizer} at {rate:g} (schedule {schedule}, after {warmup} steps of warm-up), seed
{seed}, {hours:.2f} hours on CPU.

| step | {titles} |
| --- | {rules} |
| loss | {losses} |

On {valid} held-out clips the mean cosine distance from the teacher's features of the full view is
{whole:.4f} for clips in full view and {varied:.4f} for varied clips.

<!-- figures -->
"""


def main() -> None:
    """Distil, halve, write the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/student"))
    parser.add_argument("--cache", type=Path, default=cache_home() / "training")
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    model = resolve_model("lite")
    window_s = load_foley_config(model).window_s
    result = distill(
        StageSource("train", CLIPS, duration_s=window_s),
        DistillSettings(
            recipe=distillation("cinematic"),
            teacher="lite",
            run_dir=args.runs,
            cache_dir=args.cache,
            held_out=StageSource("valid", VALID_CLIPS, duration_s=window_s),
            clip_s=window_s,
            workers=os.cpu_count() or 1,
            # a trapezoid, so that a run that has learned something can go on from there and learn more
            overrides={"steps": args.steps, "schedule": "trapezoid", "seed": SEED},
            on_log=lambda line: print(json.dumps(line), flush=True),
        ),
    )
    if os.environ.get("RANK", "0") != "0":  # under torchrun one process writes
        return
    out = model / "video_encoder_student"
    load_part(result.parts[0], VideoEncoder, dtype=torch.float16).save_pretrained(out)
    lines = [json.loads(line) for line in (args.runs / "log.jsonl").read_text().splitlines()]
    points = [lines[round(share * len(lines)) - 1] for share in (0.1, 0.25, 0.5, 0.75, 1)]
    card = CARD.format(
        clips=CLIPS,
        stage=stage_digest()[:12],
        steps=result.config.steps,
        batch=result.config.batch_size,
        optimizer=OPTIMIZERS[result.config.optimizer],
        rate=result.config.learning_rate,
        schedule=result.config.schedule,
        warmup=result.config.warmup_steps,
        seed=result.config.seed,
        hours=result.last["elapsed_s"] / 3600,
        titles=" | ".join(str(line["step"]) for line in points),
        rules=" | ".join("---" for _ in points),
        losses=" | ".join(f"{line['loss']:.4f}" for line in points),
        valid=VALID_CLIPS,
        whole=result.last["valid_cosine_whole"],
        varied=result.last["valid_cosine_varied"],
    )
    with atomic_write(out / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")
    index = model / "model_index.json"
    entries = json.loads(index.read_text())
    entries["video_encoder_student"] = entries["video_encoder"]
    with atomic_write(index) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    size = (out / "diffusion_pytorch_model.safetensors").stat().st_size
    print(f"{out}: {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
