"""The program in a locked process that repacks one GGUF file: it says the new file over its socket and writes none.

The order is a line of JSON, {"from": "q4_1", "to": "q8_0"}; the answer is the file in pieces, each after its length in
eight bytes (little endian), and a length of nothing at the end: a piece that is missing is seen.
"""

from __future__ import annotations

import json
import socket
import sys

from freehold.engines import stamps
from freehold.engines.inside import CannotServeError, Orders, run
from freehold.engines.llamacpp.native import OtherReleaseError, library
from freehold.engines.llamacpp.retyping import FILE_TYPES, TYPES, retyped


def serve(orders: Orders) -> None:
    """Say ready, take one order, and end when it is done."""
    try:
        native = library(sys.stderr.write)
    except OtherReleaseError as error:
        raise CannotServeError(f"{error} Nothing can be repacked with it.") from error
    stamps.require(orders.config["confirmed"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(orders.socket_path)
        listening.listen(1)
        orders.ready({})
        connection, _ = listening.accept()
    with connection, connection.makefile("rwb") as stream:
        asked = json.loads(stream.readline(4096))
        old, new = TYPES[asked["from"]], TYPES[asked["to"]]
        pieces = retyped(
            native,
            orders.config["file"],
            lambda found: new if found == old else found,
            file_type=FILE_TYPES[asked["to"]],
        )
        for piece in pieces:
            stream.write(len(piece).to_bytes(8, "little") + piece)
        stamps.require(orders.config["confirmed"])
        stream.write(bytes(8))


if __name__ == "__main__":
    run(serve)
