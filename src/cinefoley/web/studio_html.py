"""HTML of the studio's page: the strip of shots, takes side by side, download links."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from cinefoley.delivery.cues import Cue
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.media.shots import Shot
from cinefoley.studio.session import StudioTake
from cinefoley.studio.shot_settings import ShotSound

__all__ = ["EMPTY", "HELP", "clock_time", "cue_table", "links", "shot_strip", "take_cards", "time_range"]

EMPTY = (
    '<div class="empty"><p><strong>No video yet.</strong> Drop one above, or start with the example: a clip '
    "of the Foley stage.</p><p>Then generate takes, choose one per shot, and export.</p></div>"
)
"""What a page without a video shows."""

_KEYS = (
    ("Space", "play or pause the take"),
    ("Left, Right", "one frame back or on"),
    ("A, B", "play the first or the second take at the same time"),
    ("1 to 9", "play that take at the same time"),
    ("S", "play the shot again and again, or stop that"),
    ("O", "play the video's own sound"),
    ("?", "show or hide this sheet"),
)
HELP = (
    '<dialog id="help" aria-label="Keys"><h2>Keys</h2><dl>'
    + "".join(f"<dt>{keys}</dt><dd>{what}</dd>" for keys, what in _KEYS)
    + "</dl><p>Drag over a waveform to mark a stretch for <em>Redo</em>.</p>"
    '<form method="dialog"><button>Close</button></form></dialog>'
    '<button class="help" type="button" aria-label="Show the keys">Keys: ?</button>'
)
"""The sheet of keys, and the button that shows it."""


def clock_time(time_s: float) -> str:
    """Such as ``1:02.500``."""
    milliseconds = round(max(0.0, time_s) * 1000)
    return f"{milliseconds // 60_000}:{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}"


def time_range(start_s: float, end_s: float) -> str:
    """Such as ``0:00.000 to 0:02.500``."""
    return f"{clock_time(start_s)} to {clock_time(end_s)}"


def shot_strip(
    video: str,
    shots: Sequence[Shot],
    thumbnails: Sequence[str],
    clock: TimecodeClock | None = None,
    *,
    waveform: str | None = None,
) -> str:
    """The video, and a scrolling row with a thumbnail of each shot.

    Args:
        video: Address of the video.
        shots: All shots.
        thumbnails: Addresses of the thumbnails of the first shots, or of all.
        clock: Timecode of the video, for the page's clocks; None: seconds only.
        waveform: Address of the image of the video's own sound; None if it is silent.
    """
    cells = "".join(
        f'<li data-start="{shot.start_s:.4f}" data-end="{shot.end_s:.4f}">'
        f'<img src="{escape(thumbnail)}" alt=""><span>Shot {number}{_timecode(shot.start_s, clock)}<br>'
        f"{time_range(shot.start_s, shot.end_s)}</span></li>"
        for number, (shot, thumbnail) in enumerate(zip(shots, thumbnails, strict=False), start=1)
    )
    hidden = len(shots) - len(thumbnails)
    more = f"<li><span>and {hidden} more</span></li>" if hidden > 0 else ""
    rate = (
        ""
        if clock is None
        else f' data-rate="{float(clock.rate):.9f}" data-start-frame="{clock.start_frame}"'
        f' data-drop="{int(clock.is_drop_frame)}"'
    )
    end_s = shots[-1].end_s if shots else 0.0
    return (
        f'<figure class="own" id="film" data-start="0" data-end="{end_s:.4f}"{rate}>'
        "<figcaption>The video with its own sound, as reference "
        '<output class="clock"></output></figcaption>'
        f'<video class="source" src="{escape(video)}" controls playsinline preload="metadata">'
        f"</video>{_sound(waveform, 'the video') if waveform else ''}</figure>"
        f'<ol class="shots" tabindex="0" aria-label="Shots">{cells}{more}</ol>'
    )


def take_cards(takes: Sequence[tuple[StudioTake, str, str]]) -> str:
    """Takes side by side: a player, and waveform and spectrogram with a line at the current time.

    Args:
        takes: Takes with the addresses of their video and of their waveform image.
    """
    return f'<div class="takes">{"".join(_card(*entry) for entry in takes)}</div>' if takes else ""


def cue_table(take: int, cues: Sequence[Cue], clock: TimecodeClock | None, sheet: str | None) -> str:
    """Events of a take, with times that can be edited, and a link to the sheet as CSV.

    Args:
        take: Number of the take.
        cues: Its events.
        clock: Timecode of the video; None: seconds only.
        sheet: Address of the CSV; None: no link.
    """
    if not cues:
        return f"<p>Take {take}: no event was found.</p>"
    step = 0.04 if clock is None else 1 / float(clock.rate)
    rows = "".join(_cue_row(number, cue, clock, step) for number, cue in enumerate(cues, start=1))
    link = "" if sheet is None else links([(sheet, f"take{take}.cues.csv")])
    return (
        f'<table class="cues" data-take="{take}"><caption>Events of take {take}</caption><thead><tr>'
        "<th>Timecode</th><th>Time (s)</th><th>Generated</th><th>Strength</th><th>Kind</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{link}"
    )


def _cue_row(number: int, cue: Cue, clock: TimecodeClock | None, step: float) -> str:
    generated_s = cue.time_s if cue.generated_s is None else cue.generated_s
    strength = "" if cue.strength_db is None else f"{cue.strength_db:.1f} dB"
    code = clock_time(cue.time_s) if clock is None else clock.at(cue.time_s)
    return (
        f'<tr><td><button type="button" class="seek" title="Show this moment">{code}</button></td>'
        f'<td><input type="number" min="0" step="{step:.6f}" value="{cue.time_s:.3f}" '
        f'aria-label="Time of event {number}, in seconds"></td>'
        f"<td>{generated_s:.3f}</td><td>{strength}</td><td>{escape(cue.kind)}</td></tr>"
    )


def links(addresses: Sequence[tuple[str, str]]) -> str:
    """Download links.

    Args:
        addresses: Address and name of each file.
    """
    items = "".join(
        f'<li><a href="{escape(address)}" download="{escape(name)}">{escape(name)}</a></li>'
        for address, name in addresses
    )
    return f'<ul class="links">{items}</ul>'


def _card(take: StudioTake, video: str, image: str) -> str:
    region = time_range(take.start_s, take.end_s)
    about = f"{Path(take.model).name}, video encoder: {take.encoder}, seed {take.seed}, {region}"
    about += f"; {take.sound}" if take.sound != ShotSound() else ""
    about += f"; {take.remark}" if take.remark else ""
    begin = f"#t={take.start_s:.3f}" if take.start_s else ""  # start playing at the take's start
    return (
        f'<figure class="take" data-number="{take.number}" data-start="{take.start_s:.4f}" '
        f'data-end="{take.end_s:.4f}">'
        f'<figcaption><strong>Take {take.number}</strong> <output class="clock"></output><br>'
        f"{escape(about)}</figcaption>"
        f'<video src="{escape(video)}{begin}" controls playsinline preload="auto"></video>'
        f"{_sound(image, f'take {take.number}')}</figure>"
    )


def _sound(image: str, what: str) -> str:
    return (
        f'<div class="sound"><img src="{escape(image)}" alt="Waveform and spectrogram of {what}">'
        '<span class="marked" hidden></span><span class="now"></span></div>'
    )


def _timecode(time_s: float, clock: TimecodeClock | None) -> str:
    return "" if clock is None else f" {clock.at(time_s)}"
