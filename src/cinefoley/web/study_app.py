"""Web application of a study: its page and its HTTP interface."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.staticfiles import StaticFiles

from cinefoley.errors import RefusalReason, StudyError, VoteRefusedError
from cinefoley.study.sessions import Sessions, Standing
from cinefoley.study.sound_check import beeping_wav
from cinefoley.study.store import Choice
from cinefoley.web.guard import Guard

__all__ = ["create_study_app"]

logger = logging.getLogger(__name__)

_PAGES = Path(__file__).parent / "study_pages"
_STATUS: Mapping[RefusalReason, int] = MappingProxyType(
    {"unknown": 404, "early": 409, "taken": 409, "closed": 410, "invalid": 422}
)
_Secret = Annotated[str, Field(max_length=64)]


class _Beginning(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    agrees: bool
    nonce: _Secret


class _Count(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    beeps: int


class _Played(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    trial: _Secret
    side: Choice


class _Vote(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    trial: _Secret
    choice: Choice
    reasons: list[str] = Field(default=[], max_length=50)
    comment: str = ""


def create_study_app(sessions: Sessions) -> FastAPI:
    """Create the web application of a study.

    Args:
        sessions: The study's participants and their trials.

    Returns:
        An ASGI application: the page under ``/`` and ``/p/SECRET``, its files under ``/static``, videos under
        secret addresses, and everything else as JSON under ``/api``.
    """
    # no generated documentation: its pages load scripts from other hosts
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_pages())
    app.include_router(_interface(sessions), prefix="/api")
    app.include_router(_videos(sessions))
    app.mount("/static", StaticFiles(directory=_PAGES))
    app.add_exception_handler(VoteRefusedError, _refuse)
    app.add_exception_handler(StudyError, _fail)
    app.add_exception_handler(RequestValidationError, _reject)
    app.add_middleware(Guard)
    return app


def _pages() -> APIRouter:
    router = APIRouter()

    @router.get("/")
    @router.get("/p/{token}")
    def page() -> FileResponse:
        return FileResponse(_PAGES / "index.html", media_type="text/html; charset=utf-8")

    return router


def _interface(sessions: Sessions) -> APIRouter:
    router = APIRouter()
    study = sessions.study

    @router.get("/study")
    def describe() -> dict[str, Any]:
        return {
            "title": study.title,
            "question": study.question,
            "consent": [text.strip() for text in study.consent.split("\n\n") if text.strip()],
            "contact": study.contact,
            "reasons": list(study.reasons),
            "asks_for_comment": study.asks_for_comment,
            "is_open": sessions.is_open(),
            "is_full": sessions.is_full(),
        }

    @router.post("/participants", status_code=201)
    def begin(beginning: _Beginning) -> dict[str, str]:
        if not beginning.agrees:
            raise VoteRefusedError("You need to agree before you can take part.", "invalid")
        return {"token": sessions.begin(beginning.nonce)}

    @router.get("/participants/{token}")
    def standing(token: str) -> dict[str, Any]:
        return _as_json(sessions.standing(token))

    @router.get("/participants/{token}/beeps.wav")
    def beeps(token: str) -> Response:
        return Response(beeping_wav(sessions.beeps(token)), media_type="audio/wav")

    @router.post("/participants/{token}/beeps")
    def check_beeps(token: str, count: _Count) -> dict[str, Any]:
        is_right = sessions.check_beeps(token, count.beeps)
        return {"is_right": is_right} | _as_json(sessions.standing(token))

    @router.post("/participants/{token}/played")
    def mark_played(token: str, played: _Played) -> dict[str, Any]:
        return _as_json(sessions.mark_played(token, played.trial, played.side))

    @router.post("/participants/{token}/votes")
    def vote(token: str, vote: _Vote) -> dict[str, Any]:
        return _as_json(
            sessions.vote(token, vote.trial, vote.choice, reasons=vote.reasons, comment=vote.comment)
        )

    @router.post("/participants/{token}/withdraw")
    def withdraw(token: str) -> dict[str, Any]:
        return _as_json(sessions.withdraw(token))

    return router


def _videos(sessions: Sessions) -> APIRouter:
    router = APIRouter()

    @router.api_route("/videos/{trial}/{side}", methods=["GET", "HEAD"])
    def video(trial: str, side: Choice) -> FileResponse:
        found = sessions.video(trial, side)
        if not found.path.is_file():
            raise StudyError(f"{found.path}: the file is missing.")
        # the file's own date and tag are the same for everybody, and would identify the method
        tag = hashlib.sha256(f"{trial}/{side}".encode()).hexdigest()[:32]
        headers = {
            "ETag": f'"{tag}"',
            "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
            "Cache-Control": "private, max-age=3600",
        }
        return FileResponse(found.path, media_type=found.content_type, headers=headers)

    return router


def _as_json(standing: Standing) -> dict[str, Any]:
    return asdict(standing)


def _refuse(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, VoteRefusedError)
    return JSONResponse({"message": str(exc), "reason": exc.reason}, _STATUS[exc.reason])


def _fail(request: Request, exc: Exception) -> JSONResponse:
    """A fault of the server: details are logged, and not shown to participants."""
    logger.error("%s", exc)
    return JSONResponse({"message": "The server has a problem at the moment.", "reason": "failed"}, 503)


def _reject(request: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({"message": "This request is invalid.", "reason": "invalid"}, 422)
