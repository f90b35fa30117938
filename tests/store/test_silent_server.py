"""A PostgreSQL whose machine is gone without a word: nobody waits for it for hours."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.store.store import open_store
from tests.faults.proxy import Mode, Proxy, open_proxy

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other kernels name these otherwise")


@pytest.fixture
def proxy(postgresql_address: str) -> Iterator[Proxy]:
    with open_proxy(postgresql_address) as opened:
        yield opened


def through(proxy: Proxy, url: str, address: str, **chosen: int) -> str:
    """Give the URL by which a database is reached through the proxy."""
    query = "&".join(f"{name}={value}" for name, value in chosen.items())
    return f"{url.replace(address, proxy.address)}?{query}"


def options_of(url: str) -> dict[str, int]:
    """Read what the kernel was told of a connection to the store, in seconds."""
    with closing(open_store(url)) as store, store.read() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=socket.dup(driver.fileno())) as same:
            return {
                "keepalives": same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                "idle": same.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                "interval": same.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                "count": same.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                "unheard": same.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) // 1000,
            }


@LINUX
def test_a_server_that_is_gone_is_noticed_within_a_minute(postgresql_url: str) -> None:
    expected = {"keepalives": 1, "idle": 30, "interval": 10, "count": 3, "unheard": 60}
    assert options_of(postgresql_url) == expected


@LINUX
def test_what_the_stores_address_says_goes_before(postgresql_url: str) -> None:
    chosen = options_of(f"{postgresql_url}?keepalives_idle=5&tcp_user_timeout=20000")
    assert (chosen["idle"], chosen["unheard"], chosen["count"]) == (5, 20, 3)


def test_a_connection_that_nobody_answers_is_given_up(
    proxy: Proxy, postgresql_url: str, postgresql_address: str
) -> None:
    url = through(proxy, postgresql_url, postgresql_address)
    with closing(open_store(url)) as store:
        with store.read() as connection:
            assert store.read_clock(connection) > 0
        store.close()
        proxy.mode = Mode.HOLD
        began = time.monotonic()
        with pytest.raises(OperationalError, match="timeout expired"), store.read():
            pass
        assert 9.0 < time.monotonic() - began < 60.0
        proxy.mend()
        with store.read() as connection:
            assert store.read_clock(connection) > 0
