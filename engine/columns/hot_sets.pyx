# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Hot sets and their givers: blocks in memory that the mentions of set values are laid over.

What a hot set looks like and how it is written stands in hot_sets.h, the same of its givers in
hot_givers.h. A block that cannot be written in place, as it is not hot, or an open snapshot sees
it, or it has not the room, is refused: it is left as it is, whole.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport UINT32_MAX, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from engine.columns.givers import decode_givers
from engine.columns.zone import NOTHING, Encoded, Zone

from engine.bitmaps.containers cimport strata_entry, strata_set
from engine.columns.hot_block cimport HotBlock, HotField, strata_hot, strata_hot_field
from engine.columns.patch_set cimport (
    pack_held,
    strata_directory_count,
    strata_held,
    strata_list_held,
)

__all__ = ["HotGivers", "HotSet"]


cdef extern from "engine/columns/hot_sets.h" nogil:
    ctypedef struct strata_hot_set:
        strata_set *head
        strata_entry *entries

    ctypedef struct strata_row_pairs:
        const uint32_t *rows
        const uint32_t *codes
        const uint8_t *is_held
        size_t count

    ctypedef struct strata_code_change:
        pass

    ctypedef struct strata_set_work:
        uint64_t *keys
        strata_code_change *changes
        uint16_t *lost

    uint64_t strata_measure_set(const strata_held *held, uint32_t count) noexcept
    void strata_lay_out_set(
        const strata_held *held, uint32_t count, uint8_t *payload, uint32_t length
    ) noexcept
    strata_hot_set strata_open_set(uint8_t *payload, uint32_t length) noexcept
    uint32_t strata_hold_set(
        uint8_t *payload, uint32_t length, strata_held *held, uint8_t *room
    ) noexcept
    bint strata_pairs_ascend(const strata_row_pairs *pairs) noexcept
    size_t strata_write_sets(
        const strata_hot_field *field, const strata_hot_field *givers,
        const strata_row_pairs *pairs, uint64_t newest_open, uint64_t sequence,
        const strata_set_work *work, uint32_t *refused,
    ) noexcept


cdef extern from "engine/columns/hot_givers.h" nogil:
    ctypedef struct strata_givers_bounds:
        uint32_t row_count
        uint32_t least
        uint32_t greatest

    ctypedef struct strata_stored_triples:
        const uint16_t *rows
        const uint32_t *values
        const uint32_t *givers
        size_t count

    ctypedef struct strata_settled:
        const uint64_t *replaced
        size_t replaced_count
        const uint32_t *rows
        const uint32_t *givers
        const uint32_t *values
        const uint8_t *is_held
        size_t count

    ctypedef struct strata_word:
        pass

    ctypedef struct strata_triple_change:
        pass

    ctypedef struct strata_changed_pair:
        uint32_t row
        uint32_t code
        uint32_t is_held

    ctypedef struct strata_settling:
        strata_word *words
        strata_triple_change *changes
        strata_changed_pair *pairs
        size_t pair_count

    size_t strata_end_of_part(const strata_stored_triples *triples, size_t start) noexcept
    uint32_t strata_triple_room(
        const strata_stored_triples *triples, size_t start, size_t end
    ) noexcept
    uint32_t strata_part_length(uint32_t room) noexcept
    uint32_t strata_tail_length(uint32_t part_count) noexcept
    void strata_lay_out_givers(const strata_stored_triples *triples, strata_hot *hot) noexcept
    strata_givers_bounds *strata_bounds_of(const strata_hot *hot) noexcept
    bint strata_settled_ascends(const strata_settled *settled) noexcept
    size_t strata_settle_givers(
        const strata_hot_field *field, const strata_settled *settled, uint64_t newest_open,
        uint64_t sequence, strata_settling *work, uint32_t *refused,
    ) noexcept


cdef extern from "engine/columns/stored_givers.h" nogil:
    uint32_t STRATA_STORED_TRIPLES

    ctypedef struct strata_storing:
        uint32_t least
        uint32_t greatest

    size_t strata_count_triples(const strata_hot *hot) noexcept
    uint32_t strata_stored_length(uint32_t count) noexcept
    void strata_store_triples(
        const strata_hot *hot, uint32_t count, strata_storing *storing, uint8_t *payload
    ) noexcept


cdef class HotGivers(HotField)


# ------------------------------------------------------------------------------------ sets


