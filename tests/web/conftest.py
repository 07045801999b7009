"""Servers of the small study, clients that speak HTTP to them, and a browser."""

import http.client
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.web.browser import TEST_LIMIT_S, Chromium, open_chromium
from tests.web.server_process import ServerProcess

from cinefoley.study.results import votes_path


@pytest.fixture(scope="module")
def module_chromium() -> Iterator[Chromium]:
    """A browser that the tests of a module share."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def chromium(module_chromium: Chromium) -> Iterator[Chromium]:
    """The browser, for one test: it is killed if the test takes too long."""
    with module_chromium.limit(TEST_LIMIT_S):
        yield module_chromium


class StudyServer(ServerProcess):
    """``cinefoley study serve``, which can be killed and started again."""

    def __init__(self, study: Path) -> None:
        super().__init__("study", "serve", str(study))
        self.votes = votes_path(study)
        self.port = 0

    def start(self, *options: str) -> None:
        """Start it, again on the port that it had before."""
        super().start("--port", str(self.port), *options)
        self.address = self.address.rstrip("/")
        self.port = urlsplit(self.address).port or 0
        self.request("GET", "/api/study")

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request on a connection of its own: status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def request_until_answered(self, method: str, path: str, body: object = None) -> Any:
        """Ask again as the page does, until there is an answer; it must not be a refusal."""
        end = time.monotonic() + 240
        while True:
            try:
                status, answer = self.request(method, path, body)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
                continue
            assert status < 400, answer
            return answer

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the file of votes, as another process may."""
        db = sqlite3.connect(self.votes, timeout=60)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()


StartServer = Callable[[Path], StudyServer]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """``start_server(study)`` returns a running server; it is stopped after the test."""
    servers: list[StudyServer] = []

    def start(study: Path) -> StudyServer:
        servers.append(StudyServer(study))
        servers[-1].start()
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.stop()


@pytest.fixture
def small_study(study_folder: Path, tmp_path: Path) -> Path:
    """The small study's file in a folder of its own, its films where they were."""
    text = (study_folder / "study.toml").read_text()
    for name in ("base", "ours", "real", "wrong"):
        text = text.replace(f'"{name}"', json.dumps(str(study_folder / name)))
    study = tmp_path / "study.toml"
    study.write_text(text)
    return study
