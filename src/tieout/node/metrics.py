"""What monitoring reads at /metrics. docs/node.md lists every name; a test compares."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

GAUGES: Final[dict[str, str]] = {
    "tieout_ledger_height": "Height of the last durable block",
    "tieout_ledger_block_time_seconds": "Time of the last durable block, Unix time",
    "tieout_ledger_writable": "1 while records are taken, 0 after writing has failed",
    "tieout_records_waiting": "Single records that wait for their block",
    "tieout_stream_listeners": "Open live streams",
    "tieout_read_models_blocks_behind": "Blocks that lists do not show yet",
    "tieout_notices": "Notices to people, by state",
    "tieout_books_waiting": "Transactions that wait for a look into the party's own books",
    "tieout_transactions": "Transactions by agreement and status",
}


class Metrics:
    """The counters of one node, and the gauges that are read when they are asked for."""

    def __init__(self, read: Callable[[], "Iterable[tuple[str, dict[str, str], float]]"]) -> None:
        """`read()` gives (name, labels, value) of each gauge."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tieout_http_requests", "Requests by route, method and status",
            ["route", "method", "status"], registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "tieout_http_request_seconds", "Time from the request to the end of its answer",
            ["route"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.records = Counter(
            "tieout_records", "Records by what became of them", ["outcome"], registry=self.registry
        )
        self.registry.register(_Gauges(read))
        self._ready: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (route, method, status)
        if key not in self._ready:
            counter = self.requests.labels(route, method, str(status))
            self._ready[key] = (counter, self.seconds.labels(route))
        counter, histogram = self._ready[key]
        counter.inc()
        histogram.observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Iterable[tuple[str, dict[str, str], float]]]) -> None:
        self._read = read

    def collect(self) -> Iterable[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, labels, value in self._read():
            if name not in families:
                families[name] = GaugeMetricFamily(name, GAUGES[name], labels=list(labels))
            families[name].add_metric(list(labels.values()), value)
        return families.values()
