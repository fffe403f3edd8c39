"""What is sent to a collector, as far as it is decided without one: places in traces, sums, settings, headers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from freehold.core.errors import SettingsError
from freehold.core.ports import Capabilities, Upstream
from freehold.core.settings import Settings, load
from freehold.core.telemetry_settings import HEADERS, TelemetrySettings
from freehold.server.telemetry import configured, conventions
from freehold.server.telemetry.context import context_of
from freehold.server.telemetry.finished import EngineCall, Finished
from freehold.server.telemetry.series import MOST_SERIES, Histogram, Series
from freehold.server.telemetry.spans import Span, spans_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LOCAL = Upstream("llama.cpp", "http://worker/v1", "small:q4_1", Capabilities(), socket_path="/run/x.sock", digest="d")
DONE = EngineCall(LOCAL, 0.25, 1.5, 0.5, "done", None, 12, 4, 5, ("stop",))
REQUEST = Finished(
    2_000_000_000,
    1.75,
    "POST",
    "http",
    "/v1/chat/completions",
    "house",
    b"req-1",
    None,
    200,
    None,
    False,
    ("10.0.0.1", 8300),
    DONE,
)


def official(traceparent: str) -> tuple[bytes, bytes, bool] | None:
    """What OpenTelemetry's own reader makes of it."""
    found = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": traceparent})).get_span_context()
    if not found.is_valid:
        return None
    return found.trace_id.to_bytes(16, "big"), found.span_id.to_bytes(8, "big"), found.trace_flags.sampled


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-00",
        f"00-{TRACE}-{PARENT}-ff",
        f"cc-{TRACE}-{PARENT}-01-what-comes-later",
        f"00-{TRACE}-{PARENT}-01-x",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}",
        "",
        "garbage",
    ],
)
def test_a_clients_place_in_a_trace_is_read_as_opentelemetry_reads_it(traceparent: str) -> None:
    expected, found = official(traceparent), context_of(traceparent.encode(), 0.0)
    if expected is None:
        assert found.parent_id == b"" and len(found.trace_id) == 16 and not found.sampled
    else:
        assert (found.trace_id, found.parent_id, found.sampled) == expected


@given(st.binary(max_size=80))
def test_no_header_whatever_is_in_it_keeps_a_request_out_of_a_trace(header: bytes) -> None:
    assert len(context_of(header, 1.0).trace_id) == 16


@pytest.mark.parametrize("sample", [0.0, 0.25, 1.0])
def test_the_trace_id_alone_decides_which_traces_are_sent(sample: float) -> None:
    """As TraceIdRatioBased does: below the bound by its last eight bytes."""
    for context in (context_of(None, sample) for _ in range(300)):
        assert context.sampled == (int(context.trace_id.hex()[16:], 16) < sample * 2**64)


def attributes(span: Span) -> dict[str, Any]:
    return dict((*span.common, *span.own))


def test_an_engines_span_lies_within_the_houses_and_counts_its_tokens_alone() -> None:
    own, below = spans_of(REQUEST, context_of(f"00-{TRACE}-{PARENT}-01".encode(), 0.0))
    assert (own.name, own.kind, own.parent_id.hex(), own.flags) == ("POST /v1/chat/completions", 2, PARENT, 0x301)
    assert (below.name, below.kind, below.parent_id, below.flags) == ("chat house", 3, own.span_id, 0x101)
    assert own.trace_id == below.trace_id == bytes.fromhex(TRACE)
    assert (own.start_ns, own.end_ns) == (250_000_000, 2_000_000_000)
    assert (below.start_ns, below.end_ns) == (500_000_000, 1_750_000_000)
    assert not any(name.startswith("gen_ai.usage") for name in attributes(own))
    assert attributes(below)["gen_ai.usage.input_tokens"] == 12


def test_what_a_client_makes_up_is_no_value() -> None:
    (own, _) = spans_of(REQUEST._replace(method="SAY-IT"), context_of(None, 1.0))
    assert own.name == "_OTHER /v1/chat/completions" and attributes(own)["http.request.method"] == "_OTHER"


