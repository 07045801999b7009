"""Clips per second of distillation from the cache, against the direct loop on the same videos.

The direct loop decodes every video at every step, resizes the whole frames for the teacher and a window of
them for the student, and runs both networks. Ours reads cached frames and the teacher's cached features. Both
train on the same rendered videos of 10 s at 640x360 and 25 fps, in the same order, with BatchNorm frozen;
ours in the direct loop's precision and in bfloat16. The cost of filling the cache is printed separately.
Times are wall-clock time and processor time of all threads: on a busy machine only the latter can be
compared.

Run: python benchmarks/distillation/train.py [--model lite] [--clips 32] [--steps 6]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from cinefoley.config.presets import diff_foley, lite
from cinefoley.data.cache.clip_frames import FrameSettings
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.sources.folder import FolderSource
from cinefoley.distillation import distillation_loss
from cinefoley.distillation.pairs import prepare_teacher_features
from cinefoley.distillation.presets import distillation
from cinefoley.distillation.task import DistillationTask
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.save_video import save_video
from cinefoley.models.build import build_video_encoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.stage.render import render_clip
from cinefoley.training.engine.epochs import draw_epochs
from cinefoley.training.engine.prefetch import Prefetch
from cinefoley.training.engine.step_seeds import step_generator
from cinefoley.variations.mixture import Mixture
from cinefoley.variations.resizing import resize

DURATION_S = 10.0
FPS = 4.0


def main() -> None:
    """Render, time every variant, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=["lite", "diff_foley"], default="lite")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6)
    args = parser.parse_args()
    torch.manual_seed(0)
    config = lite() if args.model == "lite" else diff_foley()
    size = config.foley.frame_size
    recipe = distillation("paper")
    variation = Mixture.from_config(recipe.variation)
    machine = platform.processor() or platform.machine()
    print(
        f"{machine}, {torch.get_num_threads()} threads, torch {torch.__version__}; {args.model}, frames of "
        f"{size[0]} pixels, {round(DURATION_S * FPS)} a clip, batches of {args.batch}"
    )
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(folder) / "videos"
        videos.mkdir()
        for seed in range(args.clips):
            clip = render_clip(seed, fps=25, size=(360, 640), duration_s=DURATION_S)
            save_video(videos / f"{seed:04d}.mp4", torch.from_numpy(clip.frames).permute(0, 3, 1, 2), 25)
        teacher = build_video_encoder(config.video_encoder).eval().requires_grad_(False)
        student = build_video_encoder(config.video_encoder).eval()
        student.load_state_dict(teacher.state_dict())
        began = time.perf_counter()
        settings = FrameSettings.of(size, FPS, duration_s=DURATION_S, least_s=DURATION_S - 1, scale=0.4)
        frames = prepare_frames(FolderSource(videos), settings, Path(folder) / "cache")
        frames_s = time.perf_counter() - began
        began = time.perf_counter()
        features = prepare_teacher_features(frames, teacher, Path(folder) / "cache", frame_size=size)
        print(
            f"once: frames {frames_s / args.clips:.3f} s a clip, teacher's features "
            f"{(time.perf_counter() - began) / args.clips:.3f} s a clip, "
            f"{_kilobytes(Path(folder) / 'cache') / args.clips:.0f} KB a clip\n"
        )
        task = DistillationTask(
            student, frames, features, recipe, frame_size=size, workers=os.cpu_count() or 1
        )
        paths = sorted(videos.iterdir())
        rows = [
            ("direct, float32", time_direct(paths, teacher, student, variation, size, args)),
            ("ours, float32", time_ours(task, args, is_bf16=False)),
            ("ours, bfloat16", time_ours(task, args, is_bf16=True)),
        ]
    base = statistics.median(rows[0][1]["step"])
    base_used = statistics.median(rows[0][1]["processor"])
    print(
        "| variant | clips/s, median (range) | times direct | reading, ms a clip | teacher | student "
        "| processor, ms a clip | times direct |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, times in rows:
        steps = sorted(args.batch / step for step in times["step"])
        cells = [
            f"{1000 * statistics.median(times[part]) / args.batch:.1f}"
            for part in ("read", "teacher", "student", "processor")
        ]
        cells.append(f"{base_used / statistics.median(times['processor']):.2f}")
        print(
            f"| {name} | {statistics.median(steps):.1f} ({steps[0]:.1f} to {steps[-1]:.1f}) "
            f"| {base / statistics.median(times['step']):.2f} | {' | '.join(cells)} |"
        )
    print(
        "\nReading beside the student's arithmetic, in a thread, is what `ours` waits for, not what it costs."
    )


Times = dict[str, list[float]]


def time_direct(
    paths: list[Path],
    teacher: VideoEncoder,
    student: VideoEncoder,
    variation: Mixture,
    size: tuple[int, int],
    args: argparse.Namespace,
) -> Times:
    """Time both networks on videos that are decoded at every step."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=5e-4, fused=True)
    times: Times = defaultdict(list)
    for step in range(args.steps + 1):
        generator = step_generator(0, step)
        chosen = draw_epochs(step, args.batch, count=len(paths), seed=0).tolist()
        began, used = time.perf_counter(), time.process_time()
        whole, varied = [], []
        for row in chosen:
            frames = load_video(paths[row], fps=FPS, duration=DURATION_S).frames
            whole.append(resize(frames, size))
            varied.append(
                resize(variation.apply(frames, variation.draw((360, 640), generator=generator)), size)
            )
        batches = [torch.stack(videos).float() / 255 for videos in (whole, varied)]
        read = time.perf_counter()
        with torch.no_grad():
            target = teacher(batches[0])
        teacher_done = time.perf_counter()
        distillation_loss(student(batches[1]), target).backward()
        optimizer.step()
        optimizer.zero_grad()
        _note(times, step, began=began, used=used, read=read, teacher=teacher_done)
    return times


def time_ours(task: DistillationTask, args: argparse.Namespace, *, is_bf16: bool) -> Times:
    """Time the student, on cached frames that a thread decodes ahead."""
    optimizer = torch.optim.AdamW(task.student.parameters(), lr=5e-4, fused=True)
    times: Times = defaultdict(list)
    with _prefetched(task, args.batch) as ahead:
        for step in range(args.steps + 1):
            began, used = time.perf_counter(), time.process_time()
            batch = ahead.get(step, last=args.steps)
            read = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
                loss = task.losses(batch, step=step)["loss"]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            _note(times, step, began=began, used=used, read=read, teacher=read)
    return times


@contextmanager
def _prefetched(task: DistillationTask, batch_size: int) -> Iterator[Prefetch[dict[str, torch.Tensor]]]:
    ahead = Prefetch(lambda step: task.load(task.draw(step, step_generator(0, step), batch_size)))
    try:
        yield ahead
    finally:
        ahead.close()


def _note(times: Times, step: int, *, began: float, used: float, read: float, teacher: float) -> None:
    """The first step warms up and does not count."""
    if step:
        now = time.perf_counter()
        for name, value in (
            ("step", now - began),
            ("read", read - began),
            ("teacher", teacher - read),
            ("student", now - teacher),
            ("processor", time.process_time() - used),
        ):
            times[name].append(value)


def _kilobytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1024


if __name__ == "__main__":
    main()
