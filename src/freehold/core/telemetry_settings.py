"""`[telemetry]` of freehold.toml: the collector that the house sends its measurements to, where somebody named one.

Headers may be secrets and come from the environment (`OTEL_EXPORTER_OTLP_HEADERS`, as OpenTelemetry's own programs read
it, or a file named by `OTEL_EXPORTER_OTLP_HEADERS_FILE`). Nothing in the environment turns the sending on.
"""

from __future__ import annotations

from dataclasses import dataclass

from freehold.core.addresses import is_web_address
from freehold.core.toml_reader import TableReader

SIGNALS = ("traces", "metrics")
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """`otlp` is where the collector listens for OTLP over HTTP, without `/v1/traces`. Of the traces that begin in this
    house the part `sample` is sent; one that a client began is sent where the client's own part of it is."""

    otlp: str
    signals: tuple[str, ...] = SIGNALS
    service_name: str = "freehold"
    sample: float = 1.0
    metrics_every_s: float = 60.0


def read_telemetry(table: TableReader) -> TelemetrySettings:
    """What `[telemetry]` says. Every problem is noted in the reader, none is raised."""
    default = TelemetrySettings("")
    found = TelemetrySettings(
        otlp=_address(table),
        signals=_signals(table),
        service_name=_service_name(table, default.service_name),
        sample=table.number("sample", default.sample, 0, 1),
        metrics_every_s=table.number("metrics_every_s", default.metrics_every_s, 1, 86_400),
    )
    table.refuse_unknown()
    return found


def _address(table: TableReader) -> str:
    address = table.text("otlp", "").rstrip("/")
    if not is_web_address(address) or "?" in address:
        table.problem("otlp", 'must be where a collector listens for OTLP over HTTP, such as "http://127.0.0.1:4318"')
    return address


def _signals(table: TableReader) -> tuple[str, ...]:
    given = table.texts("signals") if table.has("signals") else SIGNALS
    if not given or not set(given) <= set(SIGNALS):
        table.problem("signals", f"may hold {', '.join(SIGNALS)}, not {', '.join(map(repr, given)) or 'nothing'}")
    return given


def _service_name(table: TableReader, default: str) -> str:
    name = table.text("service_name", default)
    if not name or not name.isprintable():
        table.problem("service_name", "must be the name under which the collector knows this house")
    return name