@pytest.mark.parametrize("reason", ["because you said: hello", "", None, ["stop"], {}, 3])
def test_what_an_engine_makes_up_is_no_reason(reason: object) -> None:
    assert (conventions.known_reason(reason), conventions.known_reason("stop")) == ("_OTHER", "stop")


@pytest.mark.parametrize(
    ("url", "provider", "where"),
    [
        ("https://api.openai.com/v1", "openai", ("api.openai.com", 443)),
        ("https://10.0.0.7:8000/v1", "remote", ("10.0.0.7", 8000)),
        ("http://localhost/v1", "remote", ("localhost", 80)),
    ],
)
def test_a_remote_engine_is_named_by_whose_it_is_and_where(url: str, provider: str, where: tuple[str, int]) -> None:
    engine = DONE._replace(upstream=Upstream("remote", url, "big", Capabilities()))
    told = attributes(spans_of(REQUEST._replace(engine=engine), context_of(None, 1.0))[1])
    assert (told["gen_ai.provider.name"], told["server.address"], told["server.port"]) == (provider, *where)


# Typed from gen-ai-metrics.md of the conventions' release 1.41.1.
DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
BOUNDS = {
    "gen_ai.server.request.duration": DURATION,
    "gen_ai.server.time_to_first_token": FIRST,
    "gen_ai.server.time_per_output_token": (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    "gen_ai.client.token.usage": TOKENS,
    "gen_ai.client.operation.duration": DURATION,
}


def named(series: Series, name: str) -> dict[tuple[tuple[str, Any], ...], Histogram]:
    return {key: found for instrument, points in series if instrument.name == name for key, found in points.items()}


def test_the_boundaries_are_the_conventions_own() -> None:
    found = {value.name: value.bounds for value in vars(conventions).values() if type(value).__name__ == "Instrument"}
    assert found == BOUNDS


def test_a_request_is_added_up_once_in_each_of_what_it_tells() -> None:
    series = Series()
    series.add(REQUEST)
    (first,) = named(series, "gen_ai.server.time_to_first_token").values()
    (each,) = named(series, "gen_ai.server.time_per_output_token").values()
    (whole,) = named(series, "gen_ai.server.request.duration").values()
    (call,) = named(series, "gen_ai.client.operation.duration").values()
    assert [first.sum, each.sum, whole.sum, call.sum] == [0.5, (1.75 - 0.5) / 4, 1.75, 1.25]
    usage = named(series, "gen_ai.client.token.usage").items()
    assert {dict(key)["gen_ai.token.type"]: found.sum for key, found in usage} == {"input": 12, "output": 5}


@pytest.mark.parametrize(
    "change",
    [
        {"error": "client_gone"},
        {"engine": DONE._replace(first_s=None)},
        {"engine": None, "error": "rate_limit_exceeded", "status": 429},
    ],
)
def test_only_a_whole_answer_tells_how_fast_tokens_come(change: dict[str, Any]) -> None:
    series = Series()
    series.add(REQUEST._replace(**change))
    assert not named(series, "gen_ai.server.time_to_first_token")
    assert not named(series, "gen_ai.server.time_per_output_token")
    ((told, whole),) = named(series, "gen_ai.server.request.duration").items()
    assert whole.count == 1 and dict(told).get("error.type") == change.get("error")


def test_an_unknown_count_is_counted_nowhere_and_a_single_token_has_no_time_per_token() -> None:
    series = Series()
    series.add(REQUEST._replace(engine=DONE._replace(tokens_in=None, tokens_out=1)))
    assert not named(series, "gen_ai.server.time_per_output_token")
    (key,) = named(series, "gen_ai.client.token.usage")
    assert dict(key)["gen_ai.token.type"] == "output"


@given(st.lists(st.floats(0, 100) | st.sampled_from(conventions.REQUEST_DURATION.bounds), min_size=1, max_size=60))
def test_values_fall_into_the_buckets_that_numpy_puts_them_in(values: list[float]) -> None:
    series = Series()
    for value in values:
        series.add(REQUEST._replace(duration_s=value, engine=None))
    (found,) = named(series, "gen_ai.server.request.duration").values()
    where = np.searchsorted(conventions.REQUEST_DURATION.bounds, values, side="left")  # a bound counts below
    assert found.buckets == np.bincount(where, minlength=len(conventions.REQUEST_DURATION.bounds) + 1).tolist()
    assert (found.count, found.lowest, found.highest) == (len(values), min(values), max(values))
    assert found.sum == pytest.approx(sum(values))


def test_however_many_endpoints_there_are_what_is_kept_is_bounded() -> None:
    series = Series()
    for number in range(MOST_SERIES + 50):
        series.add(REQUEST._replace(endpoint=f"e{number}", engine=None))
    found = named(series, "gen_ai.server.request.duration")
    assert len(found) == MOST_SERIES + 1
    assert found[(("otel.metric.overflow", True),)].count == 50


def settings(folder: Path, toml: str, **environment: str) -> Settings:
    (folder / "freehold.toml").write_text(toml)
    return load(environment=environment, folder=folder)


ON = '[telemetry]\notlp = "{}"\n'


def test_nothing_is_sent_unless_a_collector_is_named(tmp_path: Path) -> None:
    elsewhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert settings(tmp_path, "", **elsewhere).telemetry is None
    assert settings(tmp_path, ON.format("https://c.example/otel/")).telemetry == TelemetrySettings(
        "https://c.example/otel"
    )


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[telemetry]\n", "telemetry.otlp must be where a collector listens"),
        (ON.format("127.0.0.1:4318"), "line 2: telemetry.otlp must be"),
        (ON.format("grpc://c:4317"), "telemetry.otlp must be"),
        (ON.format("http://me:secret@c:4318"), "telemetry.otlp must be"),
        (ON.format("http://c:99999"), "telemetry.otlp must be"),
        (ON.format("http://c/?key=x"), "telemetry.otlp must be"),
        (ON.format("http://c") + "sample = 2\n", "telemetry.sample must be a number from 0 to 1, not 2"),
        (ON.format("http://c") + 'signals = ["logs"]\n', "may hold traces, metrics, not 'logs'"),
        (ON.format("http://c") + "signals = []\n", "may hold traces, metrics, not nothing"),
        (ON.format("http://c") + 'headers = "x"\n', "telemetry.headers is not a setting"),
    ],
)
def test_a_collector_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, toml: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, toml)
    assert says in str(refused.value)


