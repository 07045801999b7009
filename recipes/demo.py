"""Demo page: unseen stage clips with the sound that the default model generates for them.

    python recipes/demo.py --out demo

Three clips are shown in full view. Two of their kinds come again, one as a close-up and one under a camera
movement, each with the sound generated from the teacher's features and from the student's. Writes the videos
and WAVs, and ``index.html``, which embeds everything and opens without a network.
"""

import argparse
import base64
import html
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.stage import StageSource
from cinefoley.evaluation.views import View, window_of
from cinefoley.media.audio.files import write_audio
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.media.muxing.save_video import save_video
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import draw_take, render_clip
from cinefoley.variations.cropping import crop

# Kinds with sharp onsets and seeds of the test split, which no training run uses. The seeds are the first of
# each kind with at least four events and were not selected by ear; nor were the kinds of the varied clips.
SHOWN: tuple[tuple[str, View], ...] = (
    ("drum", "full"),
    ("drip", "full"),
    ("hammer", "full"),
    ("hammer", "close_up"),
    ("drum", "camera_movement"),
)
VIEWS = {"full": "in full view", "close_up": "as a close-up", "camera_movement": "under a camera movement"}
SECONDS, FPS, SIZE = 8.0, 25.0, (360, 640)
PICTURE_WIDTH, SPECTROGRAM_HEIGHT = 640, 220
SEEN, HIDDEN = (255, 176, 0), (150, 150, 150)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One video encoder and the sound generated from its features."""

    encoder: str
    video: Path
    picture: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One clip of the page in one view."""

    title: str
    events: ClipEvents
    real_wav: Path
    strip: NDArray[np.uint8]
    real: NDArray[np.uint8]
    takes: tuple[Take, ...]


