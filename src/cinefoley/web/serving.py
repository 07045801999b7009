"""An application on a socket, until it is told to stop."""

import asyncio
import ipaddress
import logging
import socket

import uvicorn
from starlette.types import ASGIApp

from cinefoley.errors import OutputError

__all__ = ["address_of", "open_socket", "serve"]

_BACKLOG = 2048
_PATIENCE_S = 5


def open_socket(host: str, port: int) -> socket.socket:
    """Listen; from now on clients can connect, and wait until they are served.

    Args:
        host: Address of the interface, such as ``127.0.0.1``.
        port: Its port; 0 takes a free one.

    Raises:
        OutputError: If the address is not ours, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise OutputError(
            f"{host}:{port}: cannot be listened on ({reason}). Choose another with --port, or --port 0 for a "
            "free one."
        ) from exc


def address_of(listening: socket.socket) -> str:
    """What to type into a browser on this machine."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{'localhost' if ipaddress.ip_address(host).is_unspecified else shown}:{port}/"


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; requests that have begun are finished.

    Nothing is logged of requests: their addresses hold secrets.

    Args:
        app: What answers.
        listening: From :func:`open_socket`.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_PATIENCE_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    uvicorn.Server(config).run(sockets=[listening])


def _is_news(record: logging.LogRecord) -> bool:
    """Pages that are still open when the server ends are cancelled, which is no error of anybody's."""
    exc = record.exc_info[1] if record.exc_info else None
    is_cancelled = isinstance(exc, asyncio.CancelledError)
    return not is_cancelled and "graceful shutdown exceeded" not in record.getMessage()
