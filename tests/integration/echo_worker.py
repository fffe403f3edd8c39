"""A worker that says what it is asked to say: the last text of a request is its answer, byte for byte."""

from __future__ import annotations

import json
import re
import socket
from typing import Any, BinaryIO

from freehold.engines.inside import Orders, run

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n"


def text_of(asked: dict[str, Any]) -> str:
    if "messages" in asked:
        return str(asked["messages"][-1]["content"])
    return next(str(asked[name]) for name in ("prompt", "input", "content") if name in asked)


def body_of(request: BinaryIO) -> dict[str, Any]:
    length = 0
    while (line := request.readline()).strip():
        if (found := _LENGTH.match(line)) is not None:
            length = int(found[1])
    read: dict[str, Any] = json.loads(request.read(length))
    return read


def serve(orders: Orders) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(orders.socket_path)
        listener.listen()
        orders.ready({})
        while True:
            client, _ = listener.accept()
            with client, client.makefile("rb") as request:
                client.sendall(_HEAD + text_of(body_of(request)).encode())


if __name__ == "__main__":
    run(serve)
