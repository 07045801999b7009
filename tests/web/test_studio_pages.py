"""The studio in a real browser: the whole journey, wrong files, a reload, a phone, two users at once."""

import contextlib
import json
import os
import re
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest
import torch
from tests.web.browser import Chromium, close_context, take_screenshot
from tests.web.server_process import ServerProcess

from cinefoley.media.audio.files import write_audio
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.probe import probe
from cinefoley.stage.render import render_clip

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

if not os.environ.get("CINEFOLEY_NEEDS_BROWSER") and not find_spec("gradio"):
    pytest.skip("the studio needs gradio: pip install 'cinefoley[web]'", allow_module_level=True)


class Studio(ServerProcess):
    """``cinefoley studio``."""

    def __init__(self, model: Path, folder: Path, *options: str) -> None:
        arguments = ("studio", "--port", "0", "--model", str(model), "--device", "cpu", *options)
        super().__init__(*arguments, environment={"TMPDIR": str(folder)})
        self.folder = folder

    def files(self) -> list[str]:
        """What is kept of users' films: names of files that are not empty."""
        kept = []
        for folder, _, names in os.walk(self.folder):  # which passes over folders that vanish meanwhile
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    kept += [name] if (Path(folder) / name).stat().st_size else []
        return kept


@pytest.fixture(scope="module")
def studio(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    limits = ("--max-upload", "1", "--max-duration", "20")
    running = Studio(tiny_model, tmp_path_factory.mktemp("studio"), *limits)
    running.start()
    yield running
    was_running = running.is_running
    running.stop()
    assert not was_running or list(running.folder.iterdir()) == []


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 1.5 s, with sound."""
    clips = [render_clip(seed, split="test", fps=12, size=(72, 128), duration_s=1.5) for seed in (0, 3)]
    path = tmp_path_factory.mktemp("films") / "two shots.mp4"
    frames = torch.cat([torch.from_numpy(clip.frames) for clip in clips]).permute(0, 3, 1, 2)
    sound = torch.cat([torch.from_numpy(clip.waveform) for clip in clips])
    save_video(path, frames, 12, waveform=sound, sample_rate=16000)
    return path


@pytest.fixture(scope="module")
def hit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of an example."""
    path = tmp_path_factory.mktemp("sounds") / "hit.wav"
    write_audio(path, 0.3 * torch.randn(8000, generator=torch.Generator().manual_seed(0)).clamp(-2, 2), 16000)
    return path


@pytest.fixture(scope="module")
def long_video(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds, to be waited for."""
    path = tmp_path_factory.mktemp("films") / "long.mp4"
    save_video(path, torch.full((40, 3, 48, 64), 90, dtype=torch.uint8), 4)
    return path


class User:
    def __init__(self, browser: Chromium, studio: Studio, **options: Any) -> None:
        self.studio = studio
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))
        self.page.goto(studio.address)
        self.button("Generate").wait_for()

    def _note(self, url: str) -> None:
        if not url.startswith((self.studio.address, "data:", "blob:")):
            self.elsewhere.append(url)

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def upload(self, film: Path) -> None:
        self.page.locator("#video input[type=file]").set_input_files(film)

    def open_video(self, film: Path) -> None:
        self.upload(film)
        self.page.locator("#strip .shots li").first.wait_for()

    def says(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def set_takes(self, count: int) -> None:
        self.page.get_by_label("number input for Takes").fill(str(count))
        self.page.keyboard.press("Tab")


@pytest.fixture
def enter(chromium: Chromium, studio: Studio) -> Iterator[Any]:
    """``enter()``: a user with a browser of their own."""
    users: list[User] = []
    if not studio.is_running:  # a time limit has killed it
        studio.start()

    def make(**options: Any) -> User:
        users.append(User(chromium, studio, **options))
        return users[-1]

    yield make
    for user in users:
        with contextlib.suppress(Exception):  # the browser may have been killed
            user.button("Clear the desk").click(timeout=5000)
            user.says("No video yet.")
        close_context(user.context)


def wait_until_nothing_is_kept(studio: Studio, page: "Page") -> None:
    for _ in range(300):
        if not studio.files():
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"files are left: {studio.files()}")


def check_line_over_spectrogram(user: User) -> None:
    """It follows the first take's video, and a click on the spectrogram seeks."""
    left = user.page.locator("#takes .now").first.evaluate_handle("line => line")
    video = user.page.locator("#takes video").first
    seen = video.evaluate_handle("video => { video.currentTime = 1.5; return video; }")
    user.page.wait_for_function("video => !video.seeking && video.readyState >= 2", arg=seen)  # not for ever
    user.page.wait_for_function("line => Math.abs(parseFloat(line.style.left) - 50) < 1", arg=left)
    sound = user.page.locator("#takes .sound").first
    width = sound.evaluate("sound => sound.clientWidth")
    sound.click(position={"x": width / 4, "y": 20})
    user.page.wait_for_function("line => Math.abs(parseFloat(line.style.left) - 25) < 2", arg=left)
    assert float(video.evaluate("video => video.currentTime")) == pytest.approx(0.75, abs=0.1)


def check_keys(user: User) -> None:
    """Frames by arrows, takes by letters at the same time, the sheet of keys; clocks show timecode."""
    page = user.page
    page.locator("#status").click()
    times = "[...document.querySelectorAll('#takes video')].map((video) => video.currentTime)"
    newest_first = page.locator(".take").first.get_attribute("data-number") == "1"
    first = 0 if newest_first else 1
    page.keyboard.press("a")
    page.wait_for_function(f"!document.querySelectorAll('#takes video')[{first}].paused")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelectorAll('#takes video')[{first}].paused")
    page.evaluate(f"document.querySelectorAll('#takes video')[{first}].currentTime = 1.04")  # not at its end
    before = 1.04
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{times}[{first}] > {before}")
    assert page.evaluate(times)[first] == pytest.approx(13.5 / 12, abs=0.01)  # the middle of the next frame
    page.keyboard.press("b")
    page.wait_for_function(f"{times}[{1 - first}] >= {before}")
    page.keyboard.press(" ")
    assert re.fullmatch(
        r"0:0\d\.\d{3} 01:00:0\d:\d\d", page.locator(".take .clock").nth(1 - first).inner_text()
    )
    page.keyboard.press("?")
    page.locator("#help[open]").wait_for()
    take_screenshot(page, "studio-help")
    page.keyboard.press("?")


def check_redo(user: User) -> None:
    """Dragging over a waveform fills the fields, and the stretch is generated anew."""
    user.page.get_by_text("Redo a stretch of a take").click()
    user.page.locator("#redo-from input").wait_for()
    sound = user.page.locator(".take[data-number='1'] .sound")
    sound.scroll_into_view_if_needed()
    box = sound.bounding_box()
    assert box is not None
    user.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    user.page.mouse.down()
    user.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30, steps=4)
    user.page.mouse.up()
    user.page.wait_for_function("document.querySelector('#redo-to input').value.startsWith('1.5')")
    user.button("Redo").click()
    user.says("of take 1 anew.")


def check_cues(user: User) -> None:
    """Events are listed, shown by a click, moved, and the sheet is a download."""
    page = user.page
    page.get_by_text("Cue sheet", exact=True).click()
    page.locator("#cues-take input").wait_for()
    user.button("List events").click()
    field = page.locator("#cues input").first
    field.wait_for()
    was = float(field.input_value())
    page.locator("#cues .seek").first.click()
    page.wait_for_function(
        "at => Math.abs(document.querySelector('.take[data-number=\"1\"] video').currentTime - at) < 0.01",
        arg=was,
    )
    later = was + 0.08
    field.fill(f"{later:.3f}")
    code = page.locator("#cues .seek").first.inner_text()
    assert re.fullmatch(r"01:00:0\d:\d\d", code)
    take_screenshot(page, "studio-cues")
    user.button("Move events to these times").click()
    user.says("Moved the events of take 1.")
    page.wait_for_function(
        "was => document.querySelector('#cues td:nth-child(3)').textContent === was", arg=f"{was:.3f}"
    )
    assert float(page.locator("#cues input").first.input_value()) == pytest.approx(later, abs=0.05)
    with page.expect_download() as download:
        page.locator("#cues a").click()
    assert download.value.suggested_filename == "two_shots.take1.cues.csv"
    page.locator("#cues input").first.fill("99")
    user.button("Move events to these times").click()
    user.says("99.000 s is outside the video")


def check_sound_of_a_shot(user: User, example: Path) -> None:
    """An example is kept for the shot that is chosen, and no other."""
    page = user.page
    page.get_by_text("What this section should sound like").click()
    for shot, count in (("Shot 2", 0), ("Shot 1", 0), ("Shot 2", 1)):
        page.get_by_label("Section to generate for").click()
        page.get_by_role("option", name=re.compile(shot)).click()
        page.wait_for_function(
            "text => document.querySelector('#region input').value.startsWith(text)", arg=shot
        )
        if shot == "Shot 2" and count == 0:
            page.locator("#like input[type=file]").set_input_files(example)
            page.locator("#sounds", has_text="shot 2: like hit.wav").wait_for()
        names = page.locator("#like", has_text="hit")
        names.first.wait_for(state="attached" if shot == "Shot 2" else "detached")
    take_screenshot(page, "studio-sounds")
    page.locator("#like").get_by_label("Clear").click()
    page.locator("#sounds p").wait_for(state="detached")
    page.get_by_label("Section to generate for").click()
    page.get_by_role("option", name="Whole video").click()


def check_reload(user: User) -> None:
    """What lies on the desk is there again."""
    user.page.reload()
    user.says("two_shots.mp4: 0:03.000, 2 shots")
    user.page.locator("#takes video").nth(1).wait_for()
    assert user.page.locator("fieldset", has_text="Shot 1").get_by_label("take 2").is_checked()
    assert user.page.get_by_label("Later by (frames)").nth(1).input_value() == "3"


def test_the_whole_journey(enter: Any, studio: Studio, film: Path, hit: Path, tmp_path: Path) -> None:
    user = enter()
    user.says("No video yet.")
    assert user.button("Generate").is_disabled()
    take_screenshot(user.page, "studio-empty")
    user.open_video(film)
    user.says("two_shots.mp4: 0:03.000, 2 shots, timecode from 01:00:00:00.")
    assert user.page.locator("#strip .shots img").count() == 2
    assert user.page.locator("#film .sound img").count() == 1  # the film's own sound
    check_sound_of_a_shot(user, hit)
    user.page.get_by_label("draft", exact=True).check()
    take_screenshot(user.page, "studio-film")
    user.button("Generate").click()
    user.says("Generated 2 takes.")
    user.page.locator("#takes video").nth(1).wait_for()
    take_screenshot(user.page, "studio-takes")
    check_line_over_spectrogram(user)
    check_keys(user)
    assert user.page.locator("fieldset", has_text="Shot 2").get_by_label("take 1").is_checked()  # by default
    user.page.locator("fieldset", has_text="Shot 1").get_by_label("take 2").check()
    user.page.get_by_label("Later by (frames)").nth(1).fill("3")
    user.page.keyboard.press("Tab")
    check_redo(user)
    check_cues(user)
    check_reload(user)
    user.button("Export").click()
    link = user.page.locator("#export a", has_text=".zip")
    link.wait_for()
    with user.page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "export.zip")
    take_screenshot(user.page, "studio-export")

    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        archive.extractall(tmp_path)
    record = json.loads((tmp_path / "two_shots.foley.json").read_text())
    assert [(shot["take"], shot["nudge_frames"]) for shot in record["shots"]] == [(2, 0), (1, 3)]
    (run,) = tmp_path.glob("**/run1/two_shots.json")
    assert json.loads(run.read_text())["settings"]["quality"] == "draft"
    assert {"two_shots.aaf", "two_shots.otio", "two_shots_001_T2.wav"} <= {
        path.name for path in (tmp_path / "delivery").iterdir()
    }
    assert video_hash(tmp_path / "two_shots.foley.mp4") == video_hash(film)
    sound = probe(tmp_path / "two_shots.foley.wav").audio
    assert sound is not None
    assert (sound.sample_rate, sound.codec) == (48000, "pcm_s24le")
    assert [
        error for error in user.errors if "abort" not in error
    ] == []  # gradio ends its stream on a reload
    assert user.elsewhere == []
    assert "hit.wav" in studio.files()
    user.button("Clear the desk").click()
    user.says("No video yet.")
    wait_until_nothing_is_kept(studio, user.page)


