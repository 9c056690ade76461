/* Rows put into hot bitsets and taken out of them in place: live rows, members and bools.
 *
 * A hot payload is one directory of bitsets, also of those without a row: code 0 alone, or the
 * presence and the rows of false and of true (strata_place_bitsets). A block in which something
 * differs is refused where its memory may not be written.
 */
#ifndef STRATA_HOT_ROWS_H
#define STRATA_HOT_ROWS_H

#include "engine/columns/hot.h"
#include "engine/columns/patch_set.h"

/* The codes of bools. */
enum { STRATA_PRESENT = 0, STRATA_FALSE = 1, STRATA_TRUE = 2, STRATA_BOOL_CODES = 3 };

static inline strata_extent strata_bitsets_extent(uint32_t code_count) {
    strata_extent extent = {code_count, code_count, 0};
    return extent;
}

/* Writes the directory of codes 0 .. code_count - 1 with an empty bitset for each. `payload` has
 * zeros and room for strata_bitsets_extent. */
static inline void strata_place_bitsets(uint32_t code_count, uint8_t *payload) {
    strata_set head = {code_count, 0, code_count - 1, 0};
    strata_entry *entries = (void *)(payload + sizeof head);
    uint32_t body = strata_extent_body(strata_bitsets_extent(code_count));
    memcpy(payload, &head, sizeof head);
    for (uint32_t code = 0; code < code_count; code++) {
        entries[code].code = code;
        entries[code].offset = body + code * STRATA_BITSET_BYTES;
    }
}

static inline strata_entry *strata_bitset_entry(uint8_t *payload, uint32_t code) {
    return (strata_entry *)(void *)(payload + sizeof(strata_set)) + code;
}

static inline uint64_t *strata_bitset_words(uint8_t *payload, uint32_t code) {
    return (uint64_t *)(void *)(payload + strata_bitset_entry(payload, code)->offset);
}

/* Adds the containers of one old part to the bitsets. Returns 0 where one has no bitset. */
static inline int strata_fill_bitsets(const uint8_t *part, uint32_t code_count,
                                      uint8_t *payload) {
    for (uint32_t i = 0; i < strata_directory_count(part); i++) {
        strata_entry old = strata_directory_entry(part, i);
        if (old.code >= code_count) return 0;
        strata_container_or_mask(old.kind, part + old.offset, old.cardinality,
                                 strata_bitset_words(payload, old.code));
        strata_set_cardinality(strata_bitset_entry(payload, old.code), old.cardinality);
    }
    return 1;
}

/* The containers that a codec would store: the presence, and the others that have rows. `room`
 * has STRATA_BITSET_BYTES for each; returns how many. */
static inline uint32_t strata_hold_bitsets(const uint8_t *payload, strata_held *held,
                                           uint8_t *room) {
    uint32_t count = 0, code_count = strata_directory_count(payload);
    for (uint32_t code = 0; code < code_count; code++, room += STRATA_BITSET_BYTES) {
        strata_entry entry = strata_directory_entry(payload, code);
        if (code && !entry.cardinality) continue;
        const void *words = payload + entry.offset;
        held[count++] = strata_held_of_mask(code, words, room);
    }
    return count;
}

/* --------------------------------------------------------------------------------- cells */

/* Rows ascend, each once. `values` is NULL for rows that are in or out (present), else bools. */
typedef struct {
    const uint32_t *rows;
    const uint8_t *values;
    const uint8_t *present;
    size_t count;
} strata_bits;

/* Codes of the containers that a row is in, as bits. */
static inline uint32_t strata_codes_wanted(const strata_bits *bits, size_t i) {
    if (!bits->present[i]) return 0;
    if (!bits->values) return 1u << STRATA_PRESENT;
    return 1u << STRATA_PRESENT | 1u << (bits->values[i] ? STRATA_TRUE : STRATA_FALSE);
}

static inline uint32_t strata_codes_standing(uint8_t *payload, uint32_t code_count,
                                             uint32_t row) {
    uint32_t codes = 0;
    for (uint32_t code = 0; code < code_count; code++) {
        const uint64_t *words = strata_bitset_words(payload, code);
        codes |= (uint32_t)((words[row >> 6] >> (row & 63)) & 1) << code;
    }
    return codes;
}

