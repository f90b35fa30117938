"""The values of the fields that hold one of a closed list: another is refused, not looked for in vain."""

import re
from enum import StrEnum

from pipeline.errors import QueryError
from pipeline.model import TextSource
from pipeline.outcomes import Partial
from pipeline.search.query import Keyword, KeywordField
from pipeline.search.source import shown

LANGUAGE_CODE = "a code of two letters, as in en or fr"

_LISTS: dict[KeywordField, type[StrEnum]] = {
    KeywordField.TEXT_SOURCE: TextSource,
    KeywordField.PARTIAL: Partial,
}


def read_keyword(field: KeywordField, text: str) -> Keyword:
    """Read a value, in any case. Raises QueryError, without a column, for one that no article can have."""
    value = text.strip().lower()
    if field is KeywordField.LANGUAGE and not is_language(value):
        raise QueryError(f"{field} is {LANGUAGE_CODE}, not {shown(text)}")
    if field in _LISTS and value not in tuple(_LISTS[field]):
        *others, last = _LISTS[field]
        raise QueryError(f"{field} is {', '.join(others)} or {last}, not {shown(text)}")
    return Keyword(field, value)


def is_language(code: str) -> bool:
    """Tell whether this has the form of an ISO 639-1 code, in small letters."""
    return re.fullmatch("[a-z]{2}", code) is not None
