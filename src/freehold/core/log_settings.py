"""`[log]` of freehold.toml: how the house that serves writes its log, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from freehold.core.toml_reader import TableReader

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`format` is lines for people or one JSON object a line; from `level` on something is written. At `info` each
    answer has a line too."""

    format: LogFormat = "text"
    level: LogLevel = "warning"


def read_log(table: TableReader, env: Mapping[str, str]) -> LogSettings:
    """What the table says, or `FREEHOLD_LOG_FORMAT` and `FREEHOLD_LOG_LEVEL`."""
    default = LogSettings()
    log = LogSettings(
        cast("LogFormat", table.chosen("format", default.format, get_args(LogFormat), env, "FREEHOLD_LOG_FORMAT")),
        cast("LogLevel", table.chosen("level", default.level, get_args(LogLevel), env, "FREEHOLD_LOG_LEVEL")),
    )
    table.refuse_unknown()
    return log
