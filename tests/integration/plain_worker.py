"""A worker that only says who it is: a Unix socket that answers every connection with the process's id.

`config`: "refuse" names a reason not to serve, "crash" ends it and "hang" keeps it before it is ready, "quit_after_s"
ends it once it serves, "chatter_bytes" is how much it writes to its log then. "word" is what it says, "times" over, in
place of its word of readiness; "disarm" takes off its tie to the house, as far as it can.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading

from freehold.engines.inside import CannotServeError, Orders, run


def serve(orders: Orders) -> None:
    if orders.config.get("refuse"):
        raise CannotServeError(orders.config["refuse"], hint="Ask differently.")
    print("plain worker at work", flush=True)
    if orders.config.get("crash"):
        print("about to crash", flush=True)
        os.abort()
    if orders.config.get("hang"):
        threading.Event().wait()
    if orders.config.get("word"):
        line = (orders.config["word"] * orders.config["times"] + "\n").encode()
        with os.fdopen(orders.status_descriptor, "wb") as status:
            status.write(line)
            status.flush()
            threading.Event().wait()
    if orders.config.get("disarm"):
        for attempt in (lambda: fcntl.fcntl(0, fcntl.F_SETFL, 0), lambda: os.close(0)):
            with contextlib.suppress(OSError):
                attempt()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(orders.socket_path)
        listener.listen()
        orders.ready({"pid": os.getpid(), "echo": orders.config.get("echo")})
        if orders.config.get("quit_after_s") is not None:
            threading.Timer(orders.config["quit_after_s"], os._exit, (7,)).start()
        for _ in range(orders.config.get("chatter_bytes", 0) // 100):
            print("x" * 99, flush=True)
        while True:
            connection, _ = listener.accept()
            connection.sendall(str(os.getpid()).encode())
            connection.close()


if __name__ == "__main__":
    run(serve)
