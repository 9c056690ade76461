/* Containers of one block: measured, written and read in place.
 *
 * A container is the set of rows of a block that hold something, in one of the three forms of
 * the public roaring format (layout.h). These functions are the only place that knows the
 * three forms byte by byte; evaluators with wider instruction sets build on the same layout.
 *
 * Manual
 *   - Rows are given as sorted unique uint16; masks as STRATA_BLOCK_WORDS words, any word.
 *   - Nothing here allocates or keeps a pointer. Output never overlaps input.
 *   - Readers take container bytes at any alignment; they trust the content, which must have
 *     passed a checksum or strata_container_check once. Only the check reads untrusted bytes.
 *   - An encoder first measures (kind and size), the caller finds room, then it writes.
 */
#ifndef STRATA_CONTAINERS_H
#define STRATA_CONTAINERS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/bitmaps/layout.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stored bytes are little-endian and read in place; a big-endian build would misread them"
#endif

#define STRATA_ARRAY_ROWS 4096u        /* above this a bitset is never larger than an array */
#define STRATA_BITSET_BYTES 8192u

static inline uint16_t strata_load16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t strata_load64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Bits set, in baseline instructions: the compiler's own would be a library call there. */
static inline uint32_t strata_popcount64(uint64_t word) {
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (uint32_t)((word * 0x0101010101010101u) >> 56);
}

/* ------------------------------------------------------------------------------- masks */

static inline uint32_t strata_mask_cardinality(const uint64_t *mask) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) count += strata_popcount64(mask[w]);
    return count;
}

/* Number of runs of consecutive rows: a run begins where a bit is set and the one before not. */
static inline uint32_t strata_mask_run_count(const uint64_t *mask) {
    uint32_t runs = 0;
    uint64_t last_bit = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        runs += strata_popcount64(mask[w] & ~((mask[w] << 1) | last_bit));
        last_bit = mask[w] >> 63;
    }
    return runs;
}

/* Sets the bits first..last, both included; first <= last < 65536. */
static inline void strata_mask_set_range(uint64_t *mask, uint32_t first, uint32_t last) {
    uint32_t first_word = first >> 6, last_word = last >> 6;
    uint64_t head = ~(uint64_t)0 << (first & 63), tail = ~(uint64_t)0 >> (63 - (last & 63));
    if (first_word == last_word) {
        mask[first_word] |= head & tail;
        return;
    }
    mask[first_word] |= head;
    for (uint32_t w = first_word + 1; w < last_word; w++) mask[w] = ~(uint64_t)0;
    mask[last_word] |= tail;
}

/* Clears the bits from..to - 1; from <= to <= 65536. */
static inline void strata_mask_clear_range(uint64_t *mask, uint32_t from, uint32_t to) {
    if (from == to) return;
    uint32_t first_word = from >> 6, last_word = (to - 1) >> 6;
    uint64_t head = ~(uint64_t)0 << (from & 63), tail = ~(uint64_t)0 >> (63 - ((to - 1) & 63));
    if (first_word == last_word) {
        mask[first_word] &= ~(head & tail);
        return;
    }
    mask[first_word] &= ~head;
    for (uint32_t w = first_word + 1; w < last_word; w++) mask[w] = 0;
    mask[last_word] &= ~tail;
}

/* A mask in halves of its words. What was just written is not read again for 5 cycles, and
 * neighbouring rows are less often in the same half than in the same word: 4,096 random rows take 2
 * cycles each in place of 3. */
typedef uint32_t __attribute__((may_alias)) strata_half;

static inline void strata_mask_set_rows(uint64_t *mask, const uint16_t *rows, uint32_t count) {
    strata_half *halves = (strata_half *)mask;
    for (uint32_t i = 0; i < count; i++) halves[rows[i] >> 5] |= (uint32_t)1 << (rows[i] & 31);
}

