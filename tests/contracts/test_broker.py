"""What every broker must keep: bells on Valkey and Redis 7, and the embedded broker's life."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError

from pipeline.errors import WireroomError
from pipeline.model import Stage
from pipeline.settings import Settings, read_settings
from tests import servers
from tests.servers import free_port
from workers.app import make_app
from workers.bells import Bells, open_bells
from workers.broker import socket_path, start_broker

ROOT = Path(__file__).parents[2]
QUEUE = "wireroom:poll"  # as Celery names the list, below the prefix that keeps a shared Redis tidy
SHORT_S = 2.0  # a broker that is away must not hold up work; connecting to a closed port takes 1 ms


@pytest.fixture
def limited_url(tmp_path: Path) -> Iterator[str]:
    """Run a Redis by deploy/redis.conf; give the address with the user that deploy/make-secrets.sh makes."""
    subprocess.run(
        [ROOT / "deploy" / "make-secrets.sh", tmp_path / "secrets"], check=True, capture_output=True
    )
    login = (tmp_path / "secrets" / "broker_url").read_text().partition("@")[0]
    config, users = ROOT / "deploy" / "redis.conf", tmp_path / "secrets" / "redis_acl"
    with servers.redis(servers.redis_binary(), config, users) as url:
        yield f"{login}@{url.removeprefix('redis://')}"


@pytest.fixture(params=["valkey", "redis", "limited"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """Give the address of an empty broker of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def broker(broker_url: str) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(broker_url) as client:
        yield client


@pytest.fixture
def bells(broker_url: str, tmp_path: Path) -> Iterator[Bells]:
    with bells_on(broker_url, tmp_path) as opened:
        yield opened


@contextmanager
def bells_on(url: str, home: Path) -> Iterator[Bells]:
    app = make_app(read_settings({"WIREROOM_HOME": str(home), "WIREROOM_BROKER_URL": url}))
    bells = open_bells(app)
    yield bells
    bells.redis.close()
    app.close()


def test_a_ring_queues_one_message(bells: Bells, broker: "redis.Redis") -> None:
    bells.ring(Stage.POLL)
    assert broker.llen(QUEUE) == 1


def test_further_rings_queue_nothing_until_somebody_answers(bells: Bells, broker: "redis.Redis") -> None:
    for _ in range(10):
        bells.ring(Stage.POLL)
    assert broker.llen(QUEUE) == 1
    bells.answer(Stage.POLL)
    bells.ring(Stage.POLL)
    assert broker.llen(QUEUE) == 2


def test_each_stage_has_its_own_bell(bells: Bells, broker: "redis.Redis") -> None:
    for stage in Stage:
        bells.ring(stage)
    assert [broker.llen(f"wireroom:{stage}") for stage in Stage] == [1, 1, 1, 1]


def test_a_bell_that_nobody_answers_rings_again_after_some_seconds(
    bells: Bells, broker: "redis.Redis"
) -> None:
    bells.ring(Stage.POLL)
    assert 0 < broker.pttl("wireroom:bell:poll") <= 5_000


def test_a_message_names_a_stage_and_carries_nothing_else(bells: Bells, broker: "redis.Redis") -> None:
    bells.ring(Stage.POLL)
    message = json.loads(broker.lindex(QUEUE, 0))
    positional, named, _ = json.loads(base64.b64decode(message["body"]))
    assert message["headers"]["task"] == "wireroom.poll"
    assert message["content-type"] == "application/json"
    assert (positional, named) == ([], {})