def main() -> None:
    """Render clips, generate their sound, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--model", default="lite")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    pipeline = FoleyPipeline.from_pretrained(args.model)
    rows = [_row(pipeline, kind, view, args.seed, args.out) for kind, view in SHOWN]
    page = args.out / "index.html"
    page.write_text(_page(rows, args.model, args.seed), encoding="utf-8")
    print(f"{page.resolve()} is ready ({time.perf_counter() - began:.0f} s); open it in a browser.")


def _first_lively(kind: str) -> int:
    for seed in range(1000):
        take = draw_take(seed, split="test", duration_s=SECONDS)
        if take.actor.kind == kind and len(take.hits.times) >= 4:
            return seed
    sys.exit(f"no clip of {kind} with four events among the first 1000 seeds")


def _row(pipeline: FoleyPipeline, kind: str, view: View, seed: int, out: Path) -> Row:
    rate = pipeline.foley_config.mel.sample_rate
    number = _first_lively(kind)
    known = StageSource("test", 1, duration_s=SECONDS, first_seed=number)[0]
    window = window_of(known, view)
    events = stage_events(known, window)
    assert events is not None  # every clip of the stage has them
    clip = render_clip(number, split="test", fps=FPS, size=SIZE, sample_rate=rate, duration_s=SECONDS)
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    if window is not None:
        frames = crop(frames, window.on(SIZE, multiple=2))  # video wants even sides
    name = f"{kind}-{number}" if view == "full" else f"{kind}-{number}.{view}"
    silent, real_wav = out / f"{name}.silent.mp4", out / f"{kind}-{number}.real.wav"
    save_video(silent, frames, fps=FPS)
    write_audio(real_wav, torch.from_numpy(clip.waveform), rate)
    students = ["student"] if pipeline.video_encoder_student is not None else []
    encoders = students if view == "full" and students else ["teacher", *students]
    takes = [_take(pipeline, silent, encoder, seed, events, out) for encoder in encoders]
    return Row(
        title=f"{kind} {VIEWS[view]} (stage clip {number} of the test split)",
        events=events,
        real_wav=real_wav,
        strip=_strip(frames.permute(0, 2, 3, 1).numpy(), events),
        real=_spectrogram(torch.from_numpy(clip.waveform), pipeline, events),
        takes=tuple(takes),
    )


def _take(
    pipeline: FoleyPipeline, silent: Path, encoder: str, seed: int, events: ClipEvents, out: Path
) -> Take:
    pipeline.use_video_encoder(encoder)
    result = pipeline(silent, seed=seed)
    name = f"{silent.name.removesuffix('.silent.mp4')}.{encoder}"
    wav, video = out / f"{name}.wav", out / f"{name}.mp4"
    result.save(wav)
    replace_audio(silent, wav, video)
    seconds = sum(result.timings_s.values())
    print(f"{name}: {len(events.times)} events, {seconds:.1f} s to generate", file=sys.stderr)
    return Take(encoder=encoder, video=video, picture=_spectrogram(result.audios[0], pipeline, events))


def _strip(
    frames: NDArray[np.uint8], events: ClipEvents, *, count: int = 16, columns: int = 4
) -> NDArray[np.uint8]:
    """Frames in rows, a quarter of the clip each, with a tick at each event."""
    width = PICTURE_WIDTH // columns
    height = round(width * frames.shape[1] / frames.shape[2])
    picked = frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]
    small = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in picked]
    rows = [np.concatenate(small[i : i + columns], axis=1) for i in range(0, count, columns)]
    for index, row in enumerate(rows):
        for time_s, color in _marks(events):
            x = round((time_s / SECONDS * len(rows) - index) * row.shape[1])
            if 0 <= x < row.shape[1]:
                cv2.line(row, (x, row.shape[0] - 10), (x, row.shape[0]), color, 3)
    return np.concatenate(rows, axis=0).astype(np.uint8)


def _spectrogram(waveform: torch.Tensor, pipeline: FoleyPipeline, events: ClipEvents) -> NDArray[np.uint8]:
    """Image of the mel spectrogram, low bands at the bottom, events as lines."""
    mel = mel_spectrogram(waveform[None], pipeline.foley_config.mel)[0].numpy()[::-1]
    height, width = SPECTROGRAM_HEIGHT, PICTURE_WIDTH
    gray = cv2.resize((mel.clip(0, 1) * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    for time_s, color in _marks(events):
        x = round(time_s / SECONDS * width)
        cv2.line(picture, (x, 0), (x, 12), color, 2)
        cv2.line(picture, (x, height - 12), (x, height), color, 2)
    return np.asarray(picture, dtype=np.uint8)


def _marks(events: ClipEvents) -> list[tuple[float, tuple[int, int, int]]]:
    seen = events.is_visible.tolist()
    return [(t, SEEN if s else HIDDEN) for t, s in zip(events.times.tolist(), seen, strict=True)]


def _page(rows: Sequence[Row], model: str, seed: int) -> str:
    template = (Path(__file__).parent / "demo.html").read_text(encoding="utf-8")
    articles = "\n".join(_article(row) for row in rows)
    return (
        template.replace("{{articles}}", articles)
        .replace("{{model}}", html.escape(model))
        .replace("{{seed}}", str(seed))
    )


def _article(row: Row) -> str:
    seen = row.events.is_visible
    events = ", ".join(f"{time_s:.2f}" for time_s in row.events.times.tolist())
    hidden = "" if seen.all() else f"; {int((~seen).sum())} of them off-screen, in grey"
    takes = "\n".join(
        f"""<figure><figcaption>Generated; video encoder: {take.encoder}</figcaption>
<video controls preload="metadata" src="{_inline(take.video, "video/mp4")}"></video>
<img alt="spectrogram of the generated sound" src="{_picture(take.picture)}"></figure>"""
        for take in row.takes
    )
    return f"""<article>
<h2>{html.escape(row.title)}</h2>
<p>Events at {events} s, marked in orange{hidden}.</p>
<div class="side">
{takes}
<figure><figcaption>The clip's own sound, which is no input of the model</figcaption>
<img alt="sixteen frames of the clip in order of time" src="{_picture(row.strip)}">
<audio controls preload="metadata" src="{_inline(row.real_wav, "audio/wav")}"></audio>
<img alt="spectrogram of the clip's own sound" src="{_picture(row.real)}"></figure>
</div>
</article>"""


def _inline(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _picture(image: NDArray[np.uint8]) -> str:
    _, png = cv2.imencode(".png", image[..., ::-1])
    return f"data:image/png;base64,{base64.b64encode(png.tobytes()).decode()}"


if __name__ == "__main__":
    main()
