/* A repeated string field of protobuf, written from flat arrays.
 *
 * String i is data[offsets[i]:offsets[i + 1]]. On the wire each is the field's tag (one byte:
 * fields 1 to 15), its length as a varint, and its bytes.
 */
#ifndef STRATA_STRING_WIRE_H
#define STRATA_STRING_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t strata_varint_size(uint64_t number) {
    size_t size = 1;
    for (; number >= 0x80; number >>= 7) size++;
    return size;
}

static inline uint8_t *strata_write_varint(uint8_t *out, uint64_t number) {
    for (; number >= 0x80; number >>= 7) *out++ = (uint8_t)(number | 0x80);
    *out++ = (uint8_t)number;
    return out;
}

/* Writes where each string ends in the field, `ends[i]` for string i, and returns the size of it
 * all. */
static inline int64_t strata_measure_strings(const int64_t *offsets, int64_t count,
                                             int64_t *ends) {
    int64_t size = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t length = offsets[i + 1] - offsets[i];
        size += 1 + (int64_t)strata_varint_size((uint64_t)length) + length;
        ends[i] = size;
    }
    return size;
}

static inline void strata_write_strings(const int64_t *offsets, const uint8_t *data,
                                        int64_t count, uint8_t tag, uint8_t *out) {
    for (int64_t i = 0; i < count; i++) {
        size_t length = (size_t)(offsets[i + 1] - offsets[i]);
        *out++ = tag;
        out = strata_write_varint(out, length);
        if (length) memcpy(out, data + offsets[i], length);
        out += length;
    }
}

#endif