def test_a_lost_broker_is_no_error_and_costs_no_time(tmp_path: Path) -> None:
    with bells_on(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as bells:
        began_at = time.monotonic()
        bells.ring(Stage.POLL)
        bells.answer(Stage.POLL)
    assert time.monotonic() - began_at < SHORT_S


@pytest.fixture
def encrypted(tmp_path: Path) -> "Iterator[tuple[str, Path]]":
    """Run a Redis that speaks TLS; give its address and the certificate that vouches for it."""
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", free_port()
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=redis"
    words = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(words, check=True, capture_output=True)
    config = tmp_path / "redis.conf"
    config.write_text(
        f"tls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-auth-clients no\n"
        f"tls-ca-cert-file {certificate}\n"
    )
    with servers.redis(servers.redis_binary(), config):
        yield f"rediss://127.0.0.1:{port}/0", certificate


def test_a_ring_goes_over_tls_to_a_broker_that_is_vouched_for(
    encrypted: tuple[str, Path], tmp_path: Path
) -> None:
    address, certificate = encrypted
    url = f"{address}?ssl_ca_certs={certificate}"
    with bells_on(url, tmp_path) as bells, redis.Redis.from_url(url) as broker:
        bells.ring(Stage.POLL)
        assert broker.llen(QUEUE) == 1


def test_a_broker_that_nobody_vouches_for_is_told_nothing(
    encrypted: tuple[str, Path], tmp_path: Path
) -> None:
    address, _ = encrypted
    with (
        bells_on(address, tmp_path) as bells,
        bells.app.connection_for_write() as connection,
        pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        connection.ensure_connection(max_retries=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"WIREROOM_HOME": str(tmp_path / "home")})


def client(settings: Settings) -> "redis.Redis":
    return redis.Redis(unix_socket_path=str(socket_path(settings)))


@pytest.fixture
def started(settings: Settings) -> "Iterator[subprocess.Popen[bytes]]":
    process = start_broker(settings)
    yield process
    process.kill()
    process.wait()


def test_the_embedded_broker_answers_on_a_socket_of_its_owner_alone(
    settings: Settings, started: "subprocess.Popen[bytes]"
) -> None:
    with client(settings) as broker:
        assert broker.ping()
        assert broker.config_get("port") == {"port": "0"}
    assert socket_path(settings).stat().st_mode & 0o777 == 0o600
    assert socket_path(settings).parent.stat().st_mode & 0o777 == 0o700


def test_the_embedded_broker_keeps_its_messages_when_it_is_killed(
    settings: Settings, started: "subprocess.Popen[bytes]"
) -> None:
    with client(settings) as broker:
        broker.rpush(QUEUE, "ring")
    started.kill()
    started.wait()
    again = start_broker(settings)
    try:
        with client(settings) as broker:
            assert broker.lrange(QUEUE, 0, -1) == [b"ring"]
    finally:
        again.kill()
        again.wait()


def test_a_broker_that_an_earlier_run_left_behind_is_ended(
    settings: Settings, started: "subprocess.Popen[bytes]"
) -> None:
    fresh = start_broker(settings)
    try:
        assert started.wait(5.0) == 0
        with client(settings) as broker:
            assert broker.info("server")["process_id"] == fresh.pid
    finally:
        fresh.kill()
        fresh.wait()


def test_a_home_too_deep_for_a_socket_gets_one_in_a_short_folder(tmp_path: Path) -> None:
    deep = read_settings({"WIREROOM_HOME": str(tmp_path / "deep" / ("d" * 120))})
    process = start_broker(deep)
    try:
        assert len(os.fsencode(socket_path(deep))) < 100
        with client(deep) as broker:
            assert broker.ping()
    finally:
        process.kill()
        process.wait()
        socket_path(deep).unlink()
        socket_path(deep).parent.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    deep = read_settings({"WIREROOM_HOME": str(tmp_path / "deep" / ("e" * 120))})
    folder = socket_path(deep).parent
    folder.symlink_to(tmp_path)  # as whoever guesses the name could lay one
    try:
        with pytest.raises(WireroomError, match="belongs to somebody else"):
            start_broker(deep)
    finally:
        folder.unlink()


def test_a_broker_that_cannot_start_says_where_its_log_is(settings: Settings) -> None:
    folder = settings.home / "broker" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with pytest.raises(WireroomError, match=r"did not start; its log .*broker\.log says why"):
        start_broker(settings)
