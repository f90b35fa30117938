"""What is wrong with an answer, a document, an entry or a page, and what mends it: pure, in plain words."""

from pipeline.cli.doctor import Finding
from pipeline.cli.printing import lasting, rfc3339
from pipeline.cli.wording import FEED, PARTIAL
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import failure_meaning, page_problem, retry_after
from pipeline.fetching.robots import Robots
from pipeline.identity import url_key
from pipeline.model import Exchange, Extraction, FetchFailure, ParsedFeed, TextSource, header
from pipeline.outcomes import FetchSlug, Partial, Reason

FROM_FEED = "nothing to mend here: its articles are indexed from what the feed says, and marked"

FOR_FAILURES = {
    FetchSlug.REFUSED_ADDRESS: "if it is yours, let it through: WIREROOM_ALLOW_ADDRESSES",
    FetchSlug.DNS: "check the spelling of the host's name, and this machine's name server",
    FetchSlug.CONNECT: "check whether this machine reaches it; WIREROOM_PROXY, if it must go through a proxy",
    FetchSlug.TLS: "the publisher must mend it; an http:// address of the feed may work",
    FetchSlug.TIMEOUT: "try again later; if it stays, the server is too slow for anybody",
}
FOR_STATUSES = {
    401: "it wants a login: `wireroom add URL --login-from FILE`, "
    "or `wireroom feeds set URL --login-from FILE` where it is watched",
    403: "it turns readers like us away; name a page of yours in WIREROOM_USER_AGENT_URL and write to them",
    404: "look for the feed's new address: `wireroom add` with the site's address finds feeds",
    410: "it is gone for good: `wireroom feeds remove`, and `wireroom add` with the site's address",
    429: "it is asked too often: `wireroom feeds set --min-interval 6h`, a longer WIREROOM_HOST_DELAY",
}


def judge_request(answer: Exchange | FetchFailure) -> Finding:
    """Judge the answer to a request for a feed."""
    if isinstance(answer, FetchFailure):
        text = f"{FEED.get(answer.slug, answer.slug)} ({answer.detail})"
        do = FOR_FAILURES.get(FetchSlug(answer.slug), "the publisher must mend it")
        return Finding("fetch", False, text, do)
    told = f"{answer.status} {answer.reason}".strip()
    if answer.status >= 300:
        wait = retry_after(answer)
        asked = f", asks to wait {lasting(wait)}" if wait else ""
        do = FOR_STATUSES.get(answer.status, "try again later; Wireroom goes on trying, less and less often")
        return Finding("fetch", False, f"answers {told}{asked}", do)
    kind = (header(answer.headers, "Content-Type") or "no type").partition(";")[0]
    names = [name for name in ("ETag", "Last-Modified") if header(answer.headers, name)]
    validators = f"with {' and '.join(names)}" if names else "without validators: every poll brings all of it"
    return Finding("fetch", True, f"{told}, {kind}, {len(answer.body):,} bytes, {validators}")


def judge_document(parsed: ParsedFeed | FeedError) -> Finding:
    """Judge a feed's document as a whole."""
    if isinstance(parsed, FeedError):
        return Finding(
            "parse", False, parsed.detail, "the publisher must mend it; `wireroom add` finds others"
        )
    number = len(parsed.entries) + parsed.entries_without_link
    told = "1 entry" if number == 1 else f"{number:,} entries"
    title = f"“{parsed.title}”, " if parsed.title else ""
    if not parsed.is_well_formed:
        text = f"{title}{told}; it is not well-formed, so entries may be missing"
        return Finding("parse", False, text, "nothing to mend here: it is read as far as possible; tell them")
    if not parsed.entries:
        return Finding(
            "parse", False, f"{title}no entry with a link", "wait for one, or look for another feed"
        )
    return Finding("parse", True, f"{title}{told}")


def judge_index(parsed: ParsedFeed) -> Finding:
    """Judge an index of sitemaps, of which polls read one child."""
    told = f"an index of sitemaps, read by its newest: {parsed.next_url}"
    if not parsed.unread:
        return Finding("sitemaps", True, told)
    others = "1 other sitemap" if len(parsed.unread) == 1 else f"{len(parsed.unread):,} other sitemaps"
    text = f"{told}; {others} of news are not read: {', '.join(parsed.unread)}"
    return Finding("sitemaps", False, text, f"watch them too: `wireroom add {' '.join(parsed.unread)}`")


