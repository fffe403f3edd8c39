"""A collector of OTLP over HTTP, on loopback: it keeps what it is sent and reads it with OpenTelemetry's messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACES, METRICS = "/v1/traces", "/v1/metrics"


@dataclass
class Sent:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LocalCollector:
    """`status`, `told` and `headers` are what it answers with, once `open` is set; by path in `statuses`."""

    url: str
    status: int = 200
    statuses: dict[str, int] = field(default_factory=dict)
    told: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    open: threading.Event = field(default_factory=threading.Event)
    sent: list[Sent] = field(default_factory=list)
    taken: list[Sent] = field(default_factory=list)

    def spans(self, **attributes: Any) -> list[dict[str, Any]]:
        """Every span that it took and that has these attributes (their dots as `__`), the oldest first."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        found = [span for each in self.taken if each.path == TRACES for span in _spans(each.body)]
        return [span for span in found if wanted.items() <= span["attributes"].items()]

    def points(self, metric: str, **attributes: Any) -> list[Any]:
        """The points of `metric` in the last message of metrics that it took."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        bodies = [each.body for each in self.taken if each.path == METRICS]
        found = [point for name, point in _points(bodies[-1]) if name == metric] if bodies else []
        return [point for point in found if wanted.items() <= read(point.attributes).items()]


def read(attributes: Any) -> dict[str, Any]:
    """Attributes by name, as Python's values."""
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)


def _spans(body: bytes) -> Iterator[dict[str, Any]]:
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield {
                    "name": span.name,
                    "kind": span.kind,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "flags": span.flags,
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "status": span.status.code,
                    "attributes": read(span.attributes),
                    "resource": read(of_resource.resource.attributes),
                    "schema": of_scope.schema_url,
                }


def _points(body: bytes) -> Iterator[tuple[str, Any]]:
    for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for point in metric.histogram.data_points:
                    yield metric.name, point


@contextmanager
def local_collector(port: int = 0) -> Iterator[LocalCollector]:
    server = ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler)
    collector = LocalCollector(f"http://127.0.0.1:{server.server_port}")
    collector.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = Sent(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            collector.sent.append(sent)
            collector.open.wait()
            status = collector.statuses.get(self.path, collector.status)
            if status == 200:
                collector.taken.append(sent)
            self.send_response(status)
            for name, value in {**collector.headers, "content-length": str(len(collector.told))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(collector.told)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server.RequestHandlerClass = Handler
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that left is no error here
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        collector.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
