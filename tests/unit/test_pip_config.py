"""The index that pip uses is the index Freehold uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.core.errors import SettingsError
from freehold.store.sources.pip_config import DEFAULT_INDEX, PipConfig, config_files, read


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment whose every configuration file is in tmp_path."""
    return {"HOME": str(tmp_path / "user"), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PIP_CONFIG_FILE": "/dev/null"}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_configuration_it_is_pips_documented_default(env: dict[str, str]) -> None:
    assert read(env) == PipConfig()
    assert PipConfig().indexes == (DEFAULT_INDEX,)


def test_the_null_device_turns_every_file_off(env: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "user/.config/pip/pip.conf", "[global]\nindex-url = https://no.example/simple\n")
    assert read(env, prefix=tmp_path).indexes == (DEFAULT_INDEX,)
    assert config_files(env, tmp_path) == ()


def test_variables_win_over_files_and_later_files_over_earlier(env: dict[str, str], tmp_path: Path) -> None:
    del env["PIP_CONFIG_FILE"]
    write(
        tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://global.example/simple\ntimeout = 3\nproxy = p:1\n"
    )
    write(tmp_path / "user/.pip/pip.conf", "[global]\nindex-url = https://legacy.example/simple\ntimeout = 4\n")
    write(tmp_path / "user/.config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n")
    assert read(env, prefix=tmp_path / "venv").indexes == ("https://user.example/simple",)
    write(tmp_path / "venv/pip.conf", "[global]\nindex-url = https://site.example/simple/\n")
    found = read(env, prefix=tmp_path / "venv")
    assert (found.indexes, found.timeout_s, found.proxy) == (("https://site.example/simple",), 4.0, "p:1")
    env["PIP_INDEX_URL"] = "https://variable.example/simple"
    assert read(env, prefix=tmp_path / "venv").indexes == ("https://variable.example/simple",)


def test_a_named_file_replaces_the_users_file_and_wins_over_the_site(env: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "user/.config/pip/pip.conf", "[global]\nproxy = user:1\n")
    write(tmp_path / "venv/pip.conf", "[global]\ntimeout = 9\nindex-url = https://site.example/simple\n")
    named = write(tmp_path / "named.conf", "[global]\nindex_url = https://named.example/simple\n")
    found = read({**env, "PIP_CONFIG_FILE": str(named)}, prefix=tmp_path / "venv")
    assert (found.indexes, found.proxy, found.timeout_s) == (("https://named.example/simple",), None, 9.0)


def test_the_sections_of_install_and_download_win_over_global(env: dict[str, str], tmp_path: Path) -> None:
    named = write(
        tmp_path / "named.conf",
        "[download]\ntimeout = 7\n[global]\ntimeout = 5\nextra-index-url =\n  https://a.example/simple\n  https://b.example/simple\n"
        "[install]\ntimeout = 6\ntrusted-host = a.example b.example:8443\n[list]\ntimeout = 99\n",
    )
    found = read({**env, "PIP_CONFIG_FILE": str(named)}, prefix=tmp_path)
    assert found.indexes == (DEFAULT_INDEX, "https://a.example/simple", "https://b.example/simple")
    assert (found.timeout_s, found.trusted_hosts) == (7.0, ("a.example", "b.example:8443"))


def test_no_index_leaves_only_what_find_links_names(env: dict[str, str]) -> None:
    found = read({**env, "PIP_NO_INDEX": "1", "PIP_EXTRA_INDEX_URL": "https://x.example", "PIP_FIND_LINKS": "/a /b"})
    assert (found.indexes, found.find_links) == ((), ("/a", "/b"))


def test_certificates_are_paths_and_the_home_is_expanded(env: dict[str, str], tmp_path: Path) -> None:
    found = read({**env, "PIP_CERT": "~/ca.pem", "PIP_CLIENT_CERT": "/x/client.pem", "PIP_DEFAULT_TIMEOUT": "180"})
    assert (found.cert, found.client_cert) == (tmp_path / "user/ca.pem", Path("/x/client.pem"))
    assert found.timeout_s == 180.0


def test_a_file_that_is_not_there_says_nothing(env: dict[str, str], tmp_path: Path) -> None:
    absent = {**env, "PIP_CONFIG_FILE": str(tmp_path / "absent")}
    assert config_files(absent, tmp_path)[-1] == tmp_path / "absent"
    assert read({**absent, "PIP_INDEX_URL": "https://x.example"}, prefix=tmp_path).indexes[0] == "https://x.example"


@pytest.mark.parametrize(("name", "text"), [("PIP_TIMEOUT", "soon"), ("PIP_TIMEOUT", "-1")])
def test_a_timeout_that_is_none_is_refused_with_its_text(env: dict[str, str], name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        read({**env, name: text})


def test_a_broken_file_is_named(env: dict[str, str], tmp_path: Path) -> None:
    broken = write(tmp_path / "broken.conf", "index-url = https://x.example\n")
    with pytest.raises(SettingsError, match=r"broken\.conf") as caught:
        read({**env, "PIP_CONFIG_FILE": str(broken)}, prefix=tmp_path)
    assert "pip config debug" in caught.value.hint


def test_pip_itself_agrees(env: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://global.example/simple\ntimeout = 3\n")
    write(
        tmp_path / "user/.config/pip/pip.conf",
        "[download]\ntimeout = 4\nextra-index-url =\n  https://a.example/s\n  https://b.example/s\n"
        "[global]\ntimeout = 5\nproxy = http://user.example:3128\ntrusted-host = a.example\n",
    )
    named = write(tmp_path / "named.conf", "[global]\nproxy = http://named.example:3128\nfind-links = /a /b\n")
    del env["PIP_CONFIG_FILE"]
    for setting in (
        {},
        {"PIP_CONFIG_FILE": str(named)},
        {"PIP_CONFIG_FILE": "/dev/null"},
        {"PIP_INDEX_URL": "https://variable.example/simple", "PIP_EXTRA_INDEX_URL": "https://c.example/s"},
    ):
        found = read({**env, **setting})
        assert pips({**env, **setting}) == {
            "indexes": list(found.indexes),
            "find_links": list(found.find_links),
            "trusted_hosts": list(found.trusted_hosts),
            "timeout": found.timeout_s,
            "proxy": found.proxy,
        }, setting


PIPS_OWN = """
import json
from pip._internal.commands import create_command
options = create_command("download").parser.get_default_values()
print(json.dumps({
    "indexes": [options.index_url, *options.extra_index_urls],
    "find_links": options.find_links,
    "trusted_hosts": options.trusted_hosts,
    "timeout": options.timeout,
    "proxy": options.proxy or None,
}))
"""


def pips(env: dict[str, str]) -> dict[str, object]:
    """The options that `pip download` itself would start with."""
    done = subprocess.run([sys.executable, "-c", PIPS_OWN], env=env, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found
