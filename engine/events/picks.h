/* Picked events of a chunk: by a window of time, by conditions on properties, by rows.
 *
 *   1. A window picks a stretch of a sorted chunk by bisection, without a scan. Of an unsorted
 *      one it picks by a range of times.
 *   2. Each condition first answers from the bounds of its column: none, or all. Only where the
 *      bounds leave it open are values compared, those in the words of the stretch.
 *   3. What is left is taken stretch by stretch of at most STRATA_STRETCH_EVENTS, as rows and
 *      places.
 *
 * Masks of events: event i in bit i % 64 of word i / 64, STRATA_CHUNK_WORDS words; a test writes
 * words [first_word, end_word) and no others, and what it says of events past the last one
 * means nothing. Instants are microseconds; windows are [from, to).
 */
#ifndef STRATA_PICKS_H
#define STRATA_PICKS_H

#include "engine/core/kernels.h"
#include "engine/events/values.h"

/* What a test says of the events of its words. */
enum { STRATA_EVENTS_NONE = 0, STRATA_EVENTS_ALL = 1, STRATA_EVENTS_SOME = 2 };

/* Events of [first, end): all of them, or those in `words`, which has no others. */
typedef struct {
    uint32_t first;
    uint32_t end;
    int is_masked;
    uint64_t words[STRATA_CHUNK_WORDS];
} strata_picks;

static inline uint32_t strata_first_word(const strata_picks *picks) { return picks->first / 64; }

static inline uint32_t strata_end_word(const strata_picks *picks) {
    return (picks->end + 63) / 64;
}

/* ------------------------------------------------------------------------------- windows */

#define STRATA_BISECT(NAME, VALUE)                                                             \
    static inline uint32_t NAME(const strata_chunk *chunk, const uint8_t *values,              \
                                uint64_t least) {                                              \
        uint32_t low = 0, count = chunk->event_count;                                          \
        while (count) {                                                                        \
            uint32_t half = count / 2, i = low + half;                                         \
            if ((VALUE) < least) {                                                             \
                low = i + 1;                                                                   \
                count -= half + 1;                                                             \
            } else {                                                                           \
                count = half;                                                                  \
            }                                                                                  \
        }                                                                                      \
        return low;                                                                            \
    }

STRATA_BISECT(strata_bisect_u8, values[i])
STRATA_BISECT(strata_bisect_u16, strata_u16(values)[i])
STRATA_BISECT(strata_bisect_u32, strata_u32(values)[i])
STRATA_BISECT(strata_bisect_u64, strata_u64(values)[i])
STRATA_BISECT(strata_bisect_planes,
              (strata_u32(values)[i] | (uint64_t)strata_high_parts(chunk, values)[i] << 32))

/* How many events of a sorted chunk are before an instant. */
static inline uint32_t strata_events_before(const strata_chunk *chunk, int64_t instant) {
    const strata_event_column *times = strata_time_column(chunk);
    if (instant <= times->low) return 0;
    if (instant > times->high) return chunk->event_count;
    uint64_t least = strata_steps_up_to(times, instant);
    const uint8_t *values = strata_chunk_bytes(chunk, times->values_offset);
    switch (times->width) {
    case 1: return strata_bisect_u8(chunk, values, least);
    case 2: return strata_bisect_u16(chunk, values, least);
    case 4: return strata_bisect_u32(chunk, values, least);
    case 6: return strata_bisect_planes(chunk, values, least);
    default: return strata_bisect_u64(chunk, values, least);
    }
}

/* ------------------------------------------------------------------------------ conditions */

static inline void strata_range_planes(const uint32_t *restrict low_parts,
                                       const uint16_t *restrict high_parts, uint32_t words,
                                       uint64_t low, uint64_t span, uint64_t *restrict out) {
    for (uint32_t w = 0; w < words; w++) {
        uint8_t hit[64];
        for (int i = 0; i < 64; i++) {
            uint64_t value = low_parts[64 * w + i] | (uint64_t)high_parts[64 * w + i] << 32;
            hit[i] = value - low <= span;
        }
        out[w] = strata_pack64(hit);
    }
}

