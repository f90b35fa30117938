"""docker-compose.yml and Dockerfile, held against the Compose specification and against what they name."""

import hashlib
import re
import shlex
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from celery.bin.beat import beat
from celery.bin.worker import worker
from check_jsonschema.builtin_schemas import get_builtin_schema

from pipeline.model import Stage
from pipeline.settings import FROM_FILE, read_settings
from tests.compose_file import ROOT, SECRETS, is_ours, load, services, strings, variables
from tests.test_docs import DOCS, find_command, options, shown_commands

CHOSEN = {"WIREROOM_USER_AGENT_URL": "https://news.example/bot"}
SERVICES = services(CHOSEN)
OURS = {name: service for name, service in SERVICES.items() if is_ours(service)}
CELERY = {name: service for name, service in OURS.items() if service["command"][0] == "celery"}
EXAMPLE = ROOT / ".env.example"
DOCKERFILE = ROOT / "Dockerfile"
MAKE_SECRETS = ROOT / "deploy" / "make-secrets.sh"
PASSWORD_BITS = 128


def is_one_shot(service: Mapping[str, Any]) -> bool:
    return str(service["restart"]).startswith("on-failure")


def example() -> dict[str, str]:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the passwords, as a person does on the first day."""
    folder = tmp_path_factory.mktemp("host") / "secrets"
    subprocess.run([MAKE_SECRETS, folder], check=True, capture_output=True)
    return folder


def test_the_file_is_of_the_compose_specification() -> None:
    jsonschema.validate(load(), get_builtin_schema("vendor.compose-spec"))


def test_the_specification_would_refuse_a_key_that_it_has_not() -> None:
    wrong = {"services": {"redis": {"image": "redis", "healthchek": {}}}}
    with pytest.raises(jsonschema.ValidationError, match="healthchek"):
        jsonschema.validate(wrong, get_builtin_schema("vendor.compose-spec"))


def test_every_variable_is_in_the_example_with_the_same_default_and_no_other_is() -> None:
    used = {each.name: each for each in variables(load())}
    assert used.keys() == example().keys()
    assert {name: each.default or "" for name, each in used.items()} == example()
    assert [name for name, each in used.items() if each.is_needed] == ["WIREROOM_USER_AGENT_URL"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert service["logging"]["options"]["max-size"]
    assert is_ours(service) or str(service["user"]).split(":")[0] not in ("", "0", "root")
    assert service["restart"] == ("no" if name == "cli" else service["restart"])
    assert "privileged" not in service
    assert is_one_shot(service) or name == "cli" or service["healthcheck"]["test"][0] == "CMD-SHELL"


def test_only_elasticsearch_and_kibana_write_outside_their_volumes() -> None:
    writing = {name for name, service in SERVICES.items() if not service.get("read_only")}
    assert writing == {"elasticsearch", "kibana"}


def test_who_is_waited_for_can_be() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            ends = condition == {"condition": "service_completed_successfully"}
            assert ends == is_one_shot(SERVICES[name]), name


@pytest.mark.parametrize("kind", ["networks", "volumes", "secrets"])
def test_what_is_declared_is_used_and_what_is_used_is_declared(kind: str) -> None:
    used = {each.split(":")[0] for service in SERVICES.values() for each in service.get(kind, ())}
    named = {each for each in used if not each.startswith("./")}
    assert named == load()[kind].keys()


def test_every_path_on_the_host_is_in_the_repository_or_a_secret(secrets: Path) -> None:
    mounted = {each.split(":")[0] for service in SERVICES.values() for each in service.get("volumes", ())}
    assert all((ROOT / path).exists() for path in mounted if path.startswith("./"))
    files = {Path(each["file"]) for each in load()["secrets"].values()}
    assert {path.parent.as_posix() for path in files} == {"secrets"}
    assert {path.name for path in files} == {path.name for path in secrets.iterdir()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_where_it_is_read_and_nowhere_else(name: str) -> None:
    service = SERVICES[name]
    mounted = set(service.get("secrets", ()))
    scripts = [each.split(":")[0] for each in service.get("volumes", ()) if each.startswith("./")]
    said = [*strings(service), *((ROOT / script).read_text() for script in scripts)]
    read = set(re.findall(rf"{SECRETS}(\w+)|\$secrets/(\w+)", "\n".join(said)))
    assert {first or second for first, second in read} == mounted


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_settings_that_can_be_read(name: str, secrets: Path, tmp_path: Path) -> None:
    environ = {key: value.replace(SECRETS, f"{secrets}/") for key, value in OURS[name]["environment"].items()}
    settings = read_settings({**environ, "WIREROOM_HOME": str(tmp_path)})
    assert settings.user_agent_url == CHOSEN["WIREROOM_USER_AGENT_URL"]
    homes = [each.split(":")[1] for each in OURS[name]["volumes"]]
    assert "/srv/wireroom/home" in homes
    assert "/srv/wireroom/archive" in homes or name in ("beat", "index", "dashboards")
    assert str(settings.archive_folder) == "/srv/wireroom/archive"


def test_who_reads_the_web_reaches_neither_elasticsearch_nor_kibana() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    for name in ("net", "enrich"):
        reached = {other for other in SERVICES if networks[other] & networks[name]} - OURS.keys()
        assert reached - {"postgres-roles"} == {"postgres", "redis"}  # which listens to nobody
    inner = {name for name, network in load()["networks"].items() if network.get("internal")}
    outside = {name for name in SERVICES if networks[name] - inner}
    assert outside == {"net", "kibana", "cli"}


def test_only_kibana_listens_and_on_this_host_alone() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"kibana": ["127.0.0.1:5601:5601"]}


def test_every_stage_has_a_worker_and_there_is_one_beat() -> None:
    commands = [service["command"] for service in CELERY.values()]
    queues = [words[words.index("-Q") + 1] for words in commands if "-Q" in words]
    assert sorted(",".join(queues).split(",")) == sorted(Stage)
    assert ["beat" in words for words in commands].count(True) == 1
    assert all(service["healthcheck"]["test"] for service in CELERY.values())
    heartbeats = {service["environment"]["WIREROOM_HEARTBEAT"] for service in CELERY.values()}
    assert all(f"find {path} -mmin" in OURS["net"]["healthcheck"]["test"][1] for path in heartbeats)


@pytest.mark.parametrize("name", OURS)
def test_a_command_can_be_given(name: str) -> None:
    program, *words = OURS[name]["command"]
    if program == "wireroom":
        shown = find_command(words)
        assert {word for word in shown.words if word.startswith("-")} <= options(shown.command)
        return
    assert words[:3] == ["-q", "-A", "workers"]  # its banner is no JSON
    command = {"worker": worker, "beat": beat}[words[3]]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {word for word in words[4:] if word.startswith("-")} <= known


def test_what_the_documentation_asks_of_compose_can_be_asked() -> None:
    shown = [words[1:] for page in DOCS for words in shown_commands(page, "docker") if words[0] == "compose"]
    assert shown
    for verb, *words in shown:
        named = [word.split("=")[0] for word in words if not word.startswith("-")]
        if verb in ("run", "exec"):
            assert named[0] in SERVICES
        elif verb in ("up", "restart"):
            assert set(named) <= SERVICES.keys()
        else:
            assert verb in ("build", "ps")


def test_passwords_are_new_each_time_and_the_folder_is_its_owners(secrets: Path, tmp_path: Path) -> None:
    subprocess.run([MAKE_SECRETS, tmp_path / "other"], check=True, capture_output=True)
    for path in secrets.iterdir():
        assert path.read_text() != (tmp_path / "other" / path.name).read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        if path.name.endswith(("_password", "_key")):
            assert len(path.read_text().strip()) * 4 >= PASSWORD_BITS
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_the_parts_of_a_password_fit(secrets: Path) -> None:
    said = {path.name: path.read_text().strip() for path in secrets.iterdir()}
    assert f"//wireroom_owner:{said['owner_password']}@postgres:" in said["owner_url"]
    assert f"//wireroom:{said['store_password']}@postgres:" in said["store_url"]
    assert f":{said['redis_password']}@redis:" in said["broker_url"]
    assert f":{said['wireroom_password']}@elasticsearch:" in said["index_url"]
    assert f":{said['dashboards_password']}@kibana:" in said["kibana_url"]
    digest = hashlib.sha256(said["redis_password"].encode()).hexdigest()
    assert f" #{digest} " in said["redis_acl"]


def make_again(folder: Path) -> str:
    """Make passwords in a folder that has some; return what was said."""
    again = subprocess.run([MAKE_SECRETS, folder], check=True, capture_output=True, text=True)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    return again.stdout.removeprefix(f"{folder}: ")


def test_passwords_in_use_are_not_overwritten(tmp_path: Path) -> None:
    subprocess.run([MAKE_SECRETS, tmp_path / "secrets"], check=True, capture_output=True)
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert make_again(tmp_path / "secrets") == "nothing is missing\n"
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == before


def test_a_password_that_is_missing_is_made_with_the_address_that_has_it(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    subprocess.run([MAKE_SECRETS, secrets], check=True, capture_output=True)
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    (secrets / "store_password").unlink()
    assert make_again(secrets).startswith("written store_password store_url and nothing else;")
    after = {path.name: path.read_text() for path in secrets.iterdir()}
    assert f":{after['store_password'].strip()}@" in after["store_url"]
    assert {name for name in before if before[name] != after[name]} == {"store_password", "store_url"}
    assert stat.S_IMODE((secrets / "store_password").stat().st_mode) == 0o444


def test_an_address_of_ones_own_is_kept(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    subprocess.run([MAKE_SECRETS, secrets], check=True, capture_output=True)
    (secrets / "index_url").chmod(0o600)
    (secrets / "index_url").write_text("https://u:p@search.example:9200")
    (secrets / "kibana_url").unlink()
    assert make_again(secrets).startswith("written kibana_url and nothing else;")
    assert (secrets / "index_url").read_text() == "https://u:p@search.example:9200"


def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    subprocess.run([MAKE_SECRETS, secrets], check=True, capture_output=True)
    for name in ("store_password", "store_url"):
        (secrets / name).chmod(0o600)
        (secrets / name).write_text("")
    assert make_again(secrets).startswith("written store_password store_url and nothing else;")
    assert (secrets / "store_password").read_text().strip() in (secrets / "store_url").read_text()


@pytest.mark.parametrize("server", ["postgres", "elastic"])
def test_a_password_that_its_server_has_still_is_asked_for_and_not_made_anew(
    tmp_path: Path, server: str
) -> None:
    secrets = tmp_path / "secrets"
    subprocess.run([MAKE_SECRETS, secrets], check=True, capture_output=True)
    (secrets / f"{server}_password").unlink()
    again = subprocess.run([MAKE_SECRETS, secrets], check=False, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == (
        f"{secrets}/{server}_password is gone, and its server has it still: put it back from your copy\n"
    )
    assert sorted(tmp_path.iterdir()) == [secrets]


def instructions() -> list[tuple[str, str]]:
    """Read the Dockerfile's instructions, lines that go on put together."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(word, rest) for word, rest in found]