/* Fills in changed[i] of cells start..end, all of the block; whether any differs. */
static inline int strata_compare_bits(uint8_t *payload, uint32_t code_count,
                                      const strata_bits *bits, size_t start, size_t end,
                                      uint8_t *changed) {
    int differs = 0;
    for (size_t i = start; i < end; i++) {
        uint32_t row = bits->rows[i] % STRATA_BLOCK_ROWS;
        uint32_t standing = strata_codes_standing(payload, code_count, row);
        changed[i] = standing != strata_codes_wanted(bits, i);
        differs |= changed[i];
    }
    return differs;
}

/* Puts the row into the containers whose codes differ, or takes it out. */
static inline void strata_flip_codes(uint8_t *payload, uint32_t codes, uint32_t row) {
    for (uint32_t code = 0; codes >> code; code++) {
        if (!((codes >> code) & 1)) continue;
        uint64_t *word = strata_bitset_words(payload, code) + (row >> 6);
        uint64_t bit = (uint64_t)1 << (row & 63);
        *word ^= bit;
        strata_entry *entry = strata_bitset_entry(payload, code);
        strata_set_cardinality(entry, entry->cardinality + (*word & bit ? 1u : ~0u));
    }
}

/* Asks for the memory that the cells start..end of a block are in. */
static inline void strata_fetch_bits(const strata_hot *hot, uint32_t code_count,
                                     const strata_bits *bits, size_t start, size_t end) {
    for (size_t i = start; i < end; i++) {
        uint32_t row = bits->rows[i] % STRATA_BLOCK_ROWS;
        for (uint32_t code = 0; code < code_count; code++)
            __builtin_prefetch(strata_bitset_words(hot->parts[0], code) + (row >> 6), 1);
    }
}

/* As strata_write_column, for bitsets. */
static inline size_t strata_write_bitsets(const strata_hot_field *field, uint32_t code_count,
                                          const strata_bits *bits, uint64_t newest_open,
                                          uint64_t sequence, uint8_t *changed,
                                          uint32_t *refused) {
    size_t refused_count = 0, start = 0, end = 0, next_end = 0;
    if (bits->count) next_end = strata_end_of_block(bits->rows, bits->count, 0);
    for (; start < bits->count; start = end) {
        uint32_t block = bits->rows[start] / STRATA_BLOCK_ROWS;
        strata_hot *hot = strata_hot_block(field, block);
        end = next_end;
        if (end < bits->count) {
            uint32_t next = bits->rows[end] / STRATA_BLOCK_ROWS;
            next_end = strata_end_of_block(bits->rows, bits->count, end);
            if (strata_hot_block(field, next))
                strata_fetch_bits(strata_hot_block(field, next), code_count, bits, end, next_end);
        }
        if (hot && !strata_compare_bits(hot->parts[0], code_count, bits, start, end, changed))
            continue;
        if (!hot || !strata_is_writable(hot, newest_open)) {
            memset(changed + start, 0, end - start);
            refused[refused_count++] = block;
            continue;
        }
        for (size_t i = start; i < end; i++) {
            if (!changed[i]) continue;
            uint32_t row = bits->rows[i] % STRATA_BLOCK_ROWS;
            uint32_t standing = strata_codes_standing(hot->parts[0], code_count, row);
            strata_flip_codes(hot->parts[0], standing ^ strata_codes_wanted(bits, i), row);
        }
        hot->sequence = sequence;
    }
    return refused_count;
}

/* ------------------------------------------------------------------ many fields at once */

/* Rows that enter fields of rows or leave them: field f has rows[starts[f] .. starts[f + 1] - 1],
 * which ascend. */
typedef struct {
    const strata_hot_field **fields;
    const int64_t *starts;
    uint32_t field_count;
    const uint32_t *rows;
    const uint8_t *entered;
} strata_moves;

/* Moves of one block and field. */
typedef struct {
    strata_hot *hot;
    uint32_t field;
    uint32_t block;
    int64_t start, end;
} strata_block_moves;

/* Where the bitset of a field of rows begins: read nowhere, so that it can be asked for. */
static inline uint64_t *strata_member_words(const strata_hot *hot) {
    uint32_t body = strata_extent_body(strata_bitsets_extent(1));
    return (uint64_t *)(void *)(hot->parts[0] + body);
}

