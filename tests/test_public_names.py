"""The names that ``from cinefoley import ...`` promises."""

import pytest

import cinefoley

PUBLIC = [
    "CameraMovement",
    "CinefoleyError",
    "CloseUp",
    "FoleyOutput",
    "FoleyPipeline",
    "Mixture",
    "StageClip",
    "Video",
    "__version__",
    "invert_mel",
    "load_video",
    "mel_spectrogram",
    "render_clip",
    "save_video",
]


def test_the_public_names_are_these() -> None:
    assert cinefoley.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_resolves_to_what_is_documented(name: str) -> None:
    value = getattr(cinefoley, name)

    assert name in dir(cinefoley)
    assert isinstance(value, str) or value.__doc__


def test_a_name_resolves_to_the_same_object_as_in_its_room() -> None:
    from cinefoley.errors import CinefoleyError
    from cinefoley.stage.render import render_clip

    assert cinefoley.CinefoleyError is CinefoleyError
    assert cinefoley.render_clip is render_clip


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(AttributeError, match="module 'cinefoley' has no attribute 'FoleyPipelin'"):
        getattr(cinefoley, "FoleyPipelin")  # noqa: B009  # mypy would refuse the attribute
