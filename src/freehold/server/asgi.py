"""The ASGI application: finds the route, lets the guard look first, and turns every error into an answer.

Plain ASGI, because every request pays for every layer. Three promises: each request is answered once and counted
once, each error leaves in the dialect spoken, and a bug's trace goes to the log and never to the client. The caller
starts and closes the gateway; this only uses it.
"""

from __future__ import annotations

import asyncio
import logging

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from freehold.app import House
from freehold.core.errors import FreeholdError, MethodError, NotFoundError
from freehold.core.names import nearest
from freehold.server import openapi
from freehold.server.admin import Admin, Running
from freehold.server.admin_page import AdminPage
from freehold.server.answers import Answers, Handler
from freehold.server.at_work import AtWork
from freehold.server.body import ClientGoneError, linger
from freehold.server.call import Call
from freehold.server.catalog_routes import ONE_MODEL, CatalogRoutes
from freehold.server.drain import Drain
from freehold.server.errors import InternalError, anthropic_body, error_headers, openai_body, speaks_anthropic
from freehold.server.fit_routes import ONE_FIT, FitRoutes
from freehold.server.house_routes import HouseRoutes
from freehold.server.logs import fields
from freehold.server.metrics import Metrics
from freehold.server.model_metrics import ModelMetrics
from freehold.server.pages.routes import routes as page_routes
from freehold.server.security import PAGES, Guard, is_preflight
from freehold.server.sessions import Sessions
from freehold.server.sign_in import SignIn
from freehold.server.sign_on import SignOnRoutes
from freehold.server.telemetry.configured import exporter
from freehold.server.usage_routes import UsageRoutes

_JSON = (b"content-type", b"application/json")
_MODEL_PREFIX = "/v1/models/"
_log = logging.getLogger("freehold.server")
access_log = logging.getLogger("freehold.access")


