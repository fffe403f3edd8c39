"""The routes of the pages, their files under `/static`, and the markdown renderer that the chat page asks.

Each page is served with a policy under which it can reach this house and nothing else, run only its own modules,
and turn only the renderer's output into HTML. Keys, Host and Origin are the application's to check: the pages and
their files hold no secret and may be served without a key, `/ui/markdown` costs work and should ask for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from freehold.server.pages.markdown import MAX_TEXT_CHARS, Rendered, render
from freehold.server.pages.shell import PAGES, Page, drawn

STATIC = Path(__file__).parent / "static"
MAX_BODY_BYTES = 8 * MAX_TEXT_CHARS
"""Room for the longest text with every character escaped."""
PATIENCE_S = 60.0
"""So long a body may take: a page of this house sends it at once."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types freehold"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def routes() -> list[BaseRoute]:
    """Everything the pages need of the server beside its API, to be mounted at its root."""
    return [
        *(Route(page.path, _showing(page), methods=["GET"]) for page in PAGES),
        Mount("/static", _Files(directory=STATIC)),
        Route("/ui/markdown", _Renderer()),
    ]


def _showing(page: Page) -> Callable[[Request], Awaitable[Response]]:
    html = drawn(page)

    async def show(_request: Request) -> Response:
        return HTMLResponse(html, headers=HEADERS)

    return show


class _Files(StaticFiles):
    """The pages' files: kept by the browser, asked for again with their ETag."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(max_length=MAX_TEXT_CHARS)


class _Renderer:
    """POST {text} → {settled_html, settled_lines, open_html}; see `markdown.render`.

    One text at a time, on a thread: rendering must never hold up the answers being streamed beside it.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._one_at_a_time = CapacityLimiter(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response: Response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise HTTPException(405, headers={"Allow": "POST"})
        try:
            async with asyncio.timeout(self._patience_s):
                body = await _bounded_body(request)
        except TimeoutError:
            return _refusal(408, "body_timeout", f"The body took over {self._patience_s:g} s.")
        if body is None:
            return _refusal(413, "body_too_large", f"The text is longer than {MAX_TEXT_CHARS:,} characters.")
        try:
            text = _Text.model_validate_json(body).text
        except ValidationError as error:
            what = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in what["loc"]) or "The body"
            return _refusal(400, "invalid_request", f"{where}: {what['msg']}.")
        rendered: Rendered = await to_thread.run_sync(render, text, limiter=self._one_at_a_time)
        return JSONResponse(
            {
                "settled_html": rendered.settled_html,
                "settled_lines": rendered.settled_lines,
                "open_html": rendered.open_html,
            }
        )


async def _bounded_body(request: Request) -> bytes | None:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status)
