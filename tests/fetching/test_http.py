"""One request, one answer or one slug, whatever the server does."""

import asyncio
import ipaddress
import re
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline.fetching.http import BODY_LIMIT, Http, HttpOptions, next_hop, open_http, user_agent
from pipeline.model import Exchange, FetchFailure, header
from tests.conftest import missing
from tests.fetching.conftest import LOOPBACK
from tests.misbehaving_server import MISDEEDS, MisbehavingServer, misbehaving_server, self_signed

RAW = re.compile(r"errno|ssl:|_ssl|\berror\b|payload|can ?not|status line|got more than", re.IGNORECASE)
"""What libraries say, and nobody who watches feeds."""

MEMORY_LIMIT = 60 * 1024 * 1024  # bytes that reading a bomb may take beyond the client itself


async def test_an_answer_is_read_whole(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/page"))
    assert isinstance(answer, Exchange)
    assert (answer.status, answer.reason) == (200, "OK")
    assert answer.body == b"<title>Bonjour</title>"
    assert answer.url == server.url("/page")
    assert answer.remote_address == "127.0.0.1"


async def test_a_compressed_answer_is_decoded(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/page-in-gzip"))
    assert isinstance(answer, Exchange)
    assert answer.body == b"<p>hello</p>"


async def test_an_error_status_is_an_answer(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/not-found"))
    assert isinstance(answer, Exchange)
    assert (answer.status, answer.body) == (404, b"no")


async def test_headers_keep_order_spelling_and_every_alphabet(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/odd-headers"))
    assert isinstance(answer, Exchange)
    assert answer.headers == (
        ("x-CASE", "Kept"),
        ("X-Utf8", "café"),
        ("X-Latin", "café"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Content-Length", "0"),
    )


async def test_a_redirect_is_an_answer_and_names_the_next_hop(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/redirect"))
    assert isinstance(answer, Exchange)
    assert answer.status == 302
    assert next_hop(answer) == server.url("/page?a=1")
    assert len(server.requests) == 1


async def test_a_redirect_into_the_private_network_is_refused_at_the_next_hop(
    http: Http, server: MisbehavingServer
) -> None:
    answer = await http.get(server.url("/redirect-inside"))
    assert isinstance(answer, Exchange)
    following = await http.get(next_hop(answer) or "")
    assert isinstance(following, FetchFailure)
    assert following.slug == "refused-address"


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        ("https://example.org/a/b", "c", "https://example.org/a/c"),
        ("https://example.org/a", "//other.example/x", "https://other.example/x"),
        (
            "https://example.org/a",
            "http://example.org/%E2%82%AC?q=%2B#f",
            "http://example.org/%E2%82%AC?q=%2B",
        ),
        ("https://example.org/a", " /b ", "https://example.org/b"),
        ("https://example.org/a", "/café", "https://example.org/caf%C3%A9"),
        ("https://example.org/a", "javascript:alert(1)", None),
        ("https://example.org/a", "file:///etc/passwd", None),
        ("https://example.org/a", "http://[::1", None),
        ("https://example.org/a", "http://", None),
    ],
)
def test_a_location_is_resolved(base: str, location: str, expected: str | None) -> None:
    assert next_hop(redirect(base, (("Location", location),))) == expected


def test_a_redirect_without_location_leads_nowhere() -> None:
    assert next_hop(redirect("https://example.org/", ())) is None


def test_a_login_in_a_redirects_address_is_dropped_as_it_would_not_be_sent() -> None:
    there = (("Location", "https://desk:s3cret@example.org/feed"),)
    assert next_hop(redirect("https://example.org/", there)) == "https://example.org/feed"


async def test_requests_carry_name_and_codings_and_nothing_that_tells_on_readers(
    http: Http, server: MisbehavingServer
) -> None:
    await http.get(server.url("/echo"))
    answer = await http.get(server.url("/echo").replace("://", "://user:secret@"))
    assert isinstance(answer, Exchange)
    sent = answer.body.decode()
    assert "User-Agent: Wireroom/0 (+https://wireroom.example/)\r\n" in sent
    assert "Accept-Encoding: gzip, deflate, br\r\n" in sent
    assert not any(word in sent for word in ("Cookie", "Referer", "Authorization", "secret"))
    assert "secret" not in answer.url
    assert header(answer.request_headers, "host") == f"127.0.0.1:{server.port}"


async def test_validators_are_sent_as_given(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/echo"), headers=(("If-None-Match", 'W/"a b"'),))
    assert isinstance(answer, Exchange)
    assert b'If-None-Match: W/"a b"\r\n' in answer.body


@pytest.mark.parametrize(("path", "slug"), MISDEEDS.items())
async def test_a_misbehaving_server_ends_in_a_slug(server: MisbehavingServer, path: str, slug: str) -> None:
    patience_s = 1.0 if slug == "timeout" else 30.0
    async with open_http(HttpOptions(user_agent="W", allowed=LOOPBACK, timeout=patience_s)) as http:
        answer = await http.get(server.url(path))
    assert isinstance(answer, FetchFailure)
    assert answer.slug == slug
    assert answer.detail
    assert "\n" not in answer.detail
    assert not RAW.search(answer.detail)


async def test_codings_on_top_of_each_other_are_not_undone(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/gzip-bomb-in-gzip"))
    assert isinstance(answer, Exchange)
    assert answer.body.startswith(b"\x1f\x8b")
    assert len(answer.body) < 10_000


async def test_the_client_works_on_after_a_misdeed(http: Http, server: MisbehavingServer) -> None:
    await http.get(server.url("/closes-in-a-chunk"))
    await http.get(server.url("/endless-body"))
    answer = await http.get(server.url("/page"))
    assert isinstance(answer, Exchange)


async def test_the_limit_is_the_callers(http: Http, server: MisbehavingServer) -> None:
    size = len(b"<title>Bonjour</title>")
    assert isinstance(await http.get(server.url("/page"), limit=size), Exchange)
    too_large = await http.get(server.url("/page"), limit=size - 1)
    assert isinstance(too_large, FetchFailure)
    assert too_large.slug == "too-large"


async def test_a_closed_port_is_a_connect_failure(http: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = await http.get(f"http://127.0.0.1:{port}/")
    assert isinstance(answer, FetchFailure)
    assert (answer.slug, answer.detail) == ("connect", "no connection: connection refused")


async def test_plain_http_behind_https_is_a_tls_failure(http: Http, server: MisbehavingServer) -> None:
    answer = await http.get(server.url("/page").replace("http:", "https:"))
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "tls"


async def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(http: Http, tmp_path: Path) -> None:
    with misbehaving_server(certificate(tmp_path)) as server:
        answer = await http.get(server.url("/page"))
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "tls"
    assert answer.detail == "its certificate is not valid: self-signed certificate"


async def test_a_name_that_does_not_resolve_is_a_dns_failure() -> None:
    async with open_http(HttpOptions(user_agent="W"), resolver=StubResolver({})) as http:
        answer = await http.get("http://nowhere.example/")
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "dns"


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://", "javascript:alert(1)", "http:///x"])
async def test_what_is_no_web_address_is_refused(http: Http, url: str) -> None:
    answer = await http.get(url)
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "refused-address"


def test_a_hundred_endless_bodies_at_once_take_the_memory_of_a_few(server: MisbehavingServer) -> None:
    script = (
        "import asyncio, ipaddress, resource, socket, sys\n"
        "from pipeline.fetching.http import HttpOptions, open_http\n"
        "from tests.fetching.test_http import StubResolver\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "async def main(url):\n"
        "    options = HttpOptions(user_agent='W', allowed=(ipaddress.ip_network('127.0.0.0/8'),))\n"
        "    names = StubResolver({f'n{number}.example': ['127.0.0.1'] for number in range(100)})\n"
        "    async with open_http(options, resolver=names) as http:\n"
        "        before = peak()\n"
        "        urls = [url.replace('127.0.0.1', name) for name in names.answers]\n"
        "        answers = await asyncio.gather(*map(http.get, urls))\n"
        "    print({answer.slug for answer in answers} == {'too-large'}, peak() - before)\n"
        "asyncio.run(main(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", script, server.url("/endless-body")]
    all_ended, growth = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert all_ended == "True"
    assert int(growth) < 3 * MEMORY_LIMIT  # read side by side they would take a gigabyte


@pytest.mark.parametrize("path", ["/gzip-bomb", "/deflate-bomb", "/brotli-bomb"])
def test_a_bomb_of_512_mib_is_too_large_and_takes_little_memory(server: MisbehavingServer, path: str) -> None:
    # In a process of its own: the peak of this one says nothing any more.
    script = (
        "import asyncio, ipaddress, resource, sys\n"
        "from pipeline.fetching.http import HttpOptions, open_http\n"
        "async def main():\n"
        "    allowed = (ipaddress.ip_network('127.0.0.0/8'),)\n"
        "    async with open_http(HttpOptions(user_agent='W', allowed=allowed)) as http:\n"
        "        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "        answer = await http.get(sys.argv[1])\n"
        "        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    print(answer.slug, (after - before) * 1024)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, server.url(path)]
    slug, growth = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert slug == "too-large"
    assert int(growth) < MEMORY_LIMIT


async def test_a_proxy_is_reached_though_its_own_address_is_private(server: MisbehavingServer) -> None:
    options = HttpOptions(user_agent="W", proxy=f"http://user:secret@127.0.0.1:{server.port}")
    resolver = StubResolver({"example.org": ["93.184.216.34"]})
    async with open_http(options, resolver=resolver) as http:
        answer = await http.get("http://example.org/page")
    assert isinstance(answer, Exchange)
    assert answer.body == b"<title>Bonjour</title>"
    assert server.requests[0].startswith(b"GET http://example.org/page HTTP/1.1\r\n")
    assert header(answer.request_headers, "Proxy-Authorization") is None
    assert answer.remote_address is None


@pytest.mark.parametrize("url", ["http://inside.example/", "http://10.0.0.1/", "http://example.org:6379/"])
async def test_behind_a_proxy_targets_are_still_checked(server: MisbehavingServer, url: str) -> None:
    options = HttpOptions(user_agent="W", proxy=f"http://127.0.0.1:{server.port}")
    resolver = StubResolver({"inside.example": ["10.0.0.1"], "example.org": ["93.184.216.34"]})
    async with open_http(options, resolver=resolver) as http:
        answer = await http.get(url)
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "refused-address"
    assert server.requests == []


async def test_a_proxy_that_does_not_resolve_is_a_dns_failure() -> None:
    options = HttpOptions(user_agent="W", proxy="http://proxy.invalid:3128")
    resolver = StubResolver({"example.org": ["93.184.216.34"]})
    async with open_http(options, resolver=resolver) as http:
        answer = await http.get("http://example.org/page")
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "dns"


def test_the_user_agent_names_product_and_operator() -> None:
    assert user_agent("https://news.example/bot").endswith(" (+https://news.example/bot)")
    assert user_agent("x").startswith("Wireroom/")


def test_the_body_limit_is_ten_mebibytes() -> None:
    assert BODY_LIMIT == 10_485_760


class StubResolver(AbstractResolver):
    """Answer names from a dictionary, and address literals with themselves, as getaddrinfo does."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = [str(ipaddress.ip_address(host))]
        except ValueError:
            addresses = self.answers.get(host, [])
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        pass


def redirect(url: str, headers: tuple[tuple[str, str], ...]) -> Exchange:
    return Exchange(
        url=url,
        method="GET",
        request_headers=(),
        status=301,
        reason="Moved Permanently",
        headers=headers,
        body=b"",
        fetched_at=0.0,
        remote_address=None,
    )


def certificate(folder: Path) -> ssl.SSLContext:
    try:
        return self_signed(folder)
    except FileNotFoundError:
        missing("the openssl command is not installed: apt install openssl")


async def test_a_client_that_hangs_up_leaves_no_connection_to_its_host() -> None:
    made, ended = [], asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()
        ended.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    options = HttpOptions(user_agent="W", allowed=LOOPBACK)
    async with server, open_http(options, keep_alive_s=600.0) as session:
        http = session.apart()
        await http.get(url)
        await http.get(url)
        assert (len(made), ended.is_set()) == (1, False)
        http.hang_up()
        await asyncio.wait_for(ended.wait(), 30)
