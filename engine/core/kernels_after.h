/* Instants judged by the latest of their rows, in plain C: what follows what within a sequence. */
#ifndef STRATA_KERNELS_AFTER_H
#define STRATA_KERNELS_AFTER_H

#include "engine/core/kernels_loops.h"

/* The events from `first` on, the first one of a word. */
STRATA_INLINE void strata_after_each(const uint16_t *rows, const uint32_t *times, uint32_t first,
                                     uint32_t count, const uint32_t *latest, uint32_t sure,
                                     uint32_t most, uint64_t *hits, uint64_t *open) {
    for (uint32_t from = first; from < count; from += 64) {
        uint32_t end = count - from < 64 ? count - from : 64;
        uint64_t hit = 0, unsure = 0;
        for (uint32_t i = 0; i < end; i++) {
            uint32_t past = times[from + i] - latest[rows[from + i]] - 1;
            uint32_t is_hit = past < sure, is_early = latest[rows[from + i]] >= times[from + i];
            hit |= (uint64_t)is_hit << i;
            unsure |= (uint64_t)(((past < most) & !is_hit) | is_early) << i;
        }
        hits[from / 64] = hit;
        open[from / 64] = unsure;
    }
}

static void strata_after_u32_portable(const uint16_t *rows, const uint32_t *times, uint32_t count,
                                      const uint32_t *latest, uint32_t sure, uint32_t most,
                                      uint64_t *hits, uint64_t *open) {
    strata_after_each(rows, times, 0, count, latest, sure, most, hits, open);
}

#endif
