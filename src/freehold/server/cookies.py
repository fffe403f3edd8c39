"""The cookies of the pages: out of the reach of scripts (HttpOnly), for this host alone, and under TLS never sent in
the clear (Secure, and a name that demands it, RFC 6265bis, 4.1.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from freehold.server.call import Call, Header

_TLS = b"__Host-"


@dataclass(frozen=True, slots=True)
class Cookie:
    """One kind of cookie. `purpose` ends its name. `same_site` says whether it comes along where another site leads
    here: never (Strict), or where a person is led to a page (Lax). `tls_only` says that browsers reach the house by
    TLS alone, whatever the house itself speaks."""

    purpose: str
    same_site: Literal["Strict", "Lax"]
    tls_only: bool = False

    def read(self, call: Call) -> bytes | None:
        """Its value in `call`, None where there is none. Under TLS only the name counts that a neighbor of this host
        cannot set. Behind a proxy a request does not always tell that it came by TLS, so without `tls_only` both names
        are looked for where the house itself speaks none."""
        given = call.headers.get(b"cookie")
        if given is None:
            return None
        plain = self._name(call).encode()
        names = [_TLS + plain] if self.tls_only or _speaks_tls(call) else [_TLS + plain, plain]
        found = dict(part.strip().partition(b"=")[::2] for part in given.split(b";"))
        return next((found[name] for name in names if name in found), None)

    def header(self, call: Call, value: str, lasts_s: float) -> Header:
        """The header that gives the browser its cookie; with `lasts_s` 0 it forgets it. That the browser speaks TLS to
        a proxy is told by Origin."""
        encrypted = self.tls_only or _speaks_tls(call) or call.headers.get(b"origin", b"").startswith(b"https://")
        name = f"{_TLS.decode()}{self._name(call)}" if encrypted else self._name(call)
        words = [f"{name}={value}", "Path=/", f"Max-Age={int(lasts_s)}", "HttpOnly", f"SameSite={self.same_site}"]
        return b"set-cookie", "; ".join([*words, *(["Secure"] if encrypted else [])]).encode()

    def _name(self, call: Call) -> str:
        """With the port, because cookies know none and two houses on one machine must not sign each other out."""
        server = call.scope.get("server")
        return (f"freehold-{server[1]}" if server is not None else "freehold") + self.purpose


def _speaks_tls(call: Call) -> bool:
    """Whether the house itself does."""
    return bool(call.scope.get("scheme") == "https")