/* Divides the moves of a field by block; returns how many blocks there are. */
static inline size_t strata_divide_moves(const strata_moves *moves, uint32_t field,
                                         strata_block_moves *out) {
    size_t count = 0, start = (size_t)moves->starts[field];
    size_t last = (size_t)moves->starts[field + 1];
    while (start < last) {
        size_t end = strata_end_of_block(moves->rows, last, start);
        uint32_t block = moves->rows[start] / STRATA_BLOCK_ROWS;
        strata_hot *hot = strata_hot_block(moves->fields[field], block);
        if (hot) __builtin_prefetch(hot, 1);
        strata_block_moves found = {hot, field, block, (int64_t)start, (int64_t)end};
        out[count++] = found;
        start = end;
    }
    return count;
}

/* Whether any of the rows is not yet where it goes. */
static inline int strata_moves_differ(const strata_moves *moves, const strata_block_moves *of) {
    const uint64_t *words = strata_member_words(of->hot);
    int differ = 0;
    for (int64_t i = of->start; i < of->end; i++) {
        uint32_t row = moves->rows[i] % STRATA_BLOCK_ROWS;
        differ |= ((words[row >> 6] >> (row & 63)) & 1) != moves->entered[i];
    }
    return differ;
}

/* Puts the rows where they go; by how many the field grows. */
static inline int64_t strata_move_rows(const strata_moves *moves, const strata_block_moves *of,
                                       uint64_t sequence, uint8_t *is_changed) {
    uint64_t *words = strata_member_words(of->hot);
    strata_entry *entry = strata_bitset_entry(of->hot->parts[0], STRATA_PRESENT);
    int64_t grown = 0;
    int differ = 0;
    for (int64_t i = of->start; i < of->end; i++) {
        uint32_t row = moves->rows[i] % STRATA_BLOCK_ROWS;
        uint64_t bit = (uint64_t)1 << (row & 63);
        if (!(words[row >> 6] & bit) == !moves->entered[i]) continue;
        words[row >> 6] ^= bit;
        grown += moves->entered[i] ? 1 : -1;
        differ = 1;
    }
    if (differ) {
        strata_set_cardinality(entry, (uint32_t)(entry->cardinality + grown));
        of->hot->sequence = sequence;
        is_changed[of->block] = 1;
    }
    return grown;
}

/* Carries out the moves of all fields where memory may be written; the others are `refused`.
 * Returns how many those are. Fills in by how many rows each field has `grown`, and sets
 * is_changed[block] of the blocks that differ from before. `room` and `refused` have one place
 * for each move. Most of the time memory is waited for that nobody has touched lately, four steps
 * deep, so each step is taken for all blocks of a field before the next. */
static inline size_t strata_carry_out_moves(const strata_moves *moves, uint64_t newest_open,
                                            uint64_t sequence, strata_block_moves *room,
                                            int64_t *grown, uint8_t *is_changed,
                                            strata_block_moves *refused) {
    size_t refused_count = 0;
    for (uint32_t field = 0; field < moves->field_count; field++) {
        size_t count = strata_divide_moves(moves, field, room);
        for (size_t b = 0; b < count; b++) {
            if (room[b].hot) __builtin_prefetch(room[b].hot->parts);
        }
        for (size_t b = 0; b < count; b++) {
            if (!room[b].hot) continue;
            __builtin_prefetch(room[b].hot->parts[0] + sizeof(strata_set), 1);
            for (int64_t i = room[b].start; i < room[b].end; i++) {
                uint32_t row = moves->rows[i] % STRATA_BLOCK_ROWS;
                __builtin_prefetch(strata_member_words(room[b].hot) + (row >> 6), 1);
            }
        }
        grown[field] = 0;
        for (size_t b = 0; b < count; b++) {
            const strata_block_moves *of = &room[b];
            int is_free = of->hot && strata_is_writable(of->hot, newest_open);
            if (!of->hot || (!is_free && strata_moves_differ(moves, of))) {
                refused[refused_count++] = *of;
            } else if (is_free) {
                grown[field] += strata_move_rows(moves, of, sequence, is_changed);
            }
        }
    }
    return refused_count;
}

#endif
