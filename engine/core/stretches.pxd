"""The truth of nodes over a stretch of rows, as the loops that ask for it see it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.nodes cimport context
from engine.core.program cimport Program


cdef extern from "engine/core/leaf_rows.h" nogil:
    enum:
        STRATA_STRETCH_ROWS
        STRATA_STRETCH_WORDS

    ctypedef struct strata_run:
        uint32_t block
        uint32_t first
        uint32_t last

    ctypedef struct strata_selection:
        uint32_t count
        uint32_t run_count
        uint16_t *at
        uint16_t *row
        strata_run *runs

    ctypedef struct strata_gathered:
        const uint64_t *present

    uint64_t strata_pack64(const uint8_t *hit) noexcept
    void strata_select(
        const uint32_t *rows, const uint64_t *bits, uint32_t words,
        strata_selection *out) noexcept


cdef struct stretch:
    # At most STRATA_STRETCH_ROWS rows of any blocks, and what is known of them.
    const uint32_t *rows
    uint32_t count
    uint32_t words             # of 64 rows
    uint32_t block_count
    uint64_t *there            # the rows in blocks that there are,
    uint64_t *live             # and those alive
    uint64_t *known            # by node STRATA_STRETCH_WORDS: the rows of which it knows
    uint64_t *truth            # and which of them are in it
    uint64_t *levels           # two for each level of the tree
    uint8_t *dear              # by node: it reads more than columns
    int32_t *slots             # by field: where it is gathered, or -1
    uint8_t *is_gathered       # by slot
    strata_gathered *gathered
    int32_t slot_count
    strata_selection *all      # the rows that are there
    strata_selection *few      # those that a leaf is asked of
    uint8_t *hits              # one byte for each row
    int32_t *score_slots       # by column: where a score's sums are, or -1
    int32_t score_count
    uint64_t *summed           # by slot STRATA_STRETCH_WORDS: the rows whose sums are known
    int64_t *sums              # by slot STRATA_STRETCH_ROWS: these, in units of the score


cdef class Stretch:
    cdef stretch s


# Takes up `count` rows from `rows` on, at most STRATA_STRETCH_ROWS.
cdef void open_stretch(
    context *c, stretch *s, const uint32_t *rows, uint32_t count) noexcept nogil
# The bits of the rows in which a node holds, right for those that are set in `needed`.
cdef const uint64_t *ask(
    context *c, stretch *s, int32_t node_id, const uint64_t *needed) noexcept nogil
# out = the rows of a selection, which are those of a mask, that the rows of a field hold.
cdef void held_rows(
    context *c, stretch *s, int32_t field, const strata_selection *some, const uint64_t *mask,
    uint64_t *out) noexcept nogil
