"""Draw README's picture and make the listening page: teacher, student and real sound on the same clips.

    python recipes/listening.py page         # docs/listening.md, docs/listening/*.mp4
    python recipes/listening.py picture      # docs/images/readme.png

The clips are chosen by a rule and not by ear: the first three of the stage's test split, each of another
kind, whose events all begin sharply and that have four events or more. Every one is shown as a close-up and
under a camera movement, through the window that the test set of seed 0 has. No training run has used them.
The three videos of a view have the same frames and different audio: the clip's own, the one generated from
the teacher's features, and the one generated from the student's with the same noise.

README's picture is a typical close-up and not the best one: of the first twelve clips with such events, the
one whose visible onset F1 of teacher and student are nearest to the means on the student's card
(`TYPICAL_F1`).
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from cinefoley import __version__
from cinefoley.analysis.comparison import Comparison, compare_encoders
from cinefoley.analysis.comparison_figure import draw_comparison
from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.stage import StageClip, StageSource
from cinefoley.evaluation.views import View, window_of
from cinefoley.media.muxing.save_video import save_video
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.digest import stage_digest

DOCS = Path(__file__).resolve().parents[1] / "docs"
VIEWS: Mapping[View, str] = {"close_up": "close-up", "camera_movement": "camera movement"}
SOUNDS = {"real": "real sound", "teacher": "teacher", "student": "student"}
FPS, CRF = 25, 30
SHORT_SIDE = 180
TYPICAL_F1 = {"teacher": 0.768, "student": 0.911}
"""Visible onset F1 on close-ups, of the student's card (300 clips)."""


def main() -> None:
    """Make the page or the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["page", "picture"])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--clips", type=int, help="default: 3 for the page, 12 to choose the picture from")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    args = parser.parse_args()
    pipeline = FoleyPipeline.from_pretrained(args.model)
    if args.what == "picture":
        _make_picture(pipeline, args.clips or 12, args.seed)
    else:
        _make_page(pipeline, args.clips or 3, args.seed, args.model)


def _make_picture(pipeline: FoleyPipeline, clips: int, seed: int) -> None:
    """Draw the close-up that is nearest to the means."""
    compared = [
        _compare(clip, "close_up", pipeline, seed) for clip in _chosen(pipeline, clips, new_kinds=False)
    ]
    typical = min(compared, key=lambda c: sum(abs(c.counts[name].f1 - f1) for name, f1 in TYPICAL_F1.items()))
    generated = {name: sound for name, sound in typical.sounds.items() if name != "real"}
    figure = draw_comparison([replace(typical, sounds=generated)], columns=8, width_in=6.0)
    figure.savefig(DOCS / "images" / "readme.png", dpi=150)


def _make_page(pipeline: FoleyPipeline, clips: int, seed: int, model: str) -> None:
    """Write the videos and the page that plays them."""
    folder = DOCS / "listening"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.mp4"):
        old.unlink()
    sections = []
    for clip in _chosen(pipeline, clips, new_kinds=True):
        for view in VIEWS:
            comparison = _compare(clip, view, pipeline, seed)
            _write_videos(clip, comparison, folder)
            sections.append(_section(clip, comparison))
    page = _page(sections, f"{model}, cinefoley {__version__}, noise seed {seed}, {date.today()}")
    (DOCS / "listening.md").write_text(page, encoding="utf-8")


def _compare(clip: StageClip, view: View, pipeline: FoleyPipeline, seed: int) -> Comparison:
    comparison = compare_encoders(
        clip,
        view,
        pipeline,
        encoders={"teacher": "teacher", "student": "student"},
        clip_s=clip.duration_s,
        events=stage_events,
        seed=seed,
    )
    print(f"{clip.id} {view}: {dict(comparison.counts)}", file=sys.stderr, flush=True)
    return comparison


def _chosen(pipeline: FoleyPipeline, count: int, *, new_kinds: bool) -> Iterator[StageClip]:
    """The first clips with four sharp events or more; with `new_kinds`, each of another kind."""
    kinds: set[tuple[str, ...]] = set()
    source = StageSource("test", 1000, duration_s=pipeline.foley_config.window_s)
    fitting = (
        clip for clip in source if len(clip.events) >= 4 and all(event.is_onset_like for event in clip.events)
    )
    for clip in fitting:
        if new_kinds and clip.labels in kinds:
            continue
        kinds.add(clip.labels)
        yield clip
        count -= 1
        if not count:
            return


def _write_videos(clip: StageClip, comparison: Comparison, folder: Path) -> None:
    window = window_of(clip, comparison.view)
    assert window is not None
    height, width = window.on(clip.frame_size()).crop_size
    scale = SHORT_SIDE / min(height, width)
    size = (2 * round(height * scale / 2), 2 * round(width * scale / 2))
    video = clip.video(fps=FPS, size=size, duration=comparison.duration_s, window=window)
    for name, sound in comparison.sounds.items():
        save_video(
            folder / _file(clip, comparison.view, name),
            video.frames,
            FPS,
            waveform=sound / max(1.0, float(sound.abs().max())),
            sample_rate=comparison.sample_rate,
            crf=CRF,
        )


def _file(clip: StageClip, view: View, sound: str) -> str:
    return f"{clip.id}.{view}.{sound}.mp4"


def _section(clip: StageClip, comparison: Comparison) -> str:
    players = "\n".join(
        f'<figure><video controls preload="metadata" '
        f'src="listening/{_file(clip, comparison.view, name)}"></video>'
        f"<figcaption>{title}{_count(comparison, name)}</figcaption></figure>"
        for name, title in SOUNDS.items()
    )
    kinds = ", ".join(clip.labels)
    return f'## {kinds}: {VIEWS[comparison.view]}\n\n<div class="players">\n{players}\n</div>\n'


def _count(comparison: Comparison, name: str) -> str:
    counts = comparison.counts.get(name)
    if counts is None:
        return ""
    return f": {counts.hits} of {counts.hits + counts.missed} visible events, {counts.extra} extra onsets"


def _page(sections: Sequence[str], protocol: str) -> str:
    return f"""# Listening page

Each row shows the same cropped frames with three sounds: the clip's own, the sound generated from the
teacher's features, and the sound generated from the student's. Generator and noise are the same for both.
Neither encoder was trained on these clips. The counts say how many visible events have an onset of the sound
within 100 ms.

The model is the bundled `lite`, which knows only the [Foley stage](stage.md). The clips are the first three
of the test split, each of another kind, that have four or more events which all begin sharply. They were not
chosen by ear. [The student's card](../src/cinefoley/assets/lite/video_encoder_student/README.md) has the
means over 300 clips.

{chr(10).join(sections)}
Made by `python recipes/listening.py page`: {protocol}, stage {stage_digest()[:12]}, 25 steps, guidance 4.5.
"""


if __name__ == "__main__":
    main()
