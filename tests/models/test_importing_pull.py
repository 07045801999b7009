"""Published models are fetched from a hub, which here is a server of our own on 127.0.0.1."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.http_server import serving

from cinefoley.config.model import ModelConfig
from cinefoley.errors import MissingWeightsError, OutputError, WeightsError
from cinefoley.models.importing.published import PUBLISHED, PublishedFile, PublishedModel, find_pulled
from cinefoley.models.importing.pull import pull_model

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A server that speaks as much of the hub's protocol as fetching single files needs."""

    files: dict[str, bytes] = field(default_factory=dict)
    gets: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and ``Range`` of every request for content."""
    cuts_after: int | None = None
    """Hang up after so many bytes of a whole file, and refuse to go on in the middle."""
    endpoint: str = ""


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def _answer(self, *, with_content: bool) -> None:
            path = self.path.split("?")[0]
            wanted = self.headers.get("Range")
            if with_content:
                state.gets.append((path, wanted))
            content = state.files.get(path)
            is_cut = with_content and state.cuts_after is not None
            if content is None or (is_cut and wanted):
                self.send_response(404 if content is None else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if with_content and wanted else 0
            self.send_response(206 if begin else 200)
            self.send_header("X-Repo-Commit", _COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            if with_content:
                self.send_header("Connection", "close")  # a client that is not told would use it again
            self.end_headers()
            if with_content:
                self.wfile.write(content[begin : state.cuts_after if is_cut else None])

    with serving(Handler) as address:
        state.endpoint = address
        yield state


@pytest.fixture
def published(hub: Hub, small_checkpoints: Callable[[str], Path]) -> PublishedModel:
    files = {}
    for kind in ("cavp", "ldm"):
        content = small_checkpoints(kind).read_bytes()
        hub.files[f"/owner/small/resolve/{_COMMIT}/ckpt/{kind}.ckpt"] = content
        digest = hashlib.sha256(content).hexdigest()
        files[kind] = PublishedFile(path=f"ckpt/{kind}.ckpt", sha256=digest, approximate_bytes=len(content))
    return PublishedModel(name="small", repo_id="owner/small", revision=_COMMIT, licence="MIT", files=files)


Pull = Callable[..., Path]


@pytest.fixture
def pull(hub: Hub, published: PublishedModel, small_config: ModelConfig, tmp_path: Path) -> Pull:
    def run(model: PublishedModel = published, **options: Any) -> Path:
        return pull_model(
            model, home=tmp_path / "home", endpoint=hub.endpoint, config=small_config, **options
        )

    return run


def test_a_pulled_model_is_found_by_name_and_fetched_once(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    folder = pull()
    assert find_pulled("small", tmp_path / "home") == folder
    assert (folder / "unet" / "config.json").is_file()
    assert "huggingface.co/owner/small" in (folder / "README.md").read_text()
    assert not (tmp_path / "home" / "downloads" / "small").exists()
    assert len(hub.gets) == 2
    assert pull() == folder
    assert len(hub.gets) == 2


def test_a_folder_in_other_numbers_is_kept_and_told(pull: Pull, hub: Hub) -> None:
    notes: list[str] = []
    folder = pull()
    assert pull(dtype=torch.float16, on_note=notes.append) == folder
    assert notes == ["small is already imported, in float32; with --force it is imported again in float16"]
    pull(dtype=torch.float16, overwrites=True)
    notes.clear()
    pull(dtype=torch.float16, on_note=notes.append)
    pull(on_note=notes.append)
    assert notes == [
        "small is already imported, and its digests are correct",
        "small is already imported, in float16; with --force it is imported again in float32",
    ]


def test_a_cut_connection_goes_on_where_it_stopped(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    hub.cuts_after = 25_000_000  # in the middle of the generator
    with pytest.raises(MissingWeightsError, match="The partial download stays"):
        pull()
    assert not (tmp_path / "home" / "models").exists()
    hub.cuts_after = None
    hub.gets.clear()
    pull()
    [(path, wanted)] = hub.gets  # the encoder was complete
    assert path.endswith("ldm.ckpt")
    assert wanted is not None
    assert 0 < int(wanted.removeprefix("bytes=").removesuffix("-")) <= 25_000_000


def test_a_wrong_digest_is_refused_and_the_file_deleted(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    path = next(path for path in hub.files if "cavp" in path)
    hub.files[path] = hub.files[path][:-1] + b"x"
    with pytest.raises(WeightsError, match=r"SHA-256 is .*, expected .*; the file was deleted"):
        pull()
    assert not list((tmp_path / "home").rglob("*.ckpt"))
    assert not (tmp_path / "home" / "models").exists()


def test_an_unpublished_digest_is_recorded_by_the_first_fetch_and_checked_by_the_next(
    pull: Pull, published: PublishedModel, hub: Hub, tmp_path: Path
) -> None:
    files = {kind: replace(file, sha256=None) for kind, file in published.files.items()}
    trusting = replace(published, files=files)
    pull(trusting, keeps_files=True)
    kept = tmp_path / "home" / "downloads" / "small"
    digests = json.loads((kept / "digests.json").read_text())
    assert digests == {file.path: file.sha256 for file in published.files.values()}
    (kept / "ckpt" / "cavp.ckpt").unlink()
    path = next(path for path in hub.files if "cavp" in path)
    hub.files[path] = hub.files[path][:-1] + b"x"
    with pytest.raises(WeightsError, match="SHA-256"):
        pull(trusting, overwrites=True)


def test_a_damaged_model_folder_is_told_on_the_next_use(pull: Pull, tmp_path: Path) -> None:
    weights = pull() / "vae" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match="Make it again with --force"):
        pull()
    weights.write_bytes(content[:-1])
    with pytest.raises(WeightsError, match=r"expected \d+\. Make it again with `cinefoley models pull small"):
        find_pulled("small", tmp_path / "home")


def test_a_file_that_the_hub_does_not_have_is_told(pull: Pull, hub: Hub) -> None:
    hub.files.clear()
    with pytest.raises(MissingWeightsError, match=r"ckpt/cavp\.ckpt of owner/small could not be fetched"):
        pull()


def test_a_hub_that_does_not_answer_is_told(
    published: PublishedModel, small_config: ModelConfig, tmp_path: Path
) -> None:
    with pytest.raises(MissingWeightsError, match="check the network and HF_ENDPOINT"):
        pull_model(published, home=tmp_path, endpoint="http://127.0.0.1:9", config=small_config)


def test_a_disk_that_fills_up_is_told_and_resumed(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OutputError, match="no space left"):
            pull()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "home" / "models").exists()
    pull()


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    pull: Pull, published: PublishedModel, hub: Hub
) -> None:
    huge = {kind: replace(file, approximate_bytes=10**18) for kind, file in published.files.items()}
    with pytest.raises(OutputError, match="GB are free"):
        pull(replace(published, files=huge))
    assert not hub.gets


def test_diff_foley_is_pinned_to_a_commit_and_to_digests() -> None:
    model = PUBLISHED["diff-foley"]
    assert len(model.revision) == 40
    assert set(model.files) == {"cavp", "ldm", "guidance_classifier", "alignment"}
    assert all(file.sha256 is not None and len(file.sha256) == 64 for file in model.files.values())


def test_a_model_that_was_not_pulled_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="Fetch it with `cinefoley models pull diff-foley`"):
        find_pulled("diff-foley", tmp_path)


def test_the_mirror_that_huggingface_hub_is_told_of_is_asked(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT is read when its client is imported, hence the process of its own."""
    program = """
from dataclasses import replace
from cinefoley.models.importing.published import PUBLISHED
from cinefoley.models.importing.pull import pull_model
model = PUBLISHED["diff-foley"]
pull_model(replace(model, files={"ldm": replace(model.files["ldm"], approximate_bytes=0)}))
"""
    environment = os.environ | {"HF_ENDPOINT": hub.endpoint, "CINEFOLEY_HOME": str(tmp_path)}
    path = (
        "/SimianLuo/Diff-Foley/resolve/"
        + PUBLISHED["diff-foley"].revision
        + "/diff_foley_ckpt/ldm_epoch240.ckpt"
    )
    hub.files[path] = b"not a model"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert path in [asked for asked, _ in hub.gets]
    assert "SHA-256" in done.stderr
