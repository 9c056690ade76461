"""What tests/mutants.py changes, by suite: the files, what is compiled, and the tests that must
notice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LEFT_OUT", "SUITES", "Suite"]

_INCLUDED = re.compile(r'(?:#include|extern from) "engine/([\w/]+\.h)"')
_CIMPORTED = re.compile(r"^from engine\.(\w+)\.(\w+) cimport", re.MULTILINE)


@dataclass(frozen=True)
class Suite:
    """Files and modules are named from engine/ on, modules without `.pyx`.

    `modules` are those that a changed header is compiled into. `timeout_s` is how long the
    tests may take: a mutant that hangs is caught.
    """

    files: tuple[str, ...]
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    timeout_s: float

    def modules_of(self, root: Path, file: str) -> tuple[str, ...]:
        """The modules that are compiled anew where a file has changed."""
        if file.endswith(".py"):
            return ()
        if file.endswith(".pyx"):
            return (file.removesuffix(".pyx"),)
        return tuple(name for name in self.modules if file in _read_by(root, f"{name}.pyx"))


def _read_by(root: Path, file: str) -> set[str]:
    """The headers and declarations that a file includes, they and what they include."""
    found: set[str] = set()
    waiting = [file, f"{file.removesuffix('.pyx')}.pxd"]
    while waiting:
        path = root / "engine" / waiting.pop()
        if not path.exists():
            continue
        text = path.read_text()
        named = set(_INCLUDED.findall(text))
        named |= {f"{room}/{module}.pxd" for room, module in _CIMPORTED.findall(text)}
        waiting.extend(named - found)
        found |= named
    return found


_ATTRIBUTES = Suite(
    files=(
        "core/kernels_loops.h",
        "core/kernels_portable.h",
        "core/kernels_rows.h",
        "core/kernels_groups.h",
        "core/kernels_avx2.h",
        "core/kernels_avx2_groups.h",
        "core/kernels_avx512.h",
        "core/kernels_avx512_groups.h",
        "core/kernels_avx512_masks.h",
        "core/kernels_avx512_ranks.h",
        "core/kernels_avx512_rows.h",
        "core/kernels_ranks.h",
        "core/kernels_x86_ranks.h",
        "core/masks.h",
        "core/fields.h",
        "core/leaves.h",
        "core/leaf_outlook.h",
        "core/leaf_blocks.h",
        "core/leaf_rows.h",
        "core/selections.h",
        "core/row_memberships.h",
        "core/row_lists.h",
        "core/groups.h",
        "core/code_masks.h",
        "core/range_masks.h",
        "core/exact.h",
        "core/conjuncts.pyx",
        "core/cut_text.pyx",
        "core/joins.pyx",
        "core/nodes.pyx",
        "core/evaluate.pyx",
        "core/question_form.pyx",
        "core/stretches.pyx",
        "core/row_tests.pyx",
        "core/row_memberships.pyx",
        "core/row_unions.pyx",
        "core/plan.py",
        "core/leaf_plan.py",
        "core/number_plan.py",
        "core/solve.py",
    ),
    modules=(
        "core/conjuncts",
        "core/joins",
        "core/nodes",
        "core/evaluate",
        "core/stretches",
        "core/row_tests",
        "core/kernels",
    ),
    tests=(
        "tests/property/test_readings.py",
        "tests/property/test_readings_second_half.py",
        "tests/unit/test_kernels.py",
        "tests/unit/test_kernel_rows.py",
        "tests/unit/test_code_masks.py",
        "tests/unit/test_range_masks.py",
        "tests/unit/test_block_programs.py",
        "tests/unit/test_evaluator_edges.py",
        "tests/unit/test_solve.py",
        "tests/unit/test_float_sides.py",
        "tests/unit/test_audience.py",
        "tests/unit/test_cut_text.py",
        "tests/unit/test_question_forms.py",
        "tests/property/test_question_forms.py",
        "tests/unit/test_row_tests.py",
        "tests/unit/test_segments.py",
        "tests/unit/test_segment_edits.py",
    ),
    timeout_s=240,
)

_EVENTS = Suite(
    files=(
        "events/chains.h",
        "events/chunk.h",
        "events/distinct.h",
        "events/firsts.h",
        "events/fold_block.h",
        "events/folds.h",
        "events/one_row.h",
        "events/pairs.h",
        "events/picks.h",
        "events/row_events.h",
        "events/row_where.h",
        "events/scaled.h",
        "events/sequence_events.h",
        "events/sequence_passes.h",
        "events/sequence_runs.h",
        "events/sequence_steps.h",
        "events/sequences.h",
        "events/tail.h",
        "events/time_ranges.h",
        "events/values.h",
        "events/where.h",
        "core/aggregate_ends.h",
        "core/aggregate_heads.h",
        "core/aggregate_numbers.h",
        "core/aggregate_pairs.h",
        "core/aggregate_scaled.h",
        "core/aggregate_scans.h",
        "core/aggregate_sequences.h",
        "core/aggregates.h",
        "core/kernels_after.h",
        "core/kernels_lanes.h",
        "core/kernels_pairs.h",
        "core/kernels_x86_after.h",
        "core/kernels_x86_lanes.h",
        "core/score_rules.h",
        "core/score_tables.h",
        "core/scores.h",
        "core/values.h",
        "core/where_leaves.h",
        "core/aggregates.pyx",
        "core/one_row.pyx",
        "core/overlaps.pyx",
        "core/scores.pyx",
        "core/sequences.pyx",
        "core/values.pyx",
        "core/where_nodes.pyx",
        "events/aggregates.pyx",
        "events/one_row.pyx",
        "core/event_plan.py",
        "core/score_order.py",
        "core/score_plan.py",
        "core/sequence_plan.py",
        "core/row_lines.h",
        "core/where_plan.py",
    ),
    modules=(
        "core/aggregates",
        "core/kernels",
        "core/row_lines",
        "core/scores",
        "core/sequences",
        "core/values",
        "core/where_nodes",
        "events/aggregates",
        "events/chains",
        "events/one_row",
        "events/row_events",
        "events/tail",
        "events/time_ranges",
    ),
    tests=(
        "tests/property/test_row_events.py",
        "tests/property/test_row_lines.py",
        "tests/unit/test_half_life.py",
        "tests/unit/test_event_fields.py",
        "tests/unit/test_one_row.py",
        "tests/unit/test_overlap.py",
        "tests/unit/test_kernels.py",
        "tests/unit/test_sequences_asked.py",
        "tests/unit/test_where_plan.py",
        "tests/unit/test_scores.py",
        "tests/property/test_sequences.py",
        "tests/property/test_event_chunks.py",
        "tests/property/test_event_edits.py",
        "tests/property/test_measured_values.py",
        "tests/property/test_event_aggregates.py",
        "tests/property/test_where.py",
        "tests/property/test_sequence_columns.py",
        "tests/unit/test_score_columns.py",
        "tests/property/test_scores.py",
        "tests/unit/test_event_columns.py",
        "tests/property/test_event_columns.py",
    ),
    timeout_s=900,
)

SUITES: Mapping[str, Suite] = {"attributes": _ATTRIBUTES, "events": _EVENTS}

# Compiled sources of the same rooms that no suite changes, and why.
LEFT_OUT: Mapping[str, str] = {
    "core/control.pyx": "stopping a call gives no answer",
    "core/kernels.h": "names and tables of kernels, whose bodies are in other files",
    "core/kernels.pyx": "the face of the kernels for the tests",
    "core/leaf_layout.pyx": "addresses: what is wrong there crashes",
    "core/memberships.pyx": "another way into what row_memberships holds",
    "core/program.pyx": "addresses: what is wrong there crashes",
    "core/row_lines.pyx": "hands addresses to row_lines.h",
    "core/score_layout.pyx": "addresses: what is wrong there crashes",
    "core/worker.pyx": "memory of a thread",
    "events/chains.pyx": "hands addresses to chains.h",
    "events/chunks.pyx": "addresses: what is wrong there crashes",
    "events/layout.h": "declarations",
    "events/row_events.pyx": "hands addresses to row_events.h",
    "events/tail.pyx": "hands addresses to tail.h",
    "events/time_ranges.pyx": "hands addresses to time_ranges.h",
}
