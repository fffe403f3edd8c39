"""What OpenTelemetry calls the things that the house measures: its semantic conventions 1.41.1, in one place.

Those of generative AI have the status "development". 1.41.1 is the last release of the common conventions that has
them: since then they have a repository of their own, which renames what collectors and dashboards know by these names.

https://github.com/open-telemetry/semantic-conventions/tree/v1.41.1/docs/gen-ai
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from freehold.core.ports import Upstream

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.1"
SERVER, CLIENT = 2, 3
"""Span kinds, as in OTLP's `SpanKind`."""
HOUSE = "freehold"
"""The provider that answers the house's clients. To the house itself it is the engine."""
OTHER = "_OTHER"
"""For whatever is not one of the few values that are known: what a client or an engine makes up is never a value."""

# The routes that ask a model, and what the conventions call it; the last three are names of our own, as they allow.
OPERATIONS: Mapping[str, str] = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/messages/count_tokens": "count_tokens",
    "/v1/tokenize": "tokenize",
    "/v1/detokenize": "detokenize",
}
# https://opentelemetry.io/docs/specs/semconv/http/http-spans: the methods of RFC 9110 and RFC 5789.
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter"})

_PROVIDERS: Mapping[str, str] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
}


@dataclass(frozen=True, slots=True, eq=False)  # looked up for every request: by what it is, not by its fields
class Instrument:
    """A histogram. `unit` is in UCUM; a value equal to one of `bounds` counts below it."""

    name: str
    unit: str
    description: str
    bounds: tuple[float, ...]


# gen-ai-metrics.md of 1.41.1, with the boundaries that it gives for each.
_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
REQUEST_DURATION = Instrument(
    "gen_ai.server.request.duration",
    "s",
    "Generative AI server request duration such as time-to-last byte or last output token.",
    _DURATION,
)
TIME_TO_FIRST_TOKEN = Instrument(
    "gen_ai.server.time_to_first_token",
    "s",
    "Time to generate first token for successful responses.",
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
TIME_PER_OUTPUT_TOKEN = Instrument(
    "gen_ai.server.time_per_output_token",
    "s",
    "Time per output token generated after the first token for successful responses.",
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
TOKEN_USAGE = Instrument(
    "gen_ai.client.token.usage",
    "{token}",
    "Number of input and output tokens used.",
    tuple(4**power for power in range(14)),  # 1 to 67,108,864
)
OPERATION_DURATION = Instrument("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _DURATION)


def known_reason(reason: object) -> str:
    """Why an answer ended, as far as an engine says what engines say."""
    return reason if isinstance(reason, str) and reason in _FINISH_REASONS else OTHER


def provider(upstream: Upstream) -> str:
    """Whose model answers: the engine's name for one of the house's own."""
    place = where(upstream)
    return upstream.engine if place is None else _PROVIDERS.get(place[0], upstream.engine)


def where(upstream: Upstream) -> tuple[str, int] | None:
    """Host and port of a remote engine. None for one of the house's own, whose socket is another at each start."""
    if upstream.socket_path is not None:
        return None
    place = urlsplit(upstream.base_url)
    return place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