def test_a_missing_encoder_is_explained_and_a_region_is_chosen_by_its_shot(enter: Any, film: Path) -> None:
    user = enter()
    user.open_video(film)
    user.page.get_by_label("student", exact=True).check()
    user.button("Generate").click()
    user.says("this model has no student")

    user.page.get_by_label("teacher", exact=True).check()
    user.set_takes(1)
    user.page.get_by_label("Section to generate for").click()
    user.page.get_by_role("option", name=re.compile("Shot 2")).click()
    user.page.wait_for_function("document.querySelector('#start input').value === '1.5'")
    user.button("Generate").click()
    user.says("Generated 1 take.")

    assert user.page.locator(".take").get_attribute("data-start") == "1.5000"
    assert user.page.locator("fieldset", has_text="Shot 1").count() == 0


def test_files_that_are_no_video_incomplete_or_too_large_are_refused(
    enter: Any, film: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.mp4"
    with av.open(str(film)) as source, av.open(str(whole), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = whole.read_bytes()
    kept = len(data) // 2
    (tmp_path / "half.mp4").write_bytes(data[:kept] + bytes(len(data) - kept))
    (tmp_path / "notes.mp4").write_text("not a video")
    (tmp_path / "large.mp4").write_bytes(bytes(2**21))
    user = enter()
    for name, message in (
        ("large.mp4", "exceed the maximum allowed size"),
        ("half.mp4", "half.mp4: some frames cannot be read; the file may be incomplete."),
        ("notes.mp4", "notes.mp4: "),
    ):
        user.upload(tmp_path / name)
        user.says(message)
        assert user.page.locator("#strip video").count() == 0
        if name == "half.mp4":
            user.page.locator("#video").get_by_label("Clear").click()
    take_screenshot(user.page, "studio-wrong")
    assert user.button("Generate").is_disabled()


def test_stop_stops_and_clearing_the_desk_leaves_nothing(
    enter: Any, studio: Studio, long_video: Path
) -> None:
    user = enter()
    user.open_video(long_video)
    user.set_takes(8)
    user.button("Generate").click()
    user.page.get_by_text(re.compile(r"Generating, \d+ s left")).first.wait_for()
    take_screenshot(user.page, "studio-progress")
    user.button("Stop").click()
    user.says("Stopped. The takes of this run were discarded.")
    user.set_takes(1)
    user.button("Generate").click()
    user.says("Generated 1 take.")
    assert user.page.locator(".take").count() == 1

    user.set_takes(8)
    user.button("Generate").click()
    user.page.get_by_text(re.compile(r"Generating")).first.wait_for()
    assert "long.mp4" in studio.files()
    user.button("Clear the desk").click()
    user.says("No video yet.")
    assert user.page.locator("#strip video").count() == 0
    wait_until_nothing_is_kept(studio, user.page)


def test_two_users_at_once_are_queued(enter: Any, film: Path, long_video: Path) -> None:
    first, second = enter(), enter()
    first.open_video(long_video)
    second.open_video(film)
    first.set_takes(4)
    second.set_takes(1)
    first.button("Generate").click()
    first.page.get_by_text(re.compile(r"Generating")).first.wait_for()
    second.button("Generate").click()
    second.page.get_by_text(re.compile(r"queue")).first.wait_for()
    take_screenshot(second.page, "studio-queue")

    second.says("Generated 1 take.")
    assert first.page.locator(".take").count() == 4
    assert second.page.locator(".take").count() == 1


def test_a_phone_shows_everything_in_its_width_and_a_cleared_desk_leaves_no_file(
    enter: Any, studio: Studio, film: Path
) -> None:
    user = enter(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True, color_scheme="dark")
    user.open_video(film)
    user.set_takes(1)
    user.button("Generate").tap()
    user.says("Generated 1 take.")
    user.page.get_by_text("Cue sheet", exact=True).tap()
    user.button("List events").tap()
    user.page.locator("#cues input").first.wait_for()
    take_screenshot(user.page, "studio-phone")

    assert user.page.evaluate("document.documentElement.scrollWidth") <= 360
    address = user.page.locator("#strip video").get_attribute("src")
    response = user.page.request.get(f"{studio.address.rstrip('/')}{address}", headers={"Range": "bytes=0-9"})
    assert response.status == 206
    user.button("Clear the desk").tap()
    wait_until_nothing_is_kept(studio, user.page)
    assert user.page.request.get(f"{studio.address.rstrip('/')}{address}").status == 404


def test_a_forged_request_opens_no_video_that_was_not_uploaded(studio: Studio, film: Path) -> None:
    def ask(path: str, body: object = None) -> bytes:
        request = urllib.request.Request(
            f"{studio.address}gradio_api/{path}" if path != "config" else f"{studio.address}config",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    before = studio.files()  # of pages that were closed a moment ago
    events = json.loads(ask("config"))["dependencies"]
    opening = next(event["id"] for event in events if event["targets"] and event["targets"][0][1] == "upload")
    forged = {"path": str(film), "meta": {"_type": "gradio.FileData"}}
    ask("queue/join", {"data": [forged], "fn_index": opening, "session_hash": "forger"})
    told = ask("queue/data?session_hash=forger").decode()

    assert "process_completed" in told
    assert "2 shots" not in told
    assert film.exists()
    assert set(studio.files()) <= set(before)
