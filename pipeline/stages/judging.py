"""What a poll's answer means: which entries are new, when the feed is asked next, what is written of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.feeds.admission import refusal
from pipeline.feeds.children import Child, Round, retry_wait
from pipeline.feeds.children import unpacked as unpacked_round
from pipeline.feeds.hints import HINT_CEILING, Asked, fresh_for, unpacked
from pipeline.feeds.moves import Moving, sighted
from pipeline.feeds.rhythm import LOOK_BACK, Rhythm, first_rhythm, heard
from pipeline.feeds.rhythm import unpacked as unpacked_rhythm
from pipeline.feeds.schedule import Decision, Limits, decide
from pipeline.feeds.schedule import Polled as Outcome
from pipeline.fetching.classify import retry_after
from pipeline.identity import article_id, url_key
from pipeline.model import Entry, Exchange, FeedKind, ParsedFeed, header
from pipeline.outcomes import FetchSlug
from pipeline.settings import Settings
from pipeline.store.children import Reading
from pipeline.store.claimed import FeedClaim
from pipeline.store.found import FoundEntry, Known
from pipeline.store.polled import Polled, Validators

HTTP_OK, HTTP_TOO_MANY, HTTP_SERVER_ERROR = 200, 429, 500
OF_HOST = frozenset({FetchSlug.DNS, FetchSlug.CONNECT, FetchSlug.TLS, FetchSlug.TIMEOUT})
NOTHING_SO_FAR = Round(child=0)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Hold what came of asking: the last answer, or why there was none. Without slots: what is derived from
    all its entries is derived once."""

    status: int | None
    failure: str | None
    detail: str | None
    exchange: Exchange | None  # the last hop, whatever its status
    parsed: ParsedFeed | None  # None: unchanged, or no feed
    body_hash: str | None = None  # of a body that is a feed, changed or not

    @property
    def document(self) -> ParsedFeed | None:
        """Give the new document with entries, which an index of sitemaps is not."""
        return self.parsed if self.parsed and self.parsed.kind is not FeedKind.INDEX else None

    @cached_property
    def keys(self) -> Sequence[str | None]:
        """Give the URL keys of the document's entries; None for an address that no article can have."""
        return [url_key(entry.link) for entry in self.document.entries] if self.document else []

    @cached_property
    def keyed(self) -> Mapping[str, Entry]:
        """Give the first entry of each address that an article can have."""
        entries = self.document.entries if self.document else ()
        pairs = zip(reversed(self.keys), reversed(entries), strict=True)
        return {key: entry for key, entry in pairs if key}


def judge(settings: Settings, claim: FeedClaim, answer: Answer, known: Known) -> Polled:
    """Decide all that a poll changes of its feed, from what is known of its entries."""
    keyed, asked = answer.keyed, _asked(claim, answer)
    rhythm, so_far = _rhythm(claim, answer, keyed, known), so_far_of(claim)
    new = len(keyed.keys() - known.url_keys)
    whole = _as_whole(claim, answer, so_far)
    outcome = Outcome(
        url=claim.url,
        now=known.at,
        interval_s=claim.interval_s,
        elapsed_s=None if claim.last_polled_at is None else known.at - claim.last_polled_at,
        failures=claim.failures,
        failing_since=claim.failing_since,
        last_error=claim.last_error,
        status=whole.status,
        was_detour=claim.hop_was_temporary,
        failure=whole.failure,
        changed=answer.parsed is not None or so_far.entries > 0,
        entries=so_far.entries + len(keyed) if answer.document or so_far.entries else claim.entries,
        new_entries=so_far.new + new,
        sitemaps_waiting=so_far.waiting,
        rhythm=rhythm,
        asked=asked,
    )
    decision = decide(outcome, _limits(settings, claim))
    told = _told(claim, whole, decision, moving=_moving(claim, answer, known.at))
    if decision.error is None:
        told = replace(told, hints=replace(asked, retry_after_s=None).packed(), is_healthy=True)
    found = _found(settings, keyed, known.at)
    told = _with_document(told, claim, answer, found, None if rhythm is None else rhythm.packed())
    return _of_child(told, claim.child, answer, so_far) if claim.child else told


def so_far_of(claim: FeedClaim) -> Round:
    """Tell what a poll of an index of sitemaps has brought before this turn."""
    return unpacked_round(claim.round) if claim.round else NOTHING_SO_FAR


def is_of_host(answer: Answer) -> bool:
    """Tell whether a failure is its host's and not one address's: then others are not asked either."""
    if answer.exchange is None:
        return answer.failure in OF_HOST
    return answer.status == HTTP_TOO_MANY or (answer.status or 0) >= HTTP_SERVER_ERROR


def _as_whole(claim: FeedClaim, answer: Answer, so_far: Round) -> Answer:
    """Judge an index of sitemaps by all of them: one that cannot be read is asked again, and the poll is
    well; unless it is the host that fails."""
    if claim.child is None or (answer.failure and (not so_far.read or is_of_host(answer))):
        return answer
    if answer.failure is None and not so_far.entries and claim.last_error is None:
        return answer
    return replace(answer, failure=None, detail=None, status=HTTP_OK)


