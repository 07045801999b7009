import re

from cinefoley.media.versions import ffmpeg_versions, joined_versions


def test_the_libraries_that_read_videos_have_versions() -> None:
    versions = ffmpeg_versions()
    assert {"libavcodec", "libavformat", "libswscale"} <= versions.keys()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())


def test_what_was_made_by_other_versions_is_not_forgotten() -> None:
    first = joined_versions(None, {"libavcodec": "60"})
    assert first == {"versions": {"libavcodec": "60"}}
    assert joined_versions(first, {"libavcodec": "60"}) == first
    second = joined_versions(first, {"libavcodec": "62"})
    assert second == {"versions": {"libavcodec": "62"}, "earlier_versions": [{"libavcodec": "60"}]}
    assert joined_versions(second, {"libavcodec": "62"}) == second
