import json

from cinefoley.evaluation.stage.frozen import FROZEN_FILE, frozen_digests


def test_stage_and_judges_are_what_the_tables_were_made_with() -> None:
    """If this fails, either undo the change, or freeze anew and make every table on the stage again."""
    assert frozen_digests() == json.loads(FROZEN_FILE.read_text())["digests"]
