"""Serve a web application on a socket until SIGINT or SIGTERM."""

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
    """Listen on an address; clients that connect wait until :func:`serve` runs.

    Args:
        host: Address of the network interface, such as ``127.0.0.1``.
        port: Port; 0: any free port.

    Raises:
        OutputError: If the address is not one of this machine, or the port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise OutputError(
            f"{host}:{port}: cannot listen on this address ({reason}). Choose another "
            "with --port; --port 0 takes any free one."
        ) from exc


def address_of(listening: socket.socket) -> str:
    """URL to open in a browser on this machine."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{'localhost' if ipaddress.ip_address(host).is_unspecified else shown}:{port}/"


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; running requests are finished.

    Requests are not logged, because their addresses contain secrets.

    Args:
        app: ASGI application.
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
    """Whether a record is worth logging: pages still open when the server stops are cancelled, no error."""
    exc = record.exc_info[1] if record.exc_info else None
    is_cancelled = isinstance(exc, asyncio.CancelledError)
    return not is_cancelled and "graceful shutdown exceeded" not in record.getMessage()
