from pathlib import Path

import pytest

from cinefoley.data.sources.split_csv import SplitRow, read_split
from cinefoley.errors import DataError


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "split.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_vggsounds_list_is_read(tmp_path: Path) -> None:
    rows = read_split(
        write(tmp_path, '---g-f_I2yQ,1,people marching,test\n--0PQM4-hqg,30,"waterfall, burbling",train\n')
    )
    assert rows == [
        SplitRow(id="---g-f_I2yQ", start_s=1.0, label="people marching", split="test"),
        SplitRow(id="--0PQM4-hqg", start_s=30.0, label="waterfall, burbling", split="train"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "label,id,split,start\nrain,abc,test,7\n",
        "class, YouTube ID ,set,start seconds\r\nrain,abc,test,7\r\n",
        "\ufeffid,start,label,split\n\nabc,7,rain,test\n\n",
        '"id","start_time","category","split"\n" abc","7.0","rain","test"\n',
    ],
)
def test_a_header_names_the_columns(tmp_path: Path, text: str) -> None:
    assert read_split(write(tmp_path, text)) == [SplitRow(id="abc", start_s=7.0, label="rain", split="test")]


def test_only_the_id_must_be_there(tmp_path: Path) -> None:
    assert read_split(write(tmp_path, "id\na\nb\n")) == [SplitRow(id="a"), SplitRow(id="b")]


def test_one_split_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, "a,1,x,test\nb,2,x,train\n")
    assert [row.id for row in read_split(path, split="train")] == ["b"]
    with pytest.raises(DataError, match=r"no row names a clip of the split 'valid' \(found test, train\)"):
        read_split(path, split="valid")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"split\.csv: is empty"),
        ("\n \n", r"split\.csv: is empty"),
        ("id,start\n", "no row at all"),
        ("id,starts,label\na,1,x\n", "unknown column 'starts'"),
        ("id,url,size\na,1,x\n", "unknown columns 'url', 'size'"),
        ("start,label\n1,x\n", "must name id"),
        ("id,ytid\na,a\n", "each column once"),
        ("a,1,x\n", r"line 1: 3 columns where 4 are expected \(id,start,label,split\)"),
        ("a,1,x,test\nb,2,x,test,more\n", "line 2: 5 columns"),
        ("a,1,x,test\nb,soon,x,test\n", "line 2: the start must be seconds, 0 or more, got 'soon'"),
        ("a,-1,x,test\n", "line 1: the start must be seconds"),
        ("a,nan,x,test\n", "line 1: the start must be seconds"),
        ("a,1,x,test\nb,1,x,test\na,9,y,test\n", "the id 'a' is in line 1 and again in line 3"),
        ("a,1,x,test\nb,1,x,Test\n", "the split is 'test' in line 1 and 'Test' in line 2"),
        ("../a,1,x,test\n", "'../a' is not a valid id"),
        ("a\\b,1,x,test\n", "is not a valid id"),
        (".a,1,x,test\n", "is not a valid id"),
        (",1,x,test\n", "'' is not a valid id"),
        ("a\x01,1,x,test\n", "is not a valid id"),
        (b"\xff\xfe\x00", "is not a CSV of clips"),
        ('"a,1,x,test\n', "is not a CSV of clips"),
    ],
)
def test_what_is_no_list_is_told(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_split(write(tmp_path, text))


def test_a_list_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.csv: cannot be read \(No such file"):
        read_split(tmp_path / "no.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_split(tmp_path)