cdef class _SetBlock(HotBlock):
    """A hot set of one block: one part."""

    @property
    def zone(self):
        """See HotBlock; the bounds hold codes that no row has any more."""
        cdef strata_hot_set found = strata_open_set(self.hot.parts[0], self.hot.lengths[0])
        if not found.entries[0].cardinality:
            return NOTHING
        return Zone(found.entries[0].cardinality, found.entries[1].code, found.head.last_code)

    def encode(self):
        """See HotBlock."""
        cdef uint32_t count = strata_open_set(self.hot.parts[0], self.hot.lengths[0]).head.entry_count
        cdef uint8_t[::1] memory = np.empty(count * sizeof(strata_held), np.uint8)
        cdef uint8_t[::1] room = np.empty(self.hot.lengths[0], np.uint8)
        cdef strata_held *held = <strata_held *>&memory[0]
        count = strata_hold_set(self.hot.parts[0], self.hot.lengths[0], held, &room[0])
        parts = pack_held(held, count)
        if count == 1:
            return Encoded(parts, NOTHING)
        return Encoded(
            parts, Zone(held[0].entry.cardinality, held[1].entry.code, held[count - 1].entry.code)
        )


cdef class HotSet(HotField):
    """The hot blocks of a set."""

    cdef HotBlock make_block(self, parts):
        cdef _SetBlock made = _SetBlock.__new__(_SetBlock)
        cdef const uint8_t[::1] part
        cdef uint32_t count = 1, i, kept
        cdef uint64_t length
        for part in parts:
            count += strata_directory_count(&part[0])
        cdef uint8_t[::1] memory = np.zeros(count * sizeof(strata_held), np.uint8)
        cdef strata_held *held = <strata_held *>&memory[0]
        # The presence first, empty if nothing is stored; codes that no row has are left out.
        count, kept = 0, 1
        for part in parts:
            count += strata_list_held(&part[0], held + count)
        for i in range(1, count):
            if held[i].entry.cardinality:
                held[kept] = held[i]
                kept += 1
        assert held[0].entry.code == 0, "a set without presence"
        length = strata_measure_set(held, kept)
        assert length <= UINT32_MAX, "a block of 4 GiB"
        made.place((length,))
        with nogil:
            strata_lay_out_set(held, kept, made.hot.parts[0], <uint32_t>length)
        return made

    def write(
        self,
        const uint32_t[::1] rows not None,   # IN
        const uint32_t[::1] codes not None,  # IN
        held,
        uint64_t newest_open,
        uint64_t sequence,
        HotGivers givers=None,
    ):
        """Let rows have values, or have them no longer; returns the blocks that are refused.

        rows, codes uint32 (n,) and held bool (n,): row rows[i], of the whole store, has the value
        codes[i] from now on where held[i], and not else. Sorted by row and code, each once,
        and each a change. The presence follows: `givers`, those of the set in which the same has
        been settled, tell whether a row that lost a value has another, much faster than the
        set itself does where it has many codes.
        """
        cdef const uint8_t[::1] is_held = held.view(np.uint8)
        cdef strata_row_pairs pairs
        cdef size_t count = <size_t>rows.shape[0], refused_count
        assert held.dtype == np.bool_ and <size_t>codes.shape[0] == count
        assert <size_t>is_held.shape[0] == count
        if not count:
            return []
        pairs.rows, pairs.codes, pairs.is_held = &rows[0], &codes[0], &is_held[0]
        pairs.count = count
        assert strata_pairs_ascend(&pairs), "pairs sorted by row and code, each once, codes from 1"
        cdef uint64_t[::1] keys = np.empty(count, np.uint64)
        cdef uint8_t[::1] changes = np.empty(count * sizeof(strata_code_change), np.uint8)
        cdef uint16_t[::1] lost = np.empty(count, np.uint16)
        refused = np.empty(count, np.uint32)
        cdef uint32_t[::1] refused_view = refused
        cdef strata_set_work work
        cdef const strata_hot_field *asked = NULL if givers is None else &givers.hot
        work.keys, work.lost = &keys[0], &lost[0]
        work.changes = <strata_code_change *>&changes[0]
        with nogil:
            refused_count = strata_write_sets(
                &self.hot, asked, &pairs, newest_open, sequence, &work, &refused_view[0]
            )
        return refused[:refused_count].tolist()


# ---------------------------------------------------------------------------------- givers


