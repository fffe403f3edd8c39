"""Reads where pip would look for packages, so that a closed network's mirror serves weights without more set-up.

Follows pip's documented order (https://pip.pypa.io/en/stable/topics/configuration/): the global, user and site
files, the file that PIP_CONFIG_FILE names, then PIP_* variables; within the files the sections `global`, `install`
and `download`. Runs nothing of pip's, reads no keyring, and knows only the options that say where an index is and
how to reach it. The environment is handed in; a file that is not there says nothing, one that is broken is an error.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freehold.core.errors import SettingsError

DEFAULT_INDEX = "https://pypi.org/simple"
DEFAULT_TIMEOUT_S = 15.0
_SECTIONS = ("global", "install", "download")
_TRUE = frozenset({"1", "on", "true", "yes", "y", "t"})


@dataclass(frozen=True, slots=True)
class PipConfig:
    """What pip is configured with. `indexes` and `find_links` are addresses or folders, and may hold credentials.

    `cert` is a file or folder of certificate authorities, `client_cert` a file with a certificate and its key,
    `trusted_hosts` are `host` or `host:port` whose certificate is not checked.
    """

    indexes: tuple[str, ...] = (DEFAULT_INDEX,)
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: Path | None = None
    client_cert: Path | None = None
    proxy: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def proxy_url(self) -> str | None:
        """The proxy as an address: pip takes `host:port` as well."""
        return self.proxy if self.proxy is None or "://" in self.proxy else f"http://{self.proxy}"


def read(environment: Mapping[str, str], *, prefix: Path | None = None) -> PipConfig:
    """The configuration of the pip that belongs to `prefix` (default: this Python's). Raises SettingsError."""
    values: dict[str, str] = {}
    for file in config_files(environment, prefix or Path(sys.prefix)):
        values.update(_read_file(file))
    values.update(_from_variables(environment))
    return _interpret(values, environment)


def config_files(environment: Mapping[str, str], prefix: Path) -> tuple[Path, ...]:
    """The files that pip would read, the one that wins last. PIP_CONFIG_FILE set to the null device means none."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    home = Path(environment.get("HOME") or Path.home())
    files = list(_global_files(environment))
    if not (named and Path(named).exists()):
        files += _user_files(environment, home)
    files.append(prefix / "pip.conf")
    if named:
        files.append(_expanded(named, environment))
    return tuple(files)


def _global_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    if sys.platform == "darwin":
        return (Path("/Library/Application Support/pip/pip.conf"),)
    shared = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return (*(Path(folder) / "pip/pip.conf" for folder in shared.split(os.pathsep) if folder), Path("/etc/pip.conf"))


def _user_files(environment: Mapping[str, str], home: Path) -> tuple[Path, Path]:
    legacy = home / ".pip/pip.conf"
    if sys.platform == "darwin" and (home / "Library/Application Support/pip").is_dir():
        return legacy, home / "Library/Application Support/pip/pip.conf"
    return legacy, Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"


def _read_file(file: Path) -> dict[str, str]:
    """The options of `file` by their normalized names; later sections win."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise SettingsError(
            f"pip's configuration file {file} cannot be read: {error}.",
            hint="Mend it (`pip config debug` shows every file), or name the index with PIP_INDEX_URL.",
            file=str(file),
        ) from error
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found.update({_normal(key): value for key, value in parser.items(section) if value})
    return found


def _from_variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        _normal(name.removeprefix("PIP_")): value
        for name, value in environment.items()
        if name.startswith("PIP_") and value
    }


def _normal(option: str) -> str:
    name = option.lower().replace("_", "-").removeprefix("--")
    return "timeout" if name == "default-timeout" else name


def _interpret(values: Mapping[str, str], environment: Mapping[str, str]) -> PipConfig:
    index_url = values.get("index-url") or values.get("pypi-url") or DEFAULT_INDEX
    extra = tuple(values.get("extra-index-url", "").split())
    off = values.get("no-index", "").strip().lower() in _TRUE
    return PipConfig(
        indexes=() if off else tuple(dict.fromkeys(url.rstrip("/") for url in (index_url.strip(), *extra))),
        find_links=tuple(dict.fromkeys(values.get("find-links", "").split())),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        cert=_path(values.get("cert"), environment),
        client_cert=_path(values.get("client-cert"), environment),
        proxy=values.get("proxy") or None,
        timeout_s=_seconds(values.get("timeout")),
    )


def _path(value: str | None, environment: Mapping[str, str]) -> Path | None:
    return _expanded(value, environment) if value else None


def _expanded(value: str, environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME")
    return Path(home, value[2:]) if home and value.startswith("~/") else Path(value).expanduser()


def _seconds(value: str | None) -> float:
    if value is None:
        return DEFAULT_TIMEOUT_S
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise SettingsError(f"pip's timeout is {value!r}; it must be a number of seconds.", hint="See PIP_TIMEOUT.")
    return seconds
