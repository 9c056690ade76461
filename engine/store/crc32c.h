/* CRC-32C (Castagnoli), the checksum of every stored record.
 *
 * Polynomial 0x1EDC6F41, reflected 0x82F63B78, as in RFC 3720 section 12.1; the value of
 * "123456789" is 0xE3069283. Two ways to the same value:
 *   - portable: eight tables, eight bytes a step;
 *   - hardware: the CRC instruction of x86-64 (SSE 4.2) or of ARMv8. It has a latency of three
 *     cycles and a throughput of one, so three lanes run side by side over neighbouring
 *     stretches, and their remainders are joined: a remainder that moves past n zero bytes is
 *     multiplied by x^(8n) modulo the polynomial, which is linear, so four tables of 256 do it.
 *
 * Call strata_crc32c_init once, before anything else, from one thread; all else is reentrant.
 */
#ifndef STRATA_CRC32C_H
#define STRATA_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define STRATA_CRC_HARDWARE 1
#define STRATA_CRC_TARGET __attribute__((target("sse4.2")))
#define STRATA_CRC_STEP8(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define STRATA_CRC_STEP1(crc, byte) _mm_crc32_u8((crc), (byte))
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define STRATA_CRC_HARDWARE 1
#define STRATA_CRC_TARGET
#define STRATA_CRC_STEP8(crc, word) __crc32cd((crc), (word))
#define STRATA_CRC_STEP1(crc, byte) __crc32cb((crc), (byte))
#else
#define STRATA_CRC_HARDWARE 0
#endif

#define STRATA_CRC_POLYNOMIAL 0x82F63B78u

/* Bytes of a lane. A long lane makes joining rare (two joins for 12 KiB, about 20 cycles of
 * 520); a short one serves what is left, down to small records. Multiples of 8. */
#define STRATA_CRC_LONG 4096u
#define STRATA_CRC_SHORT 256u

static uint32_t strata_crc_bytes[8][256];       /* the portable steps */
static uint32_t strata_crc_skip_long[4][256];   /* past STRATA_CRC_LONG zero bytes */
static uint32_t strata_crc_skip_short[4][256];  /* past STRATA_CRC_SHORT zero bytes */

/* ------------------------------------------------------------------------------ tables */

static inline uint32_t strata_crc_skip(uint32_t table[4][256], uint32_t crc) {
    return table[0][crc & 255] ^ table[1][(crc >> 8) & 255] ^ table[2][(crc >> 16) & 255]
           ^ table[3][crc >> 24];
}

/* Fills a table with the effect of `zeros` zero bytes on each byte of a remainder. */
static void strata_crc_fill_skip(uint32_t table[4][256], uint32_t zeros) {
    uint32_t of_bit[32];
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t crc = (uint32_t)1 << bit;
        for (uint32_t i = 0; i < zeros; i++) crc = strata_crc_bytes[0][crc & 255] ^ (crc >> 8);
        of_bit[bit] = crc;
    }
    for (uint32_t place = 0; place < 4; place++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t sum = 0;
            for (uint32_t bit = 0; bit < 8; bit++)
                if (byte >> bit & 1) sum ^= of_bit[8 * place + bit];
            table[place][byte] = sum;
        }
    }
}

static void strata_crc32c_init(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? STRATA_CRC_POLYNOMIAL : 0);
        strata_crc_bytes[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int step = 1; step < 8; step++) {
            uint32_t crc = strata_crc_bytes[step - 1][byte];
            strata_crc_bytes[step][byte] = strata_crc_bytes[0][crc & 255] ^ (crc >> 8);
        }
    }
    strata_crc_fill_skip(strata_crc_skip_long, STRATA_CRC_LONG);
    strata_crc_fill_skip(strata_crc_skip_short, STRATA_CRC_SHORT);
}

/* ---------------------------------------------------------------------------- portable */

static inline uint64_t strata_crc_load(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint32_t strata_crc32c_portable(uint32_t seed, const uint8_t *at, size_t size) {
    uint32_t crc = ~seed;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word = strata_crc_load(at) ^ crc;
        crc = 0;
        for (int i = 0; i < 8; i++) crc ^= strata_crc_bytes[7 - i][word >> (8 * i) & 255];
    }
    for (; size > 0; size--, at++) crc = strata_crc_bytes[0][(crc ^ *at) & 255] ^ (crc >> 8);
    return ~crc;
}

/* ---------------------------------------------------------------------------- hardware */

#if STRATA_CRC_HARDWARE
/* Three lanes of `lane` bytes each from `at`; replaces a chain of 3 * lane / 8 dependent
 * instructions of three cycles each by one a third as long. */
STRATA_CRC_TARGET static inline uint32_t strata_crc_three(uint32_t crc, const uint8_t *at,
                                                          size_t lane, uint32_t skip[4][256]) {
    uint32_t second = 0, third = 0;
    for (size_t i = 0; i < lane; i += 8) {
        crc = STRATA_CRC_STEP8(crc, strata_crc_load(at + i));
        second = STRATA_CRC_STEP8(second, strata_crc_load(at + lane + i));
        third = STRATA_CRC_STEP8(third, strata_crc_load(at + 2 * lane + i));
    }
    return strata_crc_skip(skip, strata_crc_skip(skip, crc) ^ second) ^ third;
}

STRATA_CRC_TARGET static uint32_t strata_crc32c_hardware(uint32_t seed, const uint8_t *at,
                                                         size_t size) {
    uint32_t crc = ~seed;
    for (; size >= 3 * STRATA_CRC_LONG; size -= 3 * STRATA_CRC_LONG, at += 3 * STRATA_CRC_LONG)
        crc = strata_crc_three(crc, at, STRATA_CRC_LONG, strata_crc_skip_long);
    for (; size >= 3 * STRATA_CRC_SHORT; size -= 3 * STRATA_CRC_SHORT, at += 3 * STRATA_CRC_SHORT)
        crc = strata_crc_three(crc, at, STRATA_CRC_SHORT, strata_crc_skip_short);
    for (; size >= 8; size -= 8, at += 8) crc = STRATA_CRC_STEP8(crc, strata_crc_load(at));
    for (; size > 0; size--, at++) crc = STRATA_CRC_STEP1(crc, *at);
    return ~crc;
}
#endif

static int strata_crc32c_has_hardware(void) {
#if !STRATA_CRC_HARDWARE
    return 0;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
#else
    return 1;
#endif
}

/* The value of `seed` followed by the bytes; `hardware` only where the machine has it. */
static inline uint32_t strata_crc32c(int hardware, uint32_t seed, const uint8_t *at, size_t size) {
#if STRATA_CRC_HARDWARE
    if (hardware) return strata_crc32c_hardware(seed, at, size);
#endif
    return strata_crc32c_portable(seed, at, size);
}

#endif
