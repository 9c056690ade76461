/* kernels_ranks.h with 512-bit registers, 64 values at a time and without a gather.
 *
 * 1. A value becomes a key of 15 bits: how far it lies above the least cut, in units of a power of two,
 *    and 0 below all cuts. A byte of it is the bucket, the 7 bits below, at the top of a byte of their
 *    own, are the place in it.
 * 2. 256 buckets lie in four registers: how many cuts are before each, and the places of its first cut,
 *    of its second, and so on. 64 places are compared with 64 cuts at once.
 * 3. Where keys leave out bits, a value with the key of a cut may still be below it. Such rows, one in
 *    some hundreds, look at the cut itself.
 * Where some bucket holds too many cuts, ranks are gathered: cuts crowd, or lie near the ends of all
 * numbers. A block with 86 cuts takes a sixth of what it does with gathers.
 */
#ifndef STRATA_KERNELS_AVX512_RANKS_H
#define STRATA_KERNELS_AVX512_RANKS_H

#include "engine/core/kernels_avx512.h"
#include "engine/core/kernels_x86_ranks.h"

/* Keys of cuts are fewer, so that one is left for what is below all and one for what is above. */
#define STRATA_KEYS_MOST 32766u
/* The place of no cut: places are even. */
#define STRATA_NO_PLACE 255u

typedef struct {
    uint32_t least; /* values are taken as this at least, which is below all cuts; */
    uint32_t most;  /* and as this at most, which has a higher key than any of them */
    uint32_t base;  /* whose key is 0 */
    uint32_t turn;  /* bits to the left that bring a key to the 15 above the lowest of all */
    uint32_t steps; /* the cuts of the bucket that has most */
    int is_exact;   /* whether no two values have the same key */
    uint8_t first[256];
    uint8_t places[STRATA_CUT_STEPS][256];
} strata_keyed_cuts;

/* The key of a value, times two: other bits of the word are of no account. */
static inline uint32_t strata_key_of(const strata_keyed_cuts *keyed, uint32_t value) {
    uint32_t over = value - keyed->base;
    return (over << keyed->turn | over >> ((32 - keyed->turn) & 31)) & 0xFFFE;
}

/* Puts cuts by their keys; 0 where they are to be gathered. */
static inline int strata_key_cuts(const strata_cuts *all, strata_keyed_cuts *out) {
    uint32_t low = all->cuts[0], high = all->cuts[all->cut_count - 1], span = high - low, dropped = 0;
    uint32_t held = 0;
    while (span >> dropped >= STRATA_KEYS_MOST) {
        dropped++;
    }
    if (low < 1 || high > UINT32_MAX - (2u << dropped)) {
        return 0;
    }
    out->least = low - 1;
    out->most = high + (1u << dropped);
    out->base = low - (1u << dropped);
    out->is_exact = dropped == 0;
    out->turn = dropped ? 33 - dropped : 1;
    while (!dropped && out->turn < 15 && (span + 2) << out->turn < STRATA_KEYS_MOST) {
        out->turn++;
    }
    out->turn &= 31;
    out->steps = 0;
    memset(out->places, STRATA_NO_PLACE, sizeof(out->places));
    for (uint32_t b = 0, next = 0; b < 256; b++, held = 0) {
        out->first[b] = (uint8_t)next;
        for (; next < all->cut_count && strata_key_of(out, all->cuts[next]) >> 8 == b; next++) {
            if (held == STRATA_CUT_STEPS) {
                return 0;
            }
            out->places[held++][b] = (uint8_t)strata_key_of(out, all->cuts[next]);
        }
        out->steps = held > out->steps ? held : out->steps;
    }
    return 1;
}

