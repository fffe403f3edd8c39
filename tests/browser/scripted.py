"""A house for the page's tests whose model says exactly what a test scripts, with the faults it asks for.

It serves the page's own routes and speaks the API as the house does. The question chooses the answer: a test puts
`question -> Script` into `scripts`. Everything it is asked is kept in `asked`. The real house has tests of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from freehold.server.pages.routes import routes

CONTEXT_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Script:
    """One answer. `pieces` are flushed one by one; before piece `hold_at` it waits for the house's `go`."""

    pieces: tuple[str, ...] = ()
    hold_at: int | None = None
    refuse: tuple[int, dict[str, Any]] | None = None
    break_at: int | None = None
    break_with: dict[str, Any] | None = None
    progress: tuple[int, ...] = ()
    usage: bool = True


@dataclass
class ScriptedHouse:
    """State of one house; `app` is its ASGI application."""

    scripts: dict[str, Script] = field(default_factory=dict)
    models: list[dict[str, Any]] = field(default_factory=lambda: [local("small-model")])
    key: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    _left: int = 0
    _someone_left: asyncio.Condition = field(default_factory=asyncio.Condition)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                *routes(),
                Route("/health/live", self._health),
                Route("/api/session", self._session),
                Route("/api/sign-in", self._sign_in, methods=["POST"]),
                Route("/api/sign-out", self._sign_out, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._answer, methods=["POST"]),
                Route("/v1/completions", self._answer, methods=["POST"]),
            ]
        )

    async def wait_until_left(self, times: int) -> None:
        """Waits until that many visitors went away in the middle of an answer."""
        async with self._someone_left:
            await self._someone_left.wait_for(lambda: self._left >= times)

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _session(self, request: Request) -> Response:
        return JSONResponse(self._who(signed_in=self.key is not None and self._refused(request) is None))

    async def _sign_in(self, request: Request) -> Response:
        if (await request.json())["key"] != self.key:
            return _refusal("The key is wrong.")
        response = JSONResponse(self._who(signed_in=True))
        response.set_cookie("scripted", "signed-in", httponly=True, samesite="strict")
        return response

    async def _sign_out(self, _request: Request) -> Response:
        response = JSONResponse(self._who(signed_in=False))
        response.delete_cookie("scripted")
        return response

    def _who(self, *, signed_in: bool) -> dict[str, Any]:
        return {
            "needed": self.key is not None,
            "takes_tokens": False,
            "signed_in": signed_in,
            "owner": None,
            "admin": False,
        }

    async def _models(self, request: Request) -> Response:
        return self._refused(request) or JSONResponse({"object": "list", "data": self.models})

    async def _answer(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        body = await request.json()
        self.asked.append(body)
        question = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        script = self.scripts.get(question) or Script(("You ", "said: ", question))
        if script.refuse is not None:
            status, error = script.refuse
            return JSONResponse({"error": error}, status)
        return StreamingResponse(self._events(script, body), media_type="text/event-stream")

    def _refused(self, request: Request) -> Response | None:
        if self.key is None or request.cookies.get("scripted") == "signed-in":
            return None
        return _refusal("A key is needed. Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.")

    async def _events(self, script: Script, body: dict[str, Any]) -> AsyncIterator[bytes]:
        try:
            async for data in self._script(script, body):
                yield f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}\n\n".encode()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            await asyncio.shield(self._note_leaving())
            raise

    async def _note_leaving(self) -> None:
        async with self._someone_left:
            self._left += 1
            self._someone_left.notify_all()

    async def _script(self, script: Script, body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        for done in script.progress:
            yield {"choices": [], "prompt_progress": {"total": 100, "cache": 0, "processed": done}}
        for at, piece in enumerate(script.pieces):
            if at == script.hold_at:
                await self.go.wait()
            if at == script.break_at:
                if script.break_with is not None:
                    yield {"error": script.break_with}
                return
            yield {"model": body["model"], "choices": [{"index": 0, "delta": {"content": piece}, "text": piece}]}
        yield {"model": body["model"], "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if script.usage:
            count = len(script.pieces)
            timings = {"predicted_n": count, "predicted_ms": count * 20.0, "predicted_per_second": 50.0}
            usage = {"prompt_tokens": 30, "completion_tokens": count, "total_tokens": 30 + count}
            yield {"choices": [], "usage": usage, "timings": timings}
        yield "[DONE]"


def _refusal(message: str) -> Response:
    error = {"message": message, "type": "authentication_error", "code": "invalid_api_key"}
    return JSONResponse({"error": error}, 401)


def local(name: str, **more: Any) -> dict[str, Any]:
    """A row of /v1/models as the house gives it for a build on this machine."""
    row = {"id": name, "object": "model", "created": 1, "owned_by": "freehold"}
    return {**row, "kind": "local", "context_tokens": CONTEXT_TOKENS, **more}
