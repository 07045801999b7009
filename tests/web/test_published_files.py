from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from cinefoley.web.published_files import PublishedFiles


@pytest.fixture
def files() -> PublishedFiles:
    return PublishedFiles()


@pytest.fixture
def client(files: PublishedFiles) -> TestClient:
    app = FastAPI()
    app.include_router(files.router())
    return TestClient(app)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "rain.wav"
    path.write_bytes(bytes(range(100)))
    return path


def test_a_file_has_an_address_that_tells_nothing_of_its_path(
    files: PublishedFiles, client: TestClient, wav: Path
) -> None:
    address = files.publish("anna", wav)
    answer = client.get(address, headers={"Range": "bytes=5-7"})

    assert "rain" not in address
    assert address != files.publish("anna", wav)
    assert (answer.status_code, answer.content) == (206, bytes([5, 6, 7]))
    assert answer.headers["content-type"] == "audio/wav"
    assert "content-disposition" not in answer.headers


def test_a_file_to_save_brings_its_name(files: PublishedFiles, client: TestClient, wav: Path) -> None:
    answer = client.get(files.publish("anna", wav, download_name="rain.wav"))

    assert answer.headers["content-disposition"] == 'attachment; filename="rain.wav"'


def test_what_was_withdrawn_is_gone_and_others_files_stay(
    files: PublishedFiles, client: TestClient, wav: Path
) -> None:
    ours, theirs = files.publish("anna", wav), files.publish("ben", wav)
    files.withdraw("anna")

    assert client.get(ours).status_code == 404
    assert client.get(theirs).status_code == 200


@pytest.mark.parametrize("path", ["/files/x", "/files/..%2f..%2fetc%2fpasswd", "/files/%00", "/files/"])
def test_paths_lead_nowhere(files: PublishedFiles, client: TestClient, wav: Path, path: str) -> None:
    files.publish("anna", wav)

    assert client.get(path).status_code == 404
    wav.unlink()
    assert client.get(files.publish("anna", wav)).status_code == 404
