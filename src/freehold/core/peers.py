"""The addresses that a house may connect to: `host:port`, exact, one by one."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
# What the resolver takes for an address all the same, in C's spelling: 10.7 is 10.0.0.7. No name ends in a number.
_IN_NUMBERS = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_LONGEST_NAME = 253
_USUAL_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """`host` is a name in lower case or an address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """True where nobody needs to look the name up."""
        return _is_address(self.host)


def read_peer(text: str) -> Peer:
    """`host:port`, `192.0.2.7:443` or `[2001:db8::7]:443`. Raises ValueError that says what is wrong with it."""
    host, colon, port = text.strip().lower().rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError("has no port: write HOST:PORT")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if _is_address(bare) and (":" in bare) == (bare != host):
        return peer_at(bare, int(port))
    if _NAME.fullmatch(host) and not _IN_NUMBERS.fullmatch(host) and len(host) <= _LONGEST_NAME:
        return Peer(host, int(port))
    raise ValueError("names no single host: a name, an IPv4 address, or an IPv6 address in brackets")


def peer_of(url: str) -> Peer:
    """Where an http or https URL leads. Raises ValueError where it leads nowhere."""
    parts = urlsplit(url)
    port = parts.port or _USUAL_PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError("has no host")
    return peer_at(parts.hostname, port)


def peer_at(host: str, port: int) -> Peer:
    """The peer that a client means, who spells the name or the address in a way of its own."""
    host = host.lower()
    return Peer(str(ipaddress.ip_address(host)) if _is_address(host) else host, port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
