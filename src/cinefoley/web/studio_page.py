"""Studio page: its layout and its event handlers, which call the page's studio session."""

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal, cast, get_args

import gradio as gr
from torch.nn import functional as F

from cinefoley.config.foley import Quality
from cinefoley.errors import AudioError, CinefoleyError, RunInterrupted
from cinefoley.media.audio.files import read_audio
from cinefoley.studio.model_store import Encoder, ModelStore
from cinefoley.studio.session import STOPPED, StudioSession, StudioTake
from cinefoley.studio.shot_settings import ShotSettings, ShotSound
from cinefoley.studio.shots import shot_thumbnail
from cinefoley.studio.waveform_image import draw_waveform
from cinefoley.web.published_files import PublishedFiles
from cinefoley.web.studio_html import (
    EMPTY,
    HELP,
    clock_time,
    cue_table,
    links,
    shot_strip,
    take_cards,
    time_range,
)
from cinefoley.web.studio_sessions import StudioSessions

__all__ = ["build_studio_page"]

_WHOLE = "Whole video"
_CUSTOM = "Custom"
_SILENCE = "silence"
_AS_SEEN = "as seen"
_OWN_QUALITY = "as the model says"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # handlers are called by this page only
_MOST_THUMBNAILS = 60
_OWN_RATE = 16000  # of the image of the video's own sound
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
        sessions: Studio sessions by desk.
        files: Files that browsers may fetch.
        uploads: Folder of uploaded files; a request that names a file elsewhere is rejected.
        most_takes: Largest number of takes per run.
    """
    work = _Work(models, sessions, files, uploads)
    with gr.Blocks(
        title="cinefoley studio", analytics_enabled=False, delete_cache=(6 * 3600, 6 * 3600)
    ) as page:
        gr.Markdown(_TITLE)
        gr.HTML(HELP)
        choices = gr.State([])
        desk = gr.BrowserState("", storage_key="cinefoley-desk")
        with gr.Row():
            with gr.Column(scale=2):
                video = gr.File(label="Video", elem_id="video", height=120)
                with gr.Row():
                    example = gr.Button("Use the example", size="sm")
                    clear = gr.Button("Clear the desk", size="sm")
                strip = gr.HTML(EMPTY, elem_id="strip")
            with gr.Column(scale=1):
                region = gr.Dropdown(
                    [_WHOLE], value=_WHOLE, label="Section to generate for", elem_id="region"
                )
                with gr.Row():
                    start = gr.Number(0, label="Start (s)", minimum=0, elem_id="start", min_width=100)
                    end = gr.Number(0, label="End (s)", minimum=0, elem_id="end", min_width=100)
                names = [(Path(name).name, name) for name in models.names]
                model = gr.Dropdown(names, value=models.names[0], label="Model")
                with gr.Accordion("What this section should sound like", open=False):
                    said = gr.HTML(elem_id="sounds")
                    kind = gr.Dropdown(
                        [_AS_SEEN, *models.kinds(models.names[0])], value=_AS_SEEN, label="Kind of sound"
                    )
                    like = gr.File(label="Like this sound", elem_id="like", height=130)
                    unlike = gr.File(label="Unlike this sound", elem_id="unlike", height=130)
                encoder = gr.Radio(
                    ["default", "teacher", "student"],
                    value="default",
                    label="Video encoder",
                    info="default: the student if the model has one, otherwise the teacher",
                )
                quality = gr.Radio(
                    [_OWN_QUALITY, *get_args(Quality)],
                    value=_OWN_QUALITY,
                    label="Quality",
                    info="draft: fastest, for trying takes; paper: the sampling of the paper, slowest",
                )
                num_takes = gr.Slider(1, most_takes, value=2, step=1, label="Takes")
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="seed")
                with gr.Row():
                    generate = gr.Button("Generate", variant="primary", interactive=False)
                    stop = gr.Button("Stop", variant="stop")
        status = gr.Markdown(elem_id="status")
        takes = gr.HTML(elem_id="takes")
        with gr.Accordion("Redo a stretch of a take", open=False), gr.Row():
            redo_take = gr.Number(1, label="Take", precision=0, minimum=1, elem_id="redo-take", min_width=80)
            redo_from = gr.Number(0, label="From (s)", minimum=0, elem_id="redo-from", min_width=100)
            redo_to = gr.Number(0, label="To (s)", minimum=0, elem_id="redo-to", min_width=100)
            redo = gr.Button("Redo", min_width=100)
        with gr.Accordion("Cue sheet", open=False):
            with gr.Row():
                cues_take = gr.Number(
                    1, label="Take", precision=0, minimum=1, elem_id="cues-take", min_width=80
                )
                spot = gr.Button("List events", min_width=100)
                move = gr.Button("Move events to these times", min_width=100)
            edited = gr.Textbox(visible=False)
            cues = gr.HTML(elem_id="cues")

        @gr.render(inputs=[choices])
        def show_choices(shots: list[dict[str, Any]]) -> None:
            for shot in shots:
                with gr.Row():
                    radio = gr.Radio(
                        shot["takes"], value=shot["value"], label=shot["label"], interactive=True
                    )
                    gain = gr.Number(
                        shot["gain_db"], label="Gain (dB)", step=1, interactive=True, min_width=90
                    )
                    nudge = gr.Number(
                        shot["nudge_frames"],
                        label="Later by (frames)",
                        precision=0,
                        interactive=True,
                        min_width=90,
                    )
                radio.input(work.acceptance(shot["shot"]), [radio], None, queue=False, **_PRIVATE)
                for field in (gain, nudge):
                    field.change(work.adjustment(shot["shot"]), [gain, nudge], None, queue=False, **_PRIVATE)

        with gr.Row():
            subtype = gr.Radio(list(_SUBTYPES), value="24 bit", label="Bit depth")
            rate = gr.Radio(list(_RATES), value="48 kHz", label="Sample rate")
            export = gr.Button("Export")
        exported = gr.HTML(elem_id="export")

        sounds = [kind, like, unlike]
        view = [strip, region, start, end, status, takes, choices, exported, generate, cues, said, *sounds]
        video.upload(work.open_video, [video], view, **_PRIVATE)
        video.clear(work.clear, None, view, **_PRIVATE)
        clear.click(lambda: None, None, [video], queue=False, **_PRIVATE)
        clear.click(work.clear, None, view, **_PRIVATE)
        example.click(work.open_example, None, view, **_PRIVATE)
        page.load(work.enter, [desk], [desk, *view], show_progress="hidden", **_PRIVATE)
        model.input(work.kinds, [model], [kind], queue=False, **_PRIVATE)
        region.input(
            work.choose_region, [region, start, end], [start, end, said, *sounds], queue=False, **_PRIVATE
        )
        for changed in (kind.input, like.upload, like.clear, unlike.upload, unlike.clear):
            changed(work.say, [region, *sounds], [said], queue=False, **_PRIVATE)
        shared: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1, **_PRIVATE}
        run = generate.click(
            work.generate,
            [model, encoder, quality, num_takes, seed, start, end, region, *sounds],
            [status, takes, choices],
            **shared,
        )
        again = redo.click(
            work.redo, [redo_take, redo_from, redo_to, quality, seed], [status, takes, choices], **shared
        )
        spot.click(work.list_cues, [cues_take], [status, cues], **_PRIVATE)
        move.click(
            work.move_cues,
            [cues_take, edited],
            [status, cues, takes],
            js="(take, edited) => [take, readCues()]",
            **shared,
        )
        stop.click(work.stop, None, [status], queue=False, cancels=[run, again], **_PRIVATE)
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
        self._desks: dict[str, str] = {}  # by page

    def enter(self, desk: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Bind a page to its browser's desk, and show what lies on it."""
        name, session = self._sessions.enter(desk)
        self._desks[_page_id(request)] = name
        if session.video is None:
            return name, *_emptied("")
        return name, *self._shown(session, request)

    def open_example(self, request: gr.Request) -> tuple[Any, ...]:
        session = self._session(request)
        self._files.withdraw(self._desk(request))
        try:
            session.open_example()
            return self._shown(session, request)
        except CinefoleyError as exc:
            return _emptied(_warning(exc))

    def open_video(self, upload: str, request: gr.Request) -> tuple[Any, ...]:
        session = self._session(request)
        self._files.withdraw(self._desk(request))
        try:
            session.open_video(self._check_upload(Path(upload)))
        except CinefoleyError as exc:
            return _emptied(_warning(exc))
        try:
            return self._shown(session, request)
        except CinefoleyError as exc:  # only its start and its length can be read
            name = "" if session.video is None else session.video.name
            self.clear(request)
            return _emptied(f"⚠ {name}: some frames cannot be read; the file may be incomplete. ({exc})")

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        self._files.withdraw(self._desk(request))
        self._session(request).clear()
        return _emptied("")

    def choose_region(self, region: str, start: float, end: float, request: gr.Request) -> tuple[Any, ...]:
        session = self._session(request)
        shot = _shot_of(session, region)
        if region == _WHOLE:
            start, end = 0, session.duration_s
        elif shot is not None:
            start, end = session.shots[shot].start_s, session.shots[shot].end_s
        return start, end, *_sounds(session, shot)

    def say(self, region: str, kind: str, like: str | None, unlike: str | None, request: gr.Request) -> str:
        """Keep what a region should sound like: a shot, or the whole video."""
        session = self._session(request)
        try:
            sound = ShotSound(
                kind=None if kind == _AS_SEEN else kind,
                like=self._example(session, like),
                unlike=self._example(session, unlike),
            )
            session.set_sound(_shot_of(session, region), sound)
        except CinefoleyError as exc:
            return _warning(exc)
        return _said(session)

    def generate(
        self,
        model: str,
        encoder: str,
        quality: str,
        num_takes: float,
        seed: float | None,
        start: float | None,
        end: float | None,
        region: str,
        kind: str,
        like: str | None,
        unlike: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # gradio requires the default
    ) -> tuple[str, str, list[dict[str, Any]]]:
        session = self._session(request)

        def show(done: int, total: int, left_s: float | None) -> None:
            left = "" if left_s is None else f", {left_s:.0f} s left"
            progress((done, total), desc=f"Generating{left}", unit="steps")

        self.say(region, kind, like, unlike, request)
        progress(0, desc=f"Loading {Path(model).name}")
        try:
            made = session.generate(
                self._models,
                model=model,
                encoder=cast(Encoder, encoder),
                quality=_quality(quality),
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

    def redo(
        self,
        take: float | None,
        from_s: float | None,
        to_s: float | None,
        quality: str,
        seed: float | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # gradio requires the default
    ) -> tuple[str, str, list[dict[str, Any]]]:
        session = self._session(request)

        def show(done: int, total: int, left_s: float | None) -> None:
            progress((done, total), desc="Generating the stretch", unit="steps")

        stretch = float(from_s or 0), float(to_s or 0)
        try:
            session.redo(
                self._models,
                int(take or 0),
                *stretch,
                seed=int(seed or 0),
                quality=_quality(quality),
                on_progress=show,
            )
            text = f"Generated {time_range(*stretch)} of take {int(take or 0)} anew."
        except RunInterrupted:
            text = "Stopped. The take stays as it was."
        except CinefoleyError as exc:
            text = _warning(exc)
        return text, self._cards(session, request), _choices(session)

    def list_cues(self, take: float | None, request: gr.Request) -> tuple[str, str]:
        session, number = self._session(request), int(take or 0)
        try:
            cues = session.cues(number)
        except CinefoleyError as exc:
            return _warning(exc), ""
        kinds = sorted({cue.kind for cue in cues if cue.kind})
        text = f"Take {number} has {len(cues)} events{': ' if kinds else ''}{', '.join(kinds)}."
        return text, self._cue_table(session, number, request)

    def move_cues(self, take: float | None, edited: str, request: gr.Request) -> tuple[str, str, str]:
        session, number = self._session(request), int(take or 0)
        try:
            unmet = session.move(number, _read_times(edited))
            table = self._cue_table(session, number, request)
        except CinefoleyError as exc:
            return _warning(exc), gr.skip(), gr.skip()  # what was typed stays
        text = f"Moved the events of take {number}."
        if unmet:
            text += f" No event was near enough to {', '.join(f'{time_s:.3f} s' for time_s in unmet[:5])}."
        return text, table, self._cards(session, request)

    def _cue_table(self, session: StudioSession, take: int, request: gr.Request) -> str:
        sheet = None
        if session.clock is not None:
            path = session.write_cue_sheet(take)
            sheet = self._files.publish(self._desk(request), path, download_name=path.name)
        return cue_table(take, session.cues(take), session.clock, sheet)

    def kinds(self, model: str) -> Any:
        return gr.Dropdown([_AS_SEEN, *self._models.kinds(model)], value=_AS_SEEN)

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

    def adjustment(self, shot: int) -> Callable[..., None]:
        """The handler that sets gain and nudge of a shot."""

        def adjust(gain_db: float | None, nudge_frames: float | None, request: gr.Request) -> None:
            try:
                settings = ShotSettings(gain_db=float(gain_db or 0), nudge_frames=int(nudge_frames or 0))
                self._session(request).set_shot(shot, settings)
            except CinefoleyError as exc:
                raise gr.Error(str(exc), print_exception=False) from exc

        return adjust

    def export(self, subtype: str, rate: str, request: gr.Request) -> str:
        session, desk = self._session(request), self._desk(request)
        try:
            files = session.export(
                subtype=cast(Literal["PCM_16", "PCM_24"], _SUBTYPES[subtype]),
                sample_rate=cast(Literal[16000, 48000], _RATES[rate]),
            )
        except CinefoleyError as exc:
            return f"<p>{escape(_warning(exc))}</p>"
        paths = (files.wav, files.video, files.archive)
        return links(
            [(self._files.publish(desk, path, download_name=path.name), path.name) for path in paths]
        )

    def leave(self, request: gr.Request) -> None:
        """Forget a page that was closed or reloaded; its desk stays until it is cleared or unused long."""
        self._desks.pop(_page_id(request), None)

    def _desk(self, request: gr.Request) -> str:
        return self._desks.get(_page_id(request), _page_id(request))

    def _example(self, session: StudioSession, upload: str | None) -> Path | None:
        if upload is None:
            return None
        path = self._check_upload(Path(upload))
        try:
            session.adopt(path)
        except OSError as exc:
            raise CinefoleyError(f"{path.name}: is no longer there. Upload it again.") from exc
        return path

    def _check_upload(self, upload: Path) -> Path:
        """Reject forged requests for files that were never uploaded; gradio rejects most of them."""
        if not upload.resolve().is_relative_to(self._uploads):
            raise CinefoleyError("This file was not uploaded on this page. Upload it again.")
        return upload

    def _session(self, request: gr.Request) -> StudioSession:
        return self._sessions.of(self._desk(request))

    def _shown(self, session: StudioSession, request: gr.Request) -> tuple[Any, ...]:
        """Contents of a page with a video, its takes included."""
        assert session.video is not None
        desk = self._desk(request)
        thumbnails = []
        for number, shot in enumerate(session.shots[:_MOST_THUMBNAILS]):
            path = session.video.parent / f"shot{number}.jpg"
            if not path.exists():
                path.write_bytes(shot_thumbnail(session.video, shot))
            thumbnails.append(self._files.publish(desk, path))
        address = self._files.publish(desk, session.video)
        waveform = self._own_waveform(session, desk)
        strip = shot_strip(address, session.shots, thumbnails, session.clock, waveform=waveform)
        names = [_WHOLE, *(_shot_name(session, number) for number in range(len(session.shots))), _CUSTOM]
        count = f"{len(session.shots)} shots" if len(session.shots) > 1 else "1 shot"
        start = "" if session.clock is None else f", timecode from {session.clock.start}"
        status = f"{session.video.name}: {clock_time(session.duration_s)}, {count}{start}."
        cards = self._cards(session, request)
        region = gr.Dropdown(names, value=_WHOLE)
        ready = gr.Button(interactive=True)
        choices = _choices(session)
        sounds = _sounds(session, None)
        return strip, region, 0, session.duration_s, status, cards, choices, "", ready, "", *sounds

    def _own_waveform(self, session: StudioSession, desk: str) -> str | None:
        """Address of the image of the video's own sound; None if it has none."""
        assert session.video is not None
        image = session.video.parent / "own.png"
        if not image.exists():
            try:
                sound = read_audio(session.video, sample_rate=_OWN_RATE, mono=True)[0][0]
            except AudioError:
                return None
            length = max(1, round(session.duration_s * _OWN_RATE))
            image.write_bytes(draw_waveform(F.pad(sound, (0, max(0, length - len(sound))))[:length]))
        return self._files.publish(desk, image)

    def _cards(self, session: StudioSession, request: gr.Request) -> str:
        desk = self._desk(request)
        entries = []
        for take in sorted(session.takes, key=lambda take: (-take.run, take.number)):
            image = take.wav.with_suffix(".png")
            if not image.exists():
                image.write_bytes(draw_waveform(read_audio(take.wav, mono=True)[0][0]))
            entries.append((take, self._files.publish(desk, take.video), self._files.publish(desk, image)))
        return take_cards(entries)


def _page_id(request: gr.Request) -> str:
    return str(request.session_hash)


def _emptied(status: str) -> tuple[Any, ...]:
    """Contents of a page without a video."""
    region = gr.Dropdown([_WHOLE], value=_WHOLE)
    inert = gr.Button(interactive=False)
    return EMPTY, region, 0, 0, status, "", [], "", inert, "", "", _AS_SEEN, None, None


def _quality(choice: str) -> Quality | None:
    return None if choice == _OWN_QUALITY else cast(Quality, choice)


def _shot_of(session: StudioSession, region: str) -> int | None:
    """The shot that a region is; None for the whole video and other regions."""
    names = [_shot_name(session, number) for number in range(len(session.shots))]
    return names.index(region) if region in names else None


def _sounds(session: StudioSession, shot: int | None) -> tuple[Any, ...]:
    """What is said of all shots, and kind, example and sound to avoid of one of them."""
    sound = session.sounds.get(shot, session.sounds.get(None, ShotSound()))
    paths = (None if path is None else str(path) for path in (sound.like, sound.unlike))
    return _said(session), sound.kind or _AS_SEEN, *paths


def _said(session: StudioSession) -> str:
    """What the shots should sound like, in one line."""
    parts = [
        f"{'whole video' if shot is None else f'shot {shot + 1}'}: {sound}"
        for shot, sound in sorted(session.sounds.items(), key=lambda entry: (entry[0] is not None, entry[0]))
    ]
    return f"<p>{escape('; '.join(parts))}</p>" if parts else ""


def _read_times(edited: str) -> list[float]:
    """Times of the page's cue table.

    Raises:
        CinefoleyError: If one is no number.
    """
    try:
        return [float(text) for text in json.loads(edited or "[]")]
    except (TypeError, ValueError) as exc:
        raise CinefoleyError("A time of the cue sheet is no number of seconds.") from exc


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
                    "gain_db": session.shot_settings.get(number, ShotSettings()).gain_db,
                    "nudge_frames": session.shot_settings.get(number, ShotSettings()).nudge_frames,
                }
            )
    return entries
