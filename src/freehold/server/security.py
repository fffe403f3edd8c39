"""Who may speak to the house: Host, Origin, key. Everything is refused that a foreign web page could send.

- Host: only names of this house, so that DNS rebinding (CVE-2024-28224 in another server) reaches nothing.
- Origin and Sec-Fetch-Site: only the house's own page and configured origins; nothing is allowed by a wildcard.
- Key: needed everywhere but at /health, to sign in and for the pages' own files, once the house has any. A header shows
  it, or the cookie of a page that is signed in, which counts for the house's own pages alone. What the key may do then
  is for the gateway to say.

What it does not do: it cannot tell two programs of this machine apart; that is what the key is for.
Over the control socket nothing is checked here: the kernel has checked that the caller is this user.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from freehold.core.addresses import is_loopback
from freehold.core.errors import ForbiddenError, KeyRefusedError, SettingsError
from freehold.core.settings import ServerSettings
from freehold.core.sign_on import CALLBACK
from freehold.gateway.access.access import Access
from freehold.gateway.access.key import Key, id_in, is_token
from freehold.server.call import Call, Header
from freehold.server.guesses import Guesses
from freehold.server.pages import shell as pages
from freehold.server.sessions import Sessions

_METHODS = b"GET, POST, OPTIONS"
_PREFLIGHT_AGE_S = b"600"
# A name or an address and nothing else: no user, path or query, which a URL's parser would pass over.
_HOST = re.compile(r"[A-Za-z0-9._:-]+|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")
PAGES = tuple(page.path for page in pages.PAGES)
SIGN_IN, SIGN_OUT, SESSION, SIGN_ON = "/api/sign-in", "/api/sign-out", "/api/session", "/api/sign-on"
_OPEN = ("/health", "/health/live", "/health/ready", *PAGES)


def refuse_open_address(server: ServerSettings, access: Access) -> None:
    """Raises SettingsError where the house would listen beyond this machine without asking who is there, or nobody can
    tell where that is."""
    if not access.needed and not _stays_here(server.host):
        raise SettingsError(
            f"{server.host} can be reached from other machines, and there is neither a key nor a sign-on.",
            hint="Make a key first (`freehold keys create NAME`, or set FREEHOLD_API_KEY), set [sign_on] in "
            "freehold.toml, or listen on 127.0.0.1.",
        )


class Guard:
    """Checks requests against one ServerSettings, the house's keys and who is signed in. `check` raises, or gives the
    headers that CORS needs, and notes the key that was shown."""

    def __init__(self, server: ServerSettings, access: Access, sessions: Sessions) -> None:
        self._hosts = frozenset(_host_name(host) for host in (*server.hosts, server.host)) - {""}
        self._origins = frozenset(origin.rstrip("/").lower().encode() for origin in server.origins)
        self._access = access
        self._sessions = sessions
        self._guesses = Guesses()

    async def check(self, call: Call) -> list[Header]:
        """Headers for the answer to a request that may pass. Raises ForbiddenError, KeyRefusedError, LimitError,
        SignOnError."""
        if call.over_control_socket:
            return []
        self._check_host(call)
        headers = self._check_origin(call)
        if self._access.needed and not _is_open(call) and not is_preflight(call):
            call.key = await self._who(call, is_own_page=not headers)
        return headers

    async def identify(self, call: Call, given: bytes | None, *, is_guess: bool) -> Key:
        """Whose key or token `given` is. `is_guess` says that it may be one, whatever it looks like. Raises
        KeyRefusedError, LimitError after too many wrong ones, ForbiddenError, SignOnError."""
        if given is None or not (is_guess or (id_in(given) is None and not is_token(given))):
            return await self._access.identify(given)
        address = address_of(call)
        self._guesses.require(address)
        try:
            return await self._access.identify(given)
        except KeyRefusedError:
            self._guesses.wrong(address)
            raise

    async def _who(self, call: Call, *, is_own_page: bool) -> Key:
        given = _given_key(call)
        session = self._sessions.find(call) if given is None and is_own_page else None
        return session.key if session is not None else await self.identify(call, given, is_guess=False)

    def preflight(self, call: Call) -> list[Header]:
        """What a browser must hear before it lets a page of a configured origin send a request."""
        asked = call.headers.get(b"access-control-request-headers", b"content-type")
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", asked),
            (b"access-control-max-age", _PREFLIGHT_AGE_S),
        ]

    def _check_host(self, call: Call) -> None:
        given = [value for name, value in call.scope["headers"] if name == b"host"]
        name = _host_name(given[0].decode("latin-1")) if len(given) == 1 else ""
        if name in self._hosts or is_loopback(name):
            return
        # An address in numbers cannot be rebound, so the one that this connection came in by is ours.
        server = call.scope.get("server")
        if name and server is not None and name == server[0]:
            return
        raise ForbiddenError(
            f"This house does not answer to the host {name!r}.",
            hint='Add the name to hosts in [server] of freehold.toml, for example hosts = ["models.example.org"].',
            host=name,
        )

    def _check_origin(self, call: Call) -> list[Header]:
        origin = call.headers.get(b"origin")
        if origin is None:
            return self._check_site(call)
        origin = origin.lower()
        if origin in self._origins:
            exposed = b"x-request-id, x-freehold-build, x-freehold-endpoint, retry-after"
            return [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", exposed),
                (b"vary", b"origin"),
            ]
        host = call.headers.get(b"host", b"").lower()
        if origin not in (b"http://" + host, b"https://" + host):
            raise _foreign(origin.decode("latin-1"))
        return []

    def _check_site(self, call: Call) -> list[Header]:
        """Browsers leave Origin out of some requests, but then tell where the request came from."""
        site = call.headers.get(b"sec-fetch-site", b"none")
        opened_as_a_page = call.path in (*PAGES, CALLBACK) and call.headers.get(b"sec-fetch-mode") == b"navigate"
        if site not in (b"none", b"same-origin") and not opened_as_a_page:
            raise _foreign("of another site")
        return []


def is_preflight(call: Call) -> bool:
    return call.method == "OPTIONS" and b"access-control-request-method" in call.headers and b"origin" in call.headers


def _is_open(call: Call) -> bool:
    if call.path in (SIGN_IN, SIGN_OUT, SESSION, SIGN_ON, CALLBACK):
        return True
    return call.method in ("GET", "HEAD") and (call.path in _OPEN or call.path.startswith("/static/"))


def address_of(call: Call) -> str:
    client = call.scope.get("client")
    return str(client[0]) if client is not None else ""


def _given_key(call: Call) -> bytes | None:
    bearer = call.headers.get(b"authorization")
    if bearer is not None and bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip()
    return call.headers.get(b"x-api-key")


def _foreign(origin: str) -> ForbiddenError:
    return ForbiddenError(
        f"A page {origin} may not use this house.",
        hint="Add its origin to origins in [server] of freehold.toml, exactly as the browser sends it.",
        origin=origin,
    )


def _host_name(host: str) -> str:
    """The name in a Host header or a setting, without its port: `[::1]:80` gives `::1`. Empty where it is none."""
    if not _HOST.fullmatch(host):
        return ""
    try:
        return (urlsplit(f"//{_bracketed(host)}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _stays_here(host: str) -> bool:
    """True where every address of `host` is loopback. An empty host listens everywhere. Raises SettingsError where it
    has none."""
    if not host:
        return False
    if is_loopback(host):
        return True
    try:
        found: Iterable[tuple[object, ...]] = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(f"{host} is not an address of this machine: {error.strerror}.", host=host) from error
    return all(is_loopback(str(row[4][0])) for row in found)  # type: ignore[index]  # sockaddr, typed as object
