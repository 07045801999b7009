"""A real server process of the small study, and clients that speak HTTP to it."""

import http.client
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cinefoley.study.results import votes_path


class StudyServer:
    """``cinefoley study serve`` in a process of its own, which can be killed and started again."""

    def __init__(self, study: Path) -> None:
        self.study = study
        self.votes = votes_path(study)
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "cinefoley.cli.main", "study", "serve", str(self.study)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port), "--json"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = urlsplit(json.loads(self._process.stdout.readline())["address"]).port or 0
        self.request("GET", "/api/study")

    def stop(self, *, rudely: bool = False) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill() if rudely else process.terminate()
        process.communicate(timeout=60)

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
        """Look into the file of votes, as another process may."""
        db = sqlite3.connect(self.votes, timeout=60)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()


StartServer = Callable[[Path], StudyServer]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """``start_server(study)`` gives a server that answers; it ends with the test."""
    servers: list[StudyServer] = []

    def start(study: Path) -> StudyServer:
        servers.append(StudyServer(study))
        servers[-1].start()
        return servers[-1]

    yield start
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
