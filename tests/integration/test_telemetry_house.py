"""A served house that sends traces and metrics to a collector: what arrives, what never does, and what happens to
requests while the collector is away, slow or difficult."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from freehold.engines.sandbox import house as sandbox
from freehold.ledger.verify import verify
from tests.integration.commands import bearer, freehold, made
from tests.integration.house_process import DEADLINE_S, HELLO, Reply, RunningHouse, running_house, until
from tests.integration.test_logs import ROUTES, SECRET, STREAMED
from tests.servers.collector import METRICS, TRACES, LocalCollector, local_collector, read

CHAT = "/v1/chat/completions"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TOML = """
[server]
port = 0
[telemetry]
otlp = "{url}"
metrics_every_s = 1
{more}
[endpoints]
small = "fake:small?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
broken = "fake:broken?refuse-start"
angry = "fake:angry?http-500"
odd = "fake:odd?tokens=9&garbage-event=2"
"""
NOT_HELD = pytest.mark.skipif(bool(sandbox.lacking()), reason="; ".join(sandbox.lacking()))


@pytest.fixture
def collector() -> Iterator[LocalCollector]:
    with local_collector() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, collector: LocalCollector) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML.format(url=collector.url, more="")) as running:
        yield running


def ask(house: RunningHouse, model: str, request: str, path: str = CHAT, **more: Any) -> Reply:
    """`more` are the body's fields, and `headers`."""
    headers = {"x-request-id": request, **more.pop("headers", {})}
    return house.ask("POST", path, {"model": model, **HELLO, **more}, headers=headers)


def spans_of(collector: LocalCollector, request: str) -> list[dict[str, Any]]:
    """The house's span of `request`, and what is below it, as soon as the house's has come."""
    (own,) = until(lambda: collector.spans(freehold__request__id=request))
    return [own, *(span for span in collector.spans() if span["parent"] == own["id"])]


def records(house: RunningHouse) -> dict[str, dict[str, Any]]:
    """What the ledger has of each request, by its id."""
    return {row["request"]: row for row in map(json.loads, freehold("ledger", "export").stdout.splitlines())}


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_is_two_spans_in_the_clients_own_trace_with_what_the_ledger_has(
    house: RunningHouse, collector: LocalCollector, streamed: bool
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    reply = ask(house, "small", "r1", stream=streamed, headers=headers)
    assert reply.status == 200
    own, below = spans_of(collector, "r1")
    row = records(house)["r1"]
    assert (own["name"], own["kind"], own["trace"], own["parent"]) == (f"POST {CHAT}", 2, TRACE, PARENT)
    assert own["attributes"] == {
        "http.request.method": "POST",
        "http.route": CHAT,
        "http.response.status_code": 200,
        "url.path": CHAT,
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": house.port,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "freehold",
        "gen_ai.request.model": "small",
        "freehold.request.id": "r1",
    }
    assert (below["name"], below["kind"], below["trace"]) == ("chat small", 3, TRACE)
    told = below["attributes"]
    assert 0 < told.pop("gen_ai.response.time_to_first_chunk") < 60
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "fake",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "fake:small?tokens=3",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": row["tokens_in"],
        "gen_ai.usage.cache_read.input_tokens": row["tokens_cached"],
        "gen_ai.usage.output_tokens": 3,
    }
    assert own["start"] <= below["start"] < below["end"] <= own["end"]
    assert own["status"] == below["status"] == 0
    assert own["schema"] == "https://opentelemetry.io/schemas/1.41.1"
    assert {"service.name", "service.version", "service.instance.id"} == own["resource"].keys()
    assert own["resource"]["service.name"] == "freehold"


def test_each_dialect_and_operation_is_named(house: RunningHouse, collector: LocalCollector) -> None:
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "/v1/messages": ("chat", {"max_tokens": 3}),
        "/v1/responses": ("chat", {"input": "hello", "messages": None}),
        "/v1/completions": ("text_completion", {"prompt": "hello", "messages": None}),
        "/v1/embeddings": ("embeddings", {"input": ["hello"], "messages": None}),
        "/v1/messages/count_tokens": ("count_tokens", {}),
    }
    for path, (operation, fields) in asked.items():
        body = {name: value for name, value in {**HELLO, **fields}.items() if value is not None}
        reply = house.ask("POST", path, {"model": "small", **body}, headers={"x-request-id": operation + path[-3:]})
        assert reply.status == 200, reply.raw
        own, below = spans_of(collector, operation + path[-3:])
        assert (own["name"], below["name"]) == (f"POST {path}", f"{operation} small")
    assert house.ask("GET", "/v1/models").status == house.ask("GET", "/health").status == 200
    ask(house, "small", "last")
    spans_of(collector, "last")
    assert {span["attributes"]["http.route"] for span in collector.spans() if span["kind"] == 2} == {*asked, CHAT}


