"""Who wrote it: names out of bylines, without publishers, addresses and roles."""

import re
from collections.abc import Iterable

from pipeline.extraction.titles import fold

AUTHOR_LIMIT = 20
LONGEST_NAME = 80  # characters; a longer one is a sentence
LONGEST_NAME_WORDS = 5

_BY = re.compile(
    r"^(?:(?:written|posted|reported|analysis|opinion|comment|review|story|text|words|photos|publié|écrit"
    r"|geschrieben|escrito)\s+)?(?:by|par|von|por|door)[\s:]+|^(?:di|da|av|af)\s+(?=[A-Z])",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\S+@\S+|(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|org|net|co\.uk|fr|de)/\S*", re.IGNORECASE
)
_MAIL_WITH_NAME = re.compile(r"^\s*\S+@\S+\s*\((?P<name>[^()]+)\)\s*$")
_SPLIT = re.compile(r"\s*(?:;|\||/|&|\s\+\s|\s+(?:and|und|et|y|e|og|och|en)\s+|,\s*(?:and|und|et|y|e)\s+)\s*")
_ROLE = re.compile(
    r"\b(editor|correspondent|reporter|writer|staff|columnist|analyst|producer|contributor|chief|photographer"
    r"|redakteur|redaktion|korrespondent|journaliste?|rédaction|redacción|redactor|corresponsal|desk|team|newsroom"
    r"|admin(istrator)?|webmaster|guest|unknown|anonymous|author|news|business|sports|media|online|network)\b",
    re.IGNORECASE,
)
_NO_NAME = re.compile(r"[@#<>{}=…]|\.\.\.")
_DIGIT = re.compile(r"\d")
_ASIDE = re.compile(r"\s*\([^()]*\)\s*$")
_PARTICLE = re.compile(
    r"^(?:(?:de|d['’]|del|della|di|du|la|le|van|von|den|der|ter|al|el|bin|ben|ó|da|dos)[\s-]+)+(?=\S)"
)
_AGENCIES = frozenset(
    [
        "reuters",
        "ap",
        "afp",
        "dpa",
        "efe",
        "ansa",
        "tass",
        "apa",
        "sda",
        "belga",
        "lusa",
        "pti",
        "ians",
        "anp",
    ]
)


def clean_authors(names: Iterable[str], publishers: Iterable[str]) -> tuple[str, ...]:
    """Make bylines into names: "By ", addresses, roles and the publisher's own name are dropped, lists split,
    names in capitals written as usual; dots of initials stay."""
    refused = {fold(publisher) for publisher in publishers} - _AGENCIES
    found: dict[str, str] = {}
    for name in (name for byline in names for name in _names(byline)):
        key = fold(name)
        if key and key not in refused and not key.isdigit():
            found.setdefault(key, name)
    return tuple(found.values())[:AUTHOR_LIMIT]


def choose_authors(sources: Iterable[Iterable[str]], publishers: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the first source in which any is left after cleaning."""
    publishers = tuple(publishers)
    cleaned = (clean_authors(source, publishers) for source in sources)
    return next((names for names in cleaned if names), ())


def _names(byline: str) -> list[str]:
    if named := _MAIL_WITH_NAME.match(byline):
        byline = named["name"]
    byline = _BY.sub("", _ADDRESS.sub(" ", byline).strip(" \t\n,;:|<>[]–—-"))
    return [name for part in _SPLIT.split(byline) for name in _without_roles(part) if _is_name(name)]


def _without_roles(part: str) -> list[str]:
    """Split at commas where a list stands, and cut what follows them where it is a role or a place."""
    pieces = [_name(piece) for piece in part.split(",")]
    pieces = [piece for piece in pieces if piece and not (_ROLE.search(piece) and not _is_agency(piece))]
    whole_names = [piece for piece in pieces if " " in piece or _is_agency(piece)]
    return whole_names or pieces[:1]


def _name(piece: str) -> str:
    piece = _BY.sub("", " ".join(_ASIDE.sub("", piece).split()).strip("\"'“”‘’ :-–—()"))
    return piece.title() if piece.isupper() and " " in piece else piece


def _is_agency(piece: str) -> bool:
    return fold(piece) in _AGENCIES


def _is_name(name: str) -> bool:
    if not 1 < len(name) <= LONGEST_NAME or len(name.split()) > LONGEST_NAME_WORDS or _NO_NAME.search(name):
        return False
    if " " not in name:
        return name[0].isalpha()  # a given name, an agency, a user's name
    first = _PARTICLE.sub("", name)[0]
    return not _DIGIT.search(name) and first.isalpha() and (first.isupper() or first.lower() == first.upper())
