"""A study in a real browser, from consent to thanks, and what can come between."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.web.browser import Chromium, close_context, take_screenshot
from tests.web.conftest import StudyServer

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

PHONE = {"width": 360, "height": 640}


@pytest.fixture(scope="module")
def server(study_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyServer]:
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(study_folder, folder / "study")
    running = StudyServer(folder / "study" / "study.toml")
    running.start()
    yield running
    running.stop()


class Visitor:
    """One participant's browser; remembers what went wrong in it and where it went."""

    def __init__(self, browser: Chromium, server: StudyServer, **options: Any) -> None:
        self.server = server
        self.context: BrowserContext = browser.new_context(**options)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page = self.open()

    def open(self) -> "Page":
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda text: self.errors.append(text.text) if text.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    @property
    def token(self) -> str:
        return self.page.url.rsplit("/", 1)[1]

    def agree(self) -> None:
        self.page.goto(self.server.address)
        self.page.get_by_label("I have read this").check()
        self.page.get_by_role("button", name="Begin").click()
        self.heading("Sound check")

    def heading(self, name: str) -> None:
        self.page.get_by_role("heading", name=name).wait_for()

    def beeps(self) -> int:
        return int(self.server.query("SELECT beeps FROM participants WHERE token = ?", self.token)[0][0])

    def count_beeps(self, count: int) -> None:
        self.page.get_by_role("button", name="Play the beeps").click()
        self.page.get_by_role("radio", name=str(count), exact=True).check()
        self.page.get_by_role("button", name="Continue").click()

    def arrive(self) -> None:
        self.agree()
        self.count_beeps(self.beeps())
        self.heading("Pair 1 of 5")

    def play(self, letter: str) -> None:
        self.page.get_by_role("button", name=f"Play {letter}", exact=False).click()
        self.page.get_by_role("button", name=f"Play {letter} again").wait_for()

    def answer(self, letter: str) -> None:
        self.page.get_by_role("radio", name=f"Video {letter}").check()
        self.page.get_by_role("button", name="Save and continue").click()

    def choices(self) -> list[str | None]:
        rows = self.server.query(
            "SELECT choice FROM trials LEFT JOIN votes ON votes.trial = trials.id "
            "WHERE participant = (SELECT id FROM participants WHERE token = ?) ORDER BY place",
            self.token,
        )
        return [choice for (choice,) in rows]


@pytest.fixture
def visit(chromium: Chromium, server: StudyServer) -> Iterator[Any]:
    """``visit(java_script_enabled=False)``: a browser of its own for a participant."""
    visitors: list[Visitor] = []
    if not server.is_running:  # a time limit has killed it
        server.start()

    def make(**options: Any) -> Visitor:
        visitors.append(Visitor(chromium, server, **options))
        return visitors[-1]

    yield make
    for visitor in visitors:
        close_context(visitor.context)


def test_the_whole_journey(visit: Any, server: StudyServer) -> None:
    visitor = visit()
    visitor.page.goto(server.address)
    visitor.heading("Before you begin")
    take_screenshot(visitor.page, "consent")
    assert visitor.page.get_by_role("button", name="Begin").is_disabled()
    visitor.agree()
    take_screenshot(visitor.page, "sound")
    visitor.count_beeps(1)
    visitor.page.get_by_text("That was not the right number").wait_for()
    visitor.count_beeps(visitor.beeps())

    for number, letter in enumerate("ABBAB", start=1):
        visitor.heading(f"Pair {number} of 5")
        assert visitor.page.get_by_role("radio", name="Video A").is_disabled()
        visitor.play("A")
        assert visitor.page.get_by_role("radio", name="Video A").is_disabled()
        visitor.play("B")
        visitor.page.get_by_text("You can answer now").wait_for()
        if number == 2:
            visitor.page.get_by_label("in time with the picture").check()
            visitor.page.get_by_label("Comments").fill("<b>drums</b> '); DROP TABLE votes; --")
            take_screenshot(visitor.page, "pair")
        visitor.answer(letter)
    visitor.heading("Thank you")
    take_screenshot(visitor.page, "thanks")

    assert visitor.choices() == ["left", "right", "right", "left", "right"]
    remarks = server.query("SELECT comment FROM votes WHERE comment != ''")
    assert remarks == [("<b>drums</b> '); DROP TABLE votes; --",)]
    assert visitor.page.get_by_text("5 of 5 answered").is_visible()
    assert visitor.errors == []
    assert all(url.startswith(server.address) for url in visitor.requests)


def test_a_reload_loses_nothing_and_the_link_continues_in_another_browser(visit: Any) -> None:
    visitor, other = visit(), visit()
    visitor.agree()
    visitor.page.reload()
    visitor.heading("Sound check")
    visitor.count_beeps(visitor.beeps())
    visitor.heading("Pair 1 of 5")
    visitor.play("A")
    visitor.page.reload()
    visitor.page.get_by_text("Watch B to the end to answer.").wait_for()
    visitor.play("B")
    visitor.answer("B")
    visitor.heading("Pair 2 of 5")
    visitor.page.reload()
    visitor.heading("Pair 2 of 5")
    assert visitor.choices() == ["right", None, None, None, None]

    other.page.goto(visitor.page.get_by_label("Your personal link").input_value())
    other.heading("Pair 2 of 5")
    assert other.page.get_by_text("1 of 5 answered").is_visible()


