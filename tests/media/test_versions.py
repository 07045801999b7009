import re

from cinefoley.media.versions import ffmpeg_versions


def test_the_libraries_that_read_films_have_versions() -> None:
    versions = ffmpeg_versions()
    assert {"libavcodec", "libavformat", "libswscale"} <= versions.keys()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
