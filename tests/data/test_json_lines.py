from pathlib import Path

import pytest

from cinefoley.data.json_lines import Journal, Record, read_records, write_json, write_records
from cinefoley.errors import OutputError

RECORDS: list[Record] = [{"id": "a", "label": "Bär, growling"}, {"id": "b", "n": 0.1}]


def test_records_are_read_back(tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", RECORDS)
    assert read_records(tmp_path / "r.jsonl") == RECORDS


def test_a_journal_keeps_what_was_appended_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    assert journal.read() == []
    for record in RECORDS:
        with journal.opened():
            journal.append(record)
    assert journal.read() == RECORDS


def test_a_line_that_a_kill_has_cut_is_left_out_and_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    with journal.opened():
        journal.append(RECORDS[0])
    with journal.path.open("ab") as file:
        file.write(b'{"id": "c", "lab')
    assert journal.read() == RECORDS[:1]
    with journal.opened():
        journal.append(RECORDS[1])
    assert read_records(journal.path) == RECORDS


@pytest.mark.parametrize("line", [b"{", b"[1]", b"\xff"])
def test_a_damaged_line_is_told_where_it_matters(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "r.jsonl").write_bytes(b'{"id": "a"}\n' + line + b"\n")
    with pytest.raises(ValueError, match="line 2"):
        read_records(tmp_path / "r.jsonl")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_json(tmp_path / "no" / "a.json", {})
    with pytest.raises(OutputError, match="cannot be written"), Journal(tmp_path / "no" / "j").opened():
        pass
