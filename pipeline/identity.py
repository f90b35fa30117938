"""Which URLs name the same article, which host serves it, which outlet it belongs to.

A key is for comparing only: what people click and what is fetched is never rewritten. The rules are
conservative: they fold what no server tells apart, and drop parameters that were made for tracking.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from urllib.parse import unquote_to_bytes

import idna
import publicsuffixlist

RULES_VERSION = 1  # grows when a rule below changes; keys of old rows stay as they are

_DEFAULT_PORTS = {"http": 80, "https": 443}

# Each is named by the vendor that adds it to links: campaigns, advertising clicks, newsletters, and the
# analytics of news sites (at_*, xtor: Piano; wt_*: Mapp; ns_*: comScore). Ambiguous names (ref, p) stay.
_TRACKING = re.compile(
    r"""
    utm_.* | mtm_.* | pk_.* | piwik_.* | matomo_.* | hsa_.* | __hs.* | oft_.* | at_custom.*
    | at_(bbc_team|campaign|link_id|link_origin|link_type|medium|ptr_name)
    | ns_(campaign|fee|linkname|mchannel|source)
    | fb_(action_ids|action_types|ref|source) | guce_referrer(_sig)? | mc_[ce]id | ml_subscriber(_hash)?
    | oly_(anon|enc)_id | vero_(conv|id) | wt_z?mc | _(branch_match_id|ga|gl|hsenc|hsmi|openstat)
    | cmpid | dclid | ef_id | epik | fbclid | gad_source | gbraid | gclid | gclsrc | guccounter
    | hsctatracking | icid | igshi?d? | irclickid | maca | mkt_tok | msclkid | rb_clickid | s_cid | srsltid
    | traffic_source | ttclid | twclid | vgo_ee | wbraid | wickedid | xtor | ys?clid
    """,
    re.VERBOSE | re.IGNORECASE,
)

_ADDRESS = re.compile(
    r"(https?):[/\\]{2,}([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.IGNORECASE | re.DOTALL
)
_EDGES = "".join(map(chr, range(0x21)))  # WHATWG URL §4.4: C0 controls and space at either end mean nothing
_HOST_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_LONGEST_HOST = 253  # characters, RFC 1035 §2.3.4
_LONGEST_PORT = 5  # digits
_HIGHEST_PORT = 0xFFFF
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ESCAPE_OR_CHARACTER = re.compile(r"%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
_LONGEST_KEY = 1_000  # characters; PostgreSQL indexes at most 2,704 bytes of a text, and a key is ASCII
_CUT_ESCAPE = re.compile(r"%[0-9A-F]?$")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str
    port: int
    path: str
    query: str
    fragment: str


def url_key(url: str) -> str | None:
    """Return the canonical form of a URL by which articles are told apart; None for what is no http(s) URL.

    Folds the scheme to https, the host's case and IDNA form, default ports, percent-encoding and dot
    segments (RFC 3986 §6.2.2 and §6.2.3); drops userinfo, tracking parameters and the fragment, unless it
    begins with `!`. Order of parameters, trailing slashes, index pages and `www.` are kept. Applying it
    twice changes nothing.
    """
    address = _split(url)
    if address is None:
        return None
    port = "" if address.port in _DEFAULT_PORTS.values() else f":{address.port}"
    path = _without_dot_segments(_normalized(address.path.replace("\\", "/")))
    query = "&".join(
        part for part in _normalized(address.query).split("&") if part and not _is_tracking(part)
    )
    fragment = _normalized(address.fragment) if address.fragment.startswith("!") else ""
    return _bounded(f"https://{address.host}{port}{path}{query and '?' + query}{fragment and '#' + fragment}")


def _bounded(key: str) -> str:
    if len(key) <= _LONGEST_KEY:
        return key
    digest = sha256(key.encode()).hexdigest()
    kept = _CUT_ESCAPE.sub("", key[: _LONGEST_KEY - len(digest) - 1])
    return f"{kept}~{digest}"


def article_id(key: str) -> str:
    """Return the id, 32 hexadecimal digits, of the article that a key of `url_key` names."""
    return sha256(key.encode()).hexdigest()[:32]


def host_of(url: str) -> str:
    """Return `host:port` of an http(s) URL, the scheme's default port included.

    Raises ValueError for what is no http(s) URL.
    """
    address = _require(url)
    return f"{address.host}:{address.port}"


def origin_of(url: str) -> str:
    """Return `scheme://host:port` of an http(s) URL, the scheme's default port included (RFC 6454 §4).

    Raises ValueError for what is no http(s) URL.
    """
    address = _require(url)
    return f"{address.scheme}://{address.host}:{address.port}"


def outlet_of(url: str) -> str:
    """Return the registrable domain of an http(s) URL by the public suffix list, in its ASCII form.

    A host that is itself a suffix stands for itself; address literals and names without a dot give
    `host:port`. Raises ValueError for what is no http(s) URL.
    """
    address = _require(url)
    if address.host.startswith("[") or "." not in address.host or _is_ipv4(address.host):
        return f"{address.host}:{address.port}"
    return _suffixes().privatesuffix(address.host) or address.host


def suffix_list_version() -> str:
    """Return the release of the public suffix list that `outlet_of` reads."""
    return str(publicsuffixlist.__version__)


@cache
def _suffixes() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList()


def _require(url: str) -> _Address:
    address = _split(url)
    if address is None:
        raise ValueError(f"not an http(s) URL: {url!r}")
    return address


def _split(url: str) -> _Address | None:
    text = re.sub(r"[\t\r\n]", "", url.strip(_EDGES))
    match = _ADDRESS.fullmatch(text.encode("utf-8", "replace").decode())
    if match is None:
        return None
    scheme = match[1].lower()
    host_text, port = _split_port(match[2].rpartition("@")[2], _DEFAULT_PORTS[scheme])
    host = _folded_host(host_text)
    if host is None or port is None:
        return None
    return _Address(scheme, host, port, match[3] or "/", match[4] or "", match[5] or "")


def _split_port(authority: str, default: int) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", authority, re.ASCII)
    if match is None:
        return authority, None
    if not match[2]:
        return match[1], default
    digits = match[2].lstrip("0") or "0"
    port = int(digits) if len(digits) <= _LONGEST_PORT else None
    return match[1], port if port is not None and port <= _HIGHEST_PORT else None


def _folded_host(host: str) -> str | None:
    if host.startswith("["):
        return _folded_ipv6(host[1:-1])
    try:
        mapped = idna.uts46_remap(unquote_to_bytes(host).decode(), std3_rules=False)
        labels = [_ascii_label(label) for label in mapped.lower().removesuffix(".").split(".")]
    except (idna.IDNAError, UnicodeError):
        return None
    folded = ".".join(labels)
    if len(folded) > _LONGEST_HOST or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        return None
    if _NUMERIC_LABEL.fullmatch(labels[-1]) and not _is_ipv4(folded):
        return None  # 0x7f.1 and its like: addresses to some programs, names to others (WHATWG URL §3.5)
    return folded


def _ascii_label(label: str) -> str:
    # Not idna.encode: it refuses underscores and the emoji domains that browsers open.
    return label if label.isascii() else "xn--" + label.encode("punycode").decode()


def _folded_ipv6(text: str) -> str | None:
    if "%" in text:  # a zone means something on one machine only
        return None
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        return None


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _normalized(component: str) -> str:
    return _ESCAPE_OR_CHARACTER.sub(_normalized_escape, component)


def _normalized_escape(match: re.Match[str]) -> str:
    if match[1] is None:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _without_dot_segments(path: str) -> str:
    """Remove `.` and `..` (RFC 3986 §5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _is_tracking(parameter: str) -> bool:
    return _TRACKING.fullmatch(parameter.partition("=")[0]) is not None
