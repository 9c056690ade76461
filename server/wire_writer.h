/* Messages of protobuf, written field by field into memory that grows.
 *
 * Filling protobuf's objects and having them written takes several times as long as writing the
 * bytes, where a message has many small parts. Numbers of fields are 1 to 15, so that a tag is one
 * byte. A message within another is opened and closed: its length, which stands before it, is known
 * only then, so one byte is left for it, and where it needs more, what is inside moves up.
 *
 * Where memory runs out nothing more is written and `failed` is set: whoever ends the message asks.
 */
#ifndef STRATA_SERVER_WIRE_WRITER_H
#define STRATA_SERVER_WIRE_WRITER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { STRATA_VARINT_MOST = 10 };

typedef struct {
    uint8_t *bytes;
    size_t size, room;
    int failed;
} strata_wire;

/* Room for so many bytes more; NULL where there is none. */
static inline uint8_t *strata_wire_room(strata_wire *wire, size_t more) {
    if (wire->failed) return NULL;
    if (wire->size + more > wire->room) {
        size_t room = 2 * (wire->size + more) + 1024;
        uint8_t *bytes = (uint8_t *)realloc(wire->bytes, room);
        if (bytes == NULL) {
            wire->failed = 1;
            return NULL;
        }
        wire->bytes = bytes;
        wire->room = room;
    }
    return wire->bytes + wire->size;
}

static inline size_t strata_put_varint(uint8_t *to, uint64_t number) {
    size_t size = 0;
    while (number >= 0x80) {
        to[size++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    to[size++] = (uint8_t)number;
    return size;
}

/* A number, without a sign or with it as two's complement. */
static inline void strata_wire_number(strata_wire *wire, unsigned field, uint64_t number) {
    uint8_t *to = strata_wire_room(wire, 1 + STRATA_VARINT_MOST);
    if (to == NULL) return;
    to[0] = (uint8_t)(field << 3);
    wire->size += 1 + strata_put_varint(to + 1, number);
}

/* A number of type sint64. */
static inline void strata_wire_zigzag(strata_wire *wire, unsigned field, int64_t number) {
    strata_wire_number(wire, field, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

static inline void strata_wire_double(strata_wire *wire, unsigned field, double number) {
    uint8_t *to = strata_wire_room(wire, 9);
    if (to == NULL) return;
    to[0] = (uint8_t)(field << 3 | 1);
    memcpy(to + 1, &number, 8);
    wire->size += 9;
}

static inline void strata_wire_bytes(strata_wire *wire, unsigned field, const void *from,
                                     size_t count) {
    uint8_t *to = strata_wire_room(wire, 1 + STRATA_VARINT_MOST + count);
    if (to == NULL) return;
    to[0] = (uint8_t)(field << 3 | 2);
    size_t head = 1 + strata_put_varint(to + 1, count);
    if (count) memcpy(to + head, from, count);
    wire->size += head + count;
}

/* Thousandths as a decimal in plain notation, with no more digits than it has: "-72.5". */
static inline void strata_wire_thousandths(strata_wire *wire, unsigned field, int64_t number) {
    char text[24];
    size_t at = sizeof text;
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number, whole = size / 1000;
    unsigned rest = (unsigned)(size % 1000);
    if (rest) {
        int ended = 1;
        for (int digit = 0; digit < 3; digit++, rest /= 10) {
            ended &= rest % 10 == 0;
            if (!ended) text[--at] = (char)('0' + rest % 10);
        }
        text[--at] = '.';
    }
    do text[--at] = (char)('0' + whole % 10);
    while (whole /= 10);
    if (number < 0) text[--at] = '-';
    strata_wire_bytes(wire, field, text + at, sizeof text - at);
}

/* Opens a message; gives what closes it. */
static inline size_t strata_wire_open(strata_wire *wire, unsigned field) {
    uint8_t *to = strata_wire_room(wire, 2);
    if (to == NULL) return 0;
    to[0] = (uint8_t)(field << 3 | 2);
    wire->size += 2;
    return wire->size;
}

static inline void strata_wire_close(strata_wire *wire, size_t opened) {
    uint8_t head[STRATA_VARINT_MOST];
    size_t size = wire->size - opened, head_size = strata_put_varint(head, size);
    if (strata_wire_room(wire, head_size) == NULL) return;
    uint8_t *inside = wire->bytes + opened;
    if (head_size > 1) memmove(inside + head_size - 1, inside, size);
    memcpy(inside - 1, head, head_size);
    wire->size += head_size - 1;
}

#endif
