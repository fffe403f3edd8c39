"""What is known of remote services, as rows: where each answers, which key it wants, what it can do.

An address without a row of its own gets `UNKNOWN`: what every OpenAI-compatible server is expected to have, and
nothing beyond. A wrong row shows as an error of the service, in its own words, never as a silent difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from freehold.core.ports import Capabilities
from freehold.core.refs import OPENAI_URL

# No /tokenize and no progress events: those are llama.cpp's own.
OPENAI_COMPATIBLE = Capabilities()


@dataclass(frozen=True, slots=True)
class Service:
    """`host` as in its address. `key_env` is the variable its own client reads; None: there is no usual one."""

    name: str
    host: str
    key_env: str | None
    capabilities: Capabilities = OPENAI_COMPATIBLE


_OPENAI_HOST = urlsplit(OPENAI_URL).hostname or ""
SERVICES: tuple[Service, ...] = (Service("OpenAI", _OPENAI_HOST, "OPENAI_API_KEY"),)
UNKNOWN = Service("an OpenAI-compatible server", "", None)


def service_at(host: str) -> Service:
    """The row of `host`, or UNKNOWN."""
    return next((service for service in SERVICES if service.host == host), UNKNOWN)
