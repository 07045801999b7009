import asyncio
import logging

import pytest

from cinefoley.errors import OutputError
from cinefoley.web.serving import _is_news, address_of, open_socket


def test_a_free_port_is_found_and_told() -> None:
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening) == f"http://127.0.0.1:{port}/"


def test_of_all_interfaces_the_address_is_one_that_a_browser_here_understands() -> None:
    with open_socket("0.0.0.0", 0) as listening:
        assert address_of(listening) == f"http://localhost:{listening.getsockname()[1]}/"


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(OutputError, match=rf"127.0.0.1:{port}: cannot listen on this address .*--port"):
            open_socket("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(OutputError, match=r"192\.0\.2\.1:80: cannot listen on this address"):
        open_socket("192.0.2.1", 80)


@pytest.mark.parametrize(("error", "is_told"), [(asyncio.CancelledError(), False), (KeyError("film"), True)])
def test_pages_that_are_open_in_the_end_are_no_error(error: BaseException, is_told: bool) -> None:
    record = logging.LogRecord(
        "uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", (), (type(error), error, None)
    )
    assert _is_news(record) == is_told
