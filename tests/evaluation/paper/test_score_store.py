import math
from pathlib import Path

import pytest

from cinefoley.errors import OutputError
from cinefoley.evaluation.paper.score_store import EncoderScores, ScoreStore
from cinefoley.evaluation.scores import Score

KEPT = EncoderScores(
    scores={
        "FD": Score(value=1.25, low=1.0, high=1.5, replicas=(1.0, math.nan, 1.5)),
        "KL": Score(skipped="too few clips"),
    },
    clips=2,
    left_out=({"id": "a", "reason": "mute", "message": "m"},),
    seconds=3.5,
    run={"preset": "paper", "last": {"elapsed_s": 7.0}},
)


def test_scores_come_back_as_they_were(tmp_path: Path) -> None:
    ScoreStore(tmp_path / "scores").write("paper-0.full", {"steps": 25}, KEPT)
    found = ScoreStore(tmp_path / "scores").read("paper-0.full", {"steps": 25})
    assert found is not None
    assert (found.clips, found.left_out, found.seconds, found.run) == (
        KEPT.clips,
        KEPT.left_out,
        KEPT.seconds,
        KEPT.run,
    )
    assert found.scores["KL"] == KEPT.scores["KL"]
    fd = found.scores["FD"]
    assert (fd.value, fd.low, fd.high) == (1.25, 1.0, 1.5)
    assert fd.replicas == pytest.approx((1.0, math.nan, 1.5), nan_ok=True)


def test_scores_of_other_settings_are_not_met(tmp_path: Path) -> None:
    folder = ScoreStore(tmp_path)
    folder.write("paper-0.full", {"steps": 25}, KEPT)
    assert folder.read("paper-0.full", {"steps": 12}) is None
    assert folder.read("paper-1.full", {"steps": 25}) is None


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"scores": {"FD": {"value": 1}}}', "\xff"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, damage: str) -> None:
    folder = ScoreStore(tmp_path)
    folder.write("paper-0.full", {}, KEPT)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage.encode("latin-1"))
    assert folder.read("paper-0.full", {}) is None


def test_without_a_folder_nothing_is_kept() -> None:
    folder = ScoreStore(None)
    folder.write("paper-0.full", {}, KEPT)
    assert folder.read("paper-0.full", {}) is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        ScoreStore(tmp_path / "file" / "scores").write("paper-0.full", {}, KEPT)
