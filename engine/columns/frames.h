/* Frames of columns: what the values of a block range over, and the values laid into it.
 *
 * One pass measures, a second one writes; between them the caller picks the width. With numpy
 * each of least, greatest, distance, remainder and narrowing is a pass of its own, and a block of
 * 65,536 values leaves the cache on the way.
 */
#ifndef STRATA_FRAMES_H
#define STRATA_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/* The least and the greatest of `count` present values; both 0 where there are none. */
typedef struct {
    int64_t count;
    int64_t low;
    int64_t high;
} strata_frame;

static inline strata_frame strata_measure_ints(const int64_t *values, const uint8_t *present,
                                               int64_t count) {
    int64_t known = 0, low = INT64_MAX, high = INT64_MIN;
    for (int64_t i = 0; i < count; i++) {
        int64_t least = present[i] ? values[i] : INT64_MAX;
        int64_t greatest = present[i] ? values[i] : INT64_MIN;
        known += present[i];
        low = least < low ? least : low;
        high = greatest > high ? greatest : high;
    }
    strata_frame frame = {known, known ? low : 0, known ? high : 0};
    return frame;
}

/* Codes, 0 where missing. */
static inline strata_frame strata_measure_codes(const uint32_t *codes, int64_t count) {
    uint32_t low = UINT32_MAX, high = 0;
    int64_t known = 0;
    for (int64_t i = 0; i < count; i++) {
        /* Code 0 wraps to the greatest number there is. */
        uint32_t before = codes[i] - 1;
        low = before < low ? before : low;
        high = codes[i] > high ? codes[i] : high;
        known += codes[i] != 0;
    }
    strata_frame frame = {known, known ? (int64_t)low + 1 : 0, high};
    return frame;
}

/* Bytes that hold 0..span; 0 where span is 0. */
static inline int strata_width_of(uint64_t span) {
    if (!span) return 0;
    return span < 1u << 8 ? 1 : span < 1u << 16 ? 2 : span < (uint64_t)1 << 32 ? 4 : 8;
}

static inline uint64_t strata_gcd(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The greatest common divisor of the distances from the least value where dividing by it saves
 * width, else 1. Most data that cannot be divided end this within a few values, because the
 * divisor left is too small to save anything. Distances wrap, which is exact for all of int64. */
static inline uint64_t strata_common_step(const int64_t *values, const uint8_t *present,
                                          int64_t count, strata_frame frame) {
    uint64_t low = (uint64_t)frame.low, span = (uint64_t)frame.high - low, step = span;
    int width = strata_width_of(span);
    if (width <= 1) return 1;
    for (int64_t i = 0; i < count; i++) {
        uint64_t rest;
        if (!present[i] || !(rest = ((uint64_t)values[i] - low) % step)) continue;
        step = strata_gcd(step, rest);
        if (strata_width_of(span / step) >= width) return 1;
    }
    return step;
}

/* out[i] = (values[i] - low) / step, 0 where missing, in so many bytes each. */
#define STRATA_LAY_INTS(type)                                                                \
    static inline void strata_lay_ints_##type(const int64_t *values, const uint8_t *present, \
                                              int64_t count, int64_t low, uint64_t step,     \
                                              type *out) {                                   \
        if (step == 1) {                                                                     \
            for (int64_t i = 0; i < count; i++)                                              \
                out[i] = (type)(present[i] ? (uint64_t)values[i] - (uint64_t)low : 0);       \
        } else {                                                                             \
            for (int64_t i = 0; i < count; i++)                                              \
                out[i] = (type)(present[i] ? ((uint64_t)values[i] - (uint64_t)low) / step : 0); \
        }                                                                                    \
    }

STRATA_LAY_INTS(uint8_t)
STRATA_LAY_INTS(uint16_t)
STRATA_LAY_INTS(uint32_t)
STRATA_LAY_INTS(uint64_t)

#endif
