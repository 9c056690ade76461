/* Rows chosen from a stretch of at most 4,096 rows, and containers looked up for them.
 *
 * The rows of a stretch lie in any blocks. What depends on a block alone is found once for each
 * run of rows of one block, and the heads of the next runs are fetched meanwhile: nearly all of
 * the time goes into waiting for memory that nobody has touched lately. Answers come as bytes
 * (`hits`, 0 or 1, by place in the stretch) and are packed into words at the end.
 */
#ifndef STRATA_SELECTIONS_H
#define STRATA_SELECTIONS_H

#include "engine/core/fields.h"

#define STRATA_STRETCH_ROWS 4096u
#define STRATA_STRETCH_WORDS 64u
/* Runs that the head of a part is fetched ahead. */
#define STRATA_RUNS_AHEAD 16u

typedef struct {
    uint32_t block;
    uint32_t first, last; /* rows first .. last - 1 of the selection */
} strata_run;

typedef struct {
    uint32_t count;
    uint32_t run_count;
    uint16_t at[STRATA_STRETCH_ROWS];  /* place in the stretch, ascending */
    uint16_t row[STRATA_STRETCH_ROWS]; /* within its block */
    strata_run runs[STRATA_STRETCH_ROWS];
} strata_selection;

/* Selects the rows of a stretch whose bits are set. */
static inline void strata_select(const uint32_t *rows, const uint64_t *bits, uint32_t words,
                                 strata_selection *out) {
    uint32_t count = 0, runs = 0;
    for (uint32_t w = 0; w < words; w++) {
        for (uint64_t word = bits[w]; word; word &= word - 1) {
            uint32_t at = 64 * w + (uint32_t)__builtin_ctzll(word);
            uint32_t block = rows[at] >> 16;
            if (!runs || out->runs[runs - 1].block != block) {
                if (runs) {
                    out->runs[runs - 1].last = count;
                }
                out->runs[runs].block = block;
                out->runs[runs++].first = count;
            }
            out->at[count] = (uint16_t)at;
            out->row[count++] = (uint16_t)rows[at];
        }
    }
    if (runs) {
        out->runs[runs - 1].last = count;
    }
    out->count = count;
    out->run_count = runs;
}

/* bits = hits, where `mask` has a bit. */
static inline void strata_pack_hits(const uint8_t *hits, const uint64_t *mask, uint32_t words,
                                    uint64_t *bits) {
    for (uint32_t w = 0; w < words; w++) {
        bits[w] = mask[w] ? strata_pack64(hits + 64 * w) & mask[w] : 0;
    }
}

/* Fetches the heads of a field's parts in the block of a run. */
static inline void strata_fetch_heads(const strata_field *field, const strata_selection *some,
                                      uint32_t run) {
    if (run < some->run_count) {
        uint32_t block = some->runs[run].block;
        for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
            __builtin_prefetch(strata_part(field, p));
        }
    }
}

/* Whether `count` > 0 sorted rows hold one; the steps do not depend on what is found. */
static inline int strata_array_has(const uint8_t *bytes, uint32_t count, uint32_t row) {
    uint32_t low = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        low = strata_load16(bytes + 2 * (low + half)) <= row ? low + half : low;
        count -= half;
    }
    return strata_load16(bytes + 2 * low) == row;
}

/* hits[at] |= TEST, an expression of `row` that is 0 or 1, for rows first .. last - 1. */
#define STRATA_FOR_SELECTED(TEST)                                                              \
    for (uint32_t i = first; i < last; i++) {                                                  \
        uint32_t row = some->row[i];                                                           \
        hits[some->at[i]] |= (uint8_t)(TEST);                                                  \
    }

/* Adds the rows first .. last - 1 of a selection, all of one block, that a container holds. */
static inline void strata_add_held(const strata_entry *entry, const uint8_t *base,
                                   const strata_selection *some, uint32_t first, uint32_t last,
                                   uint8_t *hits) {
    const uint8_t *bytes = base + entry->offset;
    uint32_t size = entry->cardinality;
    if (entry->kind == STRATA_BITSET) {
        STRATA_FOR_SELECTED((bytes[row >> 3] >> (row & 7)) & 1)
    } else if (entry->kind == STRATA_ARRAY) {
        STRATA_FOR_SELECTED(strata_array_has(bytes, size, row) != 0)
    } else if (entry->kind == STRATA_RUN) {
        STRATA_FOR_SELECTED(strata_entry_has(entry, base, row) != 0)
    }
}

/* hits = rows of a selection in the container of any of the codes; nothing outside of it. */
static inline void strata_code_hits(const strata_field *field, const uint32_t *codes,
                                    uint32_t code_count, const strata_selection *some,
                                    uint32_t words, uint8_t *hits) {
    memset(hits, 0, 64 * (size_t)words);
    for (uint32_t k = 0; k < STRATA_RUNS_AHEAD; k++) {
        strata_fetch_heads(field, some, k);
    }
    for (uint32_t k = 0; k < some->run_count; k++) {
        const strata_run *run = &some->runs[k];
        strata_fetch_heads(field, some, k + STRATA_RUNS_AHEAD);
        for (uint32_t c = 0; c < code_count; c++) {
            const uint8_t *base;
            const strata_entry *entry = strata_find_code(field, run->block, codes[c], &base);
            if (entry) {
                strata_add_held(entry, base, some, run->first, run->last, hits);
            }
        }
    }
}

#endif
