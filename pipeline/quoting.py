"""Text that looks like markup, made so that it is none wherever somebody forgets to escape it."""

import re

_TAG = re.compile(r"<([a-zA-Z/!?][^<>]*)>")
_OPENING = re.compile(r"<(?=[a-zA-Z/!?])")


def in_angle_quotes(text: str) -> str:
    """Write what a browser would take for a tag in ‹angle quotes›; `a < b` stays."""
    return _OPENING.sub("‹", _TAG.sub(r"‹\1›", text))
