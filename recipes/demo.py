"""Three stage clips the default model has never seen, Foley for each, and one page to look and listen at.

    python recipes/demo.py --out demo

Writes the films and WAVs, and ``index.html``, which carries everything inside itself and opens without a
network.
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

from cinefoley.media.audio import write_audio
from cinefoley.media.mux import replace_audio
from cinefoley.media.save import save_video
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage import draw_take, render_clip

# Kinds with sharp onsets, seeds of the test split, from which no training run ever draws. The seeds are the
# first of each kind with at least four events, not a selection by ear.
KINDS = ("drum", "drip", "hammer")
SECONDS, FPS, SIZE = 8.0, 25.0, (360, 640)
SPECTROGRAM_SIZE = (220, 640)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One clip of the page."""

    title: str
    events_s: tuple[float, ...]
    generated_film: Path
    real_wav: Path
    strip: NDArray[np.uint8]
    real: NDArray[np.uint8]
    generated: NDArray[np.uint8]


def main() -> None:
    """Render, generate, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--model", default="lite")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    pipeline = FoleyPipeline.from_pretrained(args.model)
    rows = [_row(pipeline, kind, _first_lively(kind), args.seed, args.out) for kind in KINDS]
    page = args.out / "index.html"
    page.write_text(_page(rows, args.model, args.seed), encoding="utf-8")
    print(f"{page.resolve()} is ready ({time.perf_counter() - began:.0f} s); open it in a browser.")


def _first_lively(kind: str) -> int:
    for seed in range(1000):
        take = draw_take(seed, split="test", duration_s=SECONDS)
        if take.actor.kind == kind and len(take.hits.times) >= 4:
            return seed
    sys.exit(f"no clip of {kind} with four events among the first 1000 seeds")


def _row(pipeline: FoleyPipeline, kind: str, clip_seed: int, seed: int, out: Path) -> Row:
    rate = pipeline.foley_config.mel.sample_rate
    clip = render_clip(clip_seed, split="test", fps=FPS, size=SIZE, sample_rate=rate, duration_s=SECONDS)
    name = f"{kind}-{clip_seed}"
    silent, film = out / f"{name}.silent.mp4", out / f"{name}.take1.mp4"
    real_wav, wav = out / f"{name}.real.wav", out / f"{name}.take1.wav"
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    save_video(silent, frames, fps=FPS)
    result = pipeline(silent, seed=seed)
    write_audio(real_wav, torch.from_numpy(clip.waveform), rate)
    write_audio(wav, result.audios[0], rate)
    replace_audio(silent, wav, film)
    events = tuple(event.time_s for event in clip.events)
    print(
        f"{name}: {len(events)} events, {sum(result.timings_s.values()):.1f} s to generate", file=sys.stderr
    )
    return Row(
        title=f"{kind} (stage clip {clip_seed} of the test split)",
        events_s=events,
        generated_film=film,
        real_wav=real_wav,
        strip=_strip(clip.frames, events),
        real=_spectrogram(torch.from_numpy(clip.waveform), pipeline, events),
        generated=_spectrogram(result.audios[0], pipeline, events),
    )


def _strip(
    frames: NDArray[np.uint8], events_s: Sequence[float], *, count: int = 16, columns: int = 4
) -> NDArray[np.uint8]:
    """Pictures in rows, a quarter of the clip each, with a tick at each event."""
    width = SPECTROGRAM_SIZE[1] // columns
    height = round(width * frames.shape[1] / frames.shape[2])
    picked = frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]
    small = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in picked]
    rows = [np.concatenate(small[i : i + columns], axis=1) for i in range(0, count, columns)]
    for index, row in enumerate(rows):
        for time_s in events_s:
            x = round((time_s / SECONDS * len(rows) - index) * row.shape[1])
            if 0 <= x < row.shape[1]:
                cv2.line(row, (x, row.shape[0] - 10), (x, row.shape[0]), (255, 176, 0), 3)
    return np.concatenate(rows, axis=0).astype(np.uint8)


def _spectrogram(
    waveform: torch.Tensor, pipeline: FoleyPipeline, events_s: Sequence[float]
) -> NDArray[np.uint8]:
    """Mel picture, low bands below, events as lines."""
    mel = mel_spectrogram(waveform[None], pipeline.foley_config.mel)[0].numpy()[::-1]
    height, width = SPECTROGRAM_SIZE
    gray = cv2.resize((mel.clip(0, 1) * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    for time_s in events_s:
        x = round(time_s / SECONDS * width)
        cv2.line(picture, (x, 0), (x, 12), (255, 176, 0), 2)
        cv2.line(picture, (x, height - 12), (x, height), (255, 176, 0), 2)
    return np.asarray(picture, dtype=np.uint8)


def _page(rows: Sequence[Row], model: str, seed: int) -> str:
    template = (Path(__file__).parent / "demo.html").read_text(encoding="utf-8")
    articles = "\n".join(_article(row) for row in rows)
    return (
        template.replace("{{articles}}", articles)
        .replace("{{model}}", html.escape(model))
        .replace("{{seed}}", str(seed))
    )


def _article(row: Row) -> str:
    events = ", ".join(f"{time_s:.2f}" for time_s in row.events_s)
    return f"""<article>
<h2>{html.escape(row.title)}</h2>
<p>Events at {events} s, marked in orange.</p>
<div class="pair">
<figure><figcaption>The film with its generated sound</figcaption>
<video controls preload="metadata" src="{_inline(row.generated_film, "video/mp4")}"></video></figure>
<figure><figcaption>The clip, sixteen frames in order of time</figcaption>
<img alt="sixteen frames of the clip" src="{_picture(row.strip)}">
<figcaption>The clip's own sound, which the model did not hear</figcaption>
<audio controls preload="metadata" src="{_inline(row.real_wav, "audio/wav")}"></audio></figure>
<figure><figcaption>Generated</figcaption>
<img alt="spectrogram of the generated sound" src="{_picture(row.generated)}"></figure>
<figure><figcaption>The clip's own</figcaption>
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
