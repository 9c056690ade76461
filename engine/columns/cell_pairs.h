/* Sets of a block from the cells of its rows: list columns to triples, and triples to containers.
 *
 * A load brings the rows of new profiles in order, one cell for each. So the triples (row, value,
 * giver) come out sorted when each cell is, and the pairs of each value come out sorted by row when
 * they are dealt out to the values one after the other: neither needs a sort of all pairs, which
 * took most of the time of folding a set.
 */
#ifndef STRATA_CELL_PAIRS_H
#define STRATA_CELL_PAIRS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A cell longer than this is sorted by the library. */
#define STRATA_SHORT_CELL 24

static inline int strata_compare_codes(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Sorts the codes and drops repeated ones; how many are left. */
static inline int64_t strata_sort_cell(uint32_t *codes, int64_t count) {
    if (count > STRATA_SHORT_CELL) {
        qsort(codes, (size_t)count, sizeof *codes, strata_compare_codes);
    } else {
        for (int64_t i = 1; i < count; i++) {
            uint32_t code = codes[i];
            int64_t at = i;
            for (; at > 0 && codes[at - 1] > code; at--) codes[at] = codes[at - 1];
            codes[at] = code;
        }
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (!kept || codes[kept - 1] != codes[i]) codes[kept++] = codes[i];
    return kept;
}

/* Triples of cells: cell i holds codes[offsets[i]..offsets[i + 1]) of rows[i], given by givers[i],
 * and counts where held[i]. The outputs have room for all codes; how many triples there are.
 * Sorted by row where the rows are. */
static inline int64_t strata_cell_triples(const uint32_t *rows, const uint32_t *givers,
                                          const int64_t *offsets, const uint8_t *held,
                                          int64_t count, const uint32_t *codes,
                                          uint16_t *out_rows, uint32_t *out_codes,
                                          uint32_t *out_givers) {
    int64_t made = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t size = offsets[i + 1] - offsets[i];
        if (!held[i] || size == 0) continue;
        memcpy(out_codes + made, codes + offsets[i], (size_t)size * sizeof *codes);
        size = strata_sort_cell(out_codes + made, size);
        for (int64_t j = 0; j < size; j++) {
            out_rows[made + j] = (uint16_t)rows[i];
            out_givers[made + j] = givers[i];
        }
        made += size;
    }
    return made;
}

/* How many different rows pairs ordered by row have, or -1 where they are not ordered. */
static inline int64_t strata_count_rows(const uint16_t *rows, int64_t count) {
    int64_t different = count > 0, disorder = 0;
    for (int64_t i = 1; i < count; i++) {
        different += rows[i] != rows[i - 1];
        disorder |= rows[i] < rows[i - 1];
    }
    return disorder ? -1 : different;
}

/* Deals pairs ordered by row out to their codes. `counts` and `last` have one element for each code
 * up to the greatest; `counts` are 0. Afterwards they are how many different rows each code has. */
static inline void strata_count_codes(const uint16_t *rows, const uint32_t *codes, int64_t count,
                                      int64_t *counts, int32_t *last, int64_t code_count) {
    for (int64_t i = 0; i < code_count; i++) last[i] = -1;
    for (int64_t i = 0; i < count; i++) {
        counts[codes[i]] += last[codes[i]] != rows[i];
        last[codes[i]] = rows[i];
    }
}

/* The second pass: `places` say where the rows of each code begin in `out`, and end up where those
 * of the next one do. */
static inline void strata_deal_rows(const uint16_t *rows, const uint32_t *codes, int64_t count,
                                    int64_t *places, int32_t *last, int64_t code_count,
                                    uint16_t *out) {
    for (int64_t i = 0; i < code_count; i++) last[i] = -1;
    for (int64_t i = 0; i < count; i++) {
        uint32_t code = codes[i];
        if (last[code] == rows[i]) continue;
        out[places[code]++] = rows[i];
        last[code] = rows[i];
    }
}

#endif
