"""How a step can end. Every slug that a person may read in `trace`, `status` or a facet is listed here.

An article ends `indexed`, or `dropped` for a reason of `Reason`, or waits `quarantined` for a cause of
`Cause`. A page that cannot be had loses no article: it is indexed from its feed entry and marked with a slug
of `Partial`.
"""

from enum import StrEnum


class Partial(StrEnum):
    """Say why a document holds only what its feed said."""

    ROBOTS = "robots"  # robots.txt does not let us fetch the page (RFC 9309)
    BLOCKED = "blocked"  # 401, 402, 403, 451, a bot wall or a consent page
    GONE = "gone"  # 404 or 410
    FETCH_FAILED = "fetch-failed"  # no answer, or a server error
    UNSUPPORTED_TYPE = "unsupported-type"  # a PDF, an image, a video …
    EXTRACTION_EMPTY = "extraction-empty"  # a page in which no article text was found
    EXTRACTION_CRASHED = "extraction-crashed"  # the extractors hung or died on it
    TOO_LARGE = "too-large"  # over the limit after decompression


class Reason(StrEnum):
    """Say why an article was dropped: the whole list."""

    DUPLICATE = "duplicate"  # another URL of an article we have; names its twin
    REFUSED_ADDRESS = "refused-address"  # a private address, an unusual port or scheme
    NOT_AN_ARTICLE = "not-an-article"  # a bare title that links to the site's front page
    TOO_OLD = "too-old"  # older than WIREROOM_MAX_AGE when first seen
    REMOVED = "removed"  # `wireroom remove`


class Cause(StrEnum):
    """Say why an article is in quarantine: things that should not happen."""

    ENRICH_CRASHED = "enrich-crashed"
    INDEX_REJECTED = "index-rejected"
    STAGE_CRASHED = "stage-crashed"


class FetchSlug(StrEnum):
    """Say why a request got no usable answer."""

    REFUSED_ADDRESS = "refused-address"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    TOO_LARGE = "too-large"
    BAD_ANSWER = "bad-answer"  # not HTTP, broken chunks, broken compression, cut short
    TOO_MANY_REDIRECTS = "too-many-redirects"


class FeedSlug(StrEnum):
    """Say why a poll failed after the server answered; `http-404` and its like stand beside these."""

    NOT_A_FEED = "not-a-feed"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    PARSE_TIMEOUT = "parse-timeout"
    PARSE_CRASHED = "parse-crashed"
    STAGE_CRASHED = "stage-crashed"  # a full disk, or a fault of Wireroom's own
