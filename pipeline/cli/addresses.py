"""Addresses as people write them: with a scheme, without one, or with feed://, as other readers do."""

import re

_FEED = re.compile(r"feed:(?://)?(?=https?://)|feed:(?=//)", re.IGNORECASE)


def addresses(written: str) -> tuple[str, ...]:
    """List the URLs that a person may mean: a bare host name is tried as https, then as http; feed:// is
    another spelling of http://."""
    from pipeline.identity import url_key

    written = written.strip()
    bare = _FEED.sub("", written, count=1)
    if bare.startswith("//"):
        return tuple(url for url in (f"http:{bare}", f"https:{bare}") if url_key(url))
    if "://" in bare:
        return (bare,) if url_key(bare) else ()
    host = bare.partition("/")[0]
    named = "." in host or ":" in host or host == "localhost"
    looks_like_host = named and "@" not in host and not any(map(str.isspace, bare))
    spelled = (f"https://{bare}", f"http://{bare}")
    return spelled if looks_like_host and url_key(spelled[0]) else ()


def address(written: str) -> str:
    """Give the URL that is meant, for looking it up: http and https are the same there. What is none, as the
    id of an article, stays as it is."""
    return next(iter(addresses(written)), written.strip())