/* Which events store low .. low + span; low and low + span fit the width, which is not 0. */
static inline void strata_range_stored(const strata_kernels *kernels, const strata_chunk *chunk,
                                       const strata_event_column *column, uint64_t low,
                                       uint64_t span, uint32_t first_word, uint32_t end_word,
                                       uint64_t *out) {
    const uint8_t *at = strata_chunk_bytes(chunk, column->values_offset);
    size_t first = 64 * (size_t)first_word;
    uint32_t words = end_word - first_word;
    out += first_word;
    switch (column->width) {
    case 1: kernels->range_u8(at + first, words, (uint8_t)low, (uint8_t)span, out); break;
    case 2:
        kernels->range_u16(strata_u16(at) + first, words, (uint16_t)low, (uint16_t)span, out);
        break;
    case 4:
        kernels->range_u32(strata_u32(at) + first, words, (uint32_t)low, (uint32_t)span, out);
        break;
    case 6:
        strata_range_planes(strata_u32(at) + first, strata_high_parts(chunk, at) + first, words,
                            low, span, out);
        break;
    default:
        kernels->range_u64(strata_u64(at) + first, words, low, span, out);
        break;
    }
}

static inline void strata_and_presence(const strata_chunk *chunk,
                                       const strata_event_column *column, uint32_t first_word,
                                       uint32_t end_word, uint64_t *out) {
    const uint8_t *bits = strata_chunk_bytes(chunk, column->presence_offset);
    for (uint32_t w = first_word; w < end_word; w++) out[w] &= strata_load64(bits + 8 * (size_t)w);
}

/* Which events have a value; `column` may be NULL. */
static inline int strata_test_present(const strata_kernels *kernels, const strata_chunk *chunk,
                                      const strata_event_column *column, uint32_t first_word,
                                      uint32_t end_word, uint64_t *out) {
    if (!column) return STRATA_EVENTS_NONE;
    if (strata_all_present(chunk, column)) return STRATA_EVENTS_ALL;
    if (column->presence_offset) {
        memset(out + first_word, 0xff, 8 * (size_t)(end_word - first_word));
        strata_and_presence(chunk, column, first_word, end_word, out);
    } else { /* codes and digests store 0 where they are missing */
        uint64_t most = column->width == 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * column->width) - 1;
        strata_range_stored(kernels, chunk, column, 1, most - 1, first_word, end_word, out);
    }
    return STRATA_EVENTS_SOME;
}

/* Which events have an int or a code in low .. high, both included; `column` may be NULL. */
static inline int strata_test_range(const strata_kernels *kernels, const strata_chunk *chunk,
                                    const strata_event_column *column, int64_t low, int64_t high,
                                    uint32_t first_word, uint32_t end_word, uint64_t *out) {
    if (!column || low > high || high < column->low || low > column->high)
        return STRATA_EVENTS_NONE;
    if (low <= column->low && column->high <= high)
        return strata_test_present(kernels, chunk, column, first_word, end_word, out);
    if (low < column->low) low = column->low;
    if (high > column->high) high = column->high;
    uint64_t least = strata_steps_up_to(column, low);
    uint64_t most = ((uint64_t)high - (uint64_t)column->base) / column->step;
    if (least > most) return STRATA_EVENTS_NONE; /* both between the same two steps */
    strata_range_stored(kernels, chunk, column, least, most - least, first_word, end_word, out);
    if (column->presence_offset && !strata_all_present(chunk, column))
        strata_and_presence(chunk, column, first_word, end_word, out);
    return STRATA_EVENTS_SOME;
}

static inline void strata_member_stored(const strata_kernels *kernels, uint32_t width,
                                        const void *values, uint32_t words,
                                        const uint64_t *members, uint64_t *out) {
    switch (width) {
    case 1: kernels->member_u8(values, words, members, out); break;
    case 2: kernels->member_u16(values, words, members, out); break;
    default: kernels->member_u32(values, words, members, out); break;
    }
}

/* Which events have a code whose bit is set in `members`; bit 0 is not, and there are bits for
 * the greatest code of the column and as many as the table of kernels asks for. */
static inline int strata_test_codes(const strata_kernels *kernels, const strata_chunk *chunk,
                                    const strata_event_column *column, const uint64_t *members,
                                    uint32_t first_word, uint32_t end_word, uint64_t *out) {
    if (!column) return STRATA_EVENTS_NONE;
    if (column->width == 0) return (int)(members[column->base >> 6] >> (column->base & 63)) & 1;
    const uint8_t *at = strata_chunk_bytes(chunk, column->values_offset);
    uint64_t padded[32];
    if (chunk->data_offset && end_word == (chunk->event_count + 63) / 64) {
        /* Past the last event of this version of a tail may stand codes of later ones, for which
         * there may be no bits. */
        size_t start = 64 * (size_t)--end_word;
        memset(padded, 0, sizeof padded);
        memcpy(padded, at + start * column->width, (chunk->event_count - start) * column->width);
        strata_member_stored(kernels, column->width, padded, 1, members, out + end_word);
    }
    if (first_word < end_word)
        strata_member_stored(kernels, column->width, at + 64 * (size_t)first_word * column->width,
                             end_word - first_word, members, out + first_word);
    return STRATA_EVENTS_SOME;
}

