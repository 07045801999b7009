"""HTML report of shards: totals, labels, and frames and audio of some clips."""

import base64
import html
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.shards.summary import ShardSummary
from cinefoley.errors import MediaError
from cinefoley.media.audio.flac import decode_flac
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.frames.jpeg import decode_jpeg, encode_jpeg
from cinefoley.media.frames.pixels import resize

__all__ = ["write_html_report"]

_STILLS = 8
_STILL_HEIGHT = 90
_WAVE = (720, 56)
_MOST_LABELS = 400  # VGGSound has 309
_BINS = 20

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1a; --soft: #6b6a66; --line: #d9d7d0; --bar: #2f6f8f;
  --ground: #fbfaf7 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceae4; --soft: #a09e97; --line: #3c3b38; --bar: #74b4d3; --ground: #181817 }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse } td { padding: .1rem 1.2rem .1rem 0; vertical-align: top }
td:last-child { font-variant-numeric: tabular-nums }
.bars { columns: 17rem; font-size: .82rem }
.bars div { break-inside: avoid; position: relative; padding: 0 .3rem }
.bars i { position: absolute; inset: 2px auto 2px 0; background: var(--bar); opacity: .28 }
.bars b { font-weight: normal; position: relative } .bars span { float: right; position: relative }
figure { margin: 1.4rem 0; border-top: 1px solid var(--line); padding-top: .6rem }
figcaption { font-size: .9rem } figcaption small { color: var(--soft) }
figure img { max-width: 100%; display: block; margin: .4rem 0 } audio { width: 100%; height: 2.2rem }
svg { max-width: 100%; height: auto; display: block } svg path, svg rect { fill: var(--bar) }
p.bad { color: #b3261e }
"""


def write_html_report(
    folder: Path, summary: ShardSummary, path: Path, *, num_clips: int = 24, seed: int = 0
) -> Path:
    """Write a self-contained HTML report that opens without a network.

    Args:
        folder: The shards.
        summary: Their totals.
        path: Where the report goes.
        num_clips: Number of clips to show, drawn uniformly.
        seed: The same seed shows the same clips.

    Returns:
        ``path``.

    Raises:
        DataError: If there are no finished shards.
        OutputError: If the report cannot be written.
    """
    source = ShardSource(folder)
    numbers = random.Random(seed).sample(range(len(source)), min(num_clips, len(source)))
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(_page(source, summary, sorted(numbers)))
    return path


def _page(source: ShardSource, summary: ShardSummary, numbers: Sequence[int]) -> Iterator[str]:
    title = html.escape(f"Shards in {source.folder.resolve().name}")
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    yield "<meta name=viewport content='width=device-width'>"
    yield f"<h1>{title}</h1><table>"
    for name, value in summary.lines():
        yield f"<tr><td>{html.escape(name).replace('  ', '&emsp;')}<td>{html.escape(value)}"
    yield "</table><h2>Seconds of video</h2>" + _histogram(summary.durations_s)
    if summary.labels:
        yield f"<h2>Clips by label ({len(summary.labels)})</h2>" + _bars(summary.labels)
    yield f"<h2>{len(numbers)} of {len(source):,} clips</h2>"
    for number in numbers:
        yield _figure(source[number])
    yield "</html>\n"


def _figure(clip: ShardClip) -> str:
    entry = clip.entry
    heard = html.escape(", ".join(clip.labels) or "(no label)")
    shape = f"{entry.duration_s:.2f} s, {entry.size[1]}x{entry.size[0]}"
    events = "" if clip.events is None else f", {len(clip.events)} known events"
    notes = html.escape(f"{entry.split or 'no split'}, {shape}, {entry.shard}{events}")
    caption = f"<figcaption>{html.escape(clip.id)}: {heard} <small>{notes}</small></figcaption>"
    try:
        sheet, sound = _sheet(clip), clip.flac()
        wave = _waveform(decode_flac(sound, name=clip.id)[0])
    except MediaError as exc:
        return f"<figure>{caption}<p class=bad>{html.escape(str(exc))}</p></figure>"
    return (
        f"<figure>{caption}<img alt='{_STILLS} frames of {html.escape(clip.id, quote=True)}' "
        f"src='{_data(sheet, 'image/jpeg')}'>{wave}"
        f"<audio controls preload=none src='{_data(sound, 'audio/flac')}'></audio></figure>"
    )


def _sheet(clip: ShardClip) -> bytes:
    """Frames from first to last side by side."""
    jpegs = clip.jpegs()
    places = np.linspace(0, len(jpegs) - 1, min(_STILLS, len(jpegs))).round().astype(int)
    height, width = clip.entry.size
    small = (_STILL_HEIGHT, max(1, round(_STILL_HEIGHT * width / height)))
    frames = [resize(decode_jpeg(jpegs[place], name=clip.id), small) for place in places]
    return encode_jpeg(np.concatenate(frames, axis=1), quality=80)


def _waveform(samples: NDArray[np.float32]) -> str:
    """Peaks of the audio as an SVG path, one column per pixel."""
    width, height = _WAVE
    blocks = np.array_split(samples, width) if len(samples) >= width else [samples]
    tops = np.array([[block.max(initial=0), block.min(initial=0)] for block in blocks]).clip(-1, 1)
    y = (1 - tops) * height / 2
    up = " ".join(f"L{x} {value:.1f}" for x, value in enumerate(y[:, 0] - 0.4))
    down = " ".join(f"L{x} {y[x, 1] + 0.4:.1f}" for x in reversed(range(len(y))))
    path = f"<path d='M0 {height / 2} {up} {down} Z'/>"
    return f"<svg viewBox='0 0 {width} {height}' role=img aria-label='waveform'>{path}</svg>"


def _histogram(values: Sequence[float]) -> str:
    """SVG histogram with bins of equal width, and their limits."""
    if not values:
        return "<p>no clip</p>"
    counts, edges = np.histogram(values, bins=_BINS)
    width, height, most = 720 / _BINS, 100, max(1, int(counts.max()))
    bars = ""
    for n, count in enumerate(counts.tolist()):
        tall = height * count / most
        told = f"<title>{edges[n]:.2f} to {edges[n + 1]:.2f} s: {count}</title>"
        place = f"x='{n * width:.1f}' y='{height - tall:.1f}' width='{width - 2:.1f}' height='{tall:.1f}'"
        bars += f"<rect {place}>{told}</rect>"
    drawn = f"<svg viewBox='0 0 720 {height}' role=img aria-label='histogram of durations'>{bars}</svg>"
    return f"{drawn}<small>{edges[0]:.2f} s to {edges[-1]:.2f} s, at most {most:,} clips in a bar</small>"


def _bars(labels: dict[str, int]) -> str:
    most = max(1, *labels.values())
    rows = "".join(
        f"<div><i style='width:{100 * count / most:.1f}%'></i><b>{html.escape(name)}</b>"
        f"<span>{count:,}</span></div>"
        for name, count in list(labels.items())[:_MOST_LABELS]
    )
    rest = len(labels) - _MOST_LABELS
    return f"<div class=bars>{rows}</div>" + (f"<p>and {rest} more</p>" if rest > 0 else "")


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
