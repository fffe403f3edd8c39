"""Where an address leads, as far as that can be told from its words. Nothing is looked up."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit


def is_loopback(name: str) -> bool:
    """Whether the host `name` is this machine alone."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_web_address(url: str) -> bool:
    """Whether `url` is http or https and names a host, with no user in it and no fragment."""
    place = _place(url)
    return place is not None and place.scheme in ("http", "https")


def nobody_between(url: str) -> bool:
    """Whether what comes from `url` cannot be changed on its way: over https, or from this machine."""
    place = _place(url)
    if place is None:
        return False
    return place.scheme == "https" or (place.scheme == "http" and is_loopback(place.hostname or ""))


def _place(url: str) -> SplitResult | None:
    try:
        place = urlsplit(url)
        host, _ = place.hostname or "", place.port
    except ValueError:
        return None
    if not host or place.username is not None or place.fragment or not url.isprintable() or " " in url:
        return None
    return place
