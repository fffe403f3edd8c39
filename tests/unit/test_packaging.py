"""The service unit and the container's recipe: what they promise is in them, as whatever reads such files here says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.core.settings import ServerSettings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "systemd" / "freehold.service"
RECIPE = ROOT / "packaging" / "oci" / "Containerfile"


def _directives() -> dict[str, list[str]]:
    """Every `Name=value` of the unit, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def _instructions() -> list[tuple[str, str]]:
    """Every instruction of the recipe with its words, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def health_check() -> list[str]:
    """The command that says whether the container is well (exec form; what it needs is in the image)."""
    (words,) = _words("HEALTHCHECK")
    command: list[str] = json.loads(words.partition(" CMD ")[2])
    return command


def _words(name: str) -> list[str]:
    return [words for instruction, words in _instructions() if instruction == name]


def test_the_unit_waits_as_long_as_a_drain_may_take_and_tells_the_house_alone() -> None:
    unit = _directives()
    assert int(unit["TimeoutStopSec"][0]) >= ServerSettings().drain_s + 20
    assert (unit["KillSignal"], unit["KillMode"]) == (["SIGTERM"], ["mixed"])
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_unit_keeps_state_and_sockets_where_systemd_makes_them_for_this_account_alone() -> None:
    unit = _directives()
    environment = dict(line.split("=", 1) for line in unit["Environment"])
    assert environment["FREEHOLD_HOME"] == f"/var/lib/{unit['StateDirectory'][0]}/home"
    assert environment["XDG_RUNTIME_DIR"] == f"/run/{unit['RuntimeDirectory'][0]}"
    assert unit["StateDirectoryMode"] == unit["RuntimeDirectoryMode"] == ["0700"]
    assert unit["User"] != ["root"] and unit["CapabilityBoundingSet"] == [""]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_the_unit_and_finds_little_that_it_may_do(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    freehold = Path(sys.executable).with_name("freehold")
    text = UNIT.read_text().replace("/opt/freehold/venv/bin/freehold", str(freehold))
    text = text.replace("=file:///opt/freehold/docs/service.md", "=https://example.org")
    here.write_text(text)
    looked = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert (looked.returncode, [line for line in looked.stderr.splitlines() if UNIT.name in line]) == (0, [])
    # From 0 (locked away) to 100; a service without any of these lines has 96.
    graded = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", str(here)]
    assert subprocess.run(graded, capture_output=True, text=True, check=False).returncode == 0


def test_the_image_runs_as_an_account_without_rights_and_says_when_it_is_not_well() -> None:
    users = _words("USER")
    assert users and re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", users[-1])
    order = [name for name, _ in _instructions()]
    assert order.index("USER") < order.index("ENTRYPOINT"), "what it starts is started by that account"
    assert health_check()[0] == "freehold", "what it is asked with goes where the house listens, and how"
    assert (_words("STOPSIGNAL"), _words("ENTRYPOINT")) == (["SIGTERM"], ['["freehold"]'])


def test_nothing_gets_into_the_image_but_locked_wheels_and_this_source() -> None:
    installs = [part for words in _words("RUN") for part in words.split("&&") if "pip install" in part]
    assert len(installs) == 3
    for command in installs:
        words = shlex.split(command)
        assert "--require-hashes" in words or ("--no-deps" in words and words[-1] == "."), command
    assert _words("ADD") == [] and not any(word in RECIPE.read_text() for word in ("curl", "wget", "http://deb"))
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for copied in _words("COPY"):
        for source in copied.split()[:-1]:
            if not source.startswith(("--", "/")):
                assert (ROOT / source).exists() and f"!{source}" in ignored, source


def test_the_home_of_the_image_lies_in_its_volume_and_not_at_it() -> None:
    (volume,) = _words("VOLUME")
    assert f"FREEHOLD_HOME={volume}/home" in " ".join(_words("ENV")), "a home appears by a rename when it is restored"


def _builder() -> str | None:
    """A program here that can build images, and does answer."""
    for name in ("podman", "docker"):
        found = shutil.which(name)
        if found and subprocess.run([found, "info"], capture_output=True, check=False, timeout=60).returncode == 0:
            return found
    return None


def test_the_image_is_built_and_tells_its_version() -> None:
    builder = _builder()
    if builder is None:
        pytest.skip("no builder of images answers here")
    base = RECIPE.read_text().partition("ARG PYTHON=")[2].split()[0]
    if subprocess.run([builder, "pull", base], capture_output=True, check=False, timeout=600).returncode != 0:
        pytest.skip(f"{base} cannot be had here")
    build = [builder, "build", "-q", "-f", str(RECIPE), "-t", "freehold-test", str(ROOT)]
    subprocess.run(build, check=True, timeout=1800)
    said = subprocess.run(
        [builder, "run", "--rm", "freehold-test", "--version"], capture_output=True, text=True, check=False
    )
    assert said.stdout.startswith("freehold "), said.stderr