def test_what_is_copied_into_the_image_is_there_and_is_sent() -> None:
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    own = {word for word in copied if not word.startswith(("/", "--"))}
    assert all((ROOT / word).exists() for word in own)
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == own
    assert sent[0] == "*"  # and nothing else: no .env, no secrets


def test_every_package_of_the_wheel_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = [rest.split()[0] for name, rest in instructions() if name == "COPY"]
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied)
    assert project["project"]["readme"] in " ".join(rest for name, rest in instructions() if name == "COPY")


def test_the_image_installs_what_is_locked_by_its_hashes() -> None:
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    first, second = (shlex.split(rest) for rest in installs)
    assert {"--require-hashes", "--no-deps", "requirements.lock"} <= set(first)
    assert {"--no-index", "--no-deps", "."} <= set(second)


def test_the_image_runs_as_a_user_and_has_settings_that_exist() -> None:
    said = instructions()
    assert [rest for name, rest in said if name == "USER"] == ["wireroom"]
    assert said[-2:] == [("USER", "wireroom"), ("CMD", '["wireroom", "--help"]')]
    environ = dict(
        re.findall(r"(WIREROOM_\w+)=(\S+)", " ".join(rest for name, rest in said if name == "ENV"))
    )
    assert str(read_settings(environ).home) == "/srv/wireroom/home"
    assert not any(key.endswith(FROM_FILE) for key in environ)
