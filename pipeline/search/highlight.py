"""Choose and mark the passages of a text that show why it was found. Plain text in, plain text out."""

from collections.abc import Sequence

Span = tuple[int, int]  # characters, half-open

MOST_FRAGMENTS = 2  # passages of one text; enough to judge a hit, few enough to scan ten
FRAGMENT_CHARS = 160  # about two lines of a terminal
CONTEXT_CHARS = 50  # text kept before the first match of a fragment


def fragments(text: str, matches: Sequence[Span], *, marks: tuple[str, str]) -> tuple[str, ...]:
    """Cut the passages with the most matches, in the order of the text, and put the marks around each match.
    Line ends become spaces; an ellipsis stands where a passage does not reach the text's end."""
    windows = _windows(sorted(set(matches)))
    best = sorted(windows, key=lambda window: -len(window))[:MOST_FRAGMENTS]
    return tuple(_fragment(text, window, marks) for window in sorted(best))


def mark(text: str, matches: Sequence[Span], *, marks: tuple[str, str]) -> str:
    """Put the marks around each match of a text; matches next to each other share one pair."""
    pieces: list[str] = []
    done = 0
    for start, end in _merged(text, matches):
        pieces += [text[done:start], marks[0], text[start:end], marks[1]]
        done = end
    return "".join([*pieces, text[done:]])


def _windows(matches: Sequence[Span]) -> list[list[Span]]:
    """Group the matches that fit into one fragment."""
    windows: list[list[Span]] = []
    for match in matches:
        if windows and match[1] - windows[-1][0][0] <= FRAGMENT_CHARS - CONTEXT_CHARS:
            windows[-1].append(match)
        else:
            windows.append([match])
    return windows


def _fragment(text: str, window: Sequence[Span], marks: tuple[str, str]) -> str:
    start = _word_start(text, max(0, window[0][0] - CONTEXT_CHARS), window[0][0])
    end = _word_end(text, max(window[-1][1], min(len(text), start + FRAGMENT_CHARS)), window[-1][1])
    inside = [(low - start, high - start) for low, high in window]
    passage = " ".join(mark(text[start:end], inside, marks=marks).split())
    return f"{'… ' if start else ''}{passage}{' …' if end < len(text) else ''}"


def _word_start(text: str, at: int, before: int) -> int:
    """Move a cut forward to the next word, unless that would reach the match."""
    if at == 0:
        return 0
    space = text.find(" ", at - 1, before)
    return at if space < 0 else space + 1


def _word_end(text: str, at: int, after: int) -> int:
    """Move a cut back to the end of a word, unless that would reach the match."""
    if at == len(text):
        return at
    space = text.rfind(" ", after, at + 1)
    return at if space < 0 else space


def _merged(text: str, matches: Sequence[Span]) -> list[Span]:
    """Join matches with nothing but a space between them."""
    merged: list[Span] = []
    for start, end in sorted(matches):
        if merged and not text[merged[-1][1] : start].strip(" "):
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
