"""Spans and histograms as OTLP's messages, and what a collector answers: the seam of opentelemetry-proto.

Its messages are OpenTelemetry's own, generated from the protocol's definition; importing them needs the extra
`freehold[otlp]`, so this file is imported only where a collector is named: by what `configured` makes then.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from freehold import __version__
from freehold.server.telemetry.conventions import SCHEMA_URL, Instrument
from freehold.server.telemetry.series import Histogram, Series
from freehold.server.telemetry.spans import Named, Span, Value

_SCOPE = InstrumentationScope(name="freehold", version=__version__)
_ERROR = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR)


class Encoder:
    """Writes what is sent under the name `service_name`. Each house that runs is an instance of that service: its
    counts begin anew at `began_ns`."""

    def __init__(self, service_name: str, began_ns: int) -> None:
        told = {
            "service.name": service_name,
            "service.version": __version__,
            "service.instance.id": str(uuid.uuid4()),
        }
        self._resource = Resource(attributes=_pairs(tuple(told.items())))
        self._began_ns = began_ns

    def traces(self, spans: Sequence[Span]) -> bytes:
        """An ExportTraceServiceRequest."""
        message = ExportTraceServiceRequest()
        of_resource = message.resource_spans.add(resource=self._resource)
        written = of_resource.scope_spans.add(scope=_SCOPE, schema_url=SCHEMA_URL).spans
        for span in spans:
            _write(span, written.add())
        return bytes(message.SerializeToString())

    def metrics(self, series: Series, now_ns: int) -> bytes:
        """An ExportMetricsServiceRequest, cumulative: each holds all of what the ones before it did."""
        found = [self._metric(instrument, points.items(), now_ns) for instrument, points in series]
        of_scope = metrics_pb2.ScopeMetrics(scope=_SCOPE, metrics=found, schema_url=SCHEMA_URL)
        every = metrics_pb2.ResourceMetrics(resource=self._resource, scope_metrics=[of_scope])
        return bytes(ExportMetricsServiceRequest(resource_metrics=[every]).SerializeToString())

    def _metric(
        self, instrument: Instrument, points: Iterable[tuple[Named, Histogram]], now_ns: int
    ) -> metrics_pb2.Metric:
        return metrics_pb2.Metric(
            name=instrument.name,
            description=instrument.description,
            unit=instrument.unit,
            histogram=metrics_pb2.Histogram(
                aggregation_temporality=metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE,
                data_points=[
                    metrics_pb2.HistogramDataPoint(
                        attributes=_pairs(named),
                        start_time_unix_nano=self._began_ns,
                        time_unix_nano=now_ns,
                        count=found.count,
                        sum=found.sum,
                        min=found.lowest,
                        max=found.highest,
                        explicit_bounds=instrument.bounds,
                        bucket_counts=found.buckets,
                    )
                    for named, found in points
                ],
            ),
        )


def rejected_spans(answer: bytes) -> int:
    """How many spans a collector says it did not take of those it was sent; 0 where its answer says nothing."""
    try:
        return int(ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except DecodeError:
        return 0


def rejected_points(answer: bytes) -> int:
    """The same of metrics."""
    try:
        return int(ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points)
    except DecodeError:
        return 0


def _write(span: Span, written: trace_pb2.Span) -> None:
    written.CopyFrom(_common(span.name, span.kind, span.common, span.is_error))
    written.trace_id, written.span_id, written.parent_span_id = span.trace_id, span.span_id, span.parent_id
    written.flags = span.flags
    written.start_time_unix_nano, written.end_time_unix_nano = span.start_ns, span.end_ns
    written.attributes.extend(_pairs(span.own))


@functools.lru_cache(maxsize=1024)
def _common(name: str, kind: int, attributes: Named, is_error: bool) -> trace_pb2.Span:
    """What many spans have in common. To be copied, never changed."""
    return trace_pb2.Span(
        name=name,
        kind=kind,  # type: ignore[arg-type]  # the number of a SpanKind
        attributes=_pairs(attributes),
        status=_ERROR if is_error else None,
    )


def _pairs(attributes: Named) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes]


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=each) for each in value]))