def judge_identity(parsed: ParsedFeed) -> Finding:
    """Judge whether a feed's entries can be told apart and known again."""
    keys = [key for entry in parsed.entries if (key := url_key(entry.link))]
    without = parsed.entries_without_link + len(parsed.entries) - len(keys)
    repeated = len(keys) - len(set(keys))
    guids = sum(entry.guid is not None for entry in parsed.entries)
    told = f"{len(set(keys)):,} different links, {guids:,} with ids"
    faults = [f"{without:,} without a usable link"] if without else []
    faults += [f"{repeated:,} that repeat a link"] if repeated else []
    if not faults:
        single = "; with one entry at a time nobody can tell what was missed" if len(keys) == 1 else ""
        return Finding("identity", True, told + single)
    do = "nothing to mend here: no article can be made of them, and they are counted; tell the publisher"
    return Finding("identity", not without, f"{told}; {', '.join(faults)}", do)


def judge_dates(parsed: ParsedFeed, *, now: float) -> Finding:
    """Judge the publication dates of a feed's entries."""
    dates = [entry.published_at for entry in parsed.entries if entry.published_at is not None]
    unread = sum(bool(entry.published_text) and entry.published_at is None for entry in parsed.entries)
    future = sum(at > now + 3_600 for at in dates)
    if not dates:
        text = f"no entry has a date{' that can be read' if unread else ''}"
        return Finding("dates", False, text, "nothing to mend here: dates are looked for in the pages")
    told = f"{len(dates):,} of {len(parsed.entries):,} have one, the newest {rfc3339(max(dates))}"
    faults = [f"{unread:,} cannot be read"] if unread else []
    faults += [f"{future:,} lie in the future"] if future else []
    if faults:
        do = "nothing to mend here: such dates are not believed; tell the publisher"
        return Finding("dates", False, f"{told}; {', '.join(faults)}", do)
    return Finding("dates", True, told)


def judge_robots(robots: Robots, link: str) -> Finding:
    """Judge whether a page may be asked for."""
    if not robots.allows(link):
        if robots.rules is None:
            text = "robots.txt cannot be had, so no page may be asked for (RFC 9309)"
            return Finding("robots", False, text, "try again later; the pages are tried again by themselves")
        return Finding("robots", False, f"robots.txt does not allow {link}", f"{FROM_FEED} {Partial.ROBOTS}")
    pause = f"; it asks for {robots.crawl_delay:g} s between requests" if robots.crawl_delay else ""
    return Finding("robots", True, f"robots.txt allows {link}{pause}")


def judge_page(answer: Exchange | FetchFailure) -> Finding:
    """Judge the answer to a request for an article's page."""
    if isinstance(answer, FetchFailure):
        meaning = failure_meaning(answer)
        text = f"{FEED.get(answer.slug, answer.slug)} ({answer.detail})"
        if isinstance(meaning, Reason):
            return Finding("page", False, text, FOR_FAILURES[FetchSlug.REFUSED_ADDRESS])
        return Finding("page", False, text, f"{FROM_FEED} {meaning}; the pages are tried again")
    problem = page_problem(answer, is_first=False)
    told = f"{answer.status}, {len(answer.body):,} bytes from {answer.url}"
    if problem:
        return Finding("page", False, f"{PARTIAL[problem]}: {told}", f"{FROM_FEED} {problem}")
    return Finding("page", True, told)


def judge_text(extraction: Extraction) -> Finding:
    """Judge the text that was read."""
    words = len(extraction.text.split())
    dated = f", dated by {extraction.published.source}" if extraction.published else ", without a date"
    told = f"“{extraction.title}”, {words:,} words from {extraction.text_source}{dated}"
    if extraction.partial:
        text = f"{PARTIAL[extraction.partial]}: {told}"
        return Finding("text", False, text, f"{FROM_FEED} {extraction.partial}")
    if extraction.text_source is TextSource.TITLE:
        return Finding("text", False, told, "the feed has titles only, and the page gave no text")
    return Finding("text", True, told)