class Application:
    """One house's HTTP face. `running` None leaves out the routes of the control socket."""

    def __init__(self, house: House, running: Running | None = None) -> None:
        server = house.settings.server
        self.metrics = Metrics(house.gateway.workers, house.gateway.lines)
        ModelMetrics(self.metrics.registry, house.gateway)
        self.telemetry = exporter(house.settings, house.outgoing, self.metrics.registry)
        self.drain = Drain()
        self._at_work = AtWork()
        self._gateway = house.gateway
        sessions = Sessions(house.access)
        self._guard = Guard(server, house.access, sessions)
        self._house_routes = HouseRoutes(house, self.metrics, self.drain)
        answers = Answers(house.gateway, max_body_bytes=server.max_body_bytes).routes()
        self._routes: dict[str, tuple[str, Handler]] = {path: ("POST", handler) for path, handler in answers.items()}
        self._routes |= {path: ("GET", handler) for path, handler in self._house_routes.routes().items()}
        self._catalog_routes, self._fit_routes = CatalogRoutes(house), FitRoutes(house)
        shown = {**self._catalog_routes.routes(), **self._fit_routes.routes()}
        self._routes |= {path: ("GET", handler) for path, handler in shown.items()}
        self._routes |= {path: ("GET", handler) for path, handler in UsageRoutes(house).routes().items()}
        self._routes |= AdminPage(house, self._at_work).routes()
        self._routes |= SignIn(house.access, self._guard, sessions).routes()
        if (flow := house.access.code_flow) is not None:
            self._routes |= SignOnRoutes(house.access, flow, sessions).routes()
        self._routes |= {openapi.PATH: ("GET", openapi.OpenApi(self._routes).show)}
        self._admin = Admin(house, running, self.drain).routes() if running is not None else {}
        self._page = Starlette(routes=page_routes())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "served with lifespan and websockets off"
        call = Call(scope, receive, send)
        self.metrics.begin()
        number = self._at_work.begin(call)
        try:
            await self._answer(call)
        except ClientGoneError:
            pass
        except FreeholdError as error:
            self._name_endpoint(call)
            await _refuse(call, error)
        except asyncio.CancelledError:
            if not self.drain.has_begun:
                raise
            await self._refuse_unfinished(call)
        except Exception:
            _log.exception("request %s: %s %s failed", call.id.decode(), call.method, call.route)
            await _refuse(call, InternalError(call.id))
        finally:
            self._at_work.end(number)
            self.metrics.end(call)
            if self.telemetry is not None:
                self.telemetry.end(call)
            if access_log.isEnabledFor(logging.INFO):
                _log_access(call)

    async def _answer(self, call: Call) -> None:
        call.extra.extend(await self._guard.check(call))
        if is_preflight(call):
            await call.reply_bytes(204, b"", self._guard.preflight(call))
            return
        self.drain.enter(call)
        try:
            handler = self._find(call)
            await handler(call)
        finally:
            self.drain.leave()

    async def _refuse_unfinished(self, call: Call) -> None:
        """Tell a client whose answer the end of the house cut off."""
        task = asyncio.current_task()
        assert task is not None, "an ASGI application runs in a task"
        task.uncancel()
        await _refuse(call, self.drain.refusal())

    def _find(self, call: Call) -> Handler:
        """The handler for the call's path and method. Raises NotFoundError with the nearest path, MethodError."""
        path = call.path
        found = self._routes.get(path)
        if found is None and call.over_control_socket:
            found = self._admin.get(path)
        if found is None and path.startswith(_MODEL_PREFIX):
            call.route = "/v1/models/{id}"
            return _only("GET", call, self._house_routes.model)
        if found is None and path.startswith(ONE_MODEL):
            call.route = "/api/catalog/{name}"
            return _only("GET", call, self._catalog_routes.model)
        if found is None and path.startswith(ONE_FIT):
            call.route = "/api/fit/{name}"
            return _only("GET", call, self._fit_routes.model)
        if found is None and _is_page(path):
            call.route = "page"
            return self._show_page
        if found is None:
            close = nearest(path, self._routes)
            raise NotFoundError("route", path, nearest=close, hint="The API is described in docs/api.md.")
        call.route = path
        method, handler = found
        return _only(method, call, handler)

    async def _show_page(self, call: Call) -> None:
        await self._page(call.scope, call.receive, call.send)

    def _name_endpoint(self, call: Call) -> None:
        """So that refusals are counted for the endpoint they were about, if there is one of that name."""
        if call.endpoint is None and isinstance(call.asked_model, str):
            known = {info.name for info in self._gateway.endpoints()}
            call.endpoint = call.asked_model if call.asked_model in known else None


def create_app(house: House) -> Application:
    """The application for `house`, without the control socket's routes."""
    return Application(house)


def _is_page(path: str) -> bool:
    return path in PAGES or path.startswith(("/static/", "/ui/"))


def _only(method: str, call: Call, handler: Handler) -> Handler:
    if call.method == method or (method == "GET" and call.method == "HEAD"):
        return handler
    call.extra.append((b"allow", method.encode()))
    raise MethodError(f"{call.path} takes {method}, not {call.method}.", hint=f"Send it with {method}.")


async def _refuse(call: Call, error: FreeholdError) -> None:
    """Answer with `error`, unless an answer has begun: then all that is left is to end the connection, which the
    server does with an answer that was not completed."""
    call.refused = error.code
    if call.status:
        return
    anthropic = speaks_anthropic(call.path, call.headers)
    raw = to_json(anthropic_body(error, call.id) if anthropic else openai_body(error), fallback=str)
    length = (b"content-length", b"%d" % len(raw))
    await call.begin(error.http_status, (_JSON, length, *error_headers(error)))
    await call.write(raw)
    if (b"connection", b"close") in call.extra:
        await linger(call)
    await call.write(b"", more=False)


def _log_access(call: Call) -> None:
    """Who was asked and how it went. Never a prompt, a key or an address."""
    said = fields(
        id=call.id.decode(),
        method=call.method,
        route=call.route,
        endpoint=call.endpoint,
        status=call.status or None,
        broken=call.broken,
        usage=call.usage,
    )
    access_log.info("answered", extra=said)