cdef class _GiversBlock(HotBlock):
    """Hot givers of one block: parts of some thousand triples."""

    @property
    def zone(self):
        """See HotBlock; the bounds hold values that are no longer given."""
        cdef strata_givers_bounds *bounds = strata_bounds_of(&self.hot)
        if not bounds.row_count:
            return NOTHING
        return Zone(bounds.row_count, bounds.least, bounds.greatest)

    def encode(self):
        """See HotBlock."""
        cdef size_t left = strata_count_triples(&self.hot)
        cdef strata_storing storing
        cdef uint32_t count
        cdef bytes part
        cdef list parts = []
        memset(&storing, 0, sizeof(storing))
        storing.least = UINT32_MAX
        while left or not parts:
            count = <uint32_t>min(left, <size_t>STRATA_STORED_TRIPLES)
            part = PyBytes_FromStringAndSize(NULL, strata_stored_length(count))
            strata_store_triples(
                &self.hot, count, &storing, <uint8_t *>PyBytes_AS_STRING(part)
            )
            parts.append(part)
            left -= count
        if not strata_bounds_of(&self.hot).row_count:
            return Encoded(tuple(parts), NOTHING)
        return Encoded(
            tuple(parts),
            Zone(strata_bounds_of(&self.hot).row_count, storing.least, storing.greatest),
        )


cdef class HotGivers(HotField):
    """The hot blocks of the givers of a set."""

    cdef HotBlock make_block(self, parts):
        cdef _GiversBlock made = _GiversBlock.__new__(_GiversBlock)
        cdef strata_stored_triples triples
        cdef const uint16_t[::1] rows
        cdef const uint32_t[::1] values, givers
        cdef size_t start = 0, end
        cdef uint32_t count
        memset(&triples, 0, sizeof(triples))
        if parts:
            rows, values, givers = decode_givers(parts)
            triples.count = <size_t>rows.shape[0]
            if triples.count:
                triples.rows, triples.values, triples.givers = &rows[0], &values[0], &givers[0]
        lengths = []
        while not lengths or start < triples.count:
            end = strata_end_of_part(&triples, start)
            lengths.append(strata_part_length(strata_triple_room(&triples, start, end)))
            start = end
        count = len(lengths)
        lengths[count - 1] += strata_tail_length(count)
        made.place(lengths)
        with nogil:
            strata_lay_out_givers(&triples, &made.hot)
        return made

    def settle(
        self,
        const uint64_t[::1] replaced not None,  # IN
        const uint32_t[::1] rows not None,      # IN
        const uint32_t[::1] givers not None,    # IN
        const uint32_t[::1] values not None,    # IN
        held,
        uint64_t newest_open,
        uint64_t sequence,
    ):
        """Carry out what mentions come down to; returns what that does to the set itself.

        The arguments are those of Settled of engine.live.mentions: sorted, rows of the whole
        store. Returns (rows uint32 (n,), codes uint32 (n,), held bool (n,), refused blocks):
        pairs sorted by row and code that somebody gives now, or nobody any more.
        """
        cdef const uint8_t[::1] is_held = held.view(np.uint8)
        cdef strata_settled settled
        cdef strata_settling work
        cdef size_t refused_count
        memset(&settled, 0, sizeof(settled))
        memset(&work, 0, sizeof(work))
        settled.replaced_count = <size_t>replaced.shape[0]
        settled.count = <size_t>rows.shape[0]
        assert held.dtype == np.bool_ and is_held.shape[0] == rows.shape[0]
        assert givers.shape[0] == rows.shape[0] and values.shape[0] == rows.shape[0]
        if settled.replaced_count:
            settled.replaced = &replaced[0]
        if settled.count:
            settled.rows, settled.is_held = &rows[0], &is_held[0]
            settled.givers, settled.values = &givers[0], &values[0]
        assert strata_settled_ascends(&settled), "sorted by row, giver and value, each once"
        refused = np.empty(settled.replaced_count + settled.count + 1, np.uint32)
        cdef uint32_t[::1] refused_view = refused
        try:
            with nogil:
                refused_count = strata_settle_givers(
                    &self.hot, &settled, newest_open, sequence, &work, &refused_view[0]
                )
            changed = _columns_of_pairs(work.pairs, <Py_ssize_t>work.pair_count)
        finally:
            free(work.words)
            free(work.changes)
            free(work.pairs)
        return *changed, refused[:refused_count].tolist()


cdef tuple _columns_of_pairs(const strata_changed_pair *pairs, Py_ssize_t count):
    """(rows uint32 (n,), codes uint32 (n,), held bool (n,)) of pairs."""
    rows, codes = np.empty(count, np.uint32), np.empty(count, np.uint32)
    held = np.empty(count, np.bool_)
    cdef uint32_t[::1] row_at = rows, code_at = codes
    cdef uint8_t[::1] held_at = held.view(np.uint8)
    cdef Py_ssize_t i
    for i in range(count):
        row_at[i], code_at[i], held_at[i] = pairs[i].row, pairs[i].code, <uint8_t>pairs[i].is_held
    return rows, codes, held
