/* A column of one block with some of its cells laid over: how a part is built from old parts.
 *
 * Decoding a block, changing 100 cells and encoding it again spends nearly all of its time on
 * the 65,436 rows that did not change. Here their stored values are copied as they are, or
 * converted once where the frame has to move:
 *
 *   1. The frame (base, step, width) is picked so that old and new values fit.
 *   2. strata_copy_values takes the old values into the new width, 64 rows and more at a time.
 *   3. strata_shift_values adds what the base moved by to the rows that are present.
 *   4. strata_lay_cells overwrites the cells.
 *   5. strata_find_spread finds the bounds of what is stored now; they are exact.
 *
 * Manual
 *   - Nothing here allocates or keeps a pointer. Output never overlaps input.
 *   - Old parts are read at any alignment; new ones are written at 8 or better.
 *   - Stored values are unsigned and sums of them wrap around, as the width of a frame that fits
 *     makes exact again. A missing row stores 0, before and after.
 */
#ifndef STRATA_PATCH_H
#define STRATA_PATCH_H

#include "engine/columns/mask_forms.h"

static inline size_t strata_padded(size_t rows) {
    return (rows + 63) & ~(size_t)63;
}

/* Rows of a full part: the greatest power of two that leaves room for head and presence. */
static inline uint32_t strata_rows_per_part(uint32_t width) {
    uint32_t rows = STRATA_BLOCK_ROWS;
    while (sizeof(strata_column) + (size_t)rows * width + STRATA_BITSET_BYTES > STRATA_PART_BYTES)
        rows /= 2;
    return rows;
}

/* Bytes that hold 0..span; 0 where span is 0. */
static inline uint32_t strata_width_of(uint64_t span) {
    return span == 0 ? 0 : span >> 8 == 0 ? 1 : span >> 16 == 0 ? 2 : span >> 32 == 0 ? 4 : 8;
}

static inline strata_column strata_load_head(const uint8_t *part) {
    strata_column head;
    memcpy(&head, part, sizeof head);
    return head;
}

/* -------------------------------------------------------------------------------- frames */

/* How far values lie from the base of a frame, in steps. */
typedef struct {
    uint64_t below;
    uint64_t above;
} strata_reach;

/* How many steps each value is above the base, those below it as a negative number that wraps
 * around; erased cells 0. Returns 0 where a value lies between two steps: no frame with this
 * step has it. */
static inline int strata_steps_from_base(const strata_column *frame, const int64_t *values,
                                         const uint8_t *present, size_t count, uint64_t *steps,
                                         strata_reach *reach) {
    reach->below = reach->above = 0;
    for (size_t i = 0; i < count; i++) {
        steps[i] = 0;
        if (!present[i]) continue;
        uint64_t value = (uint64_t)values[i], base = (uint64_t)frame->base;
        int is_below = values[i] < frame->base;
        uint64_t distance = is_below ? base - value : value - base;
        if (frame->step > 1) {
            if (distance % frame->step) return 0;
            distance /= frame->step;
        }
        uint64_t *furthest = is_below ? &reach->below : &reach->above;
        if (distance > *furthest) *furthest = distance;
        steps[i] = is_below ? 0 - distance : distance;
    }
    return 1;
}

/* -------------------------------------------------------------------------------- values */

#define STRATA_CONVERT(FROM, TO)                                                               \
    static inline void strata_##FROM##_to_##TO(const uint8_t *restrict from, size_t count,     \
                                               uint8_t *restrict to) {                         \
        for (size_t i = 0; i < count; i++) {                                                   \
            FROM value;                                                                        \
            memcpy(&value, from + i * sizeof value, sizeof value);                             \
            TO converted = (TO)value;                                                          \
            memcpy(to + i * sizeof converted, &converted, sizeof converted);                   \
        }                                                                                      \
    }

STRATA_CONVERT(uint8_t, uint16_t)
STRATA_CONVERT(uint8_t, uint32_t)
STRATA_CONVERT(uint8_t, uint64_t)
STRATA_CONVERT(uint16_t, uint8_t)
STRATA_CONVERT(uint16_t, uint32_t)
STRATA_CONVERT(uint16_t, uint64_t)
STRATA_CONVERT(uint32_t, uint8_t)
STRATA_CONVERT(uint32_t, uint16_t)
STRATA_CONVERT(uint32_t, uint64_t)
STRATA_CONVERT(uint64_t, uint8_t)
STRATA_CONVERT(uint64_t, uint16_t)
STRATA_CONVERT(uint64_t, uint32_t)

