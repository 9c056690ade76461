"""The life of a sender process: a thread for each endpoint, until it is told to stop.

Endpoints know nothing of each other: one that is down keeps no other waiting. Where one cannot go
on, the others do, and the process ends with its reason when they have.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog
from prometheus_client import start_http_server

from delivery.failures import DeliveryRefused
from delivery.metrics import Metrics
from delivery.sending import Sender
from delivery.settings import DeliverySettings
from strata.client import Client
from strata.errors import StrataError

__all__ = ["deliver", "retry_dead"]

_log = structlog.get_logger("strata.delivery")

# A silent feed says something every 10 seconds; who is told to stop waits no longer for that.
STOP_S = 5.0


def deliver(settings: DeliverySettings, connect: Callable[[], Client], *, follow: bool) -> None:
    """Serves all endpoints: until SIGTERM or SIGINT, or, without `follow`, until the end of the
    feed. DeliveryRefused or StrataError where an endpoint could not go on."""
    settings.state.mkdir(parents=True, exist_ok=True)
    metrics = Metrics()
    senders = _senders(settings, connect, metrics, follow=follow)
    if settings.metrics is not None:
        _publish(settings.metrics, metrics)
    failures: list[Exception] = []

    def serve(name: str, sender: Sender) -> None:
        try:
            sender.run()
        except (DeliveryRefused, StrataError) as error:
            _log.error("endpoint not served", endpoint=name, reason=str(error))
            failures.append(error)
        except Exception as error:
            _log.exception("endpoint not served", endpoint=name)
            failures.append(error)

    if not follow:
        # In this thread: a store that is open here is one thread's.
        for name, sender in senders.items():
            serve(name, sender)
    else:
        _run(senders, serve)
    if failures:
        raise failures[0]


def retry_dead(settings: DeliverySettings) -> dict[str, tuple[int, int]]:
    """Tries the dead letters of all endpoints once; by name how many were taken, and how many
    failed again."""
    settings.state.mkdir(parents=True, exist_ok=True)

    def nowhere() -> Client:
        raise AssertionError("dead letters need no feed")

    senders = _senders(settings, nowhere, Metrics(), follow=False)
    return {name: sender.retry_dead() for name, sender in senders.items()}


def _senders(
    settings: DeliverySettings, connect: Callable[[], Client], metrics: Metrics, *, follow: bool
) -> dict[str, Sender]:
    return {
        name: Sender(name, settings, connect, metrics, follow=follow) for name in settings.endpoints
    }


def _run(senders: dict[str, Sender], serve: Callable[[str, Sender], None]) -> None:
    told = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threads = [
        threading.Thread(target=serve, args=item, name=f"deliver-{item[0]}", daemon=True)
        for item in senders.items()
    ]
    for thread in threads:
        thread.start()
    _log.info("delivering", endpoints=sorted(senders))
    while any(thread.is_alive() for thread in threads) and not told.wait(0.2):
        pass
    for sender in senders.values():
        sender.stop()
    for thread in threads:
        thread.join(STOP_S)
    _log.info("stopped")


def _publish(address: str, metrics: Metrics) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise DeliveryRefused(f"metrics: {address!r} is no address; write 127.0.0.1:9464.")
    try:
        start_http_server(int(port), addr=host.strip("[]"), registry=metrics.registry)
    except OSError as error:
        raise DeliveryRefused(
            f"Metrics cannot be shown at {address}: {error.strerror}; choose another address."
        ) from None
