/* Exact arithmetic for comparisons of more than one attribute, and exact rounding to doubles.
 *
 * A linear form is sum(factor * value) + constant with integer factors; values are 64-bit.
 * Where the planner has shown that every partial sum fits 127 bits, it is added up in
 * __int128. Otherwise in eight 64-bit limbs, which hold everything the language can write:
 * literals of 38 digits, scales of 18, and 10,000 terms need less than 400 bits.
 */
#ifndef STRATA_EXACT_H
#define STRATA_EXACT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define STRATA_WIDE_LIMBS 8

typedef __int128 strata_int128;
typedef unsigned __int128 strata_uint128;

/* The number high * 2^64 + low. */
static inline strata_int128 strata_int128_of(int64_t high, uint64_t low) {
    return (strata_int128)(((strata_uint128)(uint64_t)high << 64) | low);
}

/* A 512-bit two's complement number, least significant limb first. */
typedef struct {
    uint64_t limb[STRATA_WIDE_LIMBS];
} strata_wide;

/* sum += factor * value. */
static inline void strata_wide_add_product(strata_wide *sum, const strata_wide *factor,
                                           int64_t value) {
    uint64_t flip = (uint64_t)(value >> 63); /* all ones to subtract: the complement plus one */
    uint64_t size = ((uint64_t)value ^ flip) - flip;
    strata_uint128 product = 0, total = flip & 1;
    for (int i = 0; i < STRATA_WIDE_LIMBS; i++) {
        product += (strata_uint128)factor->limb[i] * size;
        total += (strata_uint128)sum->limb[i] + ((uint64_t)product ^ flip);
        sum->limb[i] = (uint64_t)total;
        product >>= 64;
        total >>= 64;
    }
}

/* sum += factor * value, for values below 2^125 in size: in two halves. */
static inline void strata_wide_add_product128(strata_wide *sum, const strata_wide *factor,
                                              strata_int128 value) {
    strata_wide shifted = {{0}};
    int64_t low = (int64_t)((uint64_t)value & ((UINT64_C(1) << 62) - 1));
    strata_wide_add_product(sum, factor, low);
    if (value >> 62) {
        for (int i = 0; i < STRATA_WIDE_LIMBS; i++) {
            uint64_t below = i ? factor->limb[i - 1] >> 2 : 0;
            shifted.limb[i] = factor->limb[i] << 62 | below;
        }
        strata_wide_add_product(sum, &shifted, (int64_t)(value >> 62));
    }
}

/* number * value. */
static inline strata_wide strata_wide_times(const strata_wide *number, int64_t value) {
    strata_wide product = {{0}};
    strata_wide_add_product(&product, number, value);
    return product;
}

/* -1, 0 or 1. */
static inline int strata_wide_sign(const strata_wide *number) {
    if (number->limb[STRATA_WIDE_LIMBS - 1] >> 63) {
        return -1;
    }
    for (int i = 0; i < STRATA_WIDE_LIMBS; i++) {
        if (number->limb[i]) {
            return 1;
        }
    }
    return 0;
}

/* -1, 0 or 1 as a is less than, equal to or greater than b. */
static inline int strata_wide_compare(const strata_wide *a, const strata_wide *b) {
    int64_t top_a = (int64_t)a->limb[STRATA_WIDE_LIMBS - 1];
    int64_t top_b = (int64_t)b->limb[STRATA_WIDE_LIMBS - 1];
    int order = (top_a > top_b) - (top_a < top_b);
    for (int i = STRATA_WIDE_LIMBS - 2; i >= 0 && !order; i--) {
        order = (a->limb[i] > b->limb[i]) - (a->limb[i] < b->limb[i]);
    }
    return order;
}

/* The double nearest to (quotient + rest) * 2^scale, ties to even, where 0 <= rest < 1 and
 * `sticky` tells whether rest is not 0. The quotient has at least 55 bits. */
static inline double strata_rounded(strata_uint128 quotient, int sticky, int scale) {
    uint64_t high = (uint64_t)(quotient >> 64);
    int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)quotient);
    int drop = bits - 55; /* keep 53 bits, a rounding bit and one that gathers the rest */
    if (quotient & (((strata_uint128)1 << drop) - 1)) {
        sticky = 1;
    }
    uint64_t kept = (uint64_t)(quotient >> drop) | (uint64_t)sticky;
    uint64_t rest = kept & 3;
    kept >>= 2;
    if (rest == 3 || (rest == 2 && (kept & 1))) {
        kept++;
    }
    return ldexp((double)kept, drop + 2 + scale);
}