/* The low bytes of each value where `to_width` is narrower: only rows that a cell will
 * overwrite, or that a shift brings back into range, may lose anything. */
static inline void strata_convert_values(const uint8_t *from, uint32_t width, size_t count,
                                         uint8_t *to, uint32_t to_width) {
    if (width == to_width || to_width == 0 || width == 0) {
        if (width) memcpy(to, from, count * to_width);
        else memset(to, 0, count * to_width);
        return;
    }
    switch (16 * width + to_width) {
    case 0x12: strata_uint8_t_to_uint16_t(from, count, to); break;
    case 0x14: strata_uint8_t_to_uint32_t(from, count, to); break;
    case 0x18: strata_uint8_t_to_uint64_t(from, count, to); break;
    case 0x21: strata_uint16_t_to_uint8_t(from, count, to); break;
    case 0x24: strata_uint16_t_to_uint32_t(from, count, to); break;
    case 0x28: strata_uint16_t_to_uint64_t(from, count, to); break;
    case 0x41: strata_uint32_t_to_uint8_t(from, count, to); break;
    case 0x42: strata_uint32_t_to_uint16_t(from, count, to); break;
    case 0x48: strata_uint32_t_to_uint64_t(from, count, to); break;
    case 0x81: strata_uint64_t_to_uint8_t(from, count, to); break;
    case 0x82: strata_uint64_t_to_uint16_t(from, count, to); break;
    default: strata_uint64_t_to_uint32_t(from, count, to); break;
    }
}

/* Writes the rows of a new part (`head`: first_row, row_count, width), padded to whole words,
 * from the old parts, which follow each other without a gap; rows past the last become 0. */
static inline void strata_copy_values(const uint8_t *const *parts, uint32_t part_count,
                                      const strata_column *head, uint8_t *values) {
    size_t next = head->first_row, end = head->first_row + strata_padded(head->row_count);
    for (uint32_t p = 0; p < part_count; p++) {
        strata_column old = strata_load_head(parts[p]);
        size_t stop = old.first_row + strata_padded(old.row_count);
        if (stop > end) stop = end;
        if (stop <= next) continue;
        strata_convert_values(parts[p] + old.values_offset + (next - old.first_row) * old.width,
                              old.width, stop - next,
                              values + (next - head->first_row) * head->width, head->width);
        next = stop;
    }
    memset(values + (next - head->first_row) * head->width, 0, (end - next) * head->width);
}

#define STRATA_SHIFT(TYPE)                                                                     \
    static inline void strata_shift_##TYPE(TYPE *values, const uint64_t *mask, size_t words,   \
                                           TYPE shift) {                                       \
        for (size_t w = 0; w < words; w++, values += 64) {                                     \
            if (mask[w] == ~(uint64_t)0) {                                                     \
                for (int i = 0; i < 64; i++) values[i] = (TYPE)(values[i] + shift);            \
            } else {                                                                           \
                for (uint64_t word = mask[w]; word; word &= word - 1) {                        \
                    TYPE *value = values + __builtin_ctzll(word);                              \
                    *value = (TYPE)(*value + shift);                                           \
                }                                                                              \
            }                                                                                  \
        }                                                                                      \
    }

STRATA_SHIFT(uint8_t)
STRATA_SHIFT(uint16_t)
STRATA_SHIFT(uint32_t)
STRATA_SHIFT(uint64_t)

/* Adds `shift` to the rows of the part that are in the mask of the block. */
static inline void strata_shift_values(const strata_column *head, const uint64_t *mask,
                                       uint64_t shift, uint8_t *values) {
    size_t words = strata_padded(head->row_count) / 64;
    mask += head->first_row / 64;
    switch (head->width) {
    case 1: strata_shift_uint8_t(values, mask, words, (uint8_t)shift); break;
    case 2: strata_shift_uint16_t((void *)values, mask, words, (uint16_t)shift); break;
    case 4: strata_shift_uint32_t((void *)values, mask, words, (uint32_t)shift); break;
    case 8: strata_shift_uint64_t((void *)values, mask, words, shift); break;
    default: break;
    }
}

/* Cell i: row rows[i] of the block stores stored[i] + shift, or 0 where it is not present.
 * Cells outside of the part are passed over; rows ascend. */
