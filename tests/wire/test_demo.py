"""The demo at a small size: what it shows, and that nothing is left of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 120
PURCHASES = """\
 customer_id  date number_of_cds  dollar_value
 00001 19970101  1   11.77
 00002 19970112  1   12.00
 00002 19970112  5   77.00
"""


def _environment(temporary: Path, wheels: Path | None = None) -> dict[str, str]:
    """No package index; perhaps a folder of wheels in its place."""
    found = {"PIP_FIND_LINKS": str(wheels)} if wheels is not None else {}
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(temporary)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return kept | offline | found


def _run(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.demo", "--people", "3000", *options]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_S
    )


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The demo's own folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_offline_it_says_so_shows_the_rest_and_leaves_nothing(temporary: Path) -> None:
    done = _run(_environment(temporary))
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert "CDNOW cannot be fetched from the package index" in shown
    assert "3,000 records accepted, 0 refused" in shown
    assert re.search(r"\(\d[\d,]* a second\)", shown), "the load tells its rate"
    assert re.search(r"\n[\d,]+   [\d.]+ ms   as of 2026-11-01T00:00:00", shown)
    assert "├─ segment('target_industry')" in shown, "counts at every node"
    assert "制造业" in shown and "████" in shown, "a profile and a group-by"
    assert "├─ days(any in last 4 calendar weeks) >= 3" in shown, "what people did"
    assert re.search(r"\nlead +[\d,]+ +[\d,]+ +[\d,.]+ ", shown), "what they spent, by stage"
    assert '{"expression": "segment(\'target_industry\')", "count": ' in shown
    assert "\nnot stage = 'lead' and age >= 30\n" in shown
    assert "did you mean 'industry'" in shown
    assert shown.count("entered  hot_lead") == 3 and "left     hot_lead" in shown
    assert shown.count("cold -> nurture  lead") == 3, "and whose points went up"
    assert re.search(r"\nlead: \d+ points\n", shown), "a score with its reasons"
    assert "to go on from here: --from" in shown
    assert "--keep my-store" in shown
    assert not list(temporary.iterdir())
    # A list says beside its members what it read as it is today.
    assert all(line.startswith("as it is today: ") for line in done.stderr.splitlines())


def test_a_kept_store_answers_afterwards(temporary: Path, tmp_path: Path) -> None:
    store = tmp_path / "kept"
    done = _run(_environment(temporary), "--keep", str(store))
    assert done.returncode == 0, done.stderr
    counted = subprocess.run(
        [sys.executable, "-m", "strata", "count", "stage is present", "--store", str(store)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert counted.stdout.startswith("3,000 "), counted.stderr
    assert _run(_environment(temporary), "--keep", str(store)).returncode == 2
    assert store.exists(), "a folder that was there already is not touched"


def test_a_wrong_figure_stops_it_and_everything_is_removed(temporary: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    name = "lifetimes-0.11.3"
    with zipfile.ZipFile(wheels / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lifetimes/datasets/CDNOW_master.txt", PURCHASES.replace("\n", "\r\n"))
        wheel.writestr(f"{name}.dist-info/METADATA", "Name: lifetimes\nVersion: 0.11.3\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    done = _run(_environment(temporary, wheels), "--keep", str(tmp_path / "kept"))
    assert done.returncode == 1
    assert "2 records accepted" in done.stdout
    assert "This should be 11,908, and is 1." in done.stderr
    assert not (tmp_path / "kept").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_its_server_and_cleans_up(
    temporary: Path, number: signal.Signals
) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "examples.demo", "--people", "3000"],
        cwd=ROOT,
        env=_environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with demo:
        assert demo.stdout is not None and demo.stderr is not None
        line = next(line for line in demo.stdout if line.startswith("Serving on "))
        demo.send_signal(number)
        demo.stdout.read()
        assert demo.wait(WAIT_S) == 130
        assert "has cleaned up" in demo.stderr.read()
    assert not list(temporary.iterdir())
    host, _, port = line.split()[2].rstrip(".").partition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0, "the server still listens"
