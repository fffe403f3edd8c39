"""From `[telemetry]` to what sends. Whatever cannot work is refused before the house starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from prometheus_client import CollectorRegistry

from freehold.core.addresses import nobody_between
from freehold.core.errors import SettingsError
from freehold.core.ports import Outgoing
from freehold.core.settings import Settings
from freehold.core.telemetry_settings import HEADERS

if TYPE_CHECKING:
    from freehold.server.telemetry.exporter import Exporter

EXTRA = "otlp"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


def require_usable(settings: Settings) -> None:
    """Raise SettingsError where a collector is named and could not be spoken to as the settings say."""
    telemetry = settings.telemetry
    if telemetry is None:
        return
    _require_extra()
    if _headers(settings) and not nobody_between(telemetry.otlp):
        raise SettingsError(
            f"{HEADERS} is set, and {telemetry.otlp} is plain http, where others could read it on the way.",
            hint="Name an https address in otlp of [telemetry], or a collector on this machine.",
        )


def exporter(settings: Settings, outgoing: Outgoing | None, registry: CollectorRegistry) -> Exporter | None:
    """What sends to the collector that the settings name, through `outgoing`; None where they name none."""
    telemetry = settings.telemetry
    if telemetry is None:
        return None
    from freehold.server.telemetry.collector import Collector
    from freehold.server.telemetry.exporter import Exporter

    return Exporter(telemetry, lambda: Collector(telemetry.otlp, _headers(settings), outgoing), registry)


def _require_extra() -> None:
    try:
        import freehold.server.telemetry.encoding  # noqa: F401  # whether it can be imported
    except ImportError as error:
        raise SettingsError(
            "Traces and metrics are written with opentelemetry-proto, which is not installed.",
            hint=f"Install the extra: pip install 'freehold[{EXTRA}]', or take [telemetry] out of freehold.toml.",
        ) from error


def _headers(settings: Settings) -> Mapping[str, str]:
    """What the collector wants to see of us: `name=value,name=value`, values percent-encoded, as OpenTelemetry's own
    programs read the variable."""
    secret = settings.secret(HEADERS)
    found = {}
    for pair in secret.reveal().split(",") if secret is not None else ():
        name, sign, value = pair.partition("=")
        name, value = name.strip(), unquote(value.strip())
        if not sign or not _NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise SettingsError(
                f"{HEADERS} is not a list of headers.",
                hint="Write NAME=VALUE,NAME=VALUE, with %20 for a space and %2C for a comma within a value.",
            )
        found[name.lower()] = value
    return found