static inline void strata_lay_cells(const strata_column *head, const uint16_t *rows,
                                    const uint64_t *stored, const uint8_t *present, size_t count,
                                    uint64_t shift, uint8_t *values) {
    size_t end = strata_padded(head->row_count);
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)rows[i] - head->first_row;
        if (at >= end) continue; /* rows before the part wrap around */
        uint64_t value = present[i] ? stored[i] + shift : 0;
        memcpy(values + at * head->width, &value, head->width); /* little-endian */
    }
}

/* -------------------------------------------------------------------------------- bounds */

/* What the values of some rows span. `low` and `high` are those of the values other than 0,
 * doubles as their bits; whether 0 is a value or a missing row follows from the counts. */
typedef struct {
    uint64_t low;
    uint64_t high;
    uint32_t nonzero_count;
} strata_spread;

/* One less wraps zeros around to the top, so that one minimum passes over them. Zeros are
 * counted in the type of the values, in stretches short enough for a byte: the compiler then
 * keeps whole registers of them. */
#define STRATA_SPREAD_ROWS 192u
#define STRATA_SPREAD(TYPE)                                                                    \
    static inline strata_spread strata_spread_##TYPE(const TYPE *values, uint32_t count) {     \
        TYPE low = (TYPE)~(TYPE)0, high = 0;                                                   \
        uint32_t zeros = 0;                                                                    \
        for (uint32_t start = 0; start < count; start += STRATA_SPREAD_ROWS) {                 \
            uint32_t rest = count - start;                                                     \
            uint32_t rows = rest < STRATA_SPREAD_ROWS ? rest : STRATA_SPREAD_ROWS;             \
            TYPE here = 0;                                                                     \
            for (uint32_t i = 0; i < rows; i++) {                                              \
                TYPE value = values[start + i], below = (TYPE)(value - 1);                     \
                low = below < low ? below : low;                                               \
                high = value > high ? value : high;                                            \
                here = (TYPE)(here + (value == 0));                                            \
            }                                                                                  \
            zeros += (uint32_t)here;                                                           \
        }                                                                                      \
        strata_spread spread = {(uint64_t)(TYPE)(low + 1), high, count - zeros};               \
        return spread;                                                                         \
    }

STRATA_SPREAD(uint8_t)
STRATA_SPREAD(uint16_t)
STRATA_SPREAD(uint32_t)
STRATA_SPREAD(uint64_t)