def test_a_phone_shows_everything_in_its_width_and_answers_to_touch(visit: Any) -> None:
    visitor = visit(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = visitor.page
    page.goto(visitor.server.address)
    page.get_by_label("I have read this").tap()
    page.get_by_role("button", name="Begin").tap()
    visitor.heading("Sound check")
    take_screenshot(page, "phone-sound")
    page.get_by_role("radio", name=str(visitor.beeps()), exact=True).tap()
    page.get_by_role("button", name="Continue").tap()
    visitor.heading("Pair 1 of 5")
    for letter in "AB":
        page.get_by_role("button", name=f"Play {letter}").tap()
        page.get_by_role("button", name=f"Play {letter} again").wait_for()
    page.get_by_role("radio", name="Video A").tap()
    take_screenshot(page, "phone-pair")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    controls = page.locator("#trial button, #trial label.option").all()
    assert min((control.bounding_box() or {"height": 0})["height"] for control in controls) >= 44
    page.get_by_role("button", name="Save and continue").tap()
    visitor.heading("Pair 2 of 5")
    assert visitor.errors == []


def test_the_keyboard_alone_is_enough(visit: Any) -> None:
    visitor = visit()
    keyboard, page = visitor.page.keyboard, visitor.page
    page.goto(visitor.server.address)
    visitor.heading("Before you begin")

    def press_on(name: str, key: str = "Enter", most: int = 12) -> None:
        """Go to a control with Tab and use it."""
        for _ in range(most):
            keyboard.press("Tab")
            focused = "document.activeElement"
            text = page.evaluate(f"{focused}.labels?.[0]?.textContent ?? {focused}.textContent")
            if name in text:
                keyboard.press(key)
                return
        raise AssertionError(f"Tab does not lead to {name!r}")

    press_on("I have read this", "Space")
    press_on("Begin")
    visitor.heading("Sound check")
    press_on("Play the beeps")
    press_on("1", "Space")
    for _ in range(visitor.beeps() - 1):
        keyboard.press("ArrowRight")
    press_on("Continue")
    visitor.heading("Pair 1 of 5")
    for letter in "AB":
        press_on(f"Play {letter}")
        page.get_by_role("button", name=f"Play {letter} again").wait_for()
    page.get_by_text("You can answer now").wait_for()
    press_on("Video A", "Space")
    keyboard.press("ArrowRight")
    press_on("Save and continue")
    visitor.heading("Pair 2 of 5")

    assert visitor.choices()[0] == "right"


def test_skipping_through_a_video_does_not_count_and_who_leaves_is_deleted(visit: Any) -> None:
    visitor = visit()
    visitor.arrive()
    result = visitor.page.evaluate(
        """async () => {
          const video = document.querySelector('[data-side=left] video');
          while (!(video.duration > 0)) await new Promise((resolve) => setTimeout(resolve, 50));
          video.currentTime = video.duration;
          await new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
          await new Promise((resolve) => setTimeout(resolve, 100));
          const trial = video.src.split('/').at(-2);
          const token = location.pathname.split('/').at(-1);
          const forged = await fetch(`/api/participants/${token}/votes`, {
            method: 'POST', headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ trial, choice: 'left' }),
          });
          return [video.currentTime, forged.status];
        }"""
    )

    assert result[0] < 0.5
    assert result[1] == 409
    assert visitor.page.get_by_role("radio", name="Video A").is_disabled()

    visitor.page.get_by_text("Leave the study").click()
    visitor.page.get_by_role("button", name="Delete my answers").click()
    visitor.heading("Your answers have been deleted")
    assert visitor.choices() == []


def test_a_vote_waits_for_the_connection_and_is_counted_once(visit: Any) -> None:
    visitor = visit()
    visitor.arrive()
    visitor.play("A")
    visitor.play("B")
    visitor.page.get_by_text("You can answer now").wait_for()
    visitor.context.set_offline(True)
    visitor.answer("A")
    visitor.page.get_by_text("cannot be reached. Trying again").wait_for()
    take_screenshot(visitor.page, "offline")
    visitor.context.set_offline(False)

    visitor.heading("Pair 2 of 5")
    assert visitor.choices() == ["left", None, None, None, None]
    assert visitor.page.get_by_role("alert").is_hidden()


def test_an_answer_given_in_two_windows_is_counted_once(visit: Any) -> None:
    visitor = visit()
    visitor.arrive()
    visitor.play("A")
    visitor.play("B")
    visitor.page.get_by_text("You can answer now").wait_for()
    second = Visitor.__new__(Visitor)
    second.__dict__ = visitor.__dict__ | {"page": visitor.open()}
    second.page.goto(visitor.page.url)
    second.page.get_by_text("You can answer now").wait_for()
    visitor.answer("A")
    visitor.heading("Pair 2 of 5")
    second.answer("B")

    second.page.get_by_text("You have already answered this pair; the first answer counts.").wait_for()
    second.heading("Pair 2 of 5")
    assert visitor.choices() == ["left", None, None, None, None]


def test_without_javascript_the_page_says_what_it_needs(visit: Any) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.page.goto(visitor.server.address)

    assert visitor.page.get_by_role("heading").all_text_contents() == ["This study needs JavaScript"]
    assert visitor.page.locator("noscript p").is_visible()
    assert "Nothing has been stored about you" in visitor.page.locator("noscript p").inner_text()
    assert visitor.page.locator("main").is_hidden()
    take_screenshot(visitor.page, "no-javascript")


def test_an_unknown_link_is_explained(visit: Any) -> None:
    visitor = visit()
    visitor.page.goto(f"{visitor.server.address}/p/nobody")

    visitor.page.get_by_text("This link is not valid. Please check that it is complete.").wait_for()
    take_screenshot(visitor.page, "unknown")
    visitor.page.get_by_role("link", name="Go to the start page").click()
    visitor.heading("Before you begin")
