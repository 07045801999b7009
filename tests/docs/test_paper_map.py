"""Every file that docs/paper.md names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_files_named_in_the_map_of_the_paper_exist() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.py)?)[`:]", text)
    missing = [
        name for name in named if not ((ROOT / "src/cinefoley" / name).exists() or (ROOT / name).exists())
    ]

    assert len(named) > 15
    assert missing == []
