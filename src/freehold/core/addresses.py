"""Where an address leads, as far as that can be told from its words. Nothing is looked up."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(name: str) -> bool:
    """Whether the host `name` is this machine alone."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def nobody_between(url: str) -> bool:
    """Whether what comes from `url` cannot be changed on its way: over https, or from this machine."""
    try:
        place = urlsplit(url)
        host, _ = place.hostname or "", place.port
    except ValueError:
        return False
    if not host or place.username is not None or place.fragment or not url.isprintable() or " " in url:
        return False
    return place.scheme == "https" or (place.scheme == "http" and is_loopback(host))