def test_requests_are_added_up_in_metrics_that_say_what_the_ledger_says(
    house: RunningHouse, collector: LocalCollector
) -> None:
    for number in range(4):
        assert ask(house, "small", f"r{number}").status == 200
    assert ask(house, "angry", "r4").status == 502
    usage = "gen_ai.client.token.usage"
    until(lambda: sum(point.count for point in collector.points("gen_ai.server.request.duration")) == 5)
    rows = records(house)
    (into,) = collector.points(usage, gen_ai__token__type="input")
    (out,) = collector.points(usage, gen_ai__token__type="output")
    assert (into.count, into.sum) == (4, sum(rows[f"r{number}"]["tokens_in"] for number in range(4)))
    assert (out.count, out.sum, out.min, out.max) == (4, 12, 3, 3)
    assert read(out.attributes)["gen_ai.response.model"] == "fake:small?tokens=3"
    assert list(out.bucket_counts) == [0, 4, *[0] * 13]
    (whole,) = collector.points("gen_ai.server.request.duration", gen_ai__request__model="small")
    (angry,) = collector.points("gen_ai.server.request.duration", error__type="upstream_error")
    assert (whole.count, angry.count, "error.type" in read(whole.attributes)) == (4, 1, False)
    (first,) = collector.points("gen_ai.server.time_to_first_token")
    (each,) = collector.points("gen_ai.server.time_per_output_token")
    assert (first.count, each.count) == (4, 4)
    assert first.sum == pytest.approx(sum(rows[f"r{number}"]["first_us"] for number in range(4)) / 1e6)
    assert first.sum + 2 * each.sum == pytest.approx(whole.sum), "the first token, two more, and nothing else"
    (call,) = collector.points("gen_ai.client.operation.duration", error__type="upstream_error")
    assert call.count == 1 and 0 < whole.start_time_unix_nano < whole.time_unix_nano


def test_what_failed_says_why_and_how_far_it_came(house: RunningHouse, collector: LocalCollector) -> None:
    made_up = f"no-{SECRET}"
    for request, model, fields, status, code in (
        ("unknown", made_up, {}, 404, "not_found"),
        ("wrong", "small", {"temperature": "hot"}, 400, "invalid_request"),
        ("not-started", "broken", {}, 503, "worker_not_started"),
    ):
        assert ask(house, model, request, **fields).status == status
        (own,) = spans_of(collector, request)
        assert (own["attributes"]["error.type"], own["attributes"]["http.response.status_code"]) == (code, status)
        assert own["status"] == (2 if status >= 500 else 0), "only what the house failed at is an error of its own"
        assert own["attributes"].get("gen_ai.request.model") == (None if model == made_up else model)
    assert ask(house, "angry", "engine").status == 502
    own, below = spans_of(collector, "engine")
    assert (own["attributes"]["error.type"], below["attributes"]["error.type"]) == ("upstream_error", "upstream_error")
    assert own["status"] == below["status"] == 2
    assert b"[DONE]" not in ask(house, "odd", "torn", stream=True).raw
    own, below = spans_of(collector, "torn")
    assert (own["attributes"]["error.type"], own["attributes"]["http.response.status_code"]) == ("engine_failed", 200)
    assert own["status"] == below["status"] == 2


def test_who_is_refused_at_the_door_is_in_the_traces_too(house: RunningHouse, collector: LocalCollector) -> None:
    secret = made("lovelace", "--requests-per-minute", "1")
    key = bearer(secret)
    assert ask(house, "small", "nobody", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).status == 401
    assert ask(house, "small", "once", headers=key).status == 200
    assert ask(house, "small", "again", headers=key).status == 429
    (nobody,) = spans_of(collector, "nobody")
    (often,) = spans_of(collector, "again")
    assert nobody["attributes"]["error.type"] == "invalid_api_key"
    assert nobody["trace"] != TRACE, "a stranger joins no trace"
    assert often["attributes"]["error.type"] == "rate_limit_exceeded"
    everything = b"".join(sent.body for sent in collector.sent)
    assert secret.encode() not in everything and b"lovelace" not in everything


