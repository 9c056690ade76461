"""The shops that every differential test asks: one made up, and the real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strata.client import Client
from tests.differential.invoice_lines import LINE_KINDS, invoice_lines
from tests.differential.shop import Shop, open_shop

START_S = 60


@pytest.fixture(scope="session", params=LINE_KINDS)
def shop(
    request: pytest.FixtureRequest, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A shop; the real one where there is real data."""
    folder = tmp_path_factory.mktemp(request.param)
    lines, zone = invoice_lines(request, seed, folder)
    with open_shop(request.param, lines, zone, folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server process over a copy of the shop's store."""
    with served(shop.store, tmp_path_factory.mktemp("served")) as connected:
        yield connected


@contextlib.contextmanager
def served(store: Path, folder: Path) -> Iterator[Client]:
    """A client of a server process over a copy of a store, made in a folder."""
    shutil.copytree(store, folder / "store")
    port = folder / "port"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
    arguments = ["--store", str(folder / "store"), "--listen", "127.0.0.1:0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "strata", "serve", *arguments, "--port-file", str(port)],
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
            env=environment,
        )
    try:
        deadline = time.monotonic() + START_S
        while not port.exists():
            gone = process.poll() is not None or time.monotonic() > deadline
            assert not gone, (folder / "log").read_text()
            time.sleep(0.05)
        with Client(f"127.0.0.1:{int(port.read_text())}", timeout_s=START_S) as connected:
            yield connected
    finally:
        process.terminate()
        assert process.wait(START_S) == 0
