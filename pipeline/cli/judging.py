"""What is wrong with an answer, a document, an entry or a page, and what mends it: pure, in plain words."""

from collections.abc import Sequence
from urllib.parse import urljoin

from pipeline.cli.doctor import Finding
from pipeline.cli.printing import counted, lasting, rfc3339
from pipeline.cli.turns import LEFT_ALONE
from pipeline.cli.wording import PARTIAL, request_in_words, waits
from pipeline.feeds.children import CHILDREN_A_POLL
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.classify import failure_meaning, page_problem, retry_after
from pipeline.fetching.robots import Robots
from pipeline.identity import url_key
from pipeline.model import Exchange, Extraction, FetchFailure, ParsedFeed, TextSource, header
from pipeline.outcomes import FetchSlug, Partial, Reason
from pipeline.store.children import UnreadSitemap

UNREAD_TOLD = 8  # sitemaps of an index that are named

FROM_FEED = "nothing to mend here: its articles are indexed from what the feed says, and marked"

FOR_FAILURES = {
    FetchSlug.DNS: "check the spelling of the host's name, and this machine's name server",
    FetchSlug.CONNECT: "check whether this machine reaches it; WIREROOM_PROXY, if it must go through a proxy",
    FetchSlug.TLS: "the publisher must mend it; an http:// address of the feed may work",
    FetchSlug.TIMEOUT: "try again later; if it stays, the server is too slow for anybody",
    LEFT_ALONE: "wait until then: no command asks it sooner",
}
LET_THROUGH = "if it is yours, let it through: WIREROOM_ALLOW_ADDRESSES"
WRITE_WHOLE = "write the feed's whole address, as https://news.example/feed.xml"


def judge_request(answer: Exchange | FetchFailure, *, watched: str | None = None) -> Finding:
    """Judge the answer to a request for a feed; `watched` is its address if it is watched."""
    if isinstance(answer, FetchFailure):
        return Finding("fetch", False, request_in_words(answer), mends_failure(answer))
    told = f"{answer.status} {answer.reason}".strip()
    if answer.status >= 300:
        wait = retry_after(answer)
        asked = f", asks to wait {lasting(wait)}" if wait else ""
        return Finding("fetch", False, f"answers {told}{asked}", _mends_status(answer, watched))
    kind = (header(answer.headers, "Content-Type") or "no type").partition(";")[0]
    names = [name for name in ("ETag", "Last-Modified") if header(answer.headers, name)]
    validators = f"with {' and '.join(names)}" if names else "without validators: every poll brings all of it"
    return Finding("fetch", True, f"{told}, {kind}, {len(answer.body):,} bytes, {validators}")


def others_of(url: str) -> str:
    """Tell how another feed of a site is found."""
    return f"`wireroom add {urljoin(url, '/')}` looks for another feed of the site"


def mends_failure(failure: FetchFailure) -> str:
    """Tell what mends a request that got no answer."""
    if failure.slug == FetchSlug.REFUSED_ADDRESS:
        return LET_THROUGH if url_key(failure.url) else WRITE_WHOLE
    if failure.slug == FetchSlug.CONNECT and failure.detail.startswith("the proxy"):
        return "check WIREROOM_PROXY and its server"
    return FOR_FAILURES.get(failure.slug, "the publisher must mend it")


def _mends_status(answer: Exchange, watched: str | None) -> str:
    """Tell what mends an answer without a document, in the words that fit whether it is watched."""
    others = others_of(answer.url)
    if answer.status < 400:
        return f"the publisher must mend its redirects; {others}"
    match answer.status:
        case 401 if watched:
            return f"it wants a login: `wireroom feeds set {watched} --login-from FILE`"
        case 401:
            return f"it wants a login: `wireroom add {answer.url} --login-from FILE`"
        case 403:
            return "it turns readers like us away; name a page in WIREROOM_USER_AGENT_URL and write to them"
        case 404:
            return others
        case 410 if watched:
            return f"it is gone for good: `wireroom feeds remove {watched}`; {others}"
        case 410:
            return f"it is gone for good; {others}"
        case 429 if watched:
            return f"it is asked too often: `wireroom feeds set {watched} --min-interval 6h`"
        case 429:
            return "its host is asked too often: a longer WIREROOM_HOST_DELAY"
    return "try again later" + ("; its polls go on, less and less often" if watched else "")


def judge_document(parsed: ParsedFeed | FeedError, url: str) -> Finding:
    """Judge the document at an address as a whole."""
    others = others_of(url)
    if isinstance(parsed, FeedError):
        return Finding("parse", False, parsed.detail, f"the publisher must mend it; {others}")
    number = len(parsed.entries) + parsed.entries_without_link
    told = "1 entry" if number == 1 else f"{number:,} entries"
    title = f"“{parsed.title}”, " if parsed.title else ""
    if not parsed.is_well_formed:
        text = f"{title}{told}; it is not well-formed, so entries may be missing"
        return Finding("parse", False, text, "nothing to mend here: it is read as far as possible; tell them")
    if not parsed.entries:
        return Finding("parse", False, f"{title}no entry with a link", f"wait for one, or: {others}")
    return Finding("parse", True, f"{title}{told}")


def judge_index(parsed: ParsedFeed, unread: Sequence[UnreadSitemap]) -> Finding:
    """Judge an index of sitemaps, given those of them that the polls of a watched feed have not read yet."""
    told = f"an index of {counted(len(parsed.sitemaps), 'sitemap')}; a poll asks {CHILDREN_A_POLL} at most"
    told += " of those that changed, the newest first"
    if not unread:
        return Finding("sitemaps", True, told)
    listed = ", ".join(f"{each.sitemap} ({waits(each)})" for each in unread[:UNREAD_TOLD])
    more = f" and {len(unread) - UNREAD_TOLD:,} more" if len(unread) > UNREAD_TOLD else ""
    failing = next((each for each in unread if each.error), None)
    do = f"wireroom doctor {failing.sitemap}" if failing else ""
    return Finding("sitemaps", failing is None, f"{told}; not read yet: {listed}{more}", do)


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
        if isinstance(meaning, Reason):
            return Finding("page", False, request_in_words(answer), LET_THROUGH)
        return Finding(
            "page", False, request_in_words(answer), f"{FROM_FEED} {meaning}; the pages are tried again"
        )
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
