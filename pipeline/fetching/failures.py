"""Why a request got no usable answer: exceptions of asyncio, ssl and aiohttp as a slug and in plain words."""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
from aiohttp import http_exceptions

from pipeline.fetching.flooding import FloodError
from pipeline.fetching.guard import AddressRefused
from pipeline.outcomes import FetchSlug

_DETAIL_LIMIT = 200  # characters of an error's text that a person is shown


class BodyTooLargeError(Exception):
    """Say that a body is over the limit."""


class UnaskedError(Exception):
    """Say that an answer is one that nobody asked for."""


@dataclass(frozen=True, slots=True)
class _Kind:
    error: type[BaseException]
    slug: FetchSlug
    words: str  # "": the error's own, which are ours


_KINDS = (  # the first that fits one of an error's causes, special before general
    _Kind(AddressRefused, FetchSlug.REFUSED_ADDRESS, ""),
    _Kind(aiohttp.InvalidURL, FetchSlug.REFUSED_ADDRESS, "it is no address that can be asked"),
    _Kind(BodyTooLargeError, FetchSlug.TOO_LARGE, ""),
    _Kind(UnaskedError, FetchSlug.BAD_ANSWER, ""),
    _Kind(FloodError, FetchSlug.BAD_ANSWER, ""),
    _Kind(TimeoutError, FetchSlug.TIMEOUT, "no whole answer in time"),
    _Kind(aiohttp.ClientConnectorDNSError, FetchSlug.DNS, "no name server gives an address"),
    _Kind(socket.gaierror, FetchSlug.DNS, "no name server gives an address"),
    _Kind(ssl.SSLCertVerificationError, FetchSlug.TLS, "its certificate is not valid"),
    _Kind(aiohttp.ClientSSLError, FetchSlug.TLS, "it and we found no common encryption"),
    _Kind(ssl.SSLError, FetchSlug.TLS, "it and we found no common encryption"),
    _Kind(aiohttp.ClientProxyConnectionError, FetchSlug.CONNECT, "the proxy takes no connection"),
    _Kind(aiohttp.ClientHttpProxyError, FetchSlug.CONNECT, "the proxy would not connect"),
    _Kind(aiohttp.ClientConnectorError, FetchSlug.CONNECT, "no connection"),
    _Kind(http_exceptions.LineTooLong, FetchSlug.BAD_ANSWER, "a line of its head is too long"),
    _Kind(http_exceptions.DecompressSizeError, FetchSlug.BAD_ANSWER, "its body grows too large"),
    _Kind(http_exceptions.ContentEncodingError, FetchSlug.BAD_ANSWER, "its body is not packed as it says"),
    _Kind(http_exceptions.ContentLengthError, FetchSlug.BAD_ANSWER, "its body ends before it is whole"),
    _Kind(http_exceptions.PayloadEncodingError, FetchSlug.BAD_ANSWER, "its body is not sent as HTTP has it"),
    _Kind(http_exceptions.HttpProcessingError, FetchSlug.BAD_ANSWER, "its answer is not HTTP"),
    _Kind(aiohttp.ClientPayloadError, FetchSlug.BAD_ANSWER, "its body ends before it is whole"),
    _Kind(aiohttp.ServerDisconnectedError, FetchSlug.BAD_ANSWER, "it hung up without a whole answer"),
    _Kind(OSError, FetchSlug.BAD_ANSWER, "the connection broke"),
)


def failure_of(error: BaseException) -> tuple[FetchSlug, str]:
    """Name why a request failed, and say it in one line; what nobody foresaw is told by its kind alone."""
    causes = tuple(_causes(error))
    for kind in _KINDS:
        if fits := [cause for cause in causes if isinstance(cause, kind.error)]:
            said = kind.words + _particular(causes) if kind.words else str(fits[0])
            return kind.slug, " ".join(said.split())[:_DETAIL_LIMIT] or kind.error.__name__
    return FetchSlug.BAD_ANSWER, f"its answer makes no sense ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, aiohttp.ClientConnectorError):
            yield cause.os_error
        cause = cause.__cause__


def _particular(causes: tuple[BaseException, ...]) -> str:
    """Add what the check of a certificate, the encryption, a proxy or the system says, in plain letters."""
    said = (
        *(getattr(cause, "verify_message", None) for cause in causes),
        *(getattr(cause, "reason", None) for cause in causes if isinstance(cause, ssl.SSLError)),
        *(
            f"it answers {cause.status}"
            for cause in causes
            if isinstance(cause, aiohttp.ClientHttpProxyError)
        ),
        *(
            os.strerror(cause.errno or 0)
            for cause in causes
            if isinstance(cause, OSError) and _is_told(cause)
        ),
    )
    first = next((each for each in said if each), "")
    return f": {str(first).replace('_', ' ').lower()}" if first else ""


def _is_told(error: OSError) -> bool:
    return (error.errno or 0) > 0 and not isinstance(error, socket.gaierror)  # whose numbers are its own
