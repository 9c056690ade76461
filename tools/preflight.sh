#!/bin/sh
# Says in one paragraph what this machine lacks to build Strata. Silent when nothing is missing.
# PYTHON names the interpreter, as for make: `make PYTHON=python3.12 demo`.

python=${PYTHON:-python3}

stop() {
    printf '%s\n' "$1" | fold -s -w 88 >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 || stop \
"Strata needs Python 3.11 or newer, and there is no program \`$python\` here. Install it \
(Debian, Ubuntu: apt install python3 python3-venv python3-dev; Fedora: dnf install \
python3-devel), or name another: make PYTHON=python3.12 demo."

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop \
"Strata needs Python 3.11 or newer, and \`$python\` is \
$("$python" -c 'import sys; print(".".join(map(str, sys.version_info[:3])))'). \
Install a newer one beside it and name it: make PYTHON=python3.12 demo."

"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || stop \
"Strata builds in an environment of its own, and \`$python\` cannot make one: the modules \
venv and ensurepip are missing. Install them (Debian, Ubuntu: apt install python3-venv), then \
run make again."

"$python" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || stop \
"Strata compiles C against Python, and the headers of \`$python\` (Python.h) are missing. \
Install them (Debian, Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel), \
then run make again."

compiler=${CC:-$("$python" -c '
import sysconfig
print((sysconfig.get_config_var("CC") or "cc").split()[0])')}
trial=$(mktemp -d) || stop "No temporary folder can be made; set TMPDIR to one that can be \
written, then run make again."
trap 'rm -rf "$trial"' EXIT
printf '#include <stdint.h>\n#include <stdlib.h>\nint main(void) { return 0; }\n' >"$trial/trial.c"
# shellcheck disable=SC2086 -- CC may hold arguments.
$compiler -o "$trial/trial" "$trial/trial.c" >/dev/null 2>&1 || stop \
"Strata compiles C, and the compiler \`$compiler\` is missing or cannot make a program here. \
Install one (Debian, Ubuntu: apt install build-essential; Fedora: dnf install gcc \
glibc-devel), or name another: CC=clang make demo."
