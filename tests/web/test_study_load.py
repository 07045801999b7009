"""Many at once, and a server that is killed: no acknowledged vote is lost, none is counted twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.web.conftest import StudyServer

StartServer = Callable[[Path], StudyServer]

CROWD = 200
VIDEO_S = 0.5


@dataclass
class Voter:
    """Takes part as the page does, and remembers what was acknowledged."""

    server: StudyServer
    number: int
    acknowledged: dict[str, str] = field(default_factory=dict)
    token: str = ""
    standing: Any = None

    @property
    def path(self) -> str:
        return f"/api/participants/{self.token}"

    def begin(self) -> None:
        ask = self.server.request_until_answered
        self.token = ask("POST", "/api/participants", {"agrees": True, "nonce": f"{self.number:032x}"})[
            "token"
        ]
        (beeps,) = self.server.query("SELECT beeps FROM participants WHERE token = ?", self.token)[0]
        self.standing = ask("POST", f"{self.path}/beeps", {"beeps": beeps})
        assert self.standing["is_right"]

    def watch(self) -> None:
        for side in ("left", "right"):
            time.sleep(VIDEO_S)
            body = {"trial": self.standing["trial"], "side": side}
            self.server.request_until_answered("POST", f"{self.path}/played", body)

    def choose(self) -> str:
        return "left" if (self.number + self.standing["answered"]) % 3 else "right"

    def vote(self) -> None:
        trial, choice = self.standing["trial"], self.choose()
        body = {"trial": trial, "choice": choice}
        self.standing = self.server.request_until_answered("POST", f"{self.path}/votes", body)
        self.acknowledged[trial] = choice


def stored(server: StudyServer) -> dict[str, str]:
    rows = server.query("SELECT token, choice FROM votes JOIN trials ON trials.id = votes.trial")
    assert len({token for token, _ in rows}) == len(rows)
    return dict(rows)


def test_of_200_who_vote_at_once_no_vote_is_lost_and_none_is_counted_twice(
    start_server: StartServer, small_study: Path
) -> None:
    small_study.write_text(f"pairs_per_participant = 1\n{small_study.read_text()}")
    server = start_server(small_study)
    voters = [Voter(server, number) for number in range(CROWD)]
    together = threading.Barrier(2 * CROWD, timeout=240)

    def take_part(voter: Voter) -> None:
        voter.begin()
        for _ in range(2):
            voter.watch()
            body = {"trial": voter.standing["trial"], "choice": voter.choose()}

            def vote_too(body: dict[str, str] = body) -> None:
                together.wait()
                server.request_until_answered("POST", f"{voter.path}/votes", body)

            twin = threading.Thread(target=vote_too)  # a vote sent twice, as by an impatient hand
            twin.start()
            together.wait()
            voter.vote()
            twin.join(timeout=240)

    with ThreadPoolExecutor(CROWD) as pool:
        list(pool.map(take_part, voters))

    acknowledged = {trial: choice for voter in voters for trial, choice in voter.acknowledged.items()}
    assert len(acknowledged) == 2 * CROWD
    assert stored(server) == acknowledged
    assert {voter.standing["stage"] for voter in voters} == {"done"}
    assert server.query("SELECT count(*), count(DISTINCT number) FROM participants") == [(CROWD, CROWD)]
    lefts = Counter(server.query('SELECT clip, "left" FROM trials WHERE kind = ?', "pair"))
    assert set(lefts.values()) == {CROWD // 8}  # 4 clips, 2 methods


def test_kill_9_loses_nothing_that_was_acknowledged(start_server: StartServer, small_study: Path) -> None:
    server = start_server(small_study)
    voters = [Voter(server, number) for number in range(12)]
    votes_to_come = threading.Semaphore(0)

    def take_part(voter: Voter) -> None:
        voter.begin()
        while voter.standing["stage"] == "trial":
            voter.watch()
            voter.vote()
            votes_to_come.release()

    with ThreadPoolExecutor(len(voters)) as pool:
        running = [pool.submit(take_part, voter) for voter in voters]
        for _ in range(2):
            for _ in range(15):
                assert votes_to_come.acquire(timeout=120)
            before = {trial: choice for voter in voters for trial, choice in [*voter.acknowledged.items()]}
            server.stop(rudely=True)
            after = stored(server)
            assert before.items() <= after.items()
            server.start()
        for each in running:
            each.result(timeout=240)

    acknowledged = {trial: choice for voter in voters for trial, choice in voter.acknowledged.items()}
    assert len(acknowledged) == 12 * 5
    assert stored(server) == acknowledged
