"""Names of people, organizations and places, as they are shown and as they are counted."""

import re
import unicodedata

from pipeline.model import Label

LONGEST_NAME = 80  # characters; longer spans are sentences that the model mistook
LONGEST_ACRONYM = 5  # letters; longer words in capitals are headlines

_TITLES = (
    *(
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "prof",
        "professor",
        "president",
        "vice president",
        "vice",
        "sen",
    ),
    *(
        "senator",
        "rep",
        "representative",
        "congressman",
        "congresswoman",
        "gov",
        "governor",
        "sir",
        "dame",
        "lord",
    ),
    *(
        "lady",
        "judge",
        "justice",
        "chancellor",
        "minister",
        "prime minister",
        "foreign minister",
        "secretary",
    ),
    *(
        "defense secretary",
        "general",
        "gen",
        "colonel",
        "col",
        "captain",
        "capt",
        "lieutenant",
        "lt",
        "sergeant",
    ),
    *(
        "sgt",
        "major",
        "maj",
        "admiral",
        "adm",
        "rev",
        "reverend",
        "mayor",
        "sheriff",
        "ceo",
        "chairman",
        "coach",
    ),
    *("attorney general", "ambassador", "commissioner", "spokesman", "spokeswoman", "detective", "inspector"),
    *("councillor", "cllr"),
    *(
        "m",
        "mm",
        "mme",
        "mmes",
        "mlle",
        "me",
        "docteur",
        "professeur",
        "président",
        "présidente",
        "le président",
    ),
    *("la présidente", "ministre", "le ministre", "la ministre", "premier ministre", "sénateur", "sénatrice"),
    *("député", "députée", "maire", "le maire", "la maire", "général", "maître", "monsieur", "madame"),
    *("mademoiselle", "herr", "frau", "señor", "señora", "sr", "sra", "don", "doña"),
)
_TITLE = re.compile(
    rf"^(?:{'|'.join(sorted(map(re.escape, _TITLES), key=len, reverse=True))})\.?\s+(?=\S)", re.I
)
_HONORIFIC = re.compile(r"(?:^|[\s(«“\"])(?:Mr|Mrs|Ms|Dr|M|Mme|Mlle|Sen|Rep|Gov|Prof)\.?\s+$")
_ENGLISH_ARTICLE = re.compile(r"^the\s+(?=\S)", re.IGNORECASE)
_FRENCH_ELISION = re.compile(r"^(?:[ldLD]|[Qq]u)['’](?=\w)")
_POSSESSIVE = re.compile(r"(?:['’]s|(?<=s)['’])$", re.IGNORECASE)
_CORPORATE = re.compile(r",?\s+(?:Inc|Corp|Ltd|PLC|plc|LLC|GmbH|AG|S\.?A|SE|N\.?V|Co)\.?$")
_JUNK = re.compile(r"@|#|https?:|www\.|[{}<>|=\\]|\.(?:com|org|net|fr|uk)\b", re.IGNORECASE)
_EDGES = " \t\n\"'“”‘’«»„()[]{}*•·…,;:!?/–—-_"
_DROPPED = re.compile(r"['’`´.]")
_TO_SPACE = re.compile(r"[\W_]+")


def name_key(name: str) -> str:
    """Fold a name to the form by which it is counted: without case, accents, punctuation (`U.S.` → `us`)."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(_TO_SPACE.sub(" ", _DROPPED.sub("", bare)).split())


def clean_name(surface: str, label: Label, *, language: str) -> str | None:
    """Reduce a span that a model marked to the name in it; None when there is no name in it.

    Possessives, leading articles, titles of people (Mr, Sen., Mme …) and companies' legal forms are cut;
    handles, links, numbers and words in lower case are no names.
    """
    name = " ".join(surface.split("\n")[0].split(" (")[0].split()).strip(_EDGES)
    if _JUNK.search(name):
        return None
    name = _FRENCH_ELISION.sub("", name) if language == "fr" else _ENGLISH_ARTICLE.sub("", name)
    name = without_possessive(name).strip(_EDGES)
    if label is Label.PERSON:
        name = _without_titles(name)
    elif label is Label.ORGANIZATION:
        name = _CORPORATE.sub("", name)
    return name if _is_name(name) else None


def without_possessive(name: str) -> str:
    """Cut the 's that a name has where something is its own; it is no part of the name."""
    return _POSSESSIVE.sub("", name)


def _without_titles(name: str) -> str:
    while (shorter := _TITLE.sub("", name)) != name:
        name = shorter
    return name


def _is_name(name: str) -> bool:
    if not 2 <= len(name) <= LONGEST_NAME or name == "RT":
        return False
    letters = [character for character in name if character.isalpha()]
    cased = [character for character in letters if character.lower() != character.upper()]
    return len(letters) >= 2 and (not cased or any(map(str.isupper, cased)))


def follows_honorific(before: str) -> bool:
    """Tell whether the text before a name ends in Mr, Dr, M., Mme …: what follows is a person."""
    return bool(_HONORIFIC.search(before[-12:]))


def is_title(key: str) -> bool:
    """Tell whether a key is a title alone, without anybody's name."""
    return key in _TITLES


def begins_with_honorific(surface: str) -> bool:
    """Tell whether a name begins with one of those, and goes on: `Ms Marwick`."""
    first, space, _ = surface.partition(" ")
    return follows_honorific(f" {first}{space}")


def shown_case(name: str) -> str:
    """Write a name in capitals as usual, if it is longer than an acronym."""
    if not name.isupper() or (" " not in name and len(name) <= LONGEST_ACRONYM) or "." in name:
        return name
    return re.sub(r"[^\W\d_]+", lambda word: word[0].capitalize(), name)


def is_acronym_of(acronym: str, name: str) -> bool:
    """Tell whether an acronym's letters are initials of a name's words, in their order."""
    initials = iter(word[0] for word in name_key(name).split())
    letters = [character for character in name_key(acronym) if character.isalpha()]
    return len(letters) >= 2 and all(letter in initials for letter in letters)


def is_short_for(short: str, full: str) -> bool:
    """Tell whether one key is the end of another: `carter`, `ash carter`; `le pen`, `marine le pen`."""
    return short != full and full.endswith(" " + short)
