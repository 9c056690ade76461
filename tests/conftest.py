"""What every kind of test shares: the budgets of random tests and the folder of real data."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, Verbosity, settings

from tests.skips import NO_DATA_FOLDER, data_folder, skip, soaking
from tests.whole_feed import keep_the_whole_feed

# Times are never asserted (machines differ), so no deadline; a failure prints a blob that
# @reproduce_failure takes, and the header of the run prints the command for the seed.
_COMMON = {
    "deadline": None,
    "print_blob": True,
    "verbosity": Verbosity.normal,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("default", max_examples=60, **_COMMON)
settings.register_profile("soak", max_examples=5_000, **_COMMON)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the budget, and one seed for the whole run unless the caller chose one."""
    _heed_interrupts()
    settings.load_profile("soak" if soaking() else "default")
    if getattr(config.option, "hypothesis_seed", None) is None:
        # Workers of pytest-xdist get the seed of the process that started them.
        seed = os.environ.setdefault("STRATA_SEED", str(int.from_bytes(os.urandom(4), "big")))
        config.option.hypothesis_seed = seed


def _heed_interrupts() -> None:
    """Let SIGINT end the tests and what they start, as it does in a terminal.

    A shell starts commands in the background with SIGINT ignored, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    """Name the seed and how to use it again."""
    seed = config.option.hypothesis_seed
    return f"random tests: seed {seed}; again with: STRATA_SEED={seed} make test"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say after a failure, too, how to repeat it: the header may be long gone."""
    if terminalreporter.stats.get("failed"):
        seed = terminalreporter.config.option.hypothesis_seed
        terminalreporter.write_line(f"to repeat the random tests: pytest --hypothesis-seed={seed}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = data_folder()
    if folder is None:
        skip(NO_DATA_FOLDER)
    return folder


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run, for random tests without hypothesis."""
    return int(request.config.option.hypothesis_seed)


@pytest.fixture(autouse=True)
def no_log_is_left() -> Iterator[None]:
    """A command that sets the log up, to a stream of its own, leaves none to the tests after it."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture
def whole_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """For modules in whose tests weeks pass: `pytestmark = pytest.mark.usefixtures(...)`."""
    keep_the_whole_feed(monkeypatch)
