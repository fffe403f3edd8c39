"""Messages between the house and its two helpers: one JSON object each, over a Unix socket that keeps them apart."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_BYTES = 16384


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def say(through: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send, without waiting. Raises BlockingIOError where the other side does not read, OSError where it is gone."""
    data = json.dumps(message).encode()
    socket.send_fds(through, [data], list(descriptors), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def hear(through: socket.socket) -> tuple[dict[str, Any], int | None]:
    """The next message and the descriptor that came with it. Raises EOFError where the other side has gone,
    BlockingIOError where nothing is there and the socket does not wait."""
    data, descriptors, _, _ = socket.recv_fds(through, LONGEST_BYTES, 1)
    descriptor = descriptors[0] if descriptors else None
    try:
        message = json.loads(data) if data else None
    except ValueError:
        message = None
    if isinstance(message, dict):
        return message, descriptor
    if descriptor is not None:
        os.close(descriptor)
    raise EOFError("the other side has gone, or says what is no message")