/* Writes the set rows in order; returns how many. `rows` has room for the cardinality. */
static inline uint32_t strata_mask_to_rows(const uint64_t *mask, uint16_t *rows) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = mask[w]; word; word &= word - 1)
            rows[count++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(word));
    }
    return count;
}

/* ---------------------------------------------------------------------------- encoding */

/* The smallest of the three forms; of equals the array, then the bitset: they read faster.
 * Fills cardinality, kind and size of the entry, and leaves code and offset at 0. */
static inline strata_entry strata_smallest_form(uint32_t cardinality, uint32_t run_count) {
    strata_entry entry = {0, cardinality, 0, 0, STRATA_EMPTY, 0};
    if (cardinality == 0) return entry;
    uint32_t size = STRATA_BITSET_BYTES;
    entry.kind = STRATA_BITSET;
    if (cardinality <= STRATA_ARRAY_ROWS) {
        size = 2 * cardinality;
        entry.kind = STRATA_ARRAY;
    }
    if (2 + 4 * run_count < size) {
        size = 2 + 4 * run_count;
        entry.kind = STRATA_RUN;
    }
    entry.size_in_2 = (uint16_t)(size / 2);
    return entry;
}

static inline uint32_t strata_rows_run_count(const uint16_t *rows, uint32_t count) {
    uint32_t runs = count > 0;
    for (uint32_t i = 1; i < count; i++) runs += (uint32_t)rows[i] != (uint32_t)rows[i - 1] + 1;
    return runs;
}

static inline strata_entry strata_measure_rows(const uint16_t *rows, uint32_t count) {
    return strata_smallest_form(count, strata_rows_run_count(rows, count));
}

static inline strata_entry strata_measure_mask(const uint64_t *mask) {
    return strata_smallest_form(strata_mask_cardinality(mask), strata_mask_run_count(mask));
}

static inline void strata_write_run_form(const uint16_t *rows, uint32_t count, uint8_t *out) {
    uint16_t run_count = 0;
    uint8_t *at = out + 2;
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i + 1;
        while (end < count && (uint32_t)rows[end] == (uint32_t)rows[end - 1] + 1) end++;
        uint16_t pair[2] = {rows[i], (uint16_t)(end - i - 1)};
        memcpy(at, pair, sizeof pair);
        at += sizeof pair;
        run_count++;
        i = end;
    }
    memcpy(out, &run_count, sizeof run_count);
}

/* Writes the measured form at `out`, which is aligned to 8 and has 2 * size_in_2 bytes. */
static inline void strata_write_rows(strata_entry entry, const uint16_t *rows, uint8_t *out) {
    if (entry.kind == STRATA_ARRAY) {
        memcpy(out, rows, 2 * (size_t)entry.cardinality);
    } else if (entry.kind == STRATA_BITSET) {
        memset(out, 0, STRATA_BITSET_BYTES);
        strata_mask_set_rows((uint64_t *)(void *)out, rows, entry.cardinality);
    } else if (entry.kind == STRATA_RUN) {
        strata_write_run_form(rows, entry.cardinality, out);
    }
}

/* As strata_write_rows; `scratch` has room for 65536 rows and is used by runs only. */
static inline void strata_write_mask(strata_entry entry, const uint64_t *mask, uint8_t *out,
                                     uint16_t *scratch) {
    if (entry.kind == STRATA_ARRAY) {
        strata_mask_to_rows(mask, (uint16_t *)(void *)out);
    } else if (entry.kind == STRATA_BITSET) {
        memcpy(out, mask, STRATA_BITSET_BYTES);
    } else if (entry.kind == STRATA_RUN) {
        strata_mask_to_rows(mask, scratch);
        strata_write_run_form(scratch, entry.cardinality, out);
    }
}

/* ----------------------------------------------------------------------------- reading */