def _of_child(told: Polled, child: Child, answer: Answer, so_far: Round) -> Polled:
    """Say which sitemap the answer is of; the counts are those of all that this poll has read."""
    good = answer.exchange if answer.failure is None else None
    waits: list[float | None] = []
    waits.append(fresh_for(good.headers, good.fetched_at) if good else retry_wait(child.failures + 1))
    waits.append(retry_after(answer.exchange) if answer.exchange else None)
    reading = Reading(
        child=child,
        error=answer.failure,
        is_new=answer.parsed is not None,
        wait_s=min(max((wait for wait in waits if wait), default=0.0), HINT_CEILING) or None,
    )
    if answer.document is None and not so_far.entries:
        return replace(told, kind=None, reading=reading)
    return replace(
        told,
        kind=None,  # that of the feed is told by its index
        reading=reading,
        entries=so_far.entries + (told.entries or 0),
        entries_repeated=so_far.entries_repeated + told.entries_repeated,
        entries_without_link=so_far.entries_without_link + told.entries_without_link,
    )


def body_hash(exchange: Exchange) -> str:
    """Hash a feed's body, to notice one that is as it was under other validators, or none, and one that is
    new under the same ones."""
    return hashlib.sha256(exchange.body).hexdigest()[:32]


def _limits(settings: Settings, claim: FeedClaim) -> Limits:
    shortest = max(settings.poll_min, claim.min_interval_s or 0.0)
    longest = claim.max_interval_s or settings.poll_max
    return Limits(shortest=shortest, longest=max(shortest, longest))


def _asked(claim: FeedClaim, answer: Answer) -> Asked:
    """Join what this answer asks with what is remembered: a 304 confirms the headers of the answer that it
    stands for (RFC 9111 §4.3.4), and what failed says nothing of how long the feed is fresh."""
    before, exchange = unpacked(claim.hints), answer.exchange
    if claim.child:  # what the index asks counts for the feed, what a sitemap of it asks for itself
        asks = exchange if is_of_host(answer) else None
        return replace(before, retry_after_s=retry_after(asks) if asks else None)
    good = exchange if answer.failure is None else None
    fresh_s = fresh_for(good.headers, good.fetched_at) if good else None
    if good and fresh_s is None and answer.parsed is None:
        fresh_s = before.fresh_s
    return Asked(
        hints=answer.parsed.hints if answer.parsed else before.hints,
        fresh_s=fresh_s,
        retry_after_s=retry_after(exchange) if exchange else None,
    )


def _rhythm(claim: FeedClaim, answer: Answer, keyed: Mapping[str, Entry], known: Known) -> Rhythm | None:
    if claim.rhythm is None:
        dates = [entry.published_at for entry in keyed.values() if entry.published_at is not None]
        return first_rhythm(dates, known.at) if answer.document else None
    rhythm = unpacked_rhythm(claim.rhythm)
    fresh = [_came_at(entry, known.at) for key, entry in keyed.items() if key not in known.url_keys]
    return heard(rhythm, fresh, known.at) if fresh else rhythm


def _came_at(entry: Entry, now: float) -> float:
    """Believe an entry's date unless it is none, in the future, or so old that the entry is no news."""
    at = entry.published_at
    return at if at is not None and now - LOOK_BACK <= at <= now else now


def _moving(claim: FeedClaim, answer: Answer, now: float) -> Moving:
    before = Moving(to=claim.moving_to, seen=claim.moving_seen, since=claim.moving_since)
    if answer.failure is not None or answer.exchange is None or claim.child:
        return before
    moved = claim.hops > 0 and not claim.hop_was_temporary and answer.exchange.url != claim.url
    return sighted(before, target=answer.exchange.url if moved else None, now=now)


def _found(settings: Settings, keyed: Mapping[str, Entry], now: float) -> tuple[FoundEntry, ...]:
    return tuple(
        FoundEntry(
            entry=entry,
            url_key=key,
            article_id=article_id(key),
            refused=refusal(entry, now=now, max_age_s=settings.max_age),
        )
        for key, entry in reversed(tuple(keyed.items()))  # as the feed shows them
    )


def _told(claim: FeedClaim, answer: Answer, decision: Decision, *, moving: Moving) -> Polled:
    standing = decision.error is not None and answer.failure is None  # a 304 healed nothing
    return Polled(
        status=answer.status,
        error=decision.error,
        detail="not modified since it could not be read" if standing else answer.detail,
        state=decision.state,
        wait_s=decision.wait_s,
        asked_s=decision.asked_s,
        interval_s=decision.interval_s,
        failures=decision.failures,
        failing_since=claim.failing_since,
        why=decision.why,
        host_pause_s=decision.host_pause_s,
        moving=moving,
    )


def _with_document(
    told: Polled,
    claim: FeedClaim,
    answer: Answer,
    found: Sequence[FoundEntry],
    rhythm: list[float] | None,
) -> Polled:
    parsed, validators = answer.document, _validators(claim, answer)
    if answer.parsed:
        told = replace(told, kind=answer.parsed.kind)
    if validators is None:
        return told
    if parsed is None:
        return replace(told, validators=validators)
    without_key = sum(key is None for key in answer.keys)
    return replace(
        told,
        validators=validators,
        rhythm=rhythm,
        title=parsed.title,
        site=parsed.site,
        language=parsed.language,
        entries=len(parsed.entries) + parsed.entries_without_link,
        entries_repeated=len(parsed.entries) - without_key - len(found),
        entries_without_link=parsed.entries_without_link + without_key,
        found=tuple(found),
    )


def _validators(claim: FeedClaim, answer: Answer) -> Validators | None:
    exchange = answer.exchange
    if exchange is None or answer.body_hash is None:
        return None
    return Validators(
        etag=header(exchange.headers, "ETag"),
        last_modified=header(exchange.headers, "Last-Modified"),
        body_hash=answer.body_hash,
        given_by=claim.asked_url,  # not as HTTP spells it: the next request compares it
    )
