"""Changes of the evaluator that change no answer: tests/mutants.py leaves them out."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

BORDER = "at the border both sides do the same"
MORE_WORK = "the same rows are reached by a longer way"
EITHER_WAY = "by rows and through masks the answer is the same"
UNREAD_TYPE = "annotations are not evaluated"
REWRITTEN = "it is written before it is read"
RECORD = "nobody writes to its objects: frozen and slots only keep it so"
STOPPED = "a stopped call raises and gives no count"

# File, code of the line, old token, new, and why no answer can differ.
# Where the same line stands elsewhere too, the line before it is named with it; where only one of
# several equal tokens may change, its number follows: "64@2" is the second 64 of the line.
EQUIVALENT: dict[tuple[str, str, str, str], str] = {
    (
        "core/exact.h",
        "int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)size);",
        "64",
        "63",
    ): "the scaled number takes 128 bits instead of 127, and both fit",
    ("core/exact.h", "if (shift < 0) {", "<", "<="): BORDER,
    ("core/exact.h", "if (sign < 0) {", "<", "<="): "a sign of 0 has returned above",
    (
        "core/exact.h",
        "strata_wide_shift_left(&numerator, scale > 0 ? scale : 0);",
        ">",
        ">=",
    ): BORDER,
    ("core/leaves.h", "if (order < 0) {", "<", "<="): "an order of 0 has returned above",
    ("core/nodes.pyx", "if must_stop(c):\nreturn 0", "0", "1"): STOPPED,
    (
        "core/nodes.pyx",
        "if must_stop(c):\nreturn decided(c, STRATA_NONE)",
        "STRATA_NONE",
        "STRATA_ALL",
    ): STOPPED,
    (
        "core/nodes.pyx",
        "if c.stopped != GO_ON:\nreturn decided(c, STRATA_NONE)",
        "STRATA_NONE",
        "STRATA_ALL",
    ): STOPPED,
    (
        "core/nodes.pyx",
        "found = run_or(c, node, out, level)\nif node.memo >= 0:",
        "0",
        "1",
    ): MORE_WORK,
    (
        "core/nodes.pyx",
        "found = run_or(c, node, out, level)\nif node.memo >= 0:",
        ">=",
        ">",
    ): MORE_WORK,
    (
        "core/nodes.pyx",
        "if c.memos[node.memo].state >= 0:",
        "0",
        "1",
    ): MORE_WORK,
    ("core/nodes.pyx", "if c.memos[node.memo].state >= 0:", ">=", ">"): MORE_WORK,
    (
        "core/conjuncts.pyx",
        "if outlook.state == STRATA_ALL:",
        "STRATA_ALL",
        "STRATA_NONE",
    ): MORE_WORK,
    (
        "core/number_plan.py",
        "if isinstance(summand.number, ops.FloatNumber) and summand.factor is None "
        "and summand.sign > 0:",
        "0",
        "1",
    ): MORE_WORK,
    (
        "core/evaluate.pyx",
        "self.j.group_is_bool = 0",
        "0",
        "1",
    ): "set again by the one caller that groups",
    (
        "core/leaf_plan.py",
        "lowest, highest = int(codes[0]), int(codes[-1])",
        "1",
        "0",
    ): "only a stretch of codes is compared as one; others are looked up",
    ("core/plan.py", "if len(children) == 1:", "1", "0"): MORE_WORK,
    (
        "core/solve.py",
        "return self.low > self.high or self.low > INT64_MAX or self.high < INT64_MIN",
        "high",
        "low",
    ): "for the kernels too a range with low > high is empty; both ends of another are equal, or "
    "one of them is the limit",
    ("core/solve.py", "if below < 0:", "<", "<="): "the factor is never 0",
    (
        "core/row_tests.pyx",
        "return 0",
        "0",
        "1",
    ): "more roots are looked at than are wanted; what `judge` returns is not read",
    (
        "core/row_tests.pyx",
        "last = first + 1",
        "1",
        "0",
    ): "the loop after it takes in the first row itself",
    ("core/row_tests.pyx", "if last - first >= by_block_from:", ">=", ">"): EITHER_WAY,
    ("core/row_tests.pyx", "if last - first >= by_block_from:", "-", "+"): EITHER_WAY,
    (
        "core/row_tests.pyx",
        "if len(roots) and len(rows):",
        "and",
        "or",
    ): "judging nobody, or by nothing, finds nothing",
    (
        "core/stretches.pyx",
        "lacking[w] = ~<uint64_t>0",
        "0",
        "1",
    ): "one row more is asked again where somebody asks for it",
    (
        "core/stretches.pyx",
        "known[w] |= lacking[w]",
        "|=",
        "&=",
    ): "what is known is asked again each time",
    (
        "core/row_tests.pyx",
        "any_row = 0",
        "0",
        "1",
    ): "roots that are wanted of no row are asked of none, and differ in none",
    ("core/row_tests.pyx", "cdef uint64_t any_row = 0, is_in", "0", "1"): REWRITTEN,
    (
        "core/leaves.h",
        "strata_int128 narrow = 0;",
        "0",
        "1",
    ): "the sum is added up in the other one",
    ("core/leaves.h", "double sum = 0.0;", "0", "1"): REWRITTEN,
    (
        "core/leaves.h",
        "return low < count && sorted[low] == value;                                            \\",
        "low",
        "high",
    ): "after the loop both are the same",
    ("core/leaf_plan.py", "@dataclass(frozen=True, slots=True)", "True", "False"): RECORD,
    ("core/leaf_plan.py", "@dataclass(slots=True)", "True", "False"): RECORD,
    ("core/solve.py", "@dataclass(frozen=True, slots=True)", "True", "False"): RECORD,
    (
        "core/leaf_plan.py",
        "spare_codes: int = 0,",
        "0",
        "1",
    ): "nobody has a code that is not given out",
    (
        "core/leaf_plan.py",
        "if self.whole or count > self.room:",
        ">",
        ">=",
    ): "planned anew, the leaves say the same",
    (
        "core/leaf_plan.py",
        "return ops.SetLeaf(number, tuple(codes)) if number and codes else False",
        "and",
        "or",
    ): "nobody has one of no codes",
    (
        "core/number_plan.py",
        "_OPERATORS: dict[str, Callable[[Fraction | float, Fraction | float | int], bool]] = {",
        "|",
        "&",
    ): UNREAD_TYPE,
    ("core/number_plan.py", "self.days: dict[int, range | None] = {}", "|", "&"): UNREAD_TYPE,
    (
        "core/number_plan.py",
        "self._day_numbers: dict[int, ops.DayNumber | None] = {}",
        "|",
        "&",
    ): UNREAD_TYPE,
    (
        "core/number_plan.py",
        "spare_days: int = 0,",
        "0",
        "1",
    ): "a table of more days says the same of each",
    (
        "core/number_plan.py",
        "ints = sorted({r.low for r in wanted if not r.is_nothing})",
        "low",
        "high",
    ): "both ends are the same where one value is wanted",
    (
        "core/number_plan.py",
        "return math.inf if value > 0 else -math.inf",
        ">",
        ">=",
    ): "what no double holds is not 0",
    (
        "core/number_plan.py",
        "return math.inf if value > 0 else -math.inf",
        "0",
        "1",
    ): "what no double holds is not between 0 and 1",
    ("core/number_plan.py", "total = 0.0", "0", "1"): REWRITTEN,
    (
        "core/number_plan.py",
        "if isinstance(summand.number, ops.FloatNumber) and summand.factor is "
        "None and summand.sign > 0:",
        ">",
        ">=",
    ): "the sign is never 0",
    (
        "core/plan.py",
        "return children[0] if len(children) == 1 else self._node(Node(kind, children))",
        "1",
        "0",
    ): MORE_WORK,
    (
        "core/kernels_avx512_rows.h",
        "return (__mmask16)_bzhi_u32(0xFFFF, count - i < 16 ? count - i : 16);",
        "<",
        "<=",
    ): BORDER,
    (
        "core/kernels_avx512.h",
        "for (int i = 0; i < 64; i += 16) {",
        "16",
        "8",
    ): "half of the values are judged twice",
    (
        "core/kernels_avx2_groups.h",
        "for (uint32_t from = 0; from < code_count; from += STRATA_CODES_A_PASS_AVX2) {",
        "<",
        "<=",
    ): "codes beyond the last are compared and not written",
    (
        "core/kernels_avx512_groups.h",
        "for (uint32_t from = 0; from < code_count; from += STRATA_CODES_A_PASS_AVX512) {",
        "<",
        "<=",
    ): "codes beyond the last are compared and not written",
}
