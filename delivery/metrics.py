"""What Prometheus is told of deliveries."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]


class Metrics:
    """Figures by endpoint, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.delivered = Counter(
            "strata_delivered_changes",
            "Changes that an endpoint has taken.",
            ["endpoint"],
            registry=self.registry,
        )
        self.dead = Counter(
            "strata_dead_changes",
            "Changes that were given up and put among the dead letters.",
            ["endpoint"],
            registry=self.registry,
        )
        self.attempts = Counter(
            "strata_delivery_attempts",
            "Attempts to deliver: taken, failed (tried again) or refused.",
            ["endpoint", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "strata_delivery_seconds",
            "How long an attempt took.",
            ["endpoint"],
            registry=self.registry,
        )
        self.behind = Gauge(
            "strata_delivery_behind_seconds",
            "Age of the last change dealt with when it was; 0 once everything has been.",
            ["endpoint"],
            registry=self.registry,
        )
