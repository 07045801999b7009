import logging
import wave
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.study.bench import Bench

from cinefoley.study.definition import load_study
from cinefoley.study.videos import find_videos
from cinefoley.web.guard import SECURITY_HEADERS
from cinefoley.web.study_app import create_study_app


class Site:
    """The small study behind a client, with a clock that tests turn."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.client = TestClient(create_study_app(bench.sessions), raise_server_exceptions=False)

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(path, json=body)

    def arrive(self) -> str:
        token = self.bench.arrive()
        return f"/api/participants/{token}"

    def trial(self, person: str) -> str:
        return str(self.client.get(person).json()["trial"])

    def watch(self, person: str) -> str:
        return self.bench.watch(person.rsplit("/", 1)[1])


@pytest.fixture
def make_site(study_folder: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Bench] = []

    def make(**changes: Any) -> Site:
        settings = load_study(study_folder / "study.toml")
        made.append(Bench(settings, find_videos(settings), tmp_path / "votes.sqlite", **changes))
        return Site(made[-1])

    yield make
    for bench in made:
        bench.store.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def test_a_vote_goes_from_consent_to_the_file(site: Site) -> None:
    described = site.client.get("/api/study").json()
    assert described["title"] == "Doors and drums"
    assert (described["is_open"], described["is_full"]) == (True, False)
    token = site.post("/api/participants", {"agrees": True, "nonce": "a" * 32}).json()["token"]
    person = f"/api/participants/{token}"
    with wave.open(BytesIO(site.client.get(f"{person}/beeps.wav").content)) as beeps:
        assert beeps.getnframes() > 10000
    answer = site.post(f"{person}/beeps", {"beeps": site.bench.sessions.beeps(token)}).json()
    assert (answer["is_right"], answer["stage"], answer["total"]) == (True, "trial", 5)
    for side in ("left", "right"):
        site.bench.clock.now += 0.5
        assert site.post(f"{person}/played", {"trial": answer["trial"], "side": side}).status_code == 200
    vote = {"trial": answer["trial"], "choice": "right", "reasons": ["sound quality"], "comment": "soft"}
    standing = site.post(f"{person}/votes", vote)

    assert (standing.status_code, standing.json()["answered"]) == (200, 1)
    stored = site.bench.store.find_trial(answer["trial"])
    assert stored is not None
    assert (stored.choice, stored.reasons, stored.comment) == ("right", ("sound quality",), "soft")


def test_nothing_that_a_participant_gets_names_a_method_or_a_file(site: Site) -> None:
    person = site.arrive()
    trial = site.trial(person)
    video = site.client.get(f"/videos/{trial}/left")
    everything = [site.client.get(path) for path in ("/", "/api/study", person, "/static/study.js")] + [video]

    for answer in everything:
        text = answer.text if answer is not video else ""
        for name in ("Base", "Ours", "base/", "ours/", "clip0", "clip1", "clip2", "clip3", "check0"):
            assert name not in text
            assert name not in str(answer.headers)
    assert "content-disposition" not in video.headers


def test_videos_have_other_addresses_and_tags_for_everybody(site: Site) -> None:
    first, second = (site.trial(site.arrive()) for _ in range(2))
    answers = [
        site.client.head(f"/videos/{trial}/{side}") for trial in (first, second) for side in ("left", "right")
    ]

    assert len({answer.headers["etag"] for answer in answers}) == 4
    assert len({answer.headers["last-modified"] for answer in answers}) == 1


def test_videos_come_in_ranges(site: Site) -> None:
    video = f"/videos/{site.trial(site.arrive())}/right"
    whole = site.client.get(video)
    part = site.client.get(video, headers={"Range": "bytes=10-19"})
    tail = site.client.get(video, headers={"Range": "bytes=-5", "If-Range": whole.headers["etag"]})

    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    assert whole.headers["content-type"] == "video/mp4"
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert tail.content == whole.content[-5:]
    assert site.client.get(video, headers={"Range": "bytes=999999999-"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/videos/x/left",
        "/videos/%27%20OR%201%3D1%20--/left",
        "/videos/..%2f..%2fetc%2fpasswd/left",
        "/videos/../../study.toml",
        "/static/../study_app.py",
        "/static/..%2fstudy_app.py",
        "/static/%2e%2e/study_app.py",
        "/static//etc/passwd",
        "/api/participants/%00",
        "/docs",
        "/openapi.json",
        "/redoc",
    ],
)
def test_paths_lead_nowhere_else(site: Site, path: str) -> None:
    answer = site.client.get(path)

    assert answer.status_code in (404, 405)
    assert "create_study_app" not in answer.text
    assert "root:" not in answer.text


def test_every_answer_forbids_what_is_not_ours(site: Site) -> None:
    video = f"/videos/{site.trial(site.arrive())}/left"
    for path in ("/", "/p/x", "/static/study.js", "/api/study", "/api/participants/x", "/nowhere", video):
        headers = site.client.get(path).headers
        assert {name: headers[name] for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
    assert site.client.get("/api/study").headers["cache-control"] == "no-store"
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]


def test_the_page_loads_nothing_from_elsewhere(site: Site) -> None:
    for path in ("/", "/static/study.js", "/static/study.css", "/static/icon.svg"):
        text = site.client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "//" not in text.replace("// ", "")
    assert "<noscript>" in site.client.get("/").text


def test_a_replayed_vote_is_acknowledged_and_a_changed_one_refused(site: Site) -> None:
    person = site.arrive()
    vote = {"trial": site.watch(person), "choice": "left"}

    assert site.post(f"{person}/votes", vote).json() == site.post(f"{person}/votes", vote).json()
    changed = site.post(f"{person}/votes", vote | {"choice": "right"})
    assert (changed.status_code, changed.json()["reason"]) == (409, "taken")


def test_votes_that_are_forged_or_anothers_or_early_are_refused(site: Site) -> None:
    person, other = site.arrive(), site.arrive()
    trial = site.trial(person)
    early = site.post(f"{person}/votes", {"trial": trial, "choice": "left"})
    site.watch(person)

    assert (early.status_code, early.json()["reason"]) == (409, "early")
    assert site.post(f"{other}/votes", {"trial": trial, "choice": "left"}).status_code == 404
    assert site.post(f"{person}/votes", {"trial": "x" * 24, "choice": "left"}).status_code == 404
    assert site.post("/api/participants/x/votes", {"trial": trial, "choice": "left"}).status_code == 404


def test_a_late_vote_is_refused(make_site: Callable[..., Site]) -> None:
    site = make_site(closes=datetime.fromtimestamp(1_000_100, UTC))
    person = site.arrive()
    trial = site.watch(person)
    site.bench.clock.now = 1_000_100.0
    late = site.post(f"{person}/votes", {"trial": trial, "choice": "left"})

    assert (late.status_code, late.json()["reason"]) == (410, "closed")
    assert site.client.get(person).json()["stage"] == "closed"
    assert site.client.get("/api/study").json()["is_open"] is False


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"trial": "x"},
        {"trial": "x", "choice": "both"},
        {"trial": 3, "choice": "left"},
        {"trial": "x" * 65, "choice": "left"},
        {"trial": "x", "choice": "left", "participant": 3},
        {"trial": "x", "choice": "left", "reasons": "sound quality"},
        {"trial": "x", "choice": "left", "reasons": ["a"] * 51},
    ],
)
def test_what_is_no_vote_is_not_understood(site: Site, body: Any) -> None:
    answer = site.post(f"{site.arrive()}/votes", body)

    assert answer.status_code == 422
    assert answer.json() == {"message": "This request is invalid.", "reason": "invalid"}


def test_a_large_request_is_refused_whatever_it_claims(site: Site) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    assert site.post("/api/participants", {"agrees": True, "nonce": "a" * 70_000}).status_code == 413
    assert site.client.post("/api/participants", content=chunks()).status_code == 413


def test_without_agreement_nobody_takes_part(site: Site) -> None:
    answer = site.post("/api/participants", {"agrees": False, "nonce": "a" * 32})

    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid")
    assert site.bench.store.list_participants() == []


def test_who_leaves_is_deleted(site: Site) -> None:
    person = site.arrive()
    site.post(f"{person}/votes", {"trial": site.watch(person), "choice": "left"})

    assert site.post(f"{person}/withdraw", {}).json()["stage"] == "withdrawn"
    assert site.bench.store.list_trials() == []


def test_a_fault_of_ours_is_told_without_details(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    person = site.arrive()
    site.bench.store.close()
    with caplog.at_level(logging.ERROR):
        answer = site.client.get(person)

    assert answer.status_code == 503
    assert "sqlite" not in answer.text
    assert "Cannot operate on a closed database" in caplog.text
