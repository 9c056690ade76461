"""Builds what cannot be declared: the compiled modules and the stubs of the wire contract.

1. Every .pyx of engine/ and server/ becomes an extension module of the same name, translated by
   Cython into build/cython and compiled beside its source (`build_ext --inplace`) or into the
   wheel.
   A performance hint of Cython in a hot module fails the build.
2. `build_stubs` turns proto/strata/v1/*.proto into strata/v1/*_pb2.py, *_pb2.pyi and
   *_pb2_grpc.py. It needs the pinned grpcio-tools, so it runs in the isolated environment of
   `pip install`, or by `make stubs`.

Environment: STRATA_SANITIZE=address,undefined builds with those sanitizers;
STRATA_WERROR=1 turns warnings of the C compiler into errors.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from copy import copy
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, TextIO

from setuptools import Command, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
COMPILED = ("engine", "server")  # the rooms that have compiled modules
HOT = ("engine/core", "engine/bitmaps")  # where a Cython performance hint fails the build
PROTO_ROOT = Path("proto")
GENERATED = Path("build/cython")
STUBS = Path("build/stubs")
FLAGS_RECORD = Path("build/flags")

# No -march=native (wider instruction sets are picked at run time) and no -ffast-math; with
# contraction off, a kernel gives the same doubles with and without fused multiply-add.
# The two warnings left out are about C that Cython writes: helpers it declares to be safe, and
# loops whose counter and bound differ in sign.
COMPILE_ARGS = [
    "-O3",
    "-std=gnu11",
    "-ffp-contract=off",
    "-Wall",
    "-Wno-unused-function",
    "-Wno-sign-compare",
]
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]


def sanitizer_args() -> list[str]:
    """Compiler and linker arguments for the sanitizers named in STRATA_SANITIZE."""
    names = os.environ.get("STRATA_SANITIZE", "")
    if not names:
        return []
    return [f"-fsanitize={names}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-g"]


class _Tee(io.TextIOBase):
    """Passes text on to a stream and keeps a copy."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text = io.StringIO()

    def write(self, text: str) -> int:
        self.text.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def find_extensions() -> list[Extension]:
    """One extension for every .pyx of the compiled rooms, named as it is imported."""
    return [
        Extension(".".join(source.with_suffix("").parts), [str(source)])
        for room in COMPILED
        for source in sorted(path.relative_to(ROOT) for path in ROOT.glob(f"{room}/**/*.pyx"))
    ]


def translate_one(extension: Extension) -> Extension | None:
    """The extension with C in place of Cython, or None when Cython refuses it (on stderr).

    A performance hint in a hot module refuses it too; the C is removed, so that the next
    build says so again.
    """
    from Cython.Build import cythonize
    from Cython.Compiler import Errors, Options

    Options.warning_errors = True
    tee = _Tee(sys.stderr)
    try:
        with contextlib.redirect_stderr(tee):
            translated: Extension = cythonize(
                [Extension(extension.name, extension.sources)],
                build_dir=str(GENERATED),
                include_path=["."],
                compiler_directives={"language_level": 3, "show_performance_hints": True},
            )[0]
    except Errors.CompileError:
        return None
    source = extension.sources[0]
    if source.startswith(HOT) and "performance hint: " in tee.text.getvalue():
        (GENERATED / source).with_suffix(".c").unlink()
        print(f"{source}: a hot module with a performance hint is refused.", file=sys.stderr)
        return None
    return translated


def ready_to_compile(extensions: list[Extension]) -> list[Extension]:
    """The extensions as C with all that the compiler needs, without those Cython refuses."""
    import numpy as np

    headers = [
        str(path.relative_to(ROOT)) for room in COMPILED for path in ROOT.glob(f"{room}/**/*.h")
    ]
    strict = ["-Werror"] if os.environ.get("STRATA_WERROR") == "1" else []
    sanitize = sanitizer_args()
    ready = []
    for extension in extensions:
        translated = translate_one(extension)
        if translated is None:
            continue
        folder = str(Path(extension.sources[0]).parent)
        compiled = copy(extension)
        compiled.sources = translated.sources
        # Cython knows only the headers it names itself; they include one another.
        compiled.depends = sorted({*translated.depends, *headers})
        compiled.include_dirs = [".", folder, np.get_include()]
        compiled.define_macros = MACROS
        compiled.extra_compile_args = COMPILE_ARGS + strict + sanitize
        compiled.extra_link_args = sanitize[:1]
        ready.append(compiled)
    return ready


class BuildStubs(Command):
    """Generates the Python stubs of the wire contract beside strata/v1/__init__.py."""

    description = "generate strata/v1/*_pb2.py, *_pb2.pyi and *_pb2_grpc.py from proto/"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        """Nothing can be set."""

    def finalize_options(self) -> None:
        """Nothing can be set."""

    def run(self) -> None:
        """Run the compiler of grpcio-tools over all files; a refusal leaves the old stubs."""
        protos = sorted(PROTO_ROOT.glob("strata/v1/*.proto"))
        if not protos:
            return
        try:
            from grpc_tools import protoc
        except ImportError:
            sys.exit(
                "The stubs in strata/v1 are generated by grpcio-tools, which is not installed"
                " here. Run `make stubs`, or `pip install -e .`, which brings its own."
            )
        shutil.rmtree(STUBS, ignore_errors=True)
        STUBS.mkdir(parents=True)
        status = protoc.main(
            [
                "protoc",
                f"-I{PROTO_ROOT}",
                f"-I{files('grpc_tools') / '_proto'}",
                f"--python_out={STUBS}",
                f"--pyi_out={STUBS}",
                f"--grpc_python_out={STUBS}",
                *(str(path) for path in protos),
            ]
        )
        if status:
            sys.exit("The stubs were not generated: protoc refused a file under proto/ (above).")
        for stale in Path("strata/v1").glob("*_pb2*.py*"):
            stale.unlink()
        for stub in (STUBS / "strata/v1").iterdir():
            shutil.copyfile(stub, Path("strata/v1") / stub.name)


class BuildPython(build_py):
    """Copies the Python files, stubs included."""

    def run(self) -> None:
        """Generate the stubs first, so that they are among the files found."""
        self.run_command("build_stubs")
        super().run()


class BuildExtensions(build_ext):
    """Translates and compiles; everything again when the compiler's arguments changed."""

    def finalize_options(self) -> None:
        """Compile on every core."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        """Compare the arguments with those of the last build, and remember these."""
        flags = " ".join(COMPILE_ARGS + sanitizer_args())
        recorded = FLAGS_RECORD.read_text() if FLAGS_RECORD.exists() else ""
        self.force = self.force or (recorded != flags)
        wanted = {extension.name for extension in self.extensions or ()}
        if wanted:
            self.extensions = ready_to_compile(self.extensions)
        super().run()
        refused = sorted(wanted - {extension.name for extension in self.extensions or ()})
        if refused:
            sys.exit(f"Cython refused {', '.join(refused)} (above); the rest is built.")
        FLAGS_RECORD.parent.mkdir(exist_ok=True)
        FLAGS_RECORD.write_text(flags)


os.chdir(ROOT)
setup(
    ext_modules=find_extensions(),
    cmdclass={
        "build_ext": BuildExtensions,
        "build_py": BuildPython,
        "build_stubs": BuildStubs,
    },
)
