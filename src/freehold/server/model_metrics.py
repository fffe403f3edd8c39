"""What is counted of models that come into memory and go, in Prometheus' form. Labels are builds, which are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from freehold.core.ports import WorkerReport
from freehold.gateway.gateway import Gateway
from freehold.gateway.memory.life import LifeEvent
from freehold.gateway.pool import Occupancy

_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_ENDED = {"evicted": "memory", "idle": "idle", "unloaded": "asked"}


class ModelMetrics:
    """Counts in `registry` what happens to the models of `gateway` from now on."""

    def __init__(self, registry: CollectorRegistry, gateway: Gateway) -> None:
        self._loads = Counter(
            "freehold_model_loads", "Loads by how they ended.", ("build", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "freehold_model_loading_seconds",
            "Start to ready, without waiting for memory.",
            ("build",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._evictions = Counter(
            "freehold_model_evictions",
            "Models that went, for others' need of memory, idle, or because somebody said so.",
            ("build", "reason"),
            registry=registry,
        )
        self._aside = Counter(
            "freehold_models_set_aside", "Given up after ending again and again.", ("build",), registry=registry
        )
        registry.register(_Memory(gateway.memory, gateway.workers))
        gateway.life.listen(self._count)

    def _count(self, event: LifeEvent) -> None:
        if event.what == "loaded":
            self._loads.labels(event.build, "loaded").inc()
            self._seconds.labels(event.build).observe(event.seconds or 0.0)
        elif event.what == "failed":
            self._loads.labels(event.build, "failed").inc()
        elif event.what == "set aside":
            self._aside.labels(event.build).inc()
        elif event.what in _ENDED:
            self._evictions.labels(event.build, _ENDED[event.what]).inc()


class _Memory(Collector):
    """What is true of memory now, read when it is asked for. Workers of one build count together."""

    def __init__(self, memory: Callable[[], Occupancy], workers: Callable[[], Iterable[WorkerReport]]) -> None:
        self._memory = memory
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        occupancy = self._memory()
        most = GaugeMetricFamily("freehold_memory_limit_bytes", "What all models may take.", occupancy.most_bytes)
        reserved = GaugeMetricFamily("freehold_model_reserved_bytes", "What is kept for it.", labels=("build",))
        waiting = GaugeMetricFamily("freehold_model_waiting", "Requests that wait for it to load.", labels=("build",))
        reports = tuple(self._workers())
        for build in dict.fromkeys(report.build for report in reports):
            own = [report for report in reports if report.build == build]
            alone = sum(report.reserved_bytes - report.mapped_bytes for report in own)
            reserved.add_metric((build,), alone + max(report.mapped_bytes for report in own))
            waiting.add_metric((build,), sum(report.waiting for report in own))
        return iter((most, reserved, waiting))