/* table[at] of 64 bytes; `is_high` are those of 128 and more. */
STRATA_AVX512 STRATA_INLINE __m512i strata_among_256_avx512(const uint8_t *table, __m512i at,
                                                            __mmask64 is_high) {
    __m512i low = _mm512_permutex2var_epi8(strata_load_avx512(table), at,
                                           strata_load_avx512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(strata_load_avx512(table + 128), at,
                                            strata_load_avx512(table + 192));
    return _mm512_mask_mov_epi8(low, is_high, high);
}

/* Rows that have the key of a cut: those above them by their key that they have not reached. */
STRATA_AVX512 static __attribute__((noinline)) void strata_look_at_cuts_avx512(
    const uint32_t *values, const strata_cuts *all, uint64_t rows, uint8_t *ranks) {
    for (; rows; rows &= rows - 1) {
        uint32_t row = (uint32_t)__builtin_ctzll(rows), reached = ranks[row];
        while (reached && values[row] < all->cuts[reached - 1]) {
            reached--;
        }
        ranks[row] = (uint8_t)reached;
    }
}

STRATA_AVX512 STRATA_INLINE void strata_keyed_ranks_avx512(const uint32_t *values, uint32_t words,
                                                           const strata_cuts *all,
                                                           const strata_keyed_cuts *keyed,
                                                           uint8_t *ranks, uint32_t steps) {
    const __m512i least = _mm512_set1_epi32((int)keyed->least);
    const __m512i most = _mm512_set1_epi32((int)keyed->most);
    const __m512i base = _mm512_set1_epi32((int)keyed->base);
    const __m512i turn = _mm512_set1_epi32((int)keyed->turn), even = _mm512_set1_epi8((char)0xFE);
    const __m512i one = _mm512_set1_epi8(1), before = _mm512_set1_epi8((char)all->before);
    /* Bytes 0 of the 32 numbers of two registers, then their bytes 1. */
    const __m512i half_bytes = _mm512_setr_epi32(
        0x0C080400, 0x1C181410, 0x2C282420, 0x3C383430, 0x4C484440, 0x5C585450, 0x6C686460,
        0x7C787470, 0x0D090501, 0x1D191511, 0x2D292521, 0x3D393531, 0x4D494541, 0x5D595551,
        0x6D696561, 0x7D797571);
    for (size_t i = 0; i < 64 * (size_t)words; i += 64) {
        __m512i key[4];
        for (int k = 0; k < 4; k++) {
            __m512i value = strata_load_avx512(values + i + 16 * k);
            value = _mm512_min_epu32(_mm512_max_epu32(value, least), most);
            key[k] = _mm512_rolv_epi32(_mm512_sub_epi32(value, base), turn);
        }
        __m512i head = _mm512_permutex2var_epi8(key[0], half_bytes, key[1]);
        __m512i tail = _mm512_permutex2var_epi8(key[2], half_bytes, key[3]);
        __m512i place = _mm512_and_si512(_mm512_shuffle_i64x2(head, tail, 0x44), even);
        __m512i bucket = _mm512_shuffle_i64x2(head, tail, 0xEE);
        __mmask64 is_high = _mm512_movepi8_mask(bucket), near = 0;
        __m512i reached = strata_among_256_avx512(keyed->first, bucket, is_high);
        for (uint32_t s = 0; s < steps; s++) {
            __m512i cut = strata_among_256_avx512(keyed->places[s], bucket, is_high);
            __mmask64 is_reached = _mm512_cmpge_epu8_mask(place, cut);
            near |= _mm512_cmpeq_epi8_mask(place, cut);
            reached = _mm512_mask_add_epi8(reached, is_reached, reached, one);
        }
        if (near && !keyed->is_exact) {
            _mm512_storeu_si512(ranks + i, reached);
            strata_look_at_cuts_avx512(values + i, all, near, ranks + i);
            reached = strata_load_avx512(ranks + i);
        }
        _mm512_storeu_si512(ranks + i, _mm512_add_epi8(reached, before));
    }
}

/* The loop over steps is unrolled: their number is the same for all values. */
STRATA_AVX512 static void strata_ranks_u32_avx512(const uint32_t *restrict values, uint32_t words,
                                                  const strata_cuts *restrict all,
                                                  uint8_t *restrict ranks) {
    strata_keyed_cuts keyed;
    if (!strata_key_cuts(all, &keyed)) {
        strata_gathered_ranks_u32_avx512(values, words, all, ranks);
        return;
    }
    switch (keyed.steps) {
    case 1: strata_keyed_ranks_avx512(values, words, all, &keyed, ranks, 1); break;
    case 2: strata_keyed_ranks_avx512(values, words, all, &keyed, ranks, 2); break;
    case 3: strata_keyed_ranks_avx512(values, words, all, &keyed, ranks, 3); break;
    default: strata_keyed_ranks_avx512(values, words, all, &keyed, ranks, STRATA_CUT_STEPS);
    }
}

#endif
