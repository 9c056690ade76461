/* The stored bytes of some events of one type of one block; engine/events/README.md says why.
 *
 * All integers are little-endian. A chunk starts on a 64-byte boundary in memory, offsets count
 * bytes from `data_offset` after its first byte, every gap is zero. A field of events of a block
 * has any number of chunks, each a part of its own that can be read without the others.
 */
#ifndef STRATA_EVENT_LAYOUT_H
#define STRATA_EVENT_LAYOUT_H

#include "engine/bitmaps/layout.h"

#define STRATA_CHUNK_VERSION 1
#define STRATA_CHUNK_EVENTS 16384u  /* most events of a chunk */
#define STRATA_CHUNK_WORDS 256u     /* 64-bit words of a mask over them */
#define STRATA_CHUNK_COLUMNS 255u   /* most columns of a chunk */

enum {
    STRATA_CHUNK_SORTED = 1, /* events ascend by (time, row); else they are as they came */
    STRATA_CHUNK_TAIL = 2,   /* the open end of its type, to which events are added */
};

/* What a column says of the events. Row and time are always there and stand first; then come
 * ids, origins and properties, the last ascending by number. A column that no event has a value
 * in is left out. */
enum {
    STRATA_EVENT_ROW = 1,      /* INTS, width 2, base 0, step 1: row in the block */
    STRATA_EVENT_TIME = 2,     /* INTS: microseconds from 1970-01-01T00:00Z */
    STRATA_EVENT_ID = 3,       /* DIGESTS: of the id that the source gave; 0 where it gave none */
    STRATA_EVENT_ORIGIN = 4,   /* CODES: which identifier brought it */
    STRATA_EVENT_PROPERTY = 5, /* any but DIGESTS */
};

/* How values are stored; `width` says in how many bytes each.
 *   ints     value = base + step * stored, stored unsigned; the least value stores 0. Width 6
 *            is a plane of uint32 low parts and then one of uint16 high parts. Width 0: every
 *            event that has a value has `base`.
 *   floats   IEEE double, width 8.
 *   codes    from 1, width 1, 2 or 4; 0 where missing. Width 0: every event has code `base`.
 *            Categories have codes of the property's dictionary; bools 1 false, 2 true.
 *   texts    width 4: where the event's text ends in the bytes at bytes_offset; it begins where
 *            that of the event before ends.
 *   digests  uint64, width 8.
 */
enum {
    STRATA_EVENT_INTS = 1,
    STRATA_EVENT_FLOATS = 2,
    STRATA_EVENT_CODES = 3,
    STRATA_EVENT_TEXTS = 5,
    STRATA_EVENT_DIGESTS = 6,
};

typedef struct {
    uint16_t version;      /* STRATA_CHUNK_VERSION */
    uint16_t flags;
    uint32_t column_count;
    uint32_t event_count;  /* at least 1 */
    uint32_t capacity;     /* events that columns have room for, a multiple of 64; as stored the
                              least one that is not below event_count */
    uint32_t size;         /* bytes of the chunk, columns included */
    uint32_t reserved;     /* 0 */
    uint64_t data_offset;  /* 0 as stored; a head in memory of its own points to columns with it */
    /* strata_event_column columns[column_count]; then the columns */
} strata_chunk;            /* 32 bytes */

typedef struct {
    uint8_t  role;
    uint8_t  kind;
    uint8_t  width;
    uint8_t  reserved;        /* 0 */
    uint32_t property;        /* number of the property; 0 in other roles */
    uint32_t present_count;   /* events that have a value, at least 1 */
    uint32_t values_offset;   /* of `capacity` values, aligned to 64; 0 where width is 0. Missing
                                 values and those past the last event are 0 (texts: empty) */
    uint32_t presence_offset; /* of capacity / 64 words, event i in bit i % 64 of word i / 64,
                                 aligned to 64; 0 where all have a value, and for codes and
                                 digests */
    uint32_t bytes_offset;    /* of the texts, UTF-8, aligned to 64; 0 for other kinds */
    uint32_t byte_count;
    uint32_t reserved2;       /* 0 */
    int64_t  base;            /* ints and constant codes; else 0 */
    uint64_t step;            /* ints: at least 1; else 1 */
    int64_t  low;             /* least and greatest value of ints and codes; floats their bits; */
    int64_t  high;            /* else 0 */
} strata_event_column;        /* 64 bytes */

#endif
