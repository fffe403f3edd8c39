"""What the house counts, in Prometheus' form. Every label has few values: an unknown model's name is never one.

Tokens are the engine's own counts; an answer whose counts nobody told (a broken stream) is not counted as zero. The
registry belongs to one application, so that several can live in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from freehold import __version__
from freehold.core.ports import WorkerReport
from freehold.gateway.admission.line import Standing
from freehold.server.call import Call

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_STATES = ("stopped", "starting", "ready", "backing-off", "failed", "stopping")


class Metrics:
    """`begin` and `end` around every request; `render` for /metrics. Others may count in its `registry` too."""

    def __init__(
        self, workers: Callable[[], Iterable[WorkerReport]], lines: Callable[[], Mapping[str, Standing]]
    ) -> None:
        registry = self.registry = CollectorRegistry()
        labels = ("route", "endpoint")
        self._requests = Counter("freehold_requests", "Answers given.", (*labels, "status"), registry=registry)
        self._broken = Counter("freehold_broken_streams", "Streams that broke.", (*labels, "code"), registry=registry)
        self._duration = Histogram(
            "freehold_request_duration_seconds", "Request to last byte.", labels, buckets=_SECONDS, registry=registry
        )
        self._first_token = Histogram(
            "freehold_time_to_first_token_seconds",
            "Request to first chunk of a stream.",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter("freehold_tokens", "As the engine counts.", ("endpoint", "kind"), registry=registry)
        self._in_flight = Gauge("freehold_requests_in_flight", "Requests being answered.", registry=registry)
        build = Gauge("freehold_build_info", "1; the version is the label.", ("version",), registry=registry)
        build.labels(__version__).set(1)
        ProcessCollector(registry=registry)
        registry.register(_Workers(workers))
        registry.register(_Lines(lines))
        self._children: dict[tuple[str, str, int], _Children] = {}
        self._token_counters: dict[tuple[str, str], Counter] = {}

    def begin(self) -> None:
        self._in_flight.inc()

    def end(self, call: Call) -> None:
        """Count `call`, whose answer has ended. Status 0 (nobody was there to answer) is counted as 499."""
        self._in_flight.dec()
        endpoint = call.endpoint or ""
        children = self._children_of(call.route, endpoint, call.status or 499)
        children.requests.inc()
        children.duration.observe(time.perf_counter() - call.started_at)
        if call.first_token_at is not None:
            children.first_token.observe(call.first_token_at - call.started_at)
        if call.broken is not None:
            self._broken.labels(call.route, endpoint, call.broken).inc()
        if call.usage is not None and endpoint:
            self._count_tokens(endpoint, call.usage)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _count_tokens(self, endpoint: str, usage: dict[str, object]) -> None:
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        kinds = {"prompt": usage.get("prompt_tokens"), "completion": usage.get("completion_tokens"), "cached": cached}
        for kind, count in kinds.items():
            if isinstance(count, int) and count >= 0:
                key = (endpoint, kind)
                if key not in self._token_counters:
                    self._token_counters[key] = self._tokens.labels(*key)
                self._token_counters[key].inc(count)

    def _children_of(self, route: str, endpoint: str, status: int) -> _Children:
        """Looked up once for each combination: `labels` is slow where every request pays for it."""
        key = (route, endpoint, status)
        if key not in self._children:
            self._children[key] = _Children(self, key)
        return self._children[key]


class _Children:
    __slots__ = ("duration", "first_token", "requests")

    def __init__(self, metrics: Metrics, key: tuple[str, str, int]) -> None:
        route, endpoint, status = key
        self.requests = metrics._requests.labels(route, endpoint, str(status))
        self.duration = metrics._duration.labels(route, endpoint)
        self.first_token = metrics._first_token.labels(route, endpoint)


class _Workers(Collector):
    """What is true of the workers now, read when it is asked for; those of one build count together. Unknown memory has
    no sample."""

    def __init__(self, workers: Callable[[], Iterable[WorkerReport]]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("freehold_worker_state", "Workers in the state.", labels=("build", "state"))
        restarts = GaugeMetricFamily("freehold_worker_restarts", "Restarts so far.", labels=("build",))
        memory = GaugeMetricFamily("freehold_worker_memory_bytes", "Resident memory.", labels=("build",))
        reports = tuple(self._workers())
        for build in dict.fromkeys(report.build for report in reports):
            own = [report for report in reports if report.build == build]
            for name in _STATES:
                state.add_metric((build, name), sum(report.state == name for report in own))
            restarts.add_metric((build,), sum(report.restarts for report in own))
            known = [report.memory_bytes for report in own if report.memory_bytes is not None]
            if known:
                memory.add_metric((build,), sum(known))
        return iter((state, restarts, memory))


class _Lines(Collector):
    """Who is at work and who waits, read when it is asked for. Endpoints that share a worker share its line, so their
    samples are of the same requests. No sample for slots where there is no bound."""

    def __init__(self, lines: Callable[[], Mapping[str, Standing]]) -> None:
        self._lines = lines

    def collect(self) -> Iterator[Metric]:
        by = ("endpoint",)
        slots = GaugeMetricFamily("freehold_slots", "Answers that its worker makes at once.", labels=by)
        taken = GaugeMetricFamily("freehold_slots_taken", "Slots at work.", labels=by)
        waiting = GaugeMetricFamily(
            "freehold_queue_waiting", "Requests that wait for a slot.", labels=(*by, "priority")
        )
        oldest = GaugeMetricFamily(
            "freehold_queue_oldest_seconds", "How long the oldest has waited; 0: none.", labels=by
        )
        waited = CounterMetricFamily("freehold_queue_waited", "Requests that had to wait for a slot.", labels=by)
        seconds = CounterMetricFamily("freehold_queue_waited_seconds", "How long they waited in all.", labels=by)
        turned = CounterMetricFamily("freehold_queue_turned_away", "Requests refused at once: too many.", labels=by)
        for endpoint, line in self._lines().items():
            if line.slots is not None:
                slots.add_metric((endpoint,), line.slots)
            taken.add_metric((endpoint,), line.taken)
            waiting.add_metric((endpoint, "interactive"), line.waiting - line.waiting_batch)
            waiting.add_metric((endpoint, "batch"), line.waiting_batch)
            oldest.add_metric((endpoint,), line.longest_wait_s or 0.0)
            waited.add_metric((endpoint,), line.waited)
            seconds.add_metric((endpoint,), line.waited_s)
            turned.add_metric((endpoint,), line.turned_away)
        return iter((slots, taken, waiting, oldest, waited, seconds, turned))
