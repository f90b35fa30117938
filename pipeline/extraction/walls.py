"""Recognise pages that stand before the article: consent pages, bot checks, demands for scripts."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from pipeline.extraction.titles import fold

WALL_WORDS = 600
"""A page with more words in its body than this is taken for no wall. An estimate: consent pages spell out
their purposes in a few hundred words."""

SHORTEST_HEADLINE = 8  # letters; a shorter one may stand anywhere
SHARE_OF_NOTICES = 0.4  # share of a wall's words in lines that speak of consent, scripts or robots

_WALL_HOST = re.compile(
    r"^(consent|guce|myprivacy|privacymanager|cmp|validate|geo\.captcha-delivery)\.", re.I
)

_WALL_TITLE = re.compile(
    r"just a moment|attention required|access (to this page )?(has been )?denied|pardon our interruption"
    r"|are you (a robot|human|not a robot)|security (check|verification)|human verification|robot check"
    r"|checking your browser|verify(ing)? (that )?you are (a )?human|ddos.guard|captcha|unusual traffic"
    r"|request (blocked|unsuccessful)|403 forbidden|please wait\W*$|^(ein moment|un instant)\W*$"
    r"|before you continue|bevor sie fortfahren|avant de continuer|antes de continuar|prima di continuare"
    r"|voordat je verdergaat|your privacy choices"
    r"|^(cookie|privacy|consent|datenschutz)\W{0,3}(settings|choices|einstellungen|preferences|wall)?\W*$",
    re.IGNORECASE,
)

_NOTICE_WORDS = re.compile(
    r"cookie|script|robot|captcha|unusual|human|browser|ad.?block|partner|socios|personali|subscri|log ?in"
    r"|sign |register|account|limit|weiterlesen|abon|exclusivo|ray id|reference|security by"
)
"""One of these is in every notice; looking for them first spares most lines the long pattern."""

_NOTICE = re.compile(
    r"\bcookies?\b.{0,80}\b(accept|consent|policy|settings|partner|preferences|agree|privacy|store|browser"
    r"|websites?)"
    r"|\b(accept|consent|policy|agree|use|using|uses|store|manage|enable|verwende[nt]?|nutzen|utilisons"
    r"|akzeptieren|accepter|aceptar|accettare)\b.{0,80}\bcookies?\b"
    r"|\b(enable|activate|turn on|activez|aktivieren|habilita|requires?)\b.{0,30}\bjava ?script\b"
    r"|\bjava ?script\b.{0,40}\b(disabled|enabled|required|off|deaktiviert|aktivieren|désactivé|activer)"
    r"|\b(not|are you) a robot\b|\bcaptcha\b|\bunusual (traffic|activity)\b"
    r"|\bverify(ing)? (that )?you(['’]re| are) (a )?human"
    r"|\bchecking your browser\b|\bdisable (any|your) ad.?block"
    r"|\b(our|unsere[nr]?|nos|nuestros)\b.{0,20}\b(partners?|partenaires|socios)\b"
    r".{0,80}\b(data|daten|données|datos)\b"
    r"|\bpersonal(i[sz]ed|isierte)\b.{0,30}\b(ads?|advertising|content|anzeigen|werbung)\b"
    r".{0,80}\b(data|measurement|partners?|messung)"
    r"|\b(subscribe|log ?in|sign (in|up)|register|subscribers?)\b"
    r".{0,40}\b(to (continue|read|keep reading|unlock|access)|already)"
    r"|\balready (a subscriber|have an account)"
    r"|\byou(['’]ve| have) (reached|read) your .{0,30}\b(limit|articles?)"
    r"|\b(weiterlesen mit|jetzt abonnieren|article réservé aux abonnés"
    r"|contenido exclusivo para suscriptores)\b"
    r"|\b(ray id|reference #?[0-9a-f.]{8,}|performance (&|and) security by)\b",
    re.IGNORECASE,
)


def is_notice(line: str) -> bool:
    """Tell whether a line speaks to the visitor of cookies, consent, subscriptions, scripts or robots."""
    return bool(_NOTICE_WORDS.search(line.lower()) and _NOTICE.search(line))


def looks_like_wall(url: str, title: str) -> bool:
    """Tell whether a page's address or <title> is one that consent pages and bot checks have."""
    return bool(_WALL_HOST.match(urlsplit(url).netloc) or _WALL_TITLE.search(title))


def is_wall(*, url: str, title: str, body: str, headlines: Sequence[str]) -> bool:
    """Tell whether a page is a consent page or a bot check instead of the article that has these headlines.

    `title` is the page's <title>, `body` all its visible text. A page that names its article is no wall,
    whatever it says about cookies besides.
    """
    words = len(body.split())
    letters = fold(f"{title}\n{body}")
    if words > WALL_WORDS or any(_names(letters, headline) for headline in headlines):
        return False
    noticed = sum(len(line.split()) for line in body.split("\n") if is_notice(line))
    return looks_like_wall(url, title) or noticed > SHARE_OF_NOTICES * words


def _names(letters: str, headline: str) -> bool:
    folded = fold(headline)
    return len(folded) >= SHORTEST_HEADLINE and folded in letters
