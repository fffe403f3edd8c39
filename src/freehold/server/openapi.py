"""The house's API described for programs, at `/openapi.json` (OpenAPI 3.1).

Made from what the house does: its own routes, and the very types that requests are checked against. So a route cannot
be missing and a field cannot be described otherwise than it is checked. What it does not say: fields that a request may
have beside the checked ones, which go to the engine as they are, and what an engine makes of values in their ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json

from freehold import __version__
from freehold.core.admission_settings import DAY_S
from freehold.gateway.access.key import PRIORITIES
from freehold.server import checks
from freehold.server.answers import Handler
from freehold.server.call import Call
from freehold.server.wishes import DEADLINE_HEADER, LEAST_S, PRIORITY_HEADER

PATH = "/openapi.json"
_JSON, _EVENTS = "application/json", "text/event-stream"
_WISHES = (
    {
        "name": DEADLINE_HEADER.decode(),
        "in": "header",
        "description": "In how many seconds the answer must be whole; after that nobody needs it.",
        "schema": {"type": "number", "minimum": LEAST_S, "maximum": DAY_S},
    },
    {
        "name": PRIORITY_HEADER.decode(),
        "in": "header",
        "description": "Whether somebody waits for the answer; less than the key's, never more.",
        "schema": {"enum": list(PRIORITIES)},
    },
)
_SCHEMAS = "#/components/schemas/"
_TEXTS = {"/metrics": "text/plain"}
_NAMED = {"/v1/models/{id}": "id", "/api/catalog/{name}": "name", "/api/fit/{name}": "name"}


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be said of a route beyond its path. `gives` are members that every whole answer has."""

    summary: str
    gives: tuple[str, ...] = ()
    streams: bool = False
    asks_in_query: tuple[str, ...] = ()


TOLD: Mapping[str, Told] = {
    "/v1/chat/completions": Told("Answer a conversation", ("id", "object", "created", "model", "choices"), True),
    "/v1/completions": Told("Go on with a text", ("id", "object", "created", "model", "choices"), True),
    "/v1/messages": Told("Answer a conversation, in Anthropic's shape", ("id", "type", "role", "content"), True),
    "/v1/messages/count_tokens": Told("Count the tokens of a conversation", ("input_tokens",)),
    "/v1/responses": Told("Answer items, in the shape of OpenAI's Responses", ("id", "object", "output"), True),
    "/v1/embeddings": Told("Embed texts", ("object", "data", "model")),
    "/v1/tokenize": Told("Give the engine's tokens of a text or a conversation", ("tokens", "count")),
    "/v1/detokenize": Told("Give the text of tokens", ("prompt",)),
    "/v1/models": Told("List the endpoints", ("data",)),
    "/v1/models/{id}": Told("Describe one endpoint", ("id",)),
    "/health": Told("Say how the house is", ("status", "live", "ready", "reasons", "version")),
    "/health/live": Told("Say that the process answers", ("status",)),
    "/health/ready": Told("Say whether the leading endpoint can answer; 503 where not", ("ready", "reasons")),
    "/metrics": Told("Give what is counted, for Prometheus"),
    "/api/catalog": Told("List the models that are known, and what is held", ("models", "held")),
    "/api/catalog/{name}": Told("Give the paper of one model", ("model",)),
    "/api/fit": Told("Say what fits this machine"),
    "/api/fit/{name}": Told("Say which builds of one model fit this machine"),
    "/api/usage": Told("Sum what was used", ("rows",), asks_in_query=("by", "since", "until", "key")),
    PATH: Told("Describe this API", ("openapi", "info", "paths")),
}
Routes = Mapping[str, tuple[str, Handler]]


class OpenApi:
    """Answers with the description of `routes`, method and handler by path; made when it is first asked for."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._raw: bytes | None = None

    async def show(self, call: Call) -> None:
        if self._raw is None:
            self._raw = to_json(describe({path: method for path, (method, _) in self._routes.items()}))
        await call.reply_bytes(200, self._raw, ((b"content-type", _JSON.encode()),))


def describe(methods: Mapping[str, str]) -> dict[str, Any]:
    """The document of these paths and of those that have a name in them."""
    schemas: dict[str, Any] = {"OpenAIError": _OPENAI_ERROR, "AnthropicError": _ANTHROPIC_ERROR}
    every = {**methods, **dict.fromkeys(_NAMED, "GET")}
    paths = {path: {method.lower(): _operation(path, method, schemas)} for path, method in sorted(every.items())}
    key = {"type": "http", "scheme": "bearer", "description": "Where the house has keys; `x-api-key` does as well."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Freehold", "version": __version__, "description": (__doc__ or "").partition("\n\n")[0]},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": key}},
        "security": [{}, {"key": []}],
    }


def _operation(path: str, method: str, schemas: dict[str, Any]) -> dict[str, Any]:
    told = TOLD.get(path, Told("Do what a page of the house asks"))
    error = "AnthropicError" if path.startswith("/v1/messages") else "OpenAIError"
    operation: dict[str, Any] = {
        "summary": told.summary,
        "operationId": f"{method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        "responses": {
            "200": {"description": "The answer", "content": _content(path, told)},
            **({"503": {"description": "Not ready", "content": _content(path, told)}} if _says_no(path) else {}),
            "default": {"description": "Why there is none", "content": {_JSON: {"schema": _ref(error)}}},
        },
    }
    if method == "POST":
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _body(path, schemas)}}}
    queries = [_parameter(name, "query", required=False) for name in told.asks_in_query]
    wishes = _WISHES if path in checks.BODIES else ()
    parameters = [*([_parameter(_NAMED[path], "path", required=True)] if path in _NAMED else []), *queries, *wishes]
    return {**operation, "parameters": parameters} if parameters else operation


def _says_no(path: str) -> bool:
    return path == "/health/ready"


def _content(path: str, told: Told) -> dict[str, Any]:
    if path not in TOLD:
        return {"*/*": {}}
    if path in _TEXTS:
        return {_TEXTS[path]: {"schema": {"type": "string"}}}
    whole = {_JSON: {"schema": {"type": "object", "required": list(told.gives)}}}
    return {**whole, _EVENTS: {"schema": {"type": "string"}}} if told.streams else whole


def _parameter(name: str, place: str, *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": {"type": "string"}}


def _body(path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of the body, whose parts go to `schemas`: what it is checked against, and what must be in it."""
    if path not in checks.BODIES:
        return {"type": "object"}
    body = checks.BODIES[path]
    schema = TypeAdapter(body.kind).json_schema(ref_template=_SCHEMAS + "{model}")
    schemas |= schema.pop("$defs", {})
    return {**schema, "required": sorted({*schema.get("required", []), *body.required})}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _SCHEMAS + name}


_TEXT: Mapping[str, str] = {"type": "string"}
_MAYBE: Mapping[str, Any] = {"type": ["string", "null"]}
_OPENAI_ERROR: Mapping[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {"message": _TEXT, "type": _TEXT, "param": _MAYBE, "code": _TEXT},
        }
    },
}
_ANTHROPIC_ERROR: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {"type": "object", "required": ["type", "message"], "properties": {"type": _TEXT, "message": _TEXT}},
        "request_id": _TEXT,
    },
}
