"""The operator's page is true: its commands are run, its files are read, and all of them agree with the program.

`console` blocks are one story in one folder, from the first to the last; `…` stands for whatever differs. What needs an
engine or root (`sh` blocks) is checked as far as it can be read: files, options, ports, paths.
"""

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS
from bot.config import load
from bot.config.sections import Http
from tests.fakes.terminal import Terminal
from tests.house_rules import ROOT
from tests.test_docs import blocks, read, shell_commands

CHINESE, ENGLISH = "docs/operating.md", "docs/operating.en.md"
COMPOSE = read("compose.yaml")


def console() -> list[tuple[str, str]]:
    return [
        pair
        for block in blocks(read(CHINESE), "console")
        for pair in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


def as_pattern(shown: str) -> str:
    """What an output must look like: `…` alone on a line is any lines, within one it is anything."""
    pattern = re.escape(shown).replace("\\\n", "\n")
    pattern = re.sub(r"^…\n", "(?:.*\n)*?", pattern, flags=re.MULTILINE)
    # The rest of the story behind an unfinished last line does not matter.
    return re.sub(r"…\n\Z", "(?:.|\n)*", pattern).replace("…", ".*?")


def test_the_story_of_the_page_is_what_happens(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    for command, shown in console():
        if command.startswith("linli "):
            code, said, complaint = terminal.type(*shlex.split(command)[1:])
            assert (code, complaint) == (0, ""), command
        else:
            said = subprocess.run(
                ["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout
        assert re.fullmatch(as_pattern(shown), said), f"{command}\n{said}"
    assert len(console()) > 12


def test_both_languages_show_the_same() -> None:
    def outline(text: str) -> list[str]:
        heads = re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
        links = sorted(re.findall(r"\]\((?!operating|\.\./README)([^)]+)\)", text))
        return [*heads, *links, *re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)]

    assert outline(read(CHINESE)) == outline(read(ENGLISH))


def test_every_operators_command_stands_on_the_page() -> None:
    page = read(CHINESE)
    wanted = {"init", "found", "run", "check", "config", "verify", "backup", "restore", "trace", "migrate", "replay"}
    assert wanted <= set(shell_commands())
    assert [name for name in wanted if f"linli {name}" not in page] == []


def test_commands_in_containers_exist_with_their_options() -> None:
    """`docker compose run --rm bot …` runs the image's entry point, which is `linli`."""
    known = shell_commands()
    lines = re.findall(r"docker compose run --rm bot (.+)", read(CHINESE))
    lines += [line.removeprefix("linli ") for line in re.findall(r"docker compose exec bot (linli .+)", read(CHINESE))]
    assert len(lines) >= 4
    for line in lines:
        name, *rest = shlex.split(line)
        assert {word for word in rest if word.startswith("--")} <= known[name], line


# -- the files of a deployment ----------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def test_image_holds_what_the_program_needs_and_runs_it_without_root() -> None:
    found = instructions()
    copied = {name for word, rest in found if word == "COPY" for name in rest.split()[:-1]}
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"tests"}
    assert packages <= copied
    assert all((ROOT / name).exists() for name in copied)
    let_in = set(re.findall(r"^!(.+)$", read(".dockerignore"), re.MULTILINE))
    assert copied == let_in
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert {project["readme"], *project["license-files"], "constraints.txt"} <= copied
    last = dict(found)
    assert last["USER"] == "linli"
    assert last["ENTRYPOINT"] == '["linli"]'
    assert last["CMD"] == '["run"]'
    assert last["CMD"].strip('["]') in shell_commands()
    assert last["EXPOSE"] == str(Http().port)
    words = [word for word, _ in found]
    # What is built after the change of user could not be written.
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("RUN", "COPY"))
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", last["FROM"])
    assert version is not None
    assert project["requires-python"] == f">={version[1]}.{version[2]}"


def test_image_has_every_module_and_every_file_that_is_no_module() -> None:
    """What `pip install .` leaves out would only be missed in the container."""
    settings = tomllib.loads(read("pyproject.toml"))["tool"]["setuptools"]
    folders = {path.parent for room in ("bot", "handlers", "jobs", "models") for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
    shipped = {
        path
        for package, patterns in settings["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    others = {
        path
        for room in ("bot", "handlers", "jobs", "models")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
    }
    assert others == shipped


def environment(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\s+(LINLI_\w+): (\S+)$", text, re.MULTILINE))


def test_compose_gives_settings_that_exist_and_no_secret(tmp_path: Path) -> None:
    given = environment(COMPOSE)
    secret = tmp_path / "database_password"
    secret.write_text("a password")
    image = dict(pair.split("=", 1) for pair in dict(instructions())["ENV"].split() if pair.startswith("LINLI_"))
    assert given["LINLI_DATABASE__PASSWORD_FILE"] == "/run/secrets/database_password"
    config = load(
        None,
        {**image, **given, "LINLI_DATABASE__PASSWORD_FILE": str(secret)},
        channel_settings=CHANNEL_SETTINGS,
        feature_settings=FEATURE_SETTINGS,
        default_path=tmp_path / "none.toml",
    )
    assert config.database.url == "postgresql+psycopg://linli@database/linli"
    assert config.database.password is not None
    assert f'"127.0.0.1:{config.http.port}:{config.http.port}"' in COMPOSE
    assert not re.search(r"(?i)password: (?!/run/secrets)\S", COMPOSE)
    assert not re.search(r"(?i)^\s+\w*(key|token|secret)\w*: \S+", re.sub(r"file: .*", "", COMPOSE), re.MULTILINE)
    assert "/secrets/" in read(".gitignore").splitlines()
    # The copies lie in a volume of their own, where the program makes them.
    workdir = [rest for word, rest in instructions() if word == "WORKDIR"][-1]
    assert f"backup:{workdir}/{config.backup.folder}" in COMPOSE
    assert f"data:{workdir}" in COMPOSE
    assert "condition: service_healthy" in COMPOSE
    assert "pg_isready" in COMPOSE


def test_health_is_asked_where_the_program_answers() -> None:
    check = dict(instructions())["HEALTHCHECK"]
    assert f"http://127.0.0.1:{Http().port}/healthz" in check
    compile(re.findall(r'"-c", "(.+?)"\]', check)[0], "healthcheck", "exec")


def unit() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", read("deploy/linli.service"), re.MULTILINE))


def test_unit_starts_a_command_that_exists_and_may_write_only_its_own_folder(tmp_path: Path) -> None:
    found = unit()
    program, command, *options = found["ExecStart"].split()
    assert program.endswith("/.venv/bin/linli")
    assert {option for option in options if option.startswith("--")} <= shell_commands()[command]
    assert found["WorkingDirectory"] == f"/var/lib/{found['StateDirectory']}"
    assert found["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert (found["User"], found["ProtectSystem"], found["NoNewPrivileges"]) == ("linli", "strict", "yes")
    assert int(found["TimeoutStopSec"]) > Http().stop_seconds
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is missing")
    # The program is not installed where the unit has it; everything else is judged.
    text = read("deploy/linli.service").replace(program, "/bin/true")
    (tmp_path / "linli.service").write_text(text, "utf-8")
    judged = subprocess.run([verify, "verify", str(tmp_path / "linli.service")], capture_output=True, text=True)
    ours = [line for line in judged.stderr.splitlines() if "linli.service" in line]
    assert ours == []


@pytest.mark.parametrize("path", ["deploy/nginx.conf", "deploy/Caddyfile"])
def test_proxies_pass_on_callbacks_and_files_and_nothing_else(path: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", read(path), flags=re.MULTILINE)
    assert f"127.0.0.1:{Http().port}" in text
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"proxy_pass|reverse_proxy", text)) == 1
    if path.endswith("nginx.conf"):
        (public,) = re.findall(r"location ~ (\S+) \{", text)
        passed = [one for one in TRIED if re.search(public, one)]
    else:
        patterns = re.findall(r"@public path (.+)", text)[0].split()
        passed = [one for one in TRIED if any(one.startswith(pattern.rstrip("*")) for pattern in patterns)]
    assert passed == ["/callback/app", "/files/abc", "/here/12-4821", "/r/0a1b"]
    assert re.search(r"return 404|respond 404", text)
    assert Http().body_bytes_max == 256 * 1024, "both limits say 256k"


TRIED = (
    "/callback/app",
    "/files/abc",
    "/here/12-4821",
    "/r/0a1b",
    "/restart",
    "/healthz",
    "/livez",
    "/metrics",
    "/simulator",
    "/",
    "/x/callback/app",
)


def test_files_that_the_page_copies_exist() -> None:
    for name in re.findall(r"\b(deploy/[\w.]+|compose\.yaml)\b", read(CHINESE)):
        assert (ROOT / name).exists(), name
