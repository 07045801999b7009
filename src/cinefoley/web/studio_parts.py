"""Pieces of the studio's page that are HTML: the strip of shots, takes side by side, links."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from cinefoley.studio.desk import DeskTake
from cinefoley.studio.shots import Shot

__all__ = ["links", "shot_strip", "take_cards", "time_range"]


def time_range(start_s: float, end_s: float) -> str:
    """Such as ``0.00 to 2.50 s``."""
    return f"{start_s:.2f} to {end_s:.2f} s"


def shot_strip(film: str, shots: Sequence[Shot], pictures: Sequence[str]) -> str:
    """The film, and a picture of each shot in a row that scrolls.

    Args:
        film: Address of the film.
        shots: All shots.
        pictures: Addresses of pictures, of the first shots or of all.
    """
    cells = "".join(
        f'<li><img src="{escape(picture)}" alt="">'
        f"<span>Shot {number}<br>{time_range(shot.start_s, shot.end_s)}</span></li>"
        for number, (shot, picture) in enumerate(zip(shots, pictures, strict=False), start=1)
    )
    hidden = len(shots) - len(pictures)
    more = f"<li><span>and {hidden} more</span></li>" if hidden > 0 else ""
    return (
        f'<video class="film" src="{escape(film)}" controls playsinline preload="metadata"></video>'
        f'<ol class="shots" tabindex="0" aria-label="Shots">{cells}{more}</ol>'
    )


def take_cards(takes: Sequence[tuple[DeskTake, str, str]]) -> str:
    """Takes side by side: picture and sound in one player, waveform and spectrogram with a moving line.

    Args:
        takes: Each with the addresses of its film and of its picture of the sound.
    """
    return f'<div class="takes">{"".join(_card(*entry) for entry in takes)}</div>' if takes else ""


def links(addresses: Sequence[tuple[str, str]]) -> str:
    """Files to save.

    Args:
        addresses: Address and name of each.
    """
    items = "".join(
        f'<li><a href="{escape(address)}" download="{escape(name)}">{escape(name)}</a></li>'
        for address, name in addresses
    )
    return f'<ul class="links">{items}</ul>'


def _card(take: DeskTake, film: str, picture: str) -> str:
    region = time_range(take.start_s, take.end_s)
    about = f"{Path(take.model).name}, {take.encoder} encoder, seed {take.seed}, {region}"
    about += f"; {take.remark}" if take.remark else ""
    begin = f"#t={take.start_s:.3f}" if take.start_s else ""  # plays from where the take's sound begins
    return (
        f'<figure class="take" data-start="{take.start_s:.4f}" data-end="{take.end_s:.4f}">'
        f"<figcaption><strong>Take {take.number}</strong> {escape(about)}</figcaption>"
        f'<video src="{escape(film)}{begin}" controls playsinline preload="auto"></video>'
        f'<div class="sound"><img src="{escape(picture)}" '
        f'alt="Waveform and spectrogram of take {take.number}">'
        '<span class="now"></span></div></figure>'
    )
