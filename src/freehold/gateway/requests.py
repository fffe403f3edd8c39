"""What a client's request becomes before it is sent to an engine. Pure.

The body passes as it came, every field and value, with these exceptions: `model`, the streaming options that
make an engine notice a client that left, and fields that the endpoint's engine is known to ignore in silence.
Those are refused by name, because an answer that quietly disregards what was asked is a wrong answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.ports import SchemaRules, Upstream
from freehold.gateway import constraints
from freehold.gateway.access.key import Verb as Allowed
from freehold.gateway.enforced import check_enforced
from freehold.gateway.shaping import Verb, Wanted

MOST_STOPS = 64
# OpenAI fields that llama.cpp's server takes and ignores (seen with b11549), and why this house refuses them.
_IGNORED_LOCALLY: Mapping[Verb, Mapping[str, str]] = {
    "chat": {
        "functions": "use `tools`",
        "function_call": "use `tool_choice`",
        "audio": "this endpoint answers in text",
        "prediction": "this engine has no predicted outputs",
        "web_search_options": "nothing leaves this house",
        "verbosity": "say it in the prompt",
    },
    "complete": {
        "suffix": "this engine has no insertion",
        "best_of": "ask for `n` answers and choose",
        "echo": "put the prompt before the answer yourself",
    },
}
_COUNTED = ("max_tokens", "max_completion_tokens", "repeat_last_n", "dry_penalty_last_n")
_TEXTS: Mapping[Allowed, str] = {"complete": "prompt", "embed": "input"}


def outgoing(body: Mapping[str, Any], verb: Verb, upstream: Upstream) -> dict[str, Any]:
    """The body to send: a copy, always streaming, with the engine's own name of the model."""
    if upstream.socket_path is not None:
        _refuse_ignored(body, verb)
        _refuse_costly(body)
    _refuse_unable(body, verb, upstream)
    options = body.get("stream_options") or {}
    out = {**body, "model": upstream.model, "stream": True, "stream_options": {**options, "include_usage": True}}
    if upstream.socket_path is not None:
        out |= _limits(body, upstream.context_tokens)
    if upstream.capabilities.progress:
        out["return_progress"] = True
    else:
        out.pop("return_progress", None)
    return out


def wanted(body: Mapping[str, Any], verb: Verb, endpoint: str) -> Wanted:
    """What the client wants to see: usage comes with every whole answer, in a stream only when asked for."""
    streaming = bool(body.get("stream"))
    options = body.get("stream_options") or {}
    return Wanted(
        endpoint=endpoint,
        verb=verb,
        usage=not streaming or bool(options.get("include_usage")),
        progress=streaming and bool(body.get("return_progress")),
        choices=width(body, verb),
    )


def width(body: Mapping[str, Any], verb: Allowed) -> int:
    """How many answers `body` wants at once: `copies` of each text, of which a list that is no token ids has several.
    Counting tokens wants none."""
    if verb == "tokens":
        return 0
    texts = body.get(_TEXTS[verb]) if verb in _TEXTS else None
    several = len(texts) if isinstance(texts, list) and texts and not isinstance(texts[0], int) else 1
    return several * copies(body, verb)


def copies(body: Mapping[str, Any], verb: Allowed) -> int:
    """How many answers `body` wants to each text: `n`, of which nobody has heard where texts are embedded."""
    return 1 if verb == "embed" else int(body.get("n") or 1)


def endpoint_name(body: Mapping[str, Any]) -> str:
    """The endpoint that the client names as `model`."""
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise RequestError(
            "`model` is missing: it names the endpoint.", param="model", hint="GET /v1/models lists them."
        )
    return name


def most_tokens(body: Mapping[str, Any]) -> int | None:
    """How many tokens each answer to `body` may have at most, None where it does not say. Of two limits it is the
    larger: engines differ in which they heed."""
    said = [body.get("max_completion_tokens"), body.get("max_tokens")]
    return max((most for most in said if type(most) is int and most > 0), default=None)


