"""HTML of the studio's page: the strip of shots, takes side by side, download links."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from cinefoley.media.shots import Shot
from cinefoley.studio.session import StudioTake

__all__ = ["links", "shot_strip", "take_cards", "time_range"]


def time_range(start_s: float, end_s: float) -> str:
    """Such as ``0.00 to 2.50 s``."""
    return f"{start_s:.2f} to {end_s:.2f} s"


def shot_strip(video: str, shots: Sequence[Shot], thumbnails: Sequence[str]) -> str:
    """The video, and a scrolling row with a thumbnail of each shot.

    Args:
        video: Address of the video.
        shots: All shots.
        thumbnails: Addresses of the thumbnails of the first shots, or of all.
    """
    cells = "".join(
        f'<li><img src="{escape(thumbnail)}" alt="">'
        f"<span>Shot {number}<br>{time_range(shot.start_s, shot.end_s)}</span></li>"
        for number, (shot, thumbnail) in enumerate(zip(shots, thumbnails, strict=False), start=1)
    )
    hidden = len(shots) - len(thumbnails)
    more = f"<li><span>and {hidden} more</span></li>" if hidden > 0 else ""
    return (
        f'<video class="source" src="{escape(video)}" controls playsinline preload="metadata"></video>'
        f'<ol class="shots" tabindex="0" aria-label="Shots">{cells}{more}</ol>'
    )


def take_cards(takes: Sequence[tuple[StudioTake, str, str]]) -> str:
    """Takes side by side: a player, and waveform and spectrogram with a line at the current time.

    Args:
        takes: Takes with the addresses of their video and of their waveform image.
    """
    return f'<div class="takes">{"".join(_card(*entry) for entry in takes)}</div>' if takes else ""


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
    about += f"; {take.remark}" if take.remark else ""
    begin = f"#t={take.start_s:.3f}" if take.start_s else ""  # start playing at the take's start
    return (
        f'<figure class="take" data-start="{take.start_s:.4f}" data-end="{take.end_s:.4f}">'
        f"<figcaption><strong>Take {take.number}</strong> {escape(about)}</figcaption>"
        f'<video src="{escape(video)}{begin}" controls playsinline preload="auto"></video>'
        f'<div class="sound"><img src="{escape(image)}" '
        f'alt="Waveform and spectrogram of take {take.number}">'
        '<span class="now"></span></div></figure>'
    )