/* The double nearest to numerator / denominator, ties to even; 0 < denominator < 2^60.
 * The quotient is taken with at least 67 significant bits and a sticky bit for the rest, then
 * rounded once; results of this range are never subnormal. */
static inline double strata_ratio_to_double(strata_int128 numerator, uint64_t denominator) {
    if (numerator == 0) {
        return 0.0;
    }
    int negative = numerator < 0;
    strata_uint128 size = negative ? -(strata_uint128)numerator : (strata_uint128)numerator;
    uint64_t high = (uint64_t)(size >> 64);
    int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)size);
    int shift = 127 - bits;
    if (shift < 0) {
        shift = 0;
    }
    size <<= shift;
    double result = strata_rounded(size / denominator, size % denominator != 0, -shift);
    return negative ? -result : result;
}

static inline int strata_wide_bits(const strata_wide *number) {
    for (int i = STRATA_WIDE_LIMBS - 1; i >= 0; i--) {
        if (number->limb[i]) {
            return 64 * i + 64 - __builtin_clzll(number->limb[i]);
        }
    }
    return 0;
}

static inline void strata_wide_negate(strata_wide *number) {
    uint64_t carry = 1;
    for (int i = 0; i < STRATA_WIDE_LIMBS; i++) {
        number->limb[i] = ~number->limb[i] + carry;
        carry = carry && number->limb[i] == 0;
    }
}

static inline void strata_wide_shift_left(strata_wide *number, int bits) {
    int limbs = bits / 64, rest = bits % 64;
    for (int i = STRATA_WIDE_LIMBS - 1; i >= 0; i--) {
        uint64_t from = i >= limbs ? number->limb[i - limbs] : 0;
        uint64_t below = i > limbs ? number->limb[i - limbs - 1] : 0;
        number->limb[i] = rest ? from << rest | below >> (64 - rest) : from;
    }
}

static inline void strata_wide_halve(strata_wide *number) {
    for (int i = 0; i < STRATA_WIDE_LIMBS; i++) {
        uint64_t above = i + 1 < STRATA_WIDE_LIMBS ? number->limb[i + 1] : 0;
        number->limb[i] = number->limb[i] >> 1 | above << 63;
    }
}

/* Subtracts `other` where it is not larger; returns whether it did. */
static inline int strata_wide_take(strata_wide *number, const strata_wide *other) {
    strata_wide left;
    uint64_t borrow = 0;
    for (int i = 0; i < STRATA_WIDE_LIMBS; i++) {
        strata_uint128 difference = (strata_uint128)number->limb[i] - other->limb[i] - borrow;
        left.limb[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    if (!borrow) {
        *number = left;
    }
    return !borrow;
}

#define STRATA_QUOTIENT_BITS 58

/* The double nearest to numerator / denominator, ties to even; 0 < denominator < 2^448.
 * Long division, one bit of the quotient at a time. */
static inline double strata_wide_ratio_to_double(strata_wide numerator, strata_wide denominator) {
    int sign = strata_wide_sign(&numerator);
    if (sign == 0) {
        return 0.0;
    }
    if (sign < 0) {
        strata_wide_negate(&numerator);
    }
    /* Scaled so that the quotient has 57 or 58 bits. */
    int scale =
        STRATA_QUOTIENT_BITS - 1 + strata_wide_bits(&denominator) - strata_wide_bits(&numerator);
    strata_wide_shift_left(&numerator, scale > 0 ? scale : 0);
    strata_wide_shift_left(&denominator, (scale < 0 ? -scale : 0) + STRATA_QUOTIENT_BITS - 1);
    uint64_t quotient = 0;
    for (int bit = 0; bit < STRATA_QUOTIENT_BITS; bit++) {
        quotient = quotient << 1 | (uint64_t)strata_wide_take(&numerator, &denominator);
        strata_wide_halve(&denominator);
    }
    double result = strata_rounded(quotient, strata_wide_bits(&numerator) != 0, -scale);
    return sign < 0 ? -result : result;
}

#endif
