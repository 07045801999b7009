from pathlib import Path

import psutil
import pytest
import torch

from cinefoley.data.cache.tensor_files import read_chunk, write_chunk
from cinefoley.data.cache.tensor_rows import ChunkedRows, WindowedRows

WHOLE = torch.arange(7 * 3 * 10).reshape(7, 3, 10)


@pytest.fixture
def column() -> ChunkedRows:
    return ChunkedRows([WHOLE[:2], WHOLE[2:2], WHOLE[2:6], WHOLE[6:]])


@pytest.mark.parametrize(
    "index",
    [
        0,
        6,
        -1,
        slice(None),
        slice(1, 5),
        slice(5, 1),
        slice(0, 7, 3),
        torch.tensor([6, 0, 2, 2, 1]),
        torch.tensor([[0, 6], [3, 2]]),
        torch.tensor(4),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([True, False, True, False, False, False, True]),
        (3, slice(None), slice(2, 5)),
        (torch.tensor([5, 1]), slice(0, 2)),
        (torch.tensor([], dtype=torch.int64), slice(None), slice(2, 5)),
        (slice(1, 4), 1),
    ],
)
def test_rows_are_those_of_one_tensor(column: ChunkedRows, index: object) -> None:
    assert column.shape == WHOLE.shape
    assert len(column) == 7
    assert torch.equal(column[index], WHOLE[index])  # type: ignore[index]


def test_rows_are_copies(column: ChunkedRows) -> None:
    column[0].zero_()
    assert torch.equal(column[0], WHOLE[0])


@pytest.mark.parametrize("index", [7, -8, torch.tensor([0, 7])])
def test_a_row_that_is_not_there_is_refused(column: ChunkedRows, index: object) -> None:
    with pytest.raises(IndexError, match="rows are 0 to 6"):
        column[index]


def test_rows_are_converted_and_scaled_when_they_are_read() -> None:
    halves = ChunkedRows([torch.ones(2, 4, dtype=torch.float16)], dtype=torch.float32).scaled(0.5)
    assert halves[1].dtype == halves.dtype == torch.float32
    assert halves[torch.tensor([0, 1])].tolist() == [[0.5] * 4] * 2


def test_rows_can_be_read_in_the_middle_of_a_step() -> None:
    halves = ChunkedRows([torch.ones(3, 4, dtype=torch.float16)])
    stretches = WindowedRows(halves, torch.tensor([0, 1]), torch.tensor([1, 2]), length=2, dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert halves[torch.tensor([0, 2])].dtype == stretches[torch.tensor([1])].dtype == torch.float16


def test_reading_a_few_rows_takes_no_more_memory_than_they_need(tmp_path: Path) -> None:
    def own_memory() -> int:
        info = psutil.Process().memory_info()
        return int(info.rss - getattr(info, "shared", 0))  # without pages of files, which cost nothing

    size, files = 2**24, 6
    for number in range(files):
        write_chunk(tmp_path / str(number), {"rows": torch.zeros(64, size // 64, dtype=torch.uint8)}, {})
    chunks = [chunk for number in range(files) if (chunk := read_chunk(tmp_path / str(number)))]
    before = own_memory()
    column = ChunkedRows([tensors["rows"] for tensors, _ in chunks])
    picked = column[torch.arange(0, len(column), 60)]
    assert len(column) == 64 * files
    assert own_memory() - before < 2 * picked.numel() + 2**23 < size * files / 4


def test_chunks_must_be_of_one_kind() -> None:
    with pytest.raises(ValueError, match="one chunk at least"):
        ChunkedRows([])
    with pytest.raises(ValueError, match="rows of one shape and one dtype"):
        ChunkedRows([torch.zeros(2, 3), torch.zeros(2, 4)])


def test_stretches_begin_where_they_are_told(column: ChunkedRows) -> None:
    stretches = WindowedRows(column, torch.tensor([0, 0, 6]), torch.tensor([0, 4, 7]), length=3, dim=2)
    assert stretches.shape == (3, 3, 3)
    assert torch.equal(stretches[1], WHOLE[0, :, 4:7])
    assert torch.equal(stretches[torch.tensor([2, 0])], torch.stack([WHOLE[6, :, 7:], WHOLE[0, :, :3]]))
    assert torch.equal(stretches[0:2, 1], torch.stack([WHOLE[0, 1, :3], WHOLE[0, 1, 4:7]]))
    assert stretches[torch.tensor([], dtype=torch.int64)].shape == (0, 3, 3)
    along_first = WindowedRows(column, torch.tensor([5]), torch.tensor([1]), length=2, dim=1)
    assert torch.equal(along_first[0, :, 9], WHOLE[5, 1:3, 9])


def test_a_stretch_must_lie_in_its_row(column: ChunkedRows) -> None:
    with pytest.raises(ValueError, match="sections of 3 must lie in rows of 10"):
        WindowedRows(column, torch.tensor([0]), torch.tensor([8]), length=3, dim=-1)
