/* Values of a stretch of events, widened to 64 bits: what the folds add up.
 *
 * Folds are written once, for 64-bit values, not for each width and frame: a stretch of a few
 * hundred values is widened into the first-level cache and folded from there, which takes 0.2 to
 * 0.4 ns a value and spares a loop for each of six widths in each fold.
 */
#ifndef STRATA_EVENT_VALUES_H
#define STRATA_EVENT_VALUES_H

#include "engine/events/chunk.h"

#define STRATA_WIDEN(NAME, TYPE)                                                               \
    static inline void NAME(const TYPE *restrict stored, uint32_t count, uint64_t base,        \
                            uint64_t step, int64_t *restrict out) {                            \
        if (step == 1) {                                                                       \
            for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)(base + stored[i]);         \
            return;                                                                            \
        }                                                                                      \
        for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)(base + step * stored[i]);      \
    }                                                                                          \
    static inline void NAME##_at(const TYPE *restrict stored, const uint16_t *restrict events, \
                                 uint32_t count, uint64_t base, uint64_t step,                 \
                                 int64_t *restrict out) {                                      \
        for (uint32_t i = 0; i < count; i++)                                                   \
            out[i] = (int64_t)(base + step * stored[events[i]]);                               \
    }

STRATA_WIDEN(strata_widen_u8, uint8_t)
STRATA_WIDEN(strata_widen_u16, uint16_t)
STRATA_WIDEN(strata_widen_u32, uint32_t)
STRATA_WIDEN(strata_widen_u64, uint64_t)

/* Planes: uint32 low parts and uint16 high parts. */
static inline void strata_widen_planes(const uint32_t *restrict low,
                                       const uint16_t *restrict high, uint32_t count,
                                       uint64_t base, uint64_t step, int64_t *restrict out) {
    for (uint32_t i = 0; i < count; i++)
        out[i] = (int64_t)(base + step * (low[i] | (uint64_t)high[i] << 32));
}

static inline void strata_widen_planes_at(const uint32_t *restrict low,
                                          const uint16_t *restrict high,
                                          const uint16_t *restrict events, uint32_t count,
                                          uint64_t base, uint64_t step, int64_t *restrict out) {
    for (uint32_t i = 0; i < count; i++)
        out[i] = (int64_t)(base + step * (low[events[i]] | (uint64_t)high[events[i]] << 32));
}

/* Values of events first .. first + count - 1: of ints, codes, digests; of floats their bits. */
static inline void strata_widen(const strata_chunk *chunk, const strata_event_column *column,
                                uint32_t first, uint32_t count, int64_t *out) {
    const uint8_t *at = strata_chunk_bytes(chunk, column->values_offset);
    uint64_t base = (uint64_t)column->base, step = column->step;
    switch (column->width) {
    case 1: strata_widen_u8(at + first, count, base, step, out); break;
    case 2: strata_widen_u16(strata_u16(at) + first, count, base, step, out); break;
    case 4: strata_widen_u32(strata_u32(at) + first, count, base, step, out); break;
    case 8: strata_widen_u64(strata_u64(at) + first, count, base, step, out); break;
    case 6:
        strata_widen_planes(strata_u32(at) + first, strata_high_parts(chunk, at) + first, count,
                            base, step, out);
        break;
    default:
        for (uint32_t i = 0; i < count; i++) out[i] = column->base;
    }
}

/* The same of the events listed. */
static inline void strata_widen_at(const strata_chunk *chunk, const strata_event_column *column,
                                   const uint16_t *events, uint32_t count, int64_t *out) {
    const uint8_t *at = strata_chunk_bytes(chunk, column->values_offset);
    uint64_t base = (uint64_t)column->base, step = column->step;
    switch (column->width) {
    case 1: strata_widen_u8_at(at, events, count, base, step, out); break;
    case 2: strata_widen_u16_at(strata_u16(at), events, count, base, step, out); break;
    case 4: strata_widen_u32_at(strata_u32(at), events, count, base, step, out); break;
    case 8: strata_widen_u64_at(strata_u64(at), events, count, base, step, out); break;
    case 6:
        strata_widen_planes_at(strata_u32(at), strata_high_parts(chunk, at), events, count, base,
                               step, out);
        break;
    default:
        for (uint32_t i = 0; i < count; i++) out[i] = column->base;
    }
}

#endif
