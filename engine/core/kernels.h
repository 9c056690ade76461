/* The kernels: the loops over one block that evaluation time is spent in.
 *
 * Every kernel stands in a table (`strata_kernels`), one table for each instruction set, picked at
 * run time by what the processor has (`strata_pick_kernels`). Each entry of each table has a naive
 * twin in tests/unit/test_kernels.py that it is compared with; all tables give the same bits.
 *
 * Manual
 *   Tables     portable is plain C for any processor, ARM among them. avx2 needs AVX2, BMI1, BMI2
 *              and POPCNT (Intel since Haswell, AMD since Excavator). avx512 needs F, BW, DQ, VL,
 *              VBMI, VBMI2 and VPOPCNTDQ as well (Intel since Ice Lake, AMD since Zen 4); what has
 *              AVX-512 without them (Skylake-X, Cascade Lake) runs avx2, which does not make it
 *              clock down. The operating system must save the registers; that is asked too.
 *   Masks      STRATA_BLOCK_WORDS little-endian 64-bit words, row r of the block in bit r % 64 of
 *              word r / 64. Kernels that change a mask return how many rows it then holds: to
 *              count in the same pass costs nothing, a second pass over 8 KiB does.
 *   Columns    `words` mask words stand for `words * 64` values, all of which are read: the encoder
 *              pads with zeros to whole words. A column in parts is taken part by part, each with
 *              the words of the mask that are its own.
 *   Aliasing   no two pointers of a call may overlap.
 *   Alignment  any is right. Columns and bitsets lie on 64 bytes in the store; masks of the
 *              caller should, since a 64-byte load across two cache lines takes twice as long.
 *   Cycles     in comments are of one core at 3 GHz (Sapphire Rapids), data in the second-level cache.
 *   Trust      nothing is checked here; columns and containers come from verified records.
 */
#ifndef STRATA_KERNELS_H
#define STRATA_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "engine/bitmaps/containers.h"

/* Codes that the bits of `members` reach at least, whatever the dictionary's size: a byte-wide
 * column is looked up in all of them at once. */
#define STRATA_LEAST_MEMBERS 256u

typedef struct {
    const char *name;
    /* mask algebra over whole blocks */
    uint32_t (*mask_count)(const uint64_t *mask);
    uint32_t (*mask_and)(uint64_t *mask, const uint64_t *other);
    uint32_t (*mask_or)(uint64_t *mask, const uint64_t *other);
    uint32_t (*mask_and_not)(uint64_t *mask, const uint64_t *other);
    /* bit i = (value[i] - low <= span), unsigned with wrap-around */
    void (*range_u8)(const uint8_t *values, uint32_t words, uint8_t low, uint8_t span, uint64_t *out);
    void (*range_u16)(const uint16_t *values, uint32_t words, uint16_t low, uint16_t span, uint64_t *out);
    void (*range_u32)(const uint32_t *values, uint32_t words, uint32_t low, uint32_t span, uint64_t *out);
    void (*range_u64)(const uint64_t *values, uint32_t words, uint64_t low, uint64_t span, uint64_t *out);
    /* bit i = (low <= value[i] <= high); NaN is in no range */
    void (*range_f64)(const double *values, uint32_t words, double low, double high, uint64_t *out);
    /* bit i = bit value[i] of `members`, which covers every value that occurs and has
     * STRATA_LEAST_MEMBERS bits at least */
    void (*member_u8)(const uint8_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
    void (*member_u16)(const uint16_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
    void (*member_u32)(const uint32_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
} strata_kernels;

#include "engine/core/kernels_portable.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_avx512.h"
#endif

/* The table called `name`, or the widest that this processor runs where `name` is empty.
 * NULL where there is no such table here. */
static inline const strata_kernels *strata_pick_kernels(const char *name) {
    int any = name[0] == '\0';
#if defined(__x86_64__) && defined(__GNUC__)
    if ((any || strcmp(name, "avx512") == 0) && strata_runs_avx512()) {
        return &strata_kernels_avx512;
    }
    if ((any || strcmp(name, "avx2") == 0) && strata_runs_avx2()) {
        return &strata_kernels_avx2;
    }
#endif
    return any || strcmp(name, "portable") == 0 ? &strata_kernels_portable : 0;
}

#endif