/* Writes the rows in order; `rows` has room for the cardinality. */
static inline void strata_container_to_rows(int kind, const uint8_t *bytes, uint32_t cardinality,
                                            uint16_t *rows) {
    if (kind == STRATA_ARRAY) {
        memcpy(rows, bytes, 2 * (size_t)cardinality);
    } else if (kind == STRATA_BITSET) {
        uint32_t count = 0;
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
            for (uint64_t word = strata_load64(bytes + 8 * w); word; word &= word - 1)
                rows[count++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(word));
        }
    } else if (kind == STRATA_RUN) {
        uint32_t run_count = strata_load16(bytes), count = 0;
        for (uint32_t i = 0; i < run_count; i++) {
            uint32_t first = strata_load16(bytes + 2 + 4 * i);
            uint32_t last = first + strata_load16(bytes + 4 + 4 * i);
            for (uint32_t row = first; row <= last; row++) rows[count++] = (uint16_t)row;
        }
    }
}

/* Adds the rows to the mask. */
static inline void strata_container_or_mask(int kind, const uint8_t *bytes, uint32_t cardinality,
                                            uint64_t *mask) {
    if (kind == STRATA_ARRAY) {
        strata_half *halves = (strata_half *)mask;
        for (uint32_t i = 0; i < cardinality; i++) {
            uint16_t row = strata_load16(bytes + 2 * i);
            halves[row >> 5] |= (uint32_t)1 << (row & 31);
        }
    } else if (kind == STRATA_BITSET) {
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) mask[w] |= strata_load64(bytes + 8 * w);
    } else if (kind == STRATA_RUN) {
        uint32_t run_count = strata_load16(bytes);
        for (uint32_t i = 0; i < run_count; i++) {
            uint32_t first = strata_load16(bytes + 2 + 4 * i);
            strata_mask_set_range(mask, first, first + strata_load16(bytes + 4 + 4 * i));
        }
    }
}

/* Takes the rows of an array out of the mask. */
static inline void strata_mask_clear_rows(uint64_t *mask, const uint8_t *array,
                                          uint32_t cardinality) {
    strata_half *halves = (strata_half *)mask;
    for (uint32_t i = 0; i < cardinality; i++) {
        uint16_t row = strata_load16(array + 2 * i);
        halves[row >> 5] &= ~((uint32_t)1 << (row & 31));
    }
}

/* Loops over the runs of a container, from row `first` to row `last` each. */
#define STRATA_FOR_RUNS(BYTES)                                                                 \
    for (uint32_t i = 0, first, last;                                                          \
         i < strata_load16(BYTES) && (first = strata_load16((BYTES) + 2 + 4 * i),              \
                                     last = first + strata_load16((BYTES) + 4 + 4 * i), 1);    \
         i++)

/* Takes the rows of a run container out of the mask. */
static inline void strata_mask_clear_runs(uint64_t *mask, const uint8_t *bytes) {
    STRATA_FOR_RUNS(bytes) strata_mask_clear_range(mask, first, last + 1);
}

/* Takes all other rows out of the mask. */
static inline void strata_mask_and_runs(uint64_t *mask, const uint8_t *bytes) {
    uint32_t next = 0;
    STRATA_FOR_RUNS(bytes) {
        strata_mask_clear_range(mask, next, first);
        next = last + 1;
    }
    strata_mask_clear_range(mask, next, STRATA_BLOCK_ROWS);
}

/* How many rows of the mask are in the runs. */
static inline uint32_t strata_mask_count_runs(const uint64_t *mask, const uint8_t *bytes) {
    uint32_t count = 0;
    STRATA_FOR_RUNS(bytes) {
        uint64_t head = ~(uint64_t)0 << (first & 63), tail = ~(uint64_t)0 >> (63 - (last & 63));
        for (uint32_t w = first >> 6; w <= last >> 6; w++) {
            uint64_t within = (w == first >> 6 ? head : ~(uint64_t)0) &
                              (w == last >> 6 ? tail : ~(uint64_t)0);
            count += strata_popcount64(mask[w] & within);
        }
    }
    return count;
}

