"""Backbones are fetched from the web, which here is a server of our own on 127.0.0.1."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.http_server import serving

from cinefoley.errors import MissingWeightsError, OutputError, WeightsError
from cinefoley.models.importing.backbones import (
    PUBLISHED_BACKBONES,
    PublishedBackbone,
    find_backbone,
    pull_backbone,
)

CONTENT = bytes(range(256)) * 2000


@dataclass
class Web:
    """A server with one file, behind one redirection, as GitHub's releases are."""

    content: bytes = CONTENT
    gets: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and ``Range`` of every request."""
    cuts_after: int | None = None
    """Refuse to go on in the middle, and say that there is no more than this."""
    ignores_ranges: bool = False
    url: str = ""


@pytest.fixture
def web() -> Iterator[Web]:
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.gets.append((self.path, wanted))
            if self.path == "/release":
                self._head(302, 0, Location="/stored")
                return
            if self.path != "/stored" or (wanted and state.cuts_after is not None):
                self._head(404 if self.path != "/stored" else 503, 0)
                return
            begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            begin = 0 if state.ignores_ranges else begin
            self._head(206 if begin else 200, len(state.content) - begin)
            self.wfile.write(state.content[begin : state.cuts_after])
            self.close_connection = True

        def _head(self, status: int, length: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()

    with serving(Handler) as address:
        state.url = f"{address}/release"
        yield state


@pytest.fixture
def backbone(web: Web) -> PublishedBackbone:
    return replace(
        PUBLISHED_BACKBONES["vggish"],
        url=web.url,
        num_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest()[:8],
    )


@pytest.fixture
def pull(backbone: PublishedBackbone, tmp_path: Path) -> Callable[..., Path]:
    return lambda **options: pull_backbone(backbone, home=tmp_path, **options)


def test_a_pulled_file_is_whole_found_by_name_and_fetched_once(
    pull: Callable[..., Path], backbone: PublishedBackbone, web: Web, tmp_path: Path
) -> None:
    path = pull()
    assert path == tmp_path / "backbones" / "vggish" / "vggish-10086976.pth"
    assert path.read_bytes() == CONTENT
    assert find_backbone(backbone, tmp_path) == path
    assert [asked for asked, _ in web.gets] == ["/release", "/stored"]
    assert pull() == path
    assert len(web.gets) == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_cut_fetch_goes_on_where_it_stopped(pull: Callable[..., Path], web: Web, tmp_path: Path) -> None:
    part = tmp_path / "backbones" / "vggish" / "vggish-10086976.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:100_000])
    assert pull().read_bytes() == CONTENT
    assert web.gets[-1] == ("/stored", "bytes=100000-")
    assert not part.exists()


def test_a_server_that_cannot_go_on_in_the_middle_begins_again(
    pull: Callable[..., Path], web: Web, tmp_path: Path
) -> None:
    part = tmp_path / "backbones" / "vggish" / "vggish-10086976.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100_000)
    web.ignores_ranges = True
    assert pull().read_bytes() == CONTENT


def test_a_refused_fetch_says_what_to_do_and_keeps_what_came(
    pull: Callable[..., Path], web: Web, tmp_path: Path
) -> None:
    part = tmp_path / "backbones" / "vggish" / "vggish-10086976.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:50])
    web.cuts_after = 100
    with pytest.raises(MissingWeightsError, match="run the same command again to resume, or download"):
        pull()
    assert part.read_bytes() == CONTENT[:50]


def test_a_wrong_digest_is_refused_and_the_file_deleted(
    pull: Callable[..., Path], web: Web, tmp_path: Path
) -> None:
    web.content = CONTENT[:-1] + b"x"
    with pytest.raises(WeightsError, match=r"SHA-256 is .*, the published file's begins with"):
        pull()
    assert not list(tmp_path.rglob("*.pth*"))


def test_a_file_that_has_changed_is_told(
    pull: Callable[..., Path], backbone: PublishedBackbone, tmp_path: Path
) -> None:
    path = pull()
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(
        WeightsError, match="Delete it and fetch it again with `cinefoley models pull vggish`"
    ):
        pull()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"511,999 bytes, expected 512,000"):
        find_backbone(backbone, tmp_path)
    assert pull(overwrites=True).read_bytes() == CONTENT


def test_a_disk_without_space_is_told_before_the_fetch(backbone: PublishedBackbone, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"fetching vggish takes .* MB are free"):
        pull_backbone(replace(backbone, num_bytes=10**18), home=tmp_path)


def test_a_folder_that_cannot_be_written_is_told(backbone: PublishedBackbone, tmp_path: Path) -> None:
    (tmp_path / "backbones").write_text("a file where a folder should be")
    with pytest.raises((OutputError, MissingWeightsError), match="backbones"):
        pull_backbone(backbone, home=tmp_path)


def test_published_files_are_pinned() -> None:
    assert set(PUBLISHED_BACKBONES) == {"panns", "vggish"}
    for backbone in PUBLISHED_BACKBONES.values():
        assert backbone.url.startswith("https://")
        assert backbone.num_bytes > 10**8
        assert set(backbone.sha256) <= set("0123456789abcdef")
