"""The entity models: spaCy's `ner` alone, one for each language that has one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import WireroomError


@dataclass(frozen=True, slots=True)
class Model:
    """Hold a loaded spaCy pipeline and the stamp that names it."""

    nlp: Any
    stamp: str


Models = Mapping[str, Model]


def load_models(packages: Mapping[str, str]) -> Models:
    """Load a model for each language; raises WireroomError naming the package that is missing."""
    import spacy
    from thinc.api import set_current_ops
    from thinc.backends import NumpyOps

    set_current_ops(NumpyOps(use_blis=False))
    loaded = {}
    for language, package in packages.items():
        try:
            meta = spacy.util.get_package_path(package)
            del meta
            full = spacy.load(package, exclude=["tok2vec", "tagger", "parser", "lemmatizer", "attribute_ruler", "morphologizer", "senter"])
        except OSError:
            raise WireroomError(f"the spaCy package {package} ({language}) is not installed") from None
        loaded[language] = Model(full, f"{package}-{full.meta['version']}")
    return loaded