def test_a_client_that_left_is_no_error_of_the_house(house: RunningHouse, collector: LocalCollector) -> None:
    headers = {"x-request-id": "left"}
    house.open_stream(CHAT, {"model": "endless", **HELLO}, headers=headers).close()
    own, below = spans_of(collector, "left")
    assert own["attributes"]["error.type"] == below["attributes"]["error.type"] == "client_gone"
    assert own["status"] == below["status"] == 0
    assert "gen_ai.usage.output_tokens" not in below["attributes"], "nobody told, so it is not known"
    assert records(house)["left"]["error"] == "client_gone"


def test_no_word_of_what_was_asked_or_answered_leaves_also_where_it_failed(
    house: RunningHouse, collector: LocalCollector
) -> None:
    asked = 0
    for path, body in ROUTES:
        for model in ("small", "broken", "angry", "odd", f"no-{SECRET}"):
            for streamed in (False, True) if path in STREAMED else (False,):
                house.ask("POST", path, {"model": model, **body, **({"stream": True} if streamed else {})})
                asked += 1
    answer = house.chat("small").json["choices"][0]["message"]["content"]
    ask(house, "small", "last")
    spans_of(collector, "last")
    until(lambda: collector.points("gen_ai.client.token.usage"))
    everything = b"".join(sent.body for sent in collector.sent)
    assert asked > 60 and len(collector.spans()) > 60
    assert SECRET.encode() not in everything and b"Hello" not in everything
    assert len(answer) > 5 and answer.encode() not in everything


