"""Text of strangers, made so that it is live nowhere: not as markup, not on a terminal."""

import re

_TAG = re.compile(r"<([a-zA-Z/!?][^<>]*)>")
_OPENING = re.compile(r"<(?=[a-zA-Z/!?])")

# Terminals obey C0 (ESC begins their commands) and C1 (0x9B is ESC [ in one character); the last two ranges
# turn the direction of writing, and with it make text say something else than it does.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Replace what a terminal would obey instead of show."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def in_angle_quotes(text: str) -> str:
    """Write what a browser would take for a tag in ‹angle quotes›; `a < b` stays."""
    return _OPENING.sub("‹", _TAG.sub(r"‹\1›", text))
