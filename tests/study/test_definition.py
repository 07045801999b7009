from datetime import UTC, datetime
from pathlib import Path

import pytest

from cinefoley.errors import StudyError
from cinefoley.study.definition import load_study

METHODS = '[methods]\nbase = "a"\nours = "b"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_folders_are_relative_to_the_file_and_methods_keep_their_order(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, '[methods]\nzebra = "films/z"\nant = "/abs/a"\n'))

    assert list(study.methods) == ["zebra", "ant"]
    assert study.methods["zebra"] == tmp_path / "films" / "z"
    assert study.methods["ant"] == Path("/abs/a")


def test_every_setting_can_be_written(tmp_path: Path) -> None:
    study = load_study(
        write(
            tmp_path,
            'title = "T"\nquestion = "Q?"\nconsent = "C"\ncontact = "M"\nreasons = ["one", "two"]\n'
            "asks_for_comment = false\npairs_per_participant = 5\nparticipants = 20\ncloses = 2027-01-31\n"
            f'same_picture = false\nseed = 4\n{METHODS}[attention]\nbetter = "g"\nworse = "w"\n'
            "per_participant = 3\nmost_failures = 1\n",
        )
    )

    assert (study.title, study.question, study.consent, study.contact) == ("T", "Q?", "C", "M")
    assert (study.reasons, study.asks_for_comment) == (("one", "two"), False)
    assert (study.pairs_per_participant, study.participants, study.seed) == (5, 20, 4)
    assert study.closes == datetime(2027, 1, 31, 23, 59, 59, 999999, UTC)
    assert study.attention is not None
    assert (study.attention.per_participant, study.attention.most_failures) == (3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"at least two methods, found 0 \(none\)"),
        (
            '[methods]\nbase = "a"\n',
            r"at least two methods, found 1 \(base\). Add another line to \[methods\]",
        ),
        ('[methods]\nbase = "a"\nours = "./a"\n', "two methods have the same folder"),
        ("[methods]\nbase = 3\n", r"\[methods\] must contain lines name = \"folder\", got 'base' = 3"),
        ('methods = "a"\n', "methods must be of type dict"),
        (f'titel = "T"\n{METHODS}', "unknown key 'titel'; known keys: title, question"),
        (f"seed = true\n{METHODS}", "seed must be of type int, got True"),
        (f'seed = "1"\n{METHODS}', "seed must be of type int, got '1'"),
        (f"seed = -1\n{METHODS}", "seed must be at least 0, got -1"),
        (f"participants = 0\n{METHODS}", "participants must be at least 1, got 0"),
        (f'reasons = ["a", 3]\n{METHODS}', "reasons must be a list of texts"),
        (f'reasons = ["a", "a"]\n{METHODS}', "a reason is listed twice"),
        (f'{METHODS}[attention]\nbetter = "g"\n', r"\[attention\] needs worse"),
        (f"{METHODS}[attention]\nmore = 3\n", "unknown key 'attention.more'"),
        (f'{METHODS}[attention]\nbetter = "g"\nworse = "w"\nper_participant = 0\n', "must be at least 1"),
        (
            f'{METHODS}[attention]\nbetter = "g"\nworse = "w"\nmost_failures = -1\n',
            "most_failures must be at least 0, got -1",
        ),
        ("methods = [", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load_study(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"study.toml: cannot be read \(No such file or directory\)"):
        load_study(tmp_path / "study.toml")