def _refuse_ignored(body: Mapping[str, Any], verb: Verb) -> None:
    for field, why in _IGNORED_LOCALLY[verb].items():
        if body.get(field) not in (None, False, [], {}):
            raise UnsupportedError(f"`{field}` is not supported by this endpoint: {why}.", param=field)
    if verb == "chat" and (set(body.get("modalities") or ["text"]) != {"text"}):
        raise UnsupportedError("`modalities` other than text are not supported by this endpoint.", param="modalities")
    _refuse_other_media(body)
    if body.get("store"):
        raise UnsupportedError("`store` is not supported: no answer can be fetched here later.", param="store")


def _refuse_costly(body: Mapping[str, Any]) -> None:
    """What would hold or end the engine for everybody. `n_predict` and `n_probs` are llama.cpp's own names for fields
    that have a bound of their own here, and would go round it."""
    for own, usual in (("n_predict", "max_tokens"), ("n_probs", "top_logprobs")):
        if body.get(own) is not None:
            raise RequestError(f"`{own}` is not taken here: use `{usual}`.", param=own)
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > MOST_STOPS:
        text = f"`stop` takes {MOST_STOPS} strings at most, not {len(stop):,}: each is looked for after every token."
        raise RequestError(text, param="stop")
    if body.get("grammar") is not None:
        constraints.check_grammar(body["grammar"])
    if body.get("json_schema") is not None:
        constraints.check_schema(body["json_schema"], "json_schema")
    constraints.check_tools(body.get("tools"))


def _limits(body: Mapping[str, Any], context_tokens: int | None) -> dict[str, Any]:
    """What is counted in tokens, with the context as its most: more is the same, and the engine counts in 32 bits.
    llama.cpp takes memory for as many tokens as it is to look back at, and the time to fill it, whatever there are."""
    most = context_tokens or 2**31 - 1
    asked = {field: body.get(field) for field in _COUNTED}
    return {field: min(value, most) for field, value in asked.items() if isinstance(value, int | float)}


def _refuse_other_media(body: Mapping[str, Any]) -> None:
    for place, message in enumerate(body.get("messages") or ()):
        content = message.get("content")
        for part_place, part in enumerate(content if isinstance(content, list) else ()):
            field = f"messages.{place}.content.{part_place}"
            kind = part.get("type", "text")
            if kind not in ("text", "refusal"):
                raise UnsupportedError(f"This endpoint's model reads text, not {kind!r}.", param=field)
            if not isinstance(part.get(kind), str):
                raise RequestError(f"`{field}.{kind}` must be a string.", param=f"{field}.{kind}")


def _refuse_lost(body: Mapping[str, Any], rules: SchemaRules) -> None:
    """What of the schemas that an answer must follow the local engine would drop."""
    for path, schema in constraints.schemas(body):
        check_enforced(schema, path, rules)
    for place, tool in enumerate(body.get("tools") or ()):
        function = tool.get("function")
        if isinstance(function, dict) and function.get("strict") and function.get("parameters") is not None:
            check_enforced(function["parameters"], f"tools.{place}.function.parameters", rules)


def _refuse_unable(body: Mapping[str, Any], verb: Verb, upstream: Upstream) -> None:
    able = upstream.capabilities
    if verb == "chat" and not able.chat:
        raise UnsupportedError(
            f"{upstream.model} is a base model without a chat template, so it cannot chat.",
            param="model",
            hint="Use /v1/completions, or an endpoint with an instruction-tuned model.",
        )
    if (body.get("logprobs") or body.get("top_logprobs")) and not able.logprobs:
        raise UnsupportedError("This endpoint's engine gives no log probabilities.", param="logprobs")
    others = "top_logprobs" if verb == "chat" else "logprobs"
    if body.get(others) and not able.top_logprobs:
        raise UnsupportedError(
            f"This endpoint's engine tells the log probability of its own token alone: `{others}` can be 0 at most.",
            param=others,
        )
    if body.get("grammar") and not able.grammar:
        raise UnsupportedError("This endpoint's engine takes no grammar; use a JSON schema.", param="grammar")
    if body.get("response_format") is not None:
        constraints.check_format(body["response_format"])
        if body["response_format"]["type"] == "json_schema" and not able.json_schema:
            raise UnsupportedError("This endpoint's engine has no JSON schema mode.", param="response_format")
        if body.get("grammar") is not None:
            raise RequestError("`grammar` and `response_format` exclude each other.", param="grammar")
    if upstream.socket_path is not None:
        _refuse_lost(body, able.schema_rules)