/* Which events have a float in low .. high, both included; `column` may be NULL. */
static inline int strata_test_floats(const strata_kernels *kernels, const strata_chunk *chunk,
                                     const strata_event_column *column, double low, double high,
                                     uint32_t first_word, uint32_t end_word, uint64_t *out) {
    double least, greatest;
    if (!column) return STRATA_EVENTS_NONE;
    memcpy(&least, &column->low, 8);
    memcpy(&greatest, &column->high, 8);
    if (!(low <= high) || high < least || low > greatest) return STRATA_EVENTS_NONE;
    if (low <= least && greatest <= high)
        return strata_test_present(kernels, chunk, column, first_word, end_word, out);
    const uint8_t *at = strata_chunk_bytes(chunk, column->values_offset);
    kernels->range_f64((const double *)(const void *)at + 64 * (size_t)first_word,
                       end_word - first_word, low, high, out + first_word);
    if (!strata_all_present(chunk, column))
        strata_and_presence(chunk, column, first_word, end_word, out);
    return STRATA_EVENTS_SOME;
}

enum { STRATA_TEXT_CONTAINS = 0, STRATA_TEXT_STARTS = 1, STRATA_TEXT_ENDS = 2 };

static inline int strata_text_matches(const uint8_t *text, uint32_t length, int how,
                                      const uint8_t *needle, uint32_t needle_length) {
    if (needle_length == 0) return 1; /* and there may be no needle to point to */
    if (needle_length > length) return 0;
    if (how == STRATA_TEXT_CONTAINS) return memmem(text, length, needle, needle_length) != 0;
    if (how == STRATA_TEXT_ENDS) text += length - needle_length;
    return memcmp(text, needle, needle_length) == 0;
}

/* Which events have a text that contains, starts with or ends with the needle. */
static inline int strata_test_texts(const strata_chunk *chunk, const strata_event_column *column,
                                    int how, const uint8_t *needle, uint32_t needle_length,
                                    uint32_t first_word, uint32_t end_word, uint64_t *out) {
    if (!column) return STRATA_EVENTS_NONE;
    for (uint32_t w = first_word; w < end_word; w++) {
        out[w] = 0;
        for (uint32_t i = 64 * w; i < 64 * w + 64 && i < chunk->event_count; i++) {
            uint32_t length;
            const uint8_t *text = strata_event_text(chunk, column, i, &length);
            int hit = strata_text_matches(text, length, how, needle, needle_length);
            out[w] |= (uint64_t)(hit && strata_event_has(chunk, column, i)) << (i & 63);
        }
    }
    return STRATA_EVENTS_SOME;
}

/* Which events are of rows in a mask of the block. */
static inline int strata_test_rows(const strata_kernels *kernels, const strata_chunk *chunk,
                                   const uint64_t *mask, uint32_t first_word, uint32_t end_word,
                                   uint64_t *out) {
    kernels->member_u16(strata_event_rows(chunk) + 64 * (size_t)first_word, end_word - first_word,
                        mask, out + first_word);
    return STRATA_EVENTS_SOME;
}

/* ------------------------------------------------------------------------------------ picks */

/* Sets the bits of words to 0 that are not of [first, end). */
static inline void strata_trim_picks(strata_picks *picks) {
    if (picks->first & 63) picks->words[picks->first / 64] &= ~(uint64_t)0 << (picks->first & 63);
    if (picks->end & 63) picks->words[picks->end / 64] &= ~(~(uint64_t)0 << (picks->end & 63));
}

/* Narrows picks by what a test said; `words` are what it wrote. Returns whether any may be left. */
static inline int strata_narrow_picks(strata_picks *picks, int verdict, const uint64_t *words) {
    if (verdict == STRATA_EVENTS_ALL) return 1;
    if (verdict == STRATA_EVENTS_NONE) {
        picks->end = picks->first;
        return 0;
    }
    uint32_t first = strata_first_word(picks), end = strata_end_word(picks);
    uint64_t any = 0;
    if (picks->is_masked) {
        for (uint32_t w = first; w < end; w++) any |= picks->words[w] &= words[w];
        return any != 0;
    }
    memcpy(picks->words + first, words + first, 8 * (size_t)(end - first));
    picks->is_masked = 1;
    strata_trim_picks(picks);
    for (uint32_t w = first; w < end; w++) any |= picks->words[w];
    return any != 0;
}