def test_a_house_without_a_collector_sends_nothing_and_loads_nothing_for_it(
    tmp_path: Path, collector: LocalCollector
) -> None:
    toml = '[server]\nport = 0\n[endpoints]\nsmall = "fake:small?tokens=3"\n'
    with running_house(tmp_path, toml, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as house:
        assert house.chat("small").status == 200
        assert b"freehold_otlp" not in house.ask("GET", "/metrics").raw
        mapped = Path(f"/proc/{house.process.pid}/maps")
        assert not mapped.exists() or "google/_upb" not in mapped.read_text()
    assert collector.sent == []


def test_a_part_of_the_traces_is_sent_and_a_clients_word_on_its_own_is_followed(
    tmp_path: Path, collector: LocalCollector
) -> None:
    with running_house(tmp_path, TOML.format(url=collector.url, more="sample = 0")) as house:
        for request, flags in (("no", "00"), ("yes", "01")):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
            assert ask(house, "small", request, headers=headers).status == 200
        assert ask(house, "small", "own").status == 200
        assert ask(house, "small", "last", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).status == 200
        spans_of(collector, "last")
        (point,) = until(lambda: collector.points("gen_ai.server.request.duration"))
    told = {span["attributes"]["freehold.request.id"] for span in collector.spans() if span["kind"] == 2}
    assert told == {"yes", "last"}
    (point,) = collector.points("gen_ai.server.request.duration")
    assert point.count == 4, "metrics are of all of them"


def test_only_the_signals_that_were_asked_for_are_sent(tmp_path: Path, collector: LocalCollector) -> None:
    with running_house(tmp_path, TOML.format(url=collector.url, more='signals = ["metrics"]')) as house:
        assert house.chat("small").status == 200
        until(lambda: collector.points("gen_ai.server.request.duration"))
    assert {sent.path for sent in collector.sent} == {METRICS}


def test_the_collectors_headers_are_a_secret_from_the_environment_or_a_file(
    tmp_path: Path, collector: LocalCollector
) -> None:
    (tmp_path / "headers").write_text("authorization=Bearer%20s3cret, x-tenant=house\n")
    toml, said = TOML.format(url=collector.url, more=""), tmp_path / "said"
    from_file = {"OTEL_EXPORTER_OTLP_HEADERS_FILE": str(tmp_path / "headers")}
    with running_house(tmp_path, toml, stderr=said, FREEHOLD_LOG_LEVEL="debug", **from_file) as house:
        assert house.chat("small").status == 200
        until(lambda: collector.spans())
    (sent, *_) = collector.sent
    assert (sent.headers["authorization"], sent.headers["x-tenant"]) == ("Bearer s3cret", "house")
    assert sent.headers["content-type"] == "application/x-protobuf"
    assert "s3cret" not in said.read_text()


def test_what_was_measured_last_is_sent_before_the_house_ends(house: RunningHouse, collector: LocalCollector) -> None:
    assert ask(house, "small", "last").status == 200
    house.process.send_signal(signal.SIGTERM)
    assert house.process.wait(DEADLINE_S) == 0
    assert len(collector.spans(freehold__request__id="last")) == 1
    assert sum(point.count for point in collector.points("gen_ai.server.request.duration")) == 1


def test_while_the_collector_is_away_requests_go_on_and_what_waits_is_sent_when_it_is_back(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with local_collector() as collector:
        port = int(collector.url.rpartition(":")[2])
    with running_house(tmp_path, TOML.format(url=collector.url, more=""), stderr=said) as house:
        for number in range(20):
            assert ask(house, "small", f"r{number}").status == 200
        until(lambda: house.metric('freehold_otlp_metrics_exports_total{outcome="failed"}') >= 1)
        with local_collector(port) as back:
            spans_of(back, "r19")
            assert len(back.spans()) == 40
            until(lambda: house.metric("freehold_otlp_spans_sent_total") == 40)
            (whole,) = until(lambda: back.points("gen_ai.server.request.duration"))
            assert whole.count == 20, "an outage loses no metrics"
    log = said.read_text()
    assert log.count("Traces do not all reach") == log.count("Metrics do not all reach") == 1
    assert "nothing listens there: connection refused. Requests do not wait for that. Lost so far: 0." in log
    assert log.count(f"Traces reach {collector.url} again.") == 1


def test_what_the_collector_refuses_is_dropped_counted_and_said_once(tmp_path: Path, collector: LocalCollector) -> None:
    said = tmp_path / "said"
    collector.statuses[TRACES] = 400
    with running_house(tmp_path, TOML.format(url=collector.url, more=""), stderr=said) as house:
        for wanted in (2, 4, 6):
            assert house.chat("small").status == 200
            until(partial(_has_dropped, house, wanted))
        assert house.metric("freehold_otlp_spans_sent_total") == 0
        until(lambda: collector.points("gen_ai.server.request.duration"))
    assert len([sent for sent in collector.sent if sent.path == TRACES]) == 3, "none is sent twice"
    log = said.read_text()
    assert log.count("Traces do not all reach") == 1 and "it answers with status 400" in log
    assert "Metrics" not in log


def _has_dropped(house: RunningHouse, spans: int) -> bool:
    return house.metric('freehold_otlp_spans_dropped_total{reason="refused"}') == spans


def test_a_busy_collector_is_asked_again(house: RunningHouse, collector: LocalCollector) -> None:
    collector.statuses[TRACES] = 503
    collector.headers["retry-after"] = "0"
    assert ask(house, "small", "r1").status == 200
    until(lambda: any(sent.path == TRACES for sent in collector.sent))
    collector.statuses.clear()
    spans_of(collector, "r1")
    until(lambda: house.metric("freehold_otlp_spans_sent_total") == 2)
    assert house.metric("freehold_otlp_spans_dropped_total") == 0


def test_what_a_collector_says_it_did_not_take_is_counted(house: RunningHouse, collector: LocalCollector) -> None:
    collector.told = bytes([0x0A, 2, 0x08, 1])  # partial_success { rejected_spans: 1 }
    assert ask(house, "small", "r1").status == 200
    until(partial(_has_dropped, house, 1))
    assert house.metric("freehold_otlp_spans_sent_total") == 1


def test_a_redirect_is_not_followed(house: RunningHouse, collector: LocalCollector) -> None:
    with local_collector() as elsewhere:
        collector.statuses[TRACES] = 307
        collector.headers["location"] = elsewhere.url + TRACES
        assert ask(house, "small", "r1").status == 200
        until(partial(_has_dropped, house, 2))
        assert elsewhere.sent == []


def test_a_collector_that_does_not_answer_holds_up_no_request_and_not_the_end(
    tmp_path: Path, collector: LocalCollector
) -> None:
    said = tmp_path / "said"
    collector.open.clear()
    with running_house(tmp_path, TOML.format(url=collector.url, more=""), stderr=said) as house:
        assert house.chat("small").status == 200
        until(lambda: any(sent.path == TRACES for sent in collector.sent))
        assert {house.chat("small").status for _ in range(50)} == {200}
        house.process.send_signal(signal.SIGTERM)
        assert house.process.wait(DEADLINE_S) == 0
        assert collector.taken == []
    assert "102 spans were not sent before the house ended." in said.read_text()
    assert verify(house.settings.ledger_folder).findings == []


def test_a_house_that_was_killed_starts_again_as_another_instance_of_its_service(
    tmp_path: Path, collector: LocalCollector
) -> None:
    toml = TOML.format(url=collector.url, more='service_name = "models-eu"')
    with running_house(tmp_path, toml) as house:
        assert ask(house, "small", "before").status == 200
        (own, _) = spans_of(collector, "before")
        os.kill(house.process.pid, signal.SIGKILL)
        house.process.wait(DEADLINE_S)
    with running_house(tmp_path, toml) as house:
        assert ask(house, "small", "after").status == 200
        (again, _) = spans_of(collector, "after")
    assert own["resource"]["service.name"] == again["resource"]["service.name"] == "models-eu"
    assert own["resource"]["service.instance.id"] != again["resource"]["service.instance.id"]


@NOT_HELD
def test_a_restricted_house_sends_through_its_one_door_and_the_report_shows_it(
    tmp_path: Path, collector: LocalCollector
) -> None:
    peer = collector.url.removeprefix("http://")
    toml = TOML.format(url=collector.url, more="") + f'[policy]\negress = ["{peer}"]\n'
    with running_house(tmp_path, toml) as house:
        assert ask(house, "small", "r1").status == 200
        assert len(spans_of(collector, "r1")) == 2
        until(lambda: collector.points("gen_ai.server.request.duration"))
    assert freehold("signing", "create").returncode == 0
    (run,) = json.loads(freehold("egress", "report", "--json").stdout)["runs"]
    assert {(each["peer"], each["fate"]) for each in run["connections"]} == {(peer, "connected")}


@NOT_HELD
@pytest.mark.parametrize("more", ["egress = []", 'egress = ["127.0.0.1:9"]'])
def test_a_restricted_house_whose_collector_is_not_listed_does_not_start(
    tmp_path: Path, collector: LocalCollector, more: str
) -> None:
    peer = collector.url.removeprefix("http://")
    (tmp_path / "freehold.toml").write_text(TOML.format(url=collector.url, more="") + f"[policy]\n{more}\n")
    refused = freehold("up")
    assert refused.returncode == 2 and f"Traces and metrics are sent to {peer}, and the policy lets" in refused.stderr
    assert f'List "{peer}" in egress of [policy] in freehold.toml' in refused.stderr


@NOT_HELD
def test_local_only_puts_a_list_with_the_collector_aside(tmp_path: Path, collector: LocalCollector) -> None:
    peer = collector.url.removeprefix("http://")
    (tmp_path / "freehold.toml").write_text(
        TOML.format(url=collector.url, more="") + f'[policy]\negress = ["{peer}"]\n'
    )
    refused = freehold("up", "--local-only")
    assert refused.returncode == 2 and "a list that --local-only puts aside, or take [telemetry] out." in refused.stderr


@pytest.mark.engine
def test_the_real_engine_is_named_with_the_build_that_answered(
    tmp_path: Path, collector: LocalCollector, smollm2_gguf: Path
) -> None:
    assert freehold("pull", str(smollm2_gguf), "--in-place", "--quiet").returncode == 0
    toml = TOML.format(url=collector.url, more="") + 'real = { ref = "smollm2-135m-instruct", threads = 1 }\n'
    with running_house(tmp_path, toml) as house:
        reply = ask(house, "real", "r1", max_tokens=4)
        assert reply.status == 200
        told = spans_of(collector, "r1")[1]["attributes"]
    usage = reply.json["usage"]
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("llama.cpp", "real")
    assert told["gen_ai.response.model"] == "smollm2-135m-instruct:q4_1"
    assert told["freehold.build.digest"] == reply.headers["x-freehold-build"]
    assert told["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert told["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert told["gen_ai.response.finish_reasons"] == [reply.json["choices"][0]["finish_reason"]]