static inline double strata_as_double(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Zeros, which have no sign, become an infinity by their bits: a branch on them would be
 * mispredicted in a column that is half full. */
static inline strata_spread strata_spread_double(const uint64_t *values, uint32_t count) {
    const double infinity = __builtin_inf();
    double low[4] = {infinity, infinity, infinity, infinity};
    double high[4] = {-infinity, -infinity, -infinity, -infinity};
    uint64_t zeros = 0;
    for (uint32_t i = 0; i < count; i += 4) {
        for (int lane = 0; lane < 4; lane++) {
            uint64_t value = values[i + lane], is_zero = value == 0;
            double under = strata_as_double(value | (is_zero * UINT64_C(0x7ff0000000000000)));
            double over = strata_as_double(value | (is_zero * UINT64_C(0xfff0000000000000)));
            low[lane] = under < low[lane] ? under : low[lane];
            high[lane] = over > high[lane] ? over : high[lane];
            zeros += is_zero;
        }
    }
    for (int lane = 1; lane < 4; lane++) {
        low[0] = low[lane] < low[0] ? low[lane] : low[0];
        high[0] = high[lane] > high[0] ? high[lane] : high[0];
    }
    strata_spread spread = {0, 0, count - (uint32_t)zeros};
    memcpy(&spread.low, &low[0], 8);
    memcpy(&spread.high, &high[0], 8);
    return spread;
}

static inline strata_spread strata_find_spread(const strata_column *head, const uint8_t *values) {
    uint32_t count = (uint32_t)strata_padded(head->row_count);
    if (head->column_kind == STRATA_FLOATS)
        return strata_spread_double((const void *)values, count);
    switch (head->width) {
    case 1: return strata_spread_uint8_t(values, count);
    case 2: return strata_spread_uint16_t((const void *)values, count);
    case 4: return strata_spread_uint32_t((const void *)values, count);
    case 8: return strata_spread_uint64_t((const void *)values, count);
    default: return (strata_spread){0, 0, 0};
    }
}

/* What the rows of two parts span together. */
static inline strata_spread strata_join_spreads(int column_kind, strata_spread a,
                                                strata_spread b) {
    if (!a.nonzero_count) return b;
    if (!b.nonzero_count) return a;
    if (column_kind == STRATA_FLOATS) {
        if (strata_as_double(b.low) < strata_as_double(a.low)) a.low = b.low;
        if (strata_as_double(b.high) > strata_as_double(a.high)) a.high = b.high;
    } else {
        if (b.low < a.low) a.low = b.low;
        if (b.high > a.high) a.high = b.high;
    }
    a.nonzero_count += b.nonzero_count;
    return a;
}

/* ---------------------------------------------------------------------------------- rows */

/* The stored value of a row of the block as the old parts have it, 0 where none has it. */
static inline uint64_t strata_stored_in(const uint8_t *const *parts, uint32_t part_count,
                                        uint32_t row) {
    for (uint32_t p = 0; p < part_count; p++) {
        strata_column old = strata_load_head(parts[p]);
        uint32_t at = row - old.first_row;
        if (at >= old.row_count) continue;
        uint64_t stored = 0;
        memcpy(&stored, parts[p] + old.values_offset + (size_t)at * old.width, old.width);
        return stored;
    }
    return 0;
}

/* Rows up to the last one that stores something once the cells are laid over `row_count` rows. */
static inline uint32_t strata_stored_length(const uint8_t *const *parts, uint32_t part_count,
                                            uint32_t row_count, const uint16_t *rows,
                                            const uint8_t *present, size_t count) {
    if (count && (uint32_t)rows[count - 1] + 1 > row_count) row_count = rows[count - 1] + 1u;
    for (; row_count > 0; row_count--) {
        if (count && rows[count - 1] == row_count - 1) {
            if (present[--count]) break;
        } else if (strata_stored_in(parts, part_count, row_count - 1)) {
            break;
        }
    }
    return row_count;
}

/* Adds the rows that the old parts have to the mask. */
static inline void strata_add_presence(const uint8_t *const *parts, uint32_t part_count,
                                       uint64_t *mask) {
    for (uint32_t p = 0; p < part_count; p++) {
        strata_entry entry = strata_load_head(parts[p]).presence;
        strata_container_or_mask(entry.kind, parts[p] + entry.offset, entry.cardinality, mask);
    }
}

/* Whether all parts are of one kind and have one frame, as the encoder makes them. */
static inline int strata_share_frame(const uint8_t *const *parts, uint32_t part_count) {
    strata_column first = strata_load_head(parts[0]);
    for (uint32_t p = 1; p < part_count; p++) {
        strata_column other = strata_load_head(parts[p]);
        if (other.column_kind != first.column_kind || other.width != first.width
            || other.base != first.base || other.step != first.step)
            return 0;
    }
    return 1;
}

/* --------------------------------------------------------------------------------- parts */

static inline size_t strata_part_size(const strata_column *head) {
    return sizeof *head + strata_padded(head->row_count) * head->width
           + ((2u * head->presence.size_in_2 + 7u) & ~7u);
}

/* Writes one part of strata_part_size bytes. `head` has its frame, its rows and the measured
 * presence; offsets, counts and max_stored are filled in here. `mask` is that of the block after
 * the cells are laid over; the shift moves old and new values to the frame. */
static inline strata_spread strata_build_part(
    const uint8_t *const *parts, uint32_t part_count, strata_column *head, const uint64_t *mask,
    const uint16_t *rows, const uint64_t *stored, const uint8_t *present, size_t count,
    uint64_t shift, uint8_t *out) {
    uint8_t *values = out + sizeof *head;
    size_t end = sizeof *head + strata_padded(head->row_count) * head->width;
    strata_copy_values(parts, part_count, head, values);
    if (shift) strata_shift_values(head, mask, shift, values);
    strata_lay_cells(head, rows, stored, present, count, shift, values);
    strata_spread spread = strata_find_spread(head, values);
    memset(out + end, 0, strata_part_size(head) - end);
    if (head->presence.kind != STRATA_EMPTY) {
        head->presence.offset = (uint32_t)end;
        strata_write_words(head->presence, mask, head->first_row / 64,
                           (head->first_row + (uint32_t)strata_padded(head->row_count)) / 64,
                           out + end);
    }
    int is_coded = head->column_kind == STRATA_CODES;
    head->present_count = is_coded ? spread.nonzero_count : head->presence.cardinality;
    head->max_stored = head->column_kind == STRATA_FLOATS ? 0 : spread.high;
    head->values_offset = (uint32_t)sizeof *head;
    memcpy(out, head, sizeof *head);
    return spread;
}

#endif
