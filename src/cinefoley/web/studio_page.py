"""Studio page: its layout and its event handlers, which call the page's studio session."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal, cast

import gradio as gr

from cinefoley.errors import CinefoleyError, RunInterrupted
from cinefoley.media.audio.files import read_audio
from cinefoley.studio.model_store import Encoder, ModelStore
from cinefoley.studio.session import STOPPED, StudioSession, StudioTake
from cinefoley.studio.shots import shot_thumbnail
from cinefoley.studio.waveform_image import draw_waveform
from cinefoley.web.published_files import PublishedFiles
from cinefoley.web.studio_html import links, shot_strip, take_cards, time_range
from cinefoley.web.studio_sessions import StudioSessions

__all__ = ["build_studio_page"]

_WHOLE = "Whole video"
_CUSTOM = "Custom"
_SILENCE = "silence"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # handlers are called by this page only
_MOST_THUMBNAILS = 60
_TITLE = """# cinefoley studio

Upload a video, generate takes of its sound, choose one per shot, and export the result."""
_SUBTYPES = {"16 bit": "PCM_16", "24 bit": "PCM_24"}
_RATES = {"16 kHz": 16000, "48 kHz": 48000}


def build_studio_page(
    models: ModelStore, sessions: StudioSessions, files: PublishedFiles, *, uploads: Path, most_takes: int = 8
) -> gr.Blocks:
    """Lay out the page and connect its handlers.

    Args:
        models: Models that can be chosen.
        sessions: Studio sessions by page.
        files: Files that browsers may fetch.
        uploads: Folder of uploaded videos; a request that names a file elsewhere is rejected.
        most_takes: Largest number of takes per run.
    """
    work = _Work(models, sessions, files, uploads)
    with gr.Blocks(title="cinefoley studio", analytics_enabled=False, delete_cache=(600, 600)) as page:
        gr.Markdown(_TITLE)
        choices = gr.State([])
        with gr.Row():
            with gr.Column(scale=2):
                video = gr.File(label="Video", elem_id="video", height=120)
                strip = gr.HTML(elem_id="strip")
            with gr.Column(scale=1):
                region = gr.Dropdown(
                    [_WHOLE], value=_WHOLE, label="Section to generate for", elem_id="region"
                )
                with gr.Row():
                    start = gr.Number(0, label="Start (s)", minimum=0, elem_id="start")
                    end = gr.Number(0, label="End (s)", minimum=0, elem_id="end")
                names = [(Path(name).name, name) for name in models.names]
                model = gr.Dropdown(names, value=models.names[0], label="Model")
                encoder = gr.Radio(
                    ["default", "teacher", "student"],
                    value="default",
                    label="Video encoder",
                    info="default: the student if the model has one, otherwise the teacher",
                )
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
            subtype = gr.Radio(list(_SUBTYPES), value="24 bit", label="Bit depth")
            rate = gr.Radio(list(_RATES), value="48 kHz", label="Sample rate")
            export = gr.Button("Export")
        exported = gr.HTML(elem_id="export")

        video.upload(
            work.open_video,
            [video],
            [strip, region, start, end, status, takes, choices, exported],
            **_PRIVATE,
        )
        video.clear(
            work.clear, None, [strip, region, start, end, status, takes, choices, exported], **_PRIVATE
        )
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
        export.click(work.export, [subtype, rate], [exported], **_PRIVATE)
        page.unload(work.leave)
    return page


class _Work:
    """The page's event handlers; each finds the session by the page of the request."""

    def __init__(
        self, models: ModelStore, sessions: StudioSessions, files: PublishedFiles, uploads: Path
    ) -> None:
        self._uploads = uploads.resolve()
        self._models = models
        self._sessions = sessions
        self._files = files

    def open_video(self, upload: str, request: gr.Request) -> tuple[Any, ...]:
        session = self._session(request)
        self._files.withdraw(_page_id(request))
        try:
            session.open_video(self._check_upload(Path(upload)))
        except CinefoleyError as exc:
            return _emptied(_warning(exc))
        try:
            return self._opened(session, request)
        except CinefoleyError as exc:  # only its start and its length can be read
            name = "" if session.video is None else session.video.name
            self.clear(request)
            return _emptied(f"⚠ {name}: some frames cannot be read; the file may be incomplete. ({exc})")

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        self._files.withdraw(_page_id(request))
        self._session(request).clear()
        return _emptied("")

    def choose_region(
        self, region: str, start: float, end: float, request: gr.Request
    ) -> tuple[float, float]:
        session = self._session(request)
        if region == _WHOLE:
            return 0, session.duration_s
        for number, shot in enumerate(session.shots):
            if region == _shot_name(session, number):
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
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # gradio requires the default
    ) -> tuple[str, str, list[dict[str, Any]]]:
        session = self._session(request)

        def show(done: int, total: int, left_s: float | None) -> None:
            left = "" if left_s is None else f", {left_s:.0f} s left"
            progress((done, total), desc=f"Generating{left}", unit="steps")

        progress(0, desc=f"Loading {Path(model).name}")
        try:
            made = session.generate(
                self._models,
                model=model,
                encoder=cast(Encoder, encoder),
                num_takes=int(num_takes),
                seed=int(seed or 0),
                start_s=float(start or 0),
                end_s=float(end or 0),
                on_progress=show,
            )
        except RunInterrupted as exc:
            return str(exc), self._cards(session, request), _choices(session)
        except CinefoleyError as exc:
            return _warning(exc), self._cards(session, request), _choices(session)
        text = "Generated 1 take." if len(made) == 1 else f"Generated {len(made)} takes."
        return text, self._cards(session, request), _choices(session)

    def stop(self, request: gr.Request) -> str:
        self._session(request).stop()
        return STOPPED

    def acceptance(self, shot: int) -> Callable[..., None]:
        """The handler that accepts a take for a shot."""

        def accept(chosen: str, request: gr.Request) -> None:
            session = self._session(request)
            try:
                session.accept(shot, None if chosen == _SILENCE else int(chosen.removeprefix("take ")))
            except CinefoleyError as exc:
                raise gr.Error(str(exc), print_exception=False) from exc

        return accept

    def export(self, subtype: str, rate: str, request: gr.Request) -> str:
        session, page_id = self._session(request), _page_id(request)
        try:
            files = session.export(
                subtype=cast(Literal["PCM_16", "PCM_24"], _SUBTYPES[subtype]),
                sample_rate=cast(Literal[16000, 48000], _RATES[rate]),
            )
        except CinefoleyError as exc:
            return f"<p>{escape(_warning(exc))}</p>"
        paths = (files.wav, files.video, files.archive)
        return links(
            [(self._files.publish(page_id, path, download_name=path.name), path.name) for path in paths]
        )

    def leave(self, request: gr.Request) -> None:
        """Delete everything of a page that was closed or reloaded."""
        page_id = _page_id(request)
        self._files.withdraw(page_id)
        self._sessions.close(page_id)

    def _check_upload(self, upload: Path) -> Path:
        """Reject forged requests for files that were never uploaded; gradio rejects most of them."""
        if not upload.resolve().is_relative_to(self._uploads):
            raise CinefoleyError("This file was not uploaded on this page. Upload it again.")
        return upload

    def _session(self, request: gr.Request) -> StudioSession:
        return self._sessions.of(_page_id(request))

    def _opened(self, session: StudioSession, request: gr.Request) -> tuple[Any, ...]:
        assert session.video is not None
        page_id = _page_id(request)
        thumbnails = []
        for number, shot in enumerate(session.shots[:_MOST_THUMBNAILS]):
            path = session.video.parent / f"shot{number}.jpg"
            path.write_bytes(shot_thumbnail(session.video, shot))
            thumbnails.append(self._files.publish(page_id, path))
        strip = shot_strip(self._files.publish(page_id, session.video), session.shots, thumbnails)
        names = [_WHOLE, *(_shot_name(session, number) for number in range(len(session.shots))), _CUSTOM]
        count = f"{len(session.shots)} shots" if len(session.shots) > 1 else "1 shot"
        status = f"{session.video.name}: {session.duration_s:.2f} s, {count}."
        return strip, gr.Dropdown(names, value=_WHOLE), 0, session.duration_s, status, "", [], ""

    def _cards(self, session: StudioSession, request: gr.Request) -> str:
        page_id = _page_id(request)
        entries = []
        for take in sorted(session.takes, key=lambda take: (-take.run, take.number)):
            image = take.wav.with_suffix(".png")
            if not image.exists():
                image.write_bytes(draw_waveform(read_audio(take.wav, mono=True)[0][0]))
            entries.append(
                (take, self._files.publish(page_id, take.video), self._files.publish(page_id, image))
            )
        return take_cards(entries)


def _page_id(request: gr.Request) -> str:
    return str(request.session_hash)


def _emptied(status: str) -> tuple[Any, ...]:
    """Contents of a page without a video: strip, section, start, end, status, takes, choices, files."""
    return "", gr.Dropdown([_WHOLE], value=_WHOLE), 0, 0, status, "", [], ""


def _warning(exc: CinefoleyError) -> str:
    return f"⚠ {exc}"


def _shot_name(session: StudioSession, number: int) -> str:
    shot = session.shots[number]
    return f"Shot {number + 1}: {time_range(shot.start_s, shot.end_s)}"


def _choices(session: StudioSession) -> list[dict[str, Any]]:
    """For each shot that has takes: the takes that can be accepted, and the accepted one."""
    entries = []
    for number, shot in enumerate(session.shots):
        takes: Sequence[StudioTake] = session.takes_for(number)
        if takes:
            accepted = session.accepted.get(number)
            entries.append(
                {
                    "shot": number,
                    "label": f"Take for shot {number + 1} ({time_range(shot.start_s, shot.end_s)})",
                    "takes": [*(f"take {take.number}" for take in takes), _SILENCE],
                    "value": _SILENCE if accepted is None else f"take {accepted}",
                }
            )
    return entries
