"""Finds `freehold.toml` and reads it as TOML. What its tables mean is for `settings` to say."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from freehold.core import paths
from freehold.core.errors import SettingsError

FILE_NAME = "freehold.toml"


class SettingsFile(NamedTuple):
    """`path` is None where there is no file."""

    path: Path | None = None
    text: str = ""
    data: Mapping[str, Any] = {}


def read_file(env: Mapping[str, str], folder: Path, named: Path | None = None) -> SettingsFile:
    """The file that is `named`, here or by FREEHOLD_CONFIG; else the one in `folder`, else the one in the user's config
    folder. Raises SettingsError where the named one is not there, and for what is no TOML."""
    path = _found(env, folder, named)
    if path is None:
        return SettingsFile()
    try:
        text = path.read_text(encoding="utf-8")
        return SettingsFile(path, text, tomllib.loads(text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.", file=str(path)) from error


def _found(env: Mapping[str, str], folder: Path, file: Path | None) -> Path | None:
    named = file or (Path(env["FREEHOLD_CONFIG"]) if env.get("FREEHOLD_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise SettingsError(f"{named} is named as the settings file and is not there.", file=str(named))
        return named.resolve()
    candidates = (folder / FILE_NAME, paths.user_config_file())
    return next((candidate.resolve() for candidate in candidates if candidate.is_file()), None)
