"""Versions of the stage: how its clips are filmed and recorded."""

from typing import Literal, get_args

__all__ = ["DEFAULT_VERSION", "StageVersion", "resolve_version"]

StageVersion = Literal["plain", "filmed"]
"""``plain``: a camera on a tripod, clean frames and a quiet room. ``filmed``: as people film and record."""

DEFAULT_VERSION: StageVersion = "plain"
"""The version that clips have where none is named: the one that the bundled ``lite`` was trained on."""


def resolve_version(version: StageVersion | None) -> StageVersion:
    """The version itself, or the default for None.

    Raises:
        ValueError: If there is no such version.
    """
    if version is None:
        return DEFAULT_VERSION
    if version not in get_args(StageVersion):
        raise ValueError(f"the stage's versions are {', '.join(get_args(StageVersion))}; got {version!r}")
    return version
