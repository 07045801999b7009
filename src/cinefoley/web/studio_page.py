"""The studio's page: what is on it, and what its controls do. Work itself is done at desks."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal, cast

import gradio as gr

from cinefoley.errors import CinefoleyError, RunInterrupted
from cinefoley.media.audio.files import read_audio
from cinefoley.studio.desk import Desk, DeskTake
from cinefoley.studio.shelf import Encoder, ModelShelf
from cinefoley.studio.shots import shot_picture
from cinefoley.studio.sound_pictures import draw_sound
from cinefoley.web.desks import Desks
from cinefoley.web.published_files import PublishedFiles
from cinefoley.web.studio_parts import links, shot_strip, take_cards, time_range

__all__ = ["build_studio_page"]

_WHOLE = "Whole film"
_FROM_TO = "From, to"
_SILENCE = "silence"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # handlers are for this page, not for programs
_MOST_PICTURES = 60
_SUBTYPES = {"16 bit": "PCM_16", "24 bit": "PCM_24"}
_RATES = {"16 kHz": 16000, "48 kHz": 48000}


def build_studio_page(
    shelf: ModelShelf, desks: Desks, files: PublishedFiles, *, uploads: Path, most_takes: int = 8
) -> gr.Blocks:
    """Lay out the page and connect it.

    Args:
        shelf: Models that can be chosen.
        desks: Where each user's film and takes are.
        files: What browsers may fetch.
        uploads: Where uploaded films arrive; a request that names a file elsewhere is refused.
        most_takes: Largest number of takes of one run.
    """
    work = _Work(shelf, desks, files, uploads)
    with gr.Blocks(title="cinefoley studio", analytics_enabled=False, delete_cache=(600, 600)) as page:
        gr.Markdown("# cinefoley studio")
        choices = gr.State([])
        with gr.Row():
            with gr.Column(scale=2):
                film = gr.File(label="Film", elem_id="film", height=120)
                strip = gr.HTML(elem_id="strip")
            with gr.Column(scale=1):
                region = gr.Dropdown([_WHOLE], value=_WHOLE, label="Region", elem_id="region")
                with gr.Row():
                    start = gr.Number(0, label="from, s", minimum=0, elem_id="start")
                    end = gr.Number(0, label="to, s", minimum=0, elem_id="end")
                names = [(Path(name).name, name) for name in shelf.names]
                model = gr.Dropdown(names, value=shelf.names[0], label="Model")
                encoder = gr.Radio(["default", "teacher", "student"], value="default", label="Encoder")
                num_takes = gr.Slider(1, most_takes, value=2, step=1, label="Takes")
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="seed")
                with gr.Row():
                    generate = gr.Button("Generate", variant="primary")
                    stop = gr.Button("Stop", variant="stop")
        status = gr.Markdown(elem_id="status")
        takes = gr.HTML(elem_id="takes")

        @gr.render(inputs=[choices])
        def show_choices(shots: list[dict[str, Any]]) -> None:
            for shot in shots:
                radio = gr.Radio(shot["takes"], value=shot["value"], label=shot["label"], interactive=True)
                radio.input(work.acceptance(shot["shot"]), [radio], None, queue=False, **_PRIVATE)

        with gr.Row():
            subtype = gr.Radio(list(_SUBTYPES), value="24 bit", label="Samples")
            rate = gr.Radio(list(_RATES), value="48 kHz", label="Sample rate")
            deliver = gr.Button("Take home")
        home = gr.HTML(elem_id="home")

        film.upload(
            work.open_film, [film], [strip, region, start, end, status, takes, choices, home], **_PRIVATE
        )
        film.clear(work.clear, None, [strip, region, start, end, status, takes, choices, home], **_PRIVATE)
        region.input(work.choose_region, [region, start, end], [start, end], queue=False, **_PRIVATE)
        run = generate.click(
            work.generate,
            [model, encoder, num_takes, seed, start, end],
            [status, takes, choices],
            concurrency_id="model",
            concurrency_limit=1,
            **_PRIVATE,
        )
        stop.click(work.stop, None, [status], queue=False, cancels=[run], **_PRIVATE)
        deliver.click(work.deliver, [subtype, rate], [home], **_PRIVATE)
        page.unload(work.leave)
    return page


class _Work:
    """The page's handlers; each finds its user's desk by the session of the request."""

    def __init__(self, shelf: ModelShelf, desks: Desks, files: PublishedFiles, uploads: Path) -> None:
        self._uploads = uploads.resolve()
        self._shelf = shelf
        self._desks = desks
        self._files = files

    def open_film(self, upload: str, request: gr.Request) -> tuple[Any, ...]:
        desk = self._desk(request)
        self._files.withdraw(_session(request))
        try:
            desk.open_film(self._check_upload(Path(upload)))
        except CinefoleyError as exc:
            return _emptied(_warning(exc))
        try:
            return self._opened(desk, request)
        except CinefoleyError as exc:  # its beginning can be read, and its length
            name = "" if desk.film is None else desk.film.name
            self.clear(request)
            return _emptied(f"⚠ {name}: parts of its picture cannot be read; is the file whole? ({exc})")

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        self._files.withdraw(_session(request))
        self._desk(request).clear()
        return _emptied("")

    def choose_region(
        self, region: str, start: float, end: float, request: gr.Request
    ) -> tuple[float, float]:
        desk = self._desk(request)
        if region == _WHOLE:
            return 0, desk.duration_s
        for number, shot in enumerate(desk.shots):
            if region == _shot_name(desk, number):
                return shot.start_s, shot.end_s
        return start, end

    def generate(
        self,
        model: str,
        encoder: str,
        num_takes: float,
        seed: float | None,
        start: float | None,
        end: float | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # how gradio wants it
    ) -> tuple[str, str, list[dict[str, Any]]]:
        desk = self._desk(request)

        def show(done: int, total: int, left_s: float | None) -> None:
            left = "" if left_s is None else f", {left_s:.0f} s left"
            progress((done, total), desc=f"Generating{left}", unit="steps")

        progress(0, desc=f"Loading {Path(model).name}")
        try:
            made = desk.make_takes(
                self._shelf,
                model=model,
                encoder=cast(Encoder, encoder),
                num_takes=int(num_takes),
                seed=int(seed or 0),
                start_s=float(start or 0),
                end_s=float(end or 0),
                on_progress=show,
            )
        except RunInterrupted as exc:
            return str(exc), self._cards(desk, request), _choices(desk)
        except CinefoleyError as exc:
            return _warning(exc), self._cards(desk, request), _choices(desk)
        first, last = made[0].number, made[-1].number
        text = f"Made take {first}." if first == last else f"Made takes {first} to {last}."
        return text, self._cards(desk, request), _choices(desk)

    def stop(self, request: gr.Request) -> str:
        self._desk(request).stop()
        return "Stopped; nothing of this run was kept."

    def acceptance(self, shot: int) -> Callable[..., None]:
        """What happens when a take of this shot is chosen."""

        def accept(chosen: str, request: gr.Request) -> None:
            desk = self._desk(request)
            try:
                desk.accept(shot, None if chosen == _SILENCE else int(chosen.removeprefix("take ")))
            except CinefoleyError as exc:
                raise gr.Error(str(exc), print_exception=False) from exc

        return accept

    def deliver(self, subtype: str, rate: str, request: gr.Request) -> str:
        desk, session = self._desk(request), _session(request)
        try:
            delivery = desk.deliver(
                subtype=cast(Literal["PCM_16", "PCM_24"], _SUBTYPES[subtype]),
                sample_rate=cast(Literal[16000, 48000], _RATES[rate]),
            )
        except CinefoleyError as exc:
            return f"<p>{escape(_warning(exc))}</p>"
        paths = (delivery.wav, delivery.film, delivery.archive)
        return links(
            [(self._files.publish(session, path, download_name=path.name), path.name) for path in paths]
        )

    def leave(self, request: gr.Request) -> None:
        """The page was closed or loaded anew: nothing of it stays."""
        session = _session(request)
        self._files.withdraw(session)
        self._desks.close(session)

    def _check_upload(self, upload: Path) -> Path:
        """Forged requests name files that were never uploaded; gradio refuses most of them, we the rest."""
        if not upload.resolve().is_relative_to(self._uploads):
            raise CinefoleyError("This file was not uploaded here. Drop it again.")
        return upload

    def _desk(self, request: gr.Request) -> Desk:
        return self._desks.of(_session(request))

    def _opened(self, desk: Desk, request: gr.Request) -> tuple[Any, ...]:
        assert desk.film is not None
        session = _session(request)
        pictures = []
        for number, shot in enumerate(desk.shots[:_MOST_PICTURES]):
            path = desk.film.parent / f"shot{number}.jpg"
            path.write_bytes(shot_picture(desk.film, shot))
            pictures.append(self._files.publish(session, path))
        strip = shot_strip(self._files.publish(session, desk.film), desk.shots, pictures)
        names = [_WHOLE, *(_shot_name(desk, number) for number in range(len(desk.shots))), _FROM_TO]
        count = f"{len(desk.shots)} shots" if len(desk.shots) > 1 else "1 shot"
        status = f"{desk.film.name}: {desk.duration_s:.2f} s, {count}."
        return strip, gr.Dropdown(names, value=_WHOLE), 0, desk.duration_s, status, "", [], ""

    def _cards(self, desk: Desk, request: gr.Request) -> str:
        session = _session(request)
        entries = []
        for take in sorted(desk.takes, key=lambda take: (-take.run, take.number)):
            picture = take.wav.with_suffix(".png")
            if not picture.exists():
                picture.write_bytes(draw_sound(read_audio(take.wav, mono=True)[0][0]))
            entries.append(
                (take, self._files.publish(session, take.film), self._files.publish(session, picture))
            )
        return take_cards(entries)


def _session(request: gr.Request) -> str:
    return str(request.session_hash)


def _emptied(status: str) -> tuple[Any, ...]:
    """A page without a film: strip, region, its ends, status, takes, choices, files."""
    return "", gr.Dropdown([_WHOLE], value=_WHOLE), 0, 0, status, "", [], ""


def _warning(exc: CinefoleyError) -> str:
    return f"⚠ {exc}"


def _shot_name(desk: Desk, number: int) -> str:
    shot = desk.shots[number]
    return f"Shot {number + 1}: {time_range(shot.start_s, shot.end_s)}"


def _choices(desk: Desk) -> list[dict[str, Any]]:
    """For each shot that has takes: which can be accepted, and which is."""
    entries = []
    for number in range(len(desk.shots)):
        takes: Sequence[DeskTake] = desk.takes_for(number)
        if takes:
            accepted = desk.accepted.get(number)
            entries.append(
                {
                    "shot": number,
                    "label": _shot_name(desk, number),
                    "takes": [*(f"take {take.number}" for take in takes), _SILENCE],
                    "value": _SILENCE if accepted is None else f"take {accepted}",
                }
            )
    return entries