/* Index of the last of `count` ascending uint16, `stride` bytes apart, that is <= row; -1. */
static inline int32_t strata_last_not_above(const uint8_t *at, uint32_t count, uint32_t stride,
                                            uint32_t row) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (strata_load16(at + (size_t)stride * middle) <= row) low = middle + 1;
        else high = middle;
    }
    return (int32_t)low - 1;
}

static inline int strata_container_contains(int kind, const uint8_t *bytes, uint32_t cardinality,
                                            uint32_t row) {
    if (kind == STRATA_ARRAY) {
        int32_t i = strata_last_not_above(bytes, cardinality, 2, row);
        return i >= 0 && strata_load16(bytes + 2 * (size_t)i) == row;
    }
    if (kind == STRATA_BITSET) return (bytes[row >> 3] >> (row & 7)) & 1;
    if (kind == STRATA_RUN) {
        int32_t i = strata_last_not_above(bytes + 2, strata_load16(bytes), 4, row);
        if (i < 0) return 0;
        const uint8_t *run = bytes + 2 + 4 * (size_t)i;
        return row - strata_load16(run) <= strata_load16(run + 2);
    }
    return 0;
}

/* ---------------------------------------------------------------------------- checking */

/* What can be wrong with the bytes of a container; 0 where nothing is. */
enum {
    STRATA_SOUND = 0,
    STRATA_BAD_KIND,        /* no such kind, or a reserved byte that is not 0 */
    STRATA_BAD_SIZE,        /* the size does not fit the kind and the cardinality */
    STRATA_BAD_ORDER,       /* rows or runs not ascending, touching runs, or past the block */
    STRATA_BAD_CARDINALITY, /* the rows counted are not the rows stated */
};

static inline int strata_runs_check(const uint8_t *bytes, size_t size, uint32_t cardinality) {
    if (size < 2 || size != 2 + 4 * (size_t)strata_load16(bytes)) return STRATA_BAD_SIZE;
    uint32_t run_count = strata_load16(bytes), next = 0, rows = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        uint32_t first = strata_load16(bytes + 2 + 4 * i);
        uint32_t last = first + strata_load16(bytes + 4 + 4 * i);
        if (first < next || last >= STRATA_BLOCK_ROWS) return STRATA_BAD_ORDER;
        rows += last - first + 1;
        next = last + 2;
    }
    return rows == cardinality ? STRATA_SOUND : STRATA_BAD_CARDINALITY;
}

/* Reads untrusted bytes, `size` of them, and never past them. */
static inline int strata_container_check(int kind, const uint8_t *bytes, size_t size,
                                         uint32_t cardinality) {
    if (kind == STRATA_EMPTY) {
        if (size != 0) return STRATA_BAD_SIZE;
        return cardinality == 0 ? STRATA_SOUND : STRATA_BAD_CARDINALITY;
    }
    if (kind < STRATA_EMPTY || kind > STRATA_RUN) return STRATA_BAD_KIND;
    if (cardinality == 0 || cardinality > STRATA_BLOCK_ROWS) return STRATA_BAD_CARDINALITY;
    if (kind == STRATA_RUN) return strata_runs_check(bytes, size, cardinality);
    if (kind == STRATA_BITSET) {
        uint32_t rows = 0;
        if (size != STRATA_BITSET_BYTES) return STRATA_BAD_SIZE;
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++)
            rows += strata_popcount64(strata_load64(bytes + 8 * w));
        return rows == cardinality ? STRATA_SOUND : STRATA_BAD_CARDINALITY;
    }
    if (cardinality > STRATA_ARRAY_ROWS || size != 2 * (size_t)cardinality) return STRATA_BAD_SIZE;
    for (uint32_t i = 1; i < cardinality; i++) {
        if (strata_load16(bytes + 2 * i) <= strata_load16(bytes + 2 * i - 2))
            return STRATA_BAD_ORDER;
    }
    return STRATA_SOUND;
}

#endif
