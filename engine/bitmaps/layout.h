/* The stored bytes of one field of one block, as the kernels read them in place.
 *
 * Every record is a 48-byte record header (see engine/store/README.md) and a payload; the
 * structures here describe payloads. All integers are little-endian. A payload starts on a
 * 64-byte boundary in memory, offsets count bytes from the start of the payload, and every
 * gap is zero. A field of a block has one or more parts, each at most STRATA_PART_BYTES;
 * parts of one field are in order and each can be read without the others.
 */
#ifndef STRATA_LAYOUT_H
#define STRATA_LAYOUT_H

#include <stdint.h>

#define STRATA_BLOCK_ROWS 65536u
#define STRATA_BLOCK_WORDS 1024u      /* 64-bit words of a truth mask */
#define STRATA_PART_BYTES (256u << 10)

/* A container: the rows of a block that hold something, as in the public roaring format.
 *   array   `cardinality` sorted uint16 row numbers
 *   bitset  1024 uint64 words, row r in bit r % 64 of word r / 64; offset aligned to 64
 *   run     uint16 count, then count pairs (first row, length - 1), sorted, not touching
 * An entry with kind 0 holds no rows and has no bytes. Arrays have at most 4096 rows.
 * Arrays and runs are aligned to 8 bytes. The encoder keeps the smallest of the three.
 */
enum { STRATA_EMPTY = 0, STRATA_ARRAY = 1, STRATA_BITSET = 2, STRATA_RUN = 3 };

typedef struct {
    uint32_t code;        /* what the container stands for; see the payloads below */
    uint32_t cardinality; /* rows in it, 0..65536 */
    uint32_t offset;      /* of its bytes in the payload */
    uint16_t size_in_2;   /* size of its bytes / 2 */
    uint8_t  kind;
    uint8_t  reserved;    /* 0 */
} strata_entry;           /* 16 bytes */

/* Sets, tags, bools and the live rows: a directory of containers, sorted by code.
 * Code 0 is the presence (all rows with some value) and stands in the first part only.
 * Sets: code = code of the value in the field's dictionary, from 1.
 * Bools: code 1 false, code 2 true. Live rows: code 0 alone.
 */
typedef struct {
    uint32_t entry_count;
    uint32_t first_code;  /* of the entries in this part */
    uint32_t last_code;
    uint32_t reserved;    /* 0 */
    /* strata_entry entries[entry_count]; then the containers */
} strata_set;             /* 16 bytes */

/* Columns: one fixed-width value a row.
 *   ints    int, decimal (unscaled), date (days), time (microseconds):
 *           value = base + step * stored, stored unsigned in `width` bytes; a missing row
 *           stores 0. width 0: every present row has the value `base`.
 *   floats  IEEE double, width 8; a missing row stores +0.0; base 0, step 1, max_stored 0.
 *   codes   category: code of the value in the field's dictionary from 1, 0 where missing;
 *           base 0, step 1, width 1, 2 or 4; presence is empty: it is `stored != 0`.
 *   uids    16 bytes a row, as they came; presence is empty: rows alive have one.
 * `row_count` rows from `first_row` are stored, padded with zeros to a multiple of 64 rows.
 * first_row is a multiple of 64. Presence rows are numbered within the block.
 */
enum { STRATA_INTS = 1, STRATA_FLOATS = 2, STRATA_CODES = 3, STRATA_UIDS = 4 };

typedef struct {
    uint8_t  column_kind;
    uint8_t  width;
    uint16_t reserved;
    uint32_t first_row;
    uint32_t row_count;
    uint32_t present_count;
    int64_t  base;
    uint64_t step;         /* at least 1 */
    uint64_t max_stored;   /* largest stored value of a present row */
    strata_entry presence; /* code 0 */
    uint32_t values_offset;/* aligned to 64 */
    uint32_t reserved2;
} strata_column;           /* 64 bytes */

/* Texts: one string a row. `row_count` rows from `first_row`; string i is
 * bytes[offsets[i]:offsets[i+1]], UTF-8, offsets from bytes_offset; missing rows are empty
 * and not in the presence.
 */
typedef struct {
    uint32_t first_row;
    uint32_t row_count;
    uint32_t present_count;
    uint32_t offsets_offset; /* uint32 offsets[row_count + 1], aligned to 8 */
    uint32_t bytes_offset;
    uint32_t reserved;
    strata_entry presence;
    uint32_t reserved2[2];
} strata_text;             /* 48 bytes */

/* Identifier values of one kind: any number a row, sorted by row, then by value.
 * Pairs of a set and its givers: see strata_giver.
 */
typedef struct {
    uint32_t count;
    uint32_t rows_offset;    /* uint16 rows[count], aligned to 8 */
    uint32_t offsets_offset; /* uint32 offsets[count + 1], aligned to 8 */
    uint32_t bytes_offset;
} strata_values;           /* 16 bytes */

/* (row, value, giver) of a set, sorted; value and giver are dictionary codes. */
typedef struct {
    uint32_t count;
    uint32_t rows_offset;    /* uint16 rows[count], aligned to 8 */
    uint32_t values_offset;  /* uint32 values[count], aligned to 8 */
    uint32_t givers_offset;  /* uint32 givers[count], aligned to 8 */
} strata_givers;           /* 16 bytes */

#endif