/* Picks the events in [from, to). Returns whether any may be. */
static inline int strata_pick_window(const strata_kernels *kernels, const strata_chunk *chunk,
                                     int64_t from, int64_t to, strata_picks *picks) {
    const strata_event_column *times = strata_time_column(chunk);
    picks->first = picks->end = 0;
    picks->is_masked = 0;
    if (from >= to || to <= times->low || from > times->high) return 0;
    picks->end = chunk->event_count;
    if (from <= times->low && times->high < to) return 1;
    if (chunk->flags & STRATA_CHUNK_SORTED) {
        picks->first = strata_events_before(chunk, from);
        picks->end = strata_events_before(chunk, to);
        return picks->first < picks->end;
    }
    uint64_t words[STRATA_CHUNK_WORDS];
    int verdict = strata_test_range(kernels, chunk, times, from, to - 1, 0,
                                    strata_end_word(picks), words);
    return strata_narrow_picks(picks, verdict, words);
}

static inline uint32_t strata_pick_count(const strata_picks *picks) {
    if (!picks->is_masked) return picks->end - picks->first;
    uint32_t count = 0;
    for (uint32_t w = strata_first_word(picks); w < strata_end_word(picks); w++)
        count += strata_popcount64(picks->words[w]);
    return count;
}

/* --------------------------------------------------------------------------------- stretches */

/* Rows and values of so many events stay in the first-level cache. */
#define STRATA_STRETCH_EVENTS 512u

/* Some of the picked events, in order: `rows` of them, and `events`, their places in the chunk,
 * or where `events` is NULL the places from `first` on. */
typedef struct {
    uint32_t next;  /* place from which the next stretch is looked for */
    uint32_t first;
    uint32_t count;
    const uint16_t *rows;
    const uint16_t *events;
    uint16_t kept_rows[STRATA_STRETCH_EVENTS + 64];
    uint16_t kept_events[STRATA_STRETCH_EVENTS + 64];
} strata_stretch;

static inline void strata_first_stretch(const strata_picks *picks, strata_stretch *stretch) {
    stretch->next = picks->first;
}

/* Places of the bits of a word; from half of them on a step for each bit, set or not, is
 * quicker than a jump that is guessed wrong at the end of each word. */
static inline uint32_t strata_list_word(uint64_t word, uint32_t place, uint16_t *out) {
    uint32_t count = 0;
    if (strata_popcount64(word) < 24) {
        for (; word; word &= word - 1)
            out[count++] = (uint16_t)(place + (uint32_t)__builtin_ctzll(word));
        return count;
    }
    for (uint32_t i = 0; i < 64; i++) {
        out[count] = (uint16_t)(place + i);
        count += (uint32_t)(word >> i) & 1;
    }
    return count;
}

/* Moves on to the next events picked. Returns 0 where there are none. */
static inline int strata_next_stretch(const strata_chunk *chunk, const strata_picks *picks,
                                      strata_stretch *stretch) {
    const uint16_t *rows = strata_event_rows(chunk);
    if (!picks->is_masked) {
        uint32_t left = picks->end - stretch->next;
        stretch->first = stretch->next;
        stretch->count = left < STRATA_STRETCH_EVENTS ? left : STRATA_STRETCH_EVENTS;
        stretch->next += stretch->count;
        stretch->rows = rows + stretch->first;
        stretch->events = 0;
        return stretch->count != 0;
    }
    uint32_t count = 0, w = stretch->next / 64, end = strata_end_word(picks);
    while (w < end && count + 64 <= STRATA_STRETCH_EVENTS) {
        count += strata_list_word(picks->words[w], 64 * w, stretch->kept_events + count);
        w++;
    }
    for (uint32_t i = 0; i < count; i++) stretch->kept_rows[i] = rows[stretch->kept_events[i]];
    stretch->next = 64 * w;
    stretch->count = count;
    stretch->rows = stretch->kept_rows;
    stretch->events = stretch->kept_events;
    return count != 0;
}

/* The values of the stretch's events. */
static inline void strata_widen_stretch(const strata_chunk *chunk,
                                        const strata_event_column *column,
                                        const strata_stretch *stretch, int64_t *out) {
    if (stretch->events) strata_widen_at(chunk, column, stretch->events, stretch->count, out);
    else strata_widen(chunk, column, stretch->first, stretch->count, out);
}

#endif
