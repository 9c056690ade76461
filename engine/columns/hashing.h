/* The two hashes of the project.
 *
 *   XXH64 (Collet, xxHash fast digest algorithm, XXH64 section of its specification): fast,
 *   not secret; spreads tables, and defines bucket('salt') for everyone.
 *   SipHash-2-4 with 128-bit output (Aumasson and Bernstein, SipHash: a fast short-input PRF):
 *   keyed; the digest of an identifier. Who does not hold the key cannot make two values
 *   collide, and at 128 bits nobody meets a collision by chance.
 *
 * Input at any alignment; nothing is kept. All values are little-endian.
 */
#ifndef STRATA_HASHING_H
#define STRATA_HASHING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t strata_hash_load64(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint32_t strata_hash_load32(const uint8_t *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t strata_rotate(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

/* ------------------------------------------------------------------------------- XXH64 */

#define STRATA_XX1 0x9E3779B185EBCA87u
#define STRATA_XX2 0xC2B2AE3D27D4EB4Fu
#define STRATA_XX3 0x165667B19E3779F9u
#define STRATA_XX4 0x85EBCA77C2B2AE63u
#define STRATA_XX5 0x27D4EB2F165667C5u

static inline uint64_t strata_xx_round(uint64_t lane, uint64_t input) {
    return strata_rotate(lane + input * STRATA_XX2, 31) * STRATA_XX1;
}

static inline uint64_t strata_xx_merge(uint64_t hash, uint64_t lane) {
    return (hash ^ strata_xx_round(0, lane)) * STRATA_XX1 + STRATA_XX4;
}

/* The stripes of 32 bytes, for input of at least 32; moves `at` past them. */
static inline uint64_t strata_xx_stripes(const uint8_t **at, const uint8_t *end, uint64_t seed) {
    uint64_t a = seed + STRATA_XX1 + STRATA_XX2, b = seed + STRATA_XX2, c = seed,
             d = seed - STRATA_XX1;
    for (; end - *at >= 32; *at += 32) {
        a = strata_xx_round(a, strata_hash_load64(*at));
        b = strata_xx_round(b, strata_hash_load64(*at + 8));
        c = strata_xx_round(c, strata_hash_load64(*at + 16));
        d = strata_xx_round(d, strata_hash_load64(*at + 24));
    }
    uint64_t hash = strata_rotate(a, 1) + strata_rotate(b, 7) + strata_rotate(c, 12)
                    + strata_rotate(d, 18);
    hash = strata_xx_merge(hash, a);
    hash = strata_xx_merge(hash, b);
    hash = strata_xx_merge(hash, c);
    return strata_xx_merge(hash, d);
}

/* XXH64 of `size` bytes; `data` may be NULL where size is 0. */
static inline uint64_t strata_xxh64(const void *data, size_t size, uint64_t seed) {
    if (size == 0) data = "";
    const uint8_t *at = (const uint8_t *)data, *end = at + size;
    uint64_t hash = size >= 32 ? strata_xx_stripes(&at, end, seed) : seed + STRATA_XX5;
    hash += size;
    for (; end - at >= 8; at += 8) {
        hash ^= strata_xx_round(0, strata_hash_load64(at));
        hash = strata_rotate(hash, 27) * STRATA_XX1 + STRATA_XX4;
    }
    if (end - at >= 4) {
        hash ^= strata_hash_load32(at) * STRATA_XX1;
        hash = strata_rotate(hash, 23) * STRATA_XX2 + STRATA_XX3;
        at += 4;
    }
    for (; at < end; at++) hash = strata_rotate(hash ^ *at * STRATA_XX5, 11) * STRATA_XX1;
    hash = (hash ^ hash >> 33) * STRATA_XX2;
    hash = (hash ^ hash >> 29) * STRATA_XX3;
    return hash ^ hash >> 32;
}

/* ------------------------------------------------------------------- SipHash-2-4, 128 bit */

typedef struct {
    uint64_t v0, v1, v2, v3;
} strata_sip;

static inline void strata_sip_rounds(strata_sip *s, int rounds) {
    for (int i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v1 = strata_rotate(s->v1, 13) ^ s->v0;
        s->v0 = strata_rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = strata_rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = strata_rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = strata_rotate(s->v1, 17) ^ s->v2;
        s->v2 = strata_rotate(s->v2, 32);
    }
}

static inline void strata_sip_word(strata_sip *s, uint64_t word) {
    s->v3 ^= word;
    strata_sip_rounds(s, 2);
    s->v0 ^= word;
}

static inline strata_sip strata_sip_begin(uint64_t key0, uint64_t key1) {
    strata_sip s = {key0 ^ 0x736F6D6570736575u, key1 ^ 0x646F72616E646F6Du ^ 0xEE,
                    key0 ^ 0x6C7967656E657261u, key1 ^ 0x7465646279746573u};
    return s;
}

/* Takes the message's last `size` bytes and gives the digest; `before` is how many bytes were
 * taken by strata_sip_word, a multiple of 8. */
static inline void strata_sip_finish(strata_sip s, const uint8_t *at, size_t size, size_t before,
                                     uint64_t digest[2]) {
    uint64_t last = (uint64_t)(before + size) << 56;
    for (; size >= 8; size -= 8, at += 8) strata_sip_word(&s, strata_hash_load64(at));
    for (size_t i = 0; i < size; i++) last |= (uint64_t)at[i] << (8 * i);
    strata_sip_word(&s, last);
    s.v2 ^= 0xEE;
    strata_sip_rounds(&s, 4);
    digest[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xDD;
    strata_sip_rounds(&s, 4);
    digest[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
