"""Which addresses Wireroom may connect to. Feeds are written by strangers: a link, a redirect or a DNS answer
may point into the network that Wireroom runs in (server-side request forgery).

`ipaddress.is_global` is not used: depending on Python's version it lets NAT64, 6to4, multicast and
`::127.0.0.1` through (CVE-2024-4032).
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline import identity

Networks = tuple[IPv4Network | IPv6Network, ...]
SocketFactory = Callable[[tuple[Any, Any, int, str, tuple[Any, ...]]], socket.socket]

ORDINARY_PORTS = frozenset({80, 443, 8080, 8443})  # where the web is served; others belong to other protocols

# From the IANA special-purpose address registries (RFC 6890). The first that holds an address is named.
_DENIED = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this network (RFC 791)"),
        ("10.0.0.0/8", "private use (RFC 1918)"),
        ("100.64.0.0/10", "shared address space (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link local (RFC 3927)"),
        ("172.16.0.0/12", "private use (RFC 1918)"),
        ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.31.196.0/24", "AS112 (RFC 7535)"),
        ("192.52.193.0/24", "multicast tunnels (RFC 7450)"),
        ("192.88.99.0/24", "6to4 relays (RFC 7526)"),
        ("192.168.0.0/16", "private use (RFC 1918)"),
        ("192.175.48.0/24", "AS112 (RFC 7534)"),
        ("198.18.0.0/15", "benchmarking (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
        ("::1/128", "loopback (RFC 4291)"),
        ("64:ff9b::/96", "NAT64 (RFC 6052)"),
        ("64:ff9b:1::/48", "NAT64 (RFC 8215)"),
        ("fc00::/7", "unique local (RFC 4193)"),
        ("fe80::/10", "link local (RFC 4291)"),
        ("ff00::/8", "multicast (RFC 4291)"),
        ("2001::/32", "Teredo (RFC 4380)"),
        ("2001::/23", "protocol assignments (RFC 2928)"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        ("2002::/16", "6to4 (RFC 3056)"),
        ("2620:4f:8000::/48", "AS112 (RFC 7534)"),
        ("3fff::/20", "documentation (RFC 9637)"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has handed out; the rest of IPv6 has no web servers


class AddressRefused(OSError):
    """Say which address was refused and why. An OSError, as that is what a connection attempt may raise."""


def refusal(address: str, port: int, *, allowed: Networks = ()) -> str | None:
    """Say why an IP address and port may not be connected to, or return None.

    Addresses in `allowed` pass with any port. An IPv4 address that is mapped into IPv6 is judged as IPv4;
    the other ways to carry one (NAT64, 6to4, Teredo, IPv4-compatible) are refused whatever they carry.
    """
    try:
        parsed = _unmapped(ipaddress.ip_address(address))
    except ValueError:
        return f"{address} is no IP address"
    if any(parsed in network for network in allowed):
        return None
    for network, why in _DENIED:
        if parsed in network:
            return f"{address} is not public: {why}"
    if parsed.version == 6 and parsed not in _GLOBAL_UNICAST:
        return f"{address} is not public: outside 2000::/3"
    if port not in ORDINARY_PORTS:
        return f"port {port} is not one of {', '.join(map(str, sorted(ORDINARY_PORTS)))}"
    return None


def url_refusal(url: str) -> str | None:
    """Say why a URL may not be requested before its host is even resolved, or return None."""
    return None if identity.url_key(url) else "not an http or https address with a host"


def guarded_socket(allowed: Networks) -> SocketFactory:
    """Make the factory through which each socket is opened, so that each final address is judged, whether it
    came from a literal, a DNS answer or a redirect. The sockets' maker raises AddressRefused."""

    def open_socket(address_info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        why = refusal(address[0], address[1], allowed=allowed)
        if why:
            raise AddressRefused(why)
        return socket.socket(family, kind, protocol)

    return open_socket


def proxy_socket(proxies: frozenset[tuple[str, int]]) -> SocketFactory:
    """Make the factory of sockets that reach the configured proxy (address, port) and nothing else."""

    def open_socket(address_info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if address[:2] not in proxies:
            raise AddressRefused(f"{address[0]} port {address[1]} is not the configured proxy")
        return socket.socket(family, kind, protocol)

    return open_socket


class GuardedResolver(AbstractResolver):
    """Refuse a name when any of its addresses is refused: a name that mixes public and private answers is an
    attempt to get around the guard."""

    def __init__(self, resolver: AbstractResolver, allowed: Networks) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve a name; raises AddressRefused, or OSError when it does not resolve."""
        answers = await self._resolver.resolve(host, port, family)
        refuse_any([answer["host"] for answer in answers], port, allowed=self._allowed)
        return answers

    async def close(self) -> None:
        """Close the resolver that is asked."""
        await self._resolver.close()


def refuse_any(addresses: Sequence[str], port: int, *, allowed: Networks) -> None:
    """Raise AddressRefused when any of the addresses may not be connected to."""
    for address in addresses:
        why = refusal(address, port, allowed=allowed)
        if why:
            raise AddressRefused(why)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
