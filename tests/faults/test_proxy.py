"""The proxy does to connections what it says."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.faults.proxy import Mode, Proxy, open_proxy

SHORT_S = 0.3
LONG_S = 10.0


class Echo(socketserver.BaseRequestHandler):
    """Answer with what came, in capitals, and remember it."""

    heard: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        while piece := self.request.recv(1024):
            Echo.heard.append(piece)
            self.request.sendall(piece.upper())


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    Echo.heard = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        with open_proxy(f"127.0.0.1:{server.server_address[1]}") as opened:
            yield opened
        server.shutdown()
        thread.join()


def connect(proxy: Proxy) -> socket.socket:
    host, port = proxy.address.split(":")
    return socket.create_connection((host, int(port)), timeout=LONG_S)


def ask(connection: socket.socket, words: bytes) -> bytes:
    connection.sendall(words)
    return connection.recv(1024)


def test_it_passes_what_comes(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert ask(connection, b"one") == b"ONE"
        assert ask(connection, b"two") == b"TWO"


def test_a_cut_ends_what_is_open_and_new_connections_pass(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection, b"one")
        assert proxy.cut() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)
    with connect(proxy) as connection:
        assert ask(connection, b"two") == b"TWO"


def test_it_refuses_new_connections(proxy: Proxy) -> None:
    proxy.mode = Mode.REFUSE
    with pytest.raises(ConnectionResetError), connect(proxy) as connection:  # now or when it is used
        ask(connection, b"one")


def test_a_black_hole_says_nothing_and_passes_all_when_it_is_mended(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection, b"one")
        proxy.mode = Mode.HOLD
        connection.sendall(b"two")
        connection.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            connection.recv(1024)
        connection.settimeout(LONG_S)
        proxy.mend()
        assert connection.recv(1024) == b"TWO"


def test_a_half_open_connection_swallows_what_is_written_until_it_is_mended(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection, b"one")
        proxy.half_open()
        connection.sendall(b"two")
        connection.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            connection.recv(1024)
        connection.settimeout(LONG_S)
        proxy.mend()
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)
    assert Echo.heard == [b"one"]


def test_a_reply_is_lost_after_the_request_was_passed(proxy: Proxy) -> None:
    proxy.mode = Mode.LOSE_REPLIES
    with connect(proxy) as connection, pytest.raises(ConnectionResetError):
        ask(connection, b"one")
    assert Echo.heard == [b"one"]
    assert proxy.lost_replies == 1


def test_it_delays_each_way(proxy: Proxy) -> None:
    proxy.delay_s = SHORT_S
    with connect(proxy) as connection:
        began = time.monotonic()
        ask(connection, b"one")
        assert time.monotonic() - began >= 2 * SHORT_S
