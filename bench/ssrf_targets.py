"""Make the addresses that a stranger may write to reach what only Wireroom can reach: for `bench.ssrf`.

The list is our own, generated; no name in it is resolved and no address outside of 127.0.0.0/8 connected to.
Its classes are those of: the IANA special-purpose registries (RFC 6890); the host parser of the WHATWG URL
standard (numeric hosts, percent-encoding, IDNA, tabs); RFC 4291, 6052, 3056, 4380 and 8215 for IPv4 inside
IPv6; the tests of stripe/smokescreen and feedbin/feedkit; OWASP's SSRF cheat sheet and PayloadsAllTheThings.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

SPECIAL = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::1/128",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
METADATA = (
    "169.254.169.254",  # Amazon, Google, Azure, DigitalOcean, OpenStack
    "169.254.170.2",  # Amazon's containers
    "169.254.169.123",  # Amazon's time
    "fd00:ec2::254",  # Amazon by IPv6
    "100.100.100.200",  # Alibaba
    "192.0.0.192",  # Oracle
    "168.63.129.16",  # Azure's WireServer, a public address: refused by its port only
)
PUBLIC_WITH_ODD_PORTS = ("93.184.216.34", "2606:2800:220:1::1")
ODD_PORTS = (22, 25, 110, 2375, 5432, 6379, 9200, 11211)

WEB = "127.0.0.1"  # let through by the settings
WIDE = str.maketrans("0123456789.", "０１２３４５６７８９。")
CIRCLED = str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")


@dataclass(frozen=True, slots=True)
class Target:
    """Hold a URL that must not be connected to, and the address that it stands for."""

    url: str
    address: str
    port: int


def special_addresses() -> list[str]:
    """List the first, the last and a middle address of each special network, and the metadata addresses."""
    found: dict[str, None] = {}
    for written in SPECIAL:
        network = ipaddress.ip_network(written)
        size = network.num_addresses
        for place in sorted({0, min(1, size - 1), size // 2, size - 1} - {size}):
            found[str(network[place])] = None
    del found[WEB]
    return [*found, *METADATA[:-1]]


def embedded(address: IPv4Address) -> list[IPv6Address]:
    """List the IPv6 addresses that carry an IPv4 address."""
    four = int(address)
    prefixes = (
        0xFFFF << 32,
        0,
        0xFFFF << 48,
        0x64FF9B << 96,
        0x64FF9B0001 << 80,
        0x5EFE << 32 | 0xFE80 << 112,
    )
    teredo = 0x20010000 << 96 | (four ^ 0xFFFFFFFF)
    six_to_four = 0x2002 << 112 | four << 80
    return [IPv6Address(each | four) for each in prefixes] + [
        IPv6Address(teredo),
        IPv6Address(six_to_four | 1),
    ]


def spellings(address: IPv4Address) -> Iterator[str]:
    """Yield the ways to write an IPv4 address as the host of a URL."""
    number, octets = int(address), address.packed
    text, (a, b, c, d) = str(address), octets
    yield text
    yield from (f"{text}.", f"{number}", f"{number:#x}", f"0{number:o}", f"0x{number:08X}", f"{number:#x}.")
    yield from (f"{a}.{b << 16 | c << 8 | d}", f"{a}.{b}.{c << 8 | d}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"000{a:o}.{b}.{c}.0{d:o}", f"{a:#x}.{b}.0{c:o}.{d}")
    yield from (f"{a + 256}.{b}.{c}.{d}", f"{number + (1 << 32)}", f"{a}.{b}.{c}.{d}%00", f"{text}%2e")
    yield from (quote(text).replace("1", "%31"), text.replace(".", "%2E"), text.translate(WIDE))
    yield from (text.translate(CIRCLED), text.replace(".", "。"), text.replace(".", "．"), f"{text}\u00ad")
    yield from (f"[::ffff:{text}]", f"[0:0:0:0:0:ffff:{text}]", f"[::FFFF:{a:x}{b:02x}:{c:x}{d:02x}]")
    yield from (f"[{each}]" for each in embedded(address))
    yield from (f"[::ffff:{text}%25eth0]", f"[{text}]", f"[::{text}]")


def disguises(host: str, port: int, allowed: str) -> Iterator[str]:
    """Yield URLs of which some parsers take the host for `allowed` (host:port), or for no host at all."""
    at = f"{host}:{port}"
    yield from (f"http://{allowed}@{at}/", f"http://{allowed}%40{at}/", f"http://user:pass@{at}/")
    yield from (f"http://{allowed}\\@{at}/", f"http://{at}\\@{allowed}/", f"http://{at}#@{allowed}/")
    yield from (f"http://{at}?@{allowed}/", f"http://{allowed}#@{at}/", f"http://{allowed}?@{at}/")
    yield from (
        f"http:/{at}/",
        f"http:{at}/",
        f"http:///{at}/",
        f"http:\\\\{at}/",
        f"HTTP://{at}/",
        f"//{at}/",
    )
    yield from (
        f" http://{at}/",
        f"http://{at[:5]}\t{at[5:]}/",
        f"http://{at[:5]}\n{at[5:]}/",
        f"\x00http://{at}/",
    )
    yield from (f"http://{allowed} @{at}/", f"http://{allowed}:@{at}/", f"http://@{at}/", f"http://{at}:80/")
    yield from (f"https://{at}/", f"feed://{at}/", f"feed:http://{at}/", f"view-source:http://{at}/")
    yield from (f"gopher://{at}/_SET%20a%20b", f"dict://{at}/info", f"ftp://{at}/", f"ws://{at}/")
    yield from (
        f"jar:http://{at}!/",
        f"url:http://{at}/",
        f"http://{host}:0{port}/",
        f"http://{host}:+{port}/",
    )


def canary_targets(canaries: list[tuple[str, int]], allowed: str) -> list[Target]:
    """List every spelling and disguise of the canaries."""
    targets = []
    for address, port in canaries:
        urls = [f"http://{host}:{port}/" for host in spellings(IPv4Address(address))]
        targets += [Target(url, address, port) for url in (*urls, *disguises(address, port, allowed))]
    return targets


def address_targets() -> list[Target]:
    """List the literals of the special addresses, and public ones with ports that are not the web's."""
    special = [Target(f"http://{_host(each)}/", each, 80) for each in special_addresses()]
    odd = [
        Target(f"http://{_host(each)}:{port}/", each, port)
        for each in PUBLIC_WITH_ODD_PORTS
        for port in ODD_PORTS
    ]
    return special + odd


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