@pytest.mark.parametrize("secret", ["token", "to ken=x", "=x", "a=b\nc", "a=%0d%0ab: c", "a=\u00fc", "a=b,,c=d"])
def test_headers_that_are_none_are_refused_without_being_shown(tmp_path: Path, secret: str) -> None:
    wrong = settings(tmp_path, ON.format("http://localhost:4318"), **{HEADERS: secret})
    with pytest.raises(SettingsError, match=f"{HEADERS} is not a list of headers") as refused:
        configured.require_usable(wrong)
    assert secret not in str(refused.value)


def test_headers_do_not_go_in_the_clear_over_a_network(tmp_path: Path) -> None:
    header = {HEADERS: "authorization=Bearer%20s3cret"}
    with pytest.raises(SettingsError, match="plain http, where others could read it") as refused:
        configured.require_usable(settings(tmp_path, ON.format("http://collector:4318"), **header))
    assert "s3cret" not in str(refused.value)
    for fine in ("https://collector:4318", "http://127.0.0.1:4318"):
        configured.require_usable(settings(tmp_path, ON.format(fine), **header))
    configured.require_usable(settings(tmp_path, ON.format("http://collector:4318")))


def test_without_the_extra_the_refusal_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "freehold.server.telemetry.encoding", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.common.v1.common_pb2", None)
    with pytest.raises(SettingsError) as refused:
        configured.require_usable(settings(tmp_path, ON.format("http://127.0.0.1:4318")))
    assert "pip install 'freehold[otlp]'" in str(refused.value)
