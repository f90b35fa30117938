"""docker-compose.yml as its engine reads it: variables put in, merges done."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:-|:\?)([^}]*))?\})")
SECRETS = "/run/secrets/"


@dataclass(frozen=True, slots=True)
class Variable:
    """Hold a `${…}` of the file: its name, and its default where it has one."""

    name: str
    default: str | None
    is_needed: bool


def load() -> dict[str, Any]:
    """Read the file as it is written."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(COMPOSE)
    return loaded


def variables(value: Any) -> Iterator[Variable]:
    """Yield every variable that is named anywhere in a value."""
    for written in strings(value):
        for escaped, name, sign, rest in VARIABLE.findall(written):
            if not escaped:
                yield Variable(name, rest if sign == ":-" else None, sign == ":?")


def strings(value: Any) -> Iterator[str]:
    """Yield every string inside a value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def interpolated(value: Any, chosen: Mapping[str, str]) -> Any:
    """Put variables into a value, as Compose does. Raises KeyError for one that is needed and not chosen."""

    def put(match: re.Match[str]) -> str:
        escaped, name, sign, rest = match.groups()
        if escaped:
            return "$"
        if chosen.get(name):
            return chosen[name]
        if sign == ":?":
            raise KeyError(name)
        return rest or ""

    if isinstance(value, str):
        return VARIABLE.sub(put, value)
    if isinstance(value, dict):
        return {key: interpolated(each, chosen) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, chosen) for each in value]
    return value


def services(chosen: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Give the services by name, variables put in."""
    found: dict[str, dict[str, Any]] = interpolated(load()["services"], chosen)
    return found


def is_ours(service: Mapping[str, Any]) -> bool:
    """Tell whether a service runs Wireroom's image."""
    return str(service["image"]).startswith("wireroom:")
