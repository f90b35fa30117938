"""Which addresses may be connected to, and that no connection gets around it."""

import ipaddress
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.fetching.guard import refusal, url_refusal
from pipeline.fetching.http import HttpOptions, open_http
from pipeline.model import Exchange, FetchFailure
from tests.misbehaving_server import MisbehavingServer

# Outside 2000::/3 nothing is allocated, so a stricter rule than smokescreen's costs nothing.
STRICTER_THAN_THE_CORPUS = frozenset({"64:ff9c::1"})


def test_the_corpus_of_addresses_is_judged_right(corpora: Path) -> None:
    cases = cases_of(corpora, "addresses.json")
    wrong = [case for case in cases if verdict(case["address"]) != case["verdict"]]
    assert {case["address"] for case in wrong} == STRICTER_THAN_THE_CORPUS


async def test_no_denied_url_of_the_corpus_is_connected_to(corpora: Path) -> None:
    denied = [case for case in cases_of(corpora, "urls.json") if case["verdict"] == "deny"]
    assert len(denied) == 417
    for case in denied:
        async with open_http(HttpOptions(user_agent="W"), resolver=CorpusResolver([case])) as http:
            answer = await http.get(case["url"])
        assert isinstance(answer, FetchFailure), case
        assert answer.slug in ("refused-address", "dns"), (case, answer)


def test_the_allowed_urls_of_the_corpus_pass(corpora: Path) -> None:
    allowed = [
        case
        for case in cases_of(corpora, "urls.json")
        if case["verdict"] == "allow" and not case.get("strict_may_deny")
    ]
    assert len(allowed) == 50
    for case in allowed:
        assert url_refusal(case["url"]) is None, case
        port = URL(case["url"]).port or 0
        addresses = [case["address"]] if "address" in case else next(iter(case["dns"].values()))
        assert [refusal(address, port) for address in addresses] == [None] * len(addresses), case


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_the_ports_of_the_web_pass(port: int) -> None:
    assert refusal("93.184.216.34", port) is None


@pytest.mark.parametrize("port", [0, 22, 25, 6379, 9200, 8000])
def test_other_ports_are_refused_and_named(port: int) -> None:
    assert refusal("93.184.216.34", port) == f"port {port} is not one of 80, 443, 8080, 8443"


def test_allowed_networks_pass_with_any_port() -> None:
    allowed = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert refusal("127.0.0.1", 6379, allowed=allowed) is None
    assert refusal("::ffff:127.0.0.1", 6379, allowed=allowed) is None
    assert refusal("fd00::1", 80, allowed=allowed) is None
    assert refusal("10.0.0.1", 80, allowed=allowed) == "10.0.0.1 is not public: private use (RFC 1918)"


async def test_a_name_with_one_private_answer_is_refused_before_any_connection(
    server: MisbehavingServer,
) -> None:
    resolver = SequenceResolver([["93.184.216.34", "127.0.0.1"]])
    async with open_http(HttpOptions(user_agent="W"), resolver=resolver) as http:
        answer = await http.get(f"http://mixed.example:{server.port}/page")
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "refused-address"
    assert server.requests == []


async def test_a_name_that_turns_private_is_refused_the_second_time(server: MisbehavingServer) -> None:
    allowed = (ipaddress.ip_network("127.0.0.1/32"),)
    resolver = SequenceResolver([["127.0.0.1"], ["127.0.0.2"]])
    url = f"http://rebinding.example:{server.port}/closes-at-once"
    async with open_http(HttpOptions(user_agent="W", allowed=allowed), resolver=resolver) as http:
        await http.get(url)
    async with open_http(HttpOptions(user_agent="W", allowed=allowed), resolver=resolver) as http:
        answer = await http.get(url)
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "refused-address"
    assert "127.0.0.2" in answer.detail


async def test_a_literal_is_judged_at_the_socket_as_no_resolver_sees_it(server: MisbehavingServer) -> None:
    async with open_http(HttpOptions(user_agent="W"), resolver=SequenceResolver([])) as http:
        answer = await http.get(server.url("/page"))
    assert isinstance(answer, FetchFailure)
    assert answer.slug == "refused-address"
    assert answer.detail == "127.0.0.1 is not public: loopback (RFC 1122)"
    assert server.requests == []


async def test_an_allowed_literal_is_connected_to(server: MisbehavingServer) -> None:
    allowed = (ipaddress.ip_network("127.0.0.0/8"),)
    async with open_http(HttpOptions(user_agent="W", allowed=allowed)) as http:
        assert isinstance(await http.get(server.url("/page")), Exchange)


def cases_of(corpora: Path, name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((corpora / "ssrf" / name).read_text())
    return cases


def verdict(address: str) -> str:
    return "deny" if refusal(address, 443) else "allow"


class SequenceResolver(AbstractResolver):
    """Give another answer each time it is asked, as a rebinding name server does."""

    def __init__(self, answers: list[list[str]]) -> None:
        self.answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [result(host, address, port) for address in self.answers.pop(0)]

    async def close(self) -> None:
        pass


class CorpusResolver(AbstractResolver):
    """Answer as a case says, and as inet_aton does for the odd spellings of IPv4 addresses."""

    def __init__(self, cases: list[dict[str, Any]]) -> None:
        self.names = {name: addresses for case in cases for name, addresses in case.get("dns", {}).items()}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = self.names.get(host.rstrip("."), [])
        if not addresses:
            try:
                addresses = [socket.inet_ntoa(socket.inet_aton(host))]
            except OSError as error:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
        return [result(host, address, port) for address in addresses]

    async def close(self) -> None:
        pass


def result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
