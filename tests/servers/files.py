"""A web server for downloads, on loopback, that resumes, changes, drops, stalls and lies as it is told.

Every request is recorded, so that a test can prove from the server's side what was asked for and what was sent.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_STEP_BYTES = 16 * 1024


@dataclass
class Served:
    """One file, and how the server treats who asks for it."""

    data: bytes
    ranges: bool = True
    etag: str | None = "auto"
    last_modified: str | None = None
    redirect: str | None = None
    drop_after: list[int] = field(default_factory=list)  # bytes sent before each of the next connections is dropped
    statuses: list[int] = field(default_factory=list)  # answered to the next requests instead
    retry_after: str | None = None
    stop_at: int | None = None  # position in the file where sending waits until `go` is set
    go: threading.Event = field(default_factory=threading.Event)
    extra: dict[str, str] = field(default_factory=dict)
    chunked: bool = False

    @property
    def tag(self) -> str | None:
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"' if self.etag == "auto" else self.etag


@dataclass(frozen=True)
class Asked:
    """One request: path, Range and Authorization as sent, the status answered."""

    path: str
    range: str | None
    if_range: str | None
    authorization: str | None
    status: int


class FileServer:
    """Serves `files` by path until the context ends."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, Served] = {}
        self.log: list[Asked] = []
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._http = _Http(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._http.server_port}"

    def put(self, path: str, data: bytes, **how: object) -> str:
        """Serve `data` at `path`; its address."""
        self.files[path] = Served(data, **how)  # type: ignore[arg-type]  # a test spells the fields of Served
        return self.url + path

    def asked(self, path: str) -> list[Asked]:
        return [item for item in self.log if item.path == path]

    def ranges(self, path: str) -> list[str | None]:
        """The Range header of every request for `path`, in order."""
        return [item.range for item in self.asked(path)]

    def run(self) -> None:
        self._http.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        for served in self.files.values():
            served.go.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def file_server(tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """A running server, over TLS with `tls`."""
    server = FileServer(tls)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of what is tested; everything else is shown."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # the stub names socket types


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: FileServer

    def do_GET(self) -> None:
        served = self.server_of.files.get(self.path)
        if served is None:
            return self._plain(404)
        if served.statuses:
            return self._plain(served.statuses.pop(0), served)
        if served.redirect:
            return self._plain(302, served)
        span = self._span(served)
        if span is None:
            return self._send(200, served, 0, len(served.data))
        if span[0] >= len(served.data):
            return self._plain(416, served)
        return self._send(206, served, *span)

    def _span(self, served: Served) -> tuple[int, int] | None:
        """The bytes that were asked for: from, and up to; `-N` are the last ones."""
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not served.ranges or asked is None or condition not in {None, served.tag, served.last_modified}:
            return None
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if not first:
            return max(0, len(served.data) - int(last)), len(served.data)
        return int(first), min(int(last) + 1 if last else len(served.data), len(served.data))

    def _plain(self, status: int, served: Served | None = None) -> None:
        self._record(status)
        self.send_response(status)
        if served and served.redirect:
            self.send_header("Location", served.redirect)
        if served and served.retry_after is not None:
            self.send_header("Retry-After", served.retry_after)
        if status == 416 and served:
            self.send_header("Content-Range", f"bytes */{len(served.data)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: int, served: Served, start: int, end: int) -> None:
        self._record(status)
        self.send_response(status)
        if served.tag:
            self.send_header("ETag", served.tag)
        if served.last_modified:
            self.send_header("Last-Modified", served.last_modified)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(served.data)}")
        for name, value in served.extra.items():
            self.send_header(name, value)
        if served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self._body(served, start, end)

    def _body(self, served: Served, start: int, end: int) -> None:
        stop = start + served.drop_after.pop(0) if served.drop_after else end
        position = start
        try:
            while position < min(stop, end):
                if served.stop_at is not None and position >= served.stop_at:
                    served.go.wait()
                step = served.data[position : min(position + _STEP_BYTES, stop, end)]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(step), step) if served.chunked else step)
                position += len(step)
            if served.chunked and stop >= end:
                self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if stop < end:
            self.close_connection = True

    def _record(self, status: int) -> None:
        header = self.headers.get
        self.server_of.log.append(
            Asked(self.path, header("Range"), header("If-Range"), header("Authorization"), status)
        )

    def log_message(self, format: str, *args: object) -> None:
        del format, args
