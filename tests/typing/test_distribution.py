"""What is shipped: the sdist holds every source and builds offline; the wheel is complete."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.skips import needs_package_index
from tests.tidy.sources import source_files

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (".py", ".pyi", ".pyx", ".pxd", ".h", ".proto", ".lark")
SHIPPED = ("conversion", "delivery", "engine", "loaders", "proto", "server", "strata")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """The standard output of a command that must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [str(part) for part in command]
    ran = subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    return ran.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of the checkout, made outside it."""
    folder = tmp_path_factory.mktemp("sdist")
    metadata = ["egg_info", "--egg-base", str(folder)]
    run(sys.executable, "setup.py", "-q", *metadata, "sdist", "--dist-dir", folder)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def names_in(archive: Path) -> set[str]:
    """The files of an sdist, without its top folder."""
    with tarfile.open(archive) as tar:
        return {name.partition("/")[2] for name in tar.getnames()}


def test_the_sdist_holds_every_source_and_nothing_generated(sdist: Path) -> None:
    names = names_in(sdist)
    missing = {str(path) for path in source_files(*SOURCES, under=SHIPPED)} - names
    assert not missing
    assert {"LICENSE", "Makefile", "README.md", "pyproject.toml", "setup.py"} <= names
    generated = [name for name in names if name.endswith((".so", ".c")) or "_pb2" in name]
    assert not generated


def test_the_sdist_builds_without_isolation(sdist: Path, tmp_path: Path) -> None:
    needs_package_index()
    with tarfile.open(sdist) as tar:
        # Python 3.11 has the filter since 3.11.4, and Python 3.14 by itself.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(tmp_path, **safe)
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    required = tomllib.loads((source / "pyproject.toml").read_text())["build-system"]["requires"]
    python = tmp_path / "venv/bin/python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(python, "-m", "pip", "install", "--quiet", *required)
    wheels = ("--wheel-dir", tmp_path / "wheels")
    run(python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", *wheels, source)

    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    rooms = ("engine", "server")
    modules = {path.with_suffix("").name for path in source_files(".pyx", under=rooms)}
    compiled = {Path(name).name.split(".")[0] for name in shipped if name.endswith(".so")}
    assert compiled == modules
    for suffix in (".pxd", ".pyi", ".lark"):
        expected = {str(path) for path in source_files(suffix, under=rooms)}
        assert expected <= shipped
    protos = source_files(".proto", under=("proto",))
    assert {f"strata/v1/{path.stem}_pb2.py" for path in protos} <= shipped
    assert not [name for name in shipped if name.startswith(("tests/", "tools/", "build/"))]

    # The engine's own imports come from this environment; the compiled parts from the wheel.
    script = "import engine.bitmaps.containers as m, sys; print(m.__file__)"
    place = run(sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {script}",
                cwd=tmp_path / "installed")  # fmt: skip
    assert place.startswith(str(tmp_path)) or place.startswith(".")
