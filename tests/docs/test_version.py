"""The version is the same wherever it is written."""

from pathlib import Path

import cinefoley

ROOT = Path(__file__).resolve().parents[2]


def test_changelog_and_citation_have_the_version_of_the_package() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")

    assert f"\n## [{cinefoley.__version__}] - " in changelog
    assert f"\nversion: {cinefoley.__version__}\n" in citation
