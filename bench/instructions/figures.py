"""The stored figures: instructions by question, for each compiler they were counted with.

A compiler of another version makes other instructions of the same source, so figures are
compared only with those of the same one. Which one built the modules stands in the modules.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from engine.core import evaluate

__all__ = ["Figures", "build_of", "differences"]

PATH = Path(__file__).with_name("figures.json")
# Counts of one build are the same to a thousandth; what is left is the C library and Python.
TOLERANCE = 0.03
COMPILER = re.compile(rb"(GCC: \([^)]*\) [\d.]+|clang version [\d.]+)")


def build_of() -> str:
    """The compiler of the modules and the interpreter they are for, as the modules say."""
    assert evaluate.__file__ is not None
    module = Path(evaluate.__file__)
    content = module.read_bytes()
    compilers = sorted({match.decode() for match in COMPILER.findall(content)})
    made = [*compilers, module.name.split(".", 1)[1]]
    if b"__asan_" in content or b"__ubsan_" in content:
        made.append("with sanitizers")
    return ", ".join(made)


@dataclass(slots=True)
class Figures:
    """Instructions by build and by question, and by how much they may differ."""

    tolerance: float
    of: dict[str, dict[str, int]]

    @classmethod
    def read(cls) -> Figures:
        """What is stored; nothing where there is no file."""
        if not PATH.exists():
            return cls(TOLERANCE, {})
        content = json.loads(PATH.read_text())
        return cls(content["tolerance"], content["instructions"])

    def write(self) -> None:
        """Stores them, sorted, so that a change is seen line by line."""
        content = {"tolerance": self.tolerance, "instructions": dict(sorted(self.of.items()))}
        PATH.write_text(json.dumps(content, indent=2) + "\n")


def differences(stored: dict[str, int], counted: dict[str, int], tolerance: float) -> list[str]:
    """A sentence for each question that takes more, or less, than it should.

    Less is a fault as well: a figure that is too high hides the next loss.
    """
    faults = []
    for name in sorted(stored.keys() | counted.keys()):
        if name not in stored or name not in counted:
            faults.append(f"{name}: counted or stored alone; renew the figures")
            continue
        change = counted[name] / stored[name] - 1
        if abs(change) > tolerance:
            faults.append(
                f"{name}: {counted[name]:,} instructions, {change:+.1%} from {stored[name]:,};"
                " if that is meant, `python -m bench.instructions --renew` stores it"
            )
    return faults
