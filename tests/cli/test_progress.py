import io
import sys

import pytest

from cinefoley.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def draw(*, is_wanted: bool = True) -> None:
    with progress_bar(2, is_wanted=is_wanted) as start:
        for number, name in enumerate(("rain.mp4", "snow.mp4")):
            step = start(number, name)
            step(1, 2)
            step(2, 2)


def test_on_a_terminal_the_bar_names_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    draw()

    assert "snow.mp4" in terminal.getvalue()
    assert "2 videos" in terminal.getvalue()


def test_elsewhere_nothing_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw()
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    draw(is_wanted=False)

    assert capsys.readouterr() == ("", "")
    assert terminal.getvalue() == ""


def test_results_can_be_piped_while_the_bar_is_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar(1, is_wanted=True) as start:
        start(0, "rain.mp4")
        sys.stdout.write("rain.take1.wav\n")

    assert capsys.readouterr().out == "rain.take1.wav\n"
