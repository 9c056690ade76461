/* Sets written in place: (row, code) pairs put into a hot directory of containers, or taken out.
 *
 * A hot set is one part, of any length, laid out by strata_lay_out_set:
 *   strata_set, its entries and room for more of them, the containers each with room to grow,
 *   spare bytes for containers that outgrow theirs or are new, then uint32 rooms[entry_room]
 *   (bytes that the container of each entry may take) and a strata_set_spare.
 * A container with room for a bitset is one, any other is an array; what holds no rows is of the
 * empty kind and keeps its room. The presence is a bitset and always stands first.
 *
 *   1. The pairs of a block are sorted by code, and each code's share is measured: is there room
 *      in its container, or among the spare bytes (strata_plan_codes)? If not, the block is
 *      refused as it is.
 *   2. New codes get entries, outgrown containers move, the pairs are laid over them.
 *   3. The presence follows: rows that got a value are present, and of those that lost one and
 *      got none, each is looked for among the givers, or else in the containers that are left,
 *      which takes as long as there are codes.
 */
#ifndef STRATA_HOT_SETS_H
#define STRATA_HOT_SETS_H

#include <stdlib.h>

#include "engine/columns/hot.h"
#include "engine/columns/hot_givers.h"
#include "engine/columns/patch_set.h"

/* New codes are common as long as a block has few, hence the entries and bytes to begin with. */
#define STRATA_SPARE_ENTRIES 16u
#define STRATA_SPARE_BYTES 8192u
#define STRATA_SPARE_ROWS 8u

/* The end of a hot set. */
typedef struct {
    uint32_t entry_room; /* entries that the directory has room for */
    uint32_t start;      /* of the bytes that no container has */
    uint32_t end;
    uint32_t reserved;
} strata_set_spare;

/* Where the things of a hot set are. */
typedef struct {
    uint8_t *payload;
    strata_set *head;
    strata_entry *entries;
    uint32_t *rooms;
    strata_set_spare *spare;
} strata_hot_set;

static inline strata_hot_set strata_open_set(uint8_t *payload, uint32_t length) {
    strata_hot_set set;
    set.payload = payload;
    set.head = (strata_set *)(void *)payload;
    set.entries = (strata_entry *)(void *)(payload + sizeof(strata_set));
    set.spare = (strata_set_spare *)(void *)(payload + length - sizeof(strata_set_spare));
    set.rooms = (uint32_t *)(void *)set.spare - set.spare->entry_room;
    return set;
}

/* ------------------------------------------------------------------------------- layout */

/* Bytes for a container of some rows that may grow by half. */
static inline uint32_t strata_room_for_rows(size_t rows) {
    size_t most = rows + (rows / 2 < STRATA_SPARE_ROWS ? STRATA_SPARE_ROWS : rows / 2);
    return most > STRATA_ARRAY_ROWS ? STRATA_BITSET_BYTES : (uint32_t)(2 * most + 7) & ~7u;
}

/* Where a container with this room goes if bytes are free from `at` on. */
static inline uint64_t strata_place_for(uint64_t at, uint32_t room) {
    return room == STRATA_BITSET_BYTES ? (at + 63) & ~(uint64_t)63 : at;
}

static inline uint32_t strata_room_of_held(const strata_held *held) {
    return held->entry.code ? strata_room_for_rows(held->entry.cardinality) : STRATA_BITSET_BYTES;
}

static inline uint32_t strata_entry_room(uint32_t count) {
    return (count + STRATA_SPARE_ENTRIES + count / 8 + 1) & ~1u;
}

/* The bytes of a hot set with these containers, of which the first is the presence. */
static inline uint64_t strata_measure_set(const strata_held *held, uint32_t count) {
    uint32_t entry_room = strata_entry_room(count);
    uint64_t at = sizeof(strata_set) + entry_room * (uint64_t)sizeof(strata_entry);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t room = strata_room_of_held(&held[i]);
        at = strata_place_for(at, room) + room;
    }
    return at + STRATA_SPARE_BYTES + (at / 8 & ~(uint64_t)7) + 4 * (uint64_t)entry_room
           + sizeof(strata_set_spare);
}

/* States how many rows a container holds, and so its kind. */
static inline void strata_state_rows(strata_entry *entry, uint32_t room, uint32_t cardinality) {
    entry->cardinality = cardinality;
    if (!cardinality) {
        entry->kind = STRATA_EMPTY;
        entry->size_in_2 = 0;
    } else if (room == STRATA_BITSET_BYTES) {
        entry->kind = STRATA_BITSET;
        entry->size_in_2 = STRATA_BITSET_BYTES / 2;
    } else {
        entry->kind = STRATA_ARRAY;
        entry->size_in_2 = (uint16_t)cardinality;
    }
}

/* Takes room from the spare bytes for the container of an entry; they are zero. */
static inline void strata_take_room(const strata_hot_set *set, uint32_t i, uint32_t room) {
    uint32_t at = (uint32_t)strata_place_for(set->spare->start, room);
    set->entries[i].offset = at;
    set->rooms[i] = room;
    set->spare->start = at + room;
}

/* Copies the rows of a container to where entry `i` has its room, which is zero. */
static inline void strata_copy_rows(const strata_hot_set *set, uint32_t i, const strata_held *old) {
    uint8_t *to = set->payload + set->entries[i].offset;
    if (set->rooms[i] == STRATA_BITSET_BYTES) {
        strata_container_or_mask(old->entry.kind, old->bytes, old->entry.cardinality,
                                 (uint64_t *)(void *)to);
    } else {
        strata_container_to_rows(old->entry.kind, old->bytes, old->entry.cardinality,
                                 (uint16_t *)(void *)to);
    }
    strata_state_rows(&set->entries[i], set->rooms[i], old->entry.cardinality);
}

/* Writes a hot set as it was measured; the memory is zero. */
static inline void strata_lay_out_set(const strata_held *held, uint32_t count, uint8_t *payload,
                                      uint32_t length) {
    strata_set_spare spare = {strata_entry_room(count), 0, 0, 0};
    spare.start = (uint32_t)sizeof(strata_set) + spare.entry_room * (uint32_t)sizeof(strata_entry);
    spare.end = length - (uint32_t)sizeof spare - 4 * spare.entry_room;
    memcpy(payload + length - sizeof spare, &spare, sizeof spare);
    strata_hot_set set = strata_open_set(payload, length);
    *set.head = (strata_set){count, held[0].entry.code, held[count - 1].entry.code, 0};
    for (uint32_t i = 0; i < count; i++) {
        set.entries[i].code = held[i].entry.code;
        strata_take_room(&set, i, strata_room_of_held(&held[i]));
        strata_copy_rows(&set, i, &held[i]);
    }
}

/* --------------------------------------------------------------------------------- plan */

/* A pair as one number that sorts by code, then by row. */
static inline uint64_t strata_pair_key(uint32_t code, uint32_t row, int is_held) {
    return (uint64_t)code << 32 | (row & (STRATA_BLOCK_ROWS - 1)) << 1 | (is_held != 0);
}

static inline uint16_t strata_key_row(uint64_t key) { return (uint16_t)(key >> 1); }

static inline int strata_key_is_held(uint64_t key) { return (int)(key & 1); }

static inline int strata_compare_keys(const void *a, const void *b) {
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

/* What happens to one code of a block. */
typedef struct {
    size_t start;   /* of its keys */
    size_t end;
    uint32_t code;
    uint32_t place; /* of its entry, or where its entry is to be, among the old ones */
    uint32_t room;  /* to take from the spare bytes, 0 where the container stays */
    int is_new;
} strata_code_change;

/* Index of the first entry from `low` on whose code is not below. */
static inline uint32_t strata_find_place(const strata_hot_set *set, uint32_t low, uint32_t code) {
    uint32_t high = set->head->entry_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->entries[middle].code < code) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The change of the code whose keys begin at `start`. */
static inline strata_code_change strata_plan_code(const strata_hot_set *set, const uint64_t *keys,
                                                  size_t count, size_t start, uint32_t from) {
    strata_code_change change = {start, start, (uint32_t)(keys[start] >> 32), 0, 0, 0};
    size_t added = 0;
    for (; change.end < count && keys[change.end] >> 32 == change.code; change.end++)
        added += (size_t)strata_key_is_held(keys[change.end]);
    change.place = strata_find_place(set, from, change.code);
    change.is_new = change.place == set->head->entry_count
                    || set->entries[change.place].code != change.code;
    size_t most = added + (change.is_new ? 0 : set->entries[change.place].cardinality);
    size_t room = change.is_new ? 0 : set->rooms[change.place];
    if (most && room < STRATA_BITSET_BYTES && 2 * most > room)
        change.room = strata_room_for_rows(most);
    return change;
}

/* What the sorted keys of a block do to each code; `changes` has room for `count`. Returns how
 * many codes they are, 0 where the block has not the room. */
static inline size_t strata_plan_codes(const strata_hot_set *set, const uint64_t *keys,
                                       size_t count, strata_code_change *changes) {
    uint64_t taken = set->spare->start;
    uint32_t entry_count = set->head->entry_count, from = 1;
    size_t code_count = 0;
    for (size_t start = 0; start < count; start = changes[code_count++].end) {
        strata_code_change change = strata_plan_code(set, keys, count, start, from);
        changes[code_count] = change;
        from = change.place;
        entry_count += (uint32_t)change.is_new;
        if (change.room) taken = strata_place_for(taken, change.room) + change.room;
        if (entry_count > set->spare->entry_room || taken > set->spare->end) return 0;
    }
    return code_count;
}

/* ------------------------------------------------------------------------------- writing */

/* Opens the directory for new codes, and turns each place into the one that its entry has. */
static inline void strata_add_entries(const strata_hot_set *set, strata_code_change *changes,
                                      size_t count) {
    uint32_t added = 0, end = set->head->entry_count;
    for (size_t c = 0; c < count; c++) added += (uint32_t)changes[c].is_new;
    set->head->entry_count += added;
    for (size_t c = count; c-- > 0 && added;) {
        uint32_t place = changes[c].place;
        changes[c].place = place + added - (uint32_t)changes[c].is_new;
        if (!changes[c].is_new) continue;
        memmove(set->entries + place + added, set->entries + place,
                (end - place) * sizeof(strata_entry));
        memmove(set->rooms + place + added, set->rooms + place, (end - place) * sizeof(uint32_t));
        added--;
        set->entries[place + added] = (strata_entry){changes[c].code, 0, 0, 0, STRATA_EMPTY, 0};
        set->rooms[place + added] = 0;
        end = place;
    }
    set->head->last_code = set->entries[set->head->entry_count - 1].code;
}

/* Index of the first of `count` rows that is not below. */
static inline uint32_t strata_first_row(const uint16_t *rows, uint32_t low, uint32_t count,
                                        uint32_t row) {
    while (low < count) {
        uint32_t middle = low + (count - low) / 2;
        if (rows[middle] < row) low = middle + 1;
        else count = middle;
    }
    return low;
}

/* Takes rows out of an array and closes the gaps, from the first on; returns how many stay. */
static inline uint32_t strata_close_array(uint16_t *rows, uint32_t count, const uint64_t *keys,
                                          size_t key_count) {
    uint32_t at = 0, to = 0;
    for (size_t k = 0; k < key_count; k++) {
        uint16_t row = strata_key_row(keys[k]);
        if (strata_key_is_held(keys[k])) continue;
        uint32_t found = strata_first_row(rows, at, count, row);
        if (found == count || rows[found] != row) continue;
        if (to != at) memmove(rows + to, rows + at, 2 * (size_t)(found - at));
        to += found - at;
        at = found + 1;
    }
    if (to != at) memmove(rows + to, rows + at, 2 * (size_t)(count - at));
    return to + (count - at);
}

/* Opens gaps in an array from the last on and puts rows into them; returns how many there are
 * then. There is room for all. */
static inline uint32_t strata_open_array(uint16_t *rows, uint32_t count, const uint64_t *keys,
                                         size_t key_count) {
    uint32_t added = 0, from = count;
    for (size_t k = 0; k < key_count; k++) {
        if (!strata_key_is_held(keys[k])) continue;
        uint32_t found = strata_first_row(rows, 0, count, strata_key_row(keys[k]));
        added += found == count || rows[found] != strata_key_row(keys[k]);
    }
    uint32_t left = added;
    for (size_t k = key_count; k-- > 0 && left;) {
        uint16_t row = strata_key_row(keys[k]);
        if (!strata_key_is_held(keys[k])) continue;
        uint32_t found = strata_first_row(rows, 0, from, row);
        if (found < from && rows[found] == row) continue;
        memmove(rows + found + left, rows + found, 2 * (size_t)(from - found));
        rows[found + --left] = row;
        from = found;
    }
    return count + added;
}

/* Puts a row into a bitset or takes it out; returns 1, 0 or -1: how many rows it has more. */
static inline int strata_lay_bit(uint64_t *words, uint16_t row, int is_held) {
    uint64_t bit = (uint64_t)1 << (row & 63), *word = words + (row >> 6);
    int change = is_held - ((*word & bit) != 0);
    if (change) *word ^= bit;
    return change;
}

/* Carries out the change of a code, whose entry is there. */
static inline void strata_change_code(const strata_hot_set *set, const strata_code_change *change,
                                      const uint64_t *keys) {
    uint32_t i = change->place;
    if (change->room) {
        strata_held old = {set->entries[i], set->payload + set->entries[i].offset};
        strata_take_room(set, i, change->room);
        strata_copy_rows(set, i, &old);
    }
    uint8_t *bytes = set->payload + set->entries[i].offset;
    uint32_t count = set->entries[i].cardinality;
    if (set->rooms[i] == STRATA_BITSET_BYTES) {
        for (size_t k = change->start; k < change->end; k++)
            count += (uint32_t)strata_lay_bit((uint64_t *)(void *)bytes, strata_key_row(keys[k]),
                                              strata_key_is_held(keys[k]));
    } else {
        size_t key_count = change->end - change->start;
        uint16_t *rows = (uint16_t *)(void *)bytes;
        count = strata_close_array(rows, count, keys + change->start, key_count);
        count = strata_open_array(rows, count, keys + change->start, key_count);
    }
    strata_state_rows(&set->entries[i], set->rooms[i], count);
}

/* ------------------------------------------------------------------------------ presence */

/* Takes from the ascending rows those that a container has; returns how many stay. */
static inline uint32_t strata_drop_rows(const strata_entry *entry, const uint8_t *bytes,
                                        uint16_t *rows, uint32_t count) {
    uint32_t kept = 0, at = 0;
    /* One look into an array is taken to cost as much as passing over 8 of its rows. */
    int is_passed = entry->kind == STRATA_ARRAY && entry->cardinality < 8 * count;
    for (uint32_t i = 0; i < count; i++) {
        int has;
        if (is_passed) {
            while (at < entry->cardinality && strata_load16(bytes + 2 * at) < rows[i]) at++;
            has = at < entry->cardinality && strata_load16(bytes + 2 * at) == rows[i];
        } else {
            has = strata_container_contains(entry->kind, bytes, entry->cardinality, rows[i]);
        }
        if (!has) rows[kept++] = rows[i];
    }
    return kept;
}

/* Those of the ascending rows that no container but the presence has; returns how many. Bitsets
 * first: they find most rows, and a look into them is the cheapest. */
static inline uint32_t strata_rows_in_none(const strata_hot_set *set, uint16_t *rows,
                                           uint32_t count) {
    for (int kind = STRATA_BITSET; kind >= STRATA_ARRAY; kind--) {
        for (uint32_t i = 1; i < set->head->entry_count && count; i++) {
            if (set->entries[i].kind == kind)
                count = strata_drop_rows(&set->entries[i],
                                         set->payload + set->entries[i].offset, rows, count);
        }
    }
    return count;
}

/* Those of the rows to which nobody gives a value; returns how many. */
static inline uint32_t strata_rows_without_giver(const strata_hot *givers, uint16_t *rows,
                                                 uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!strata_has_giver(givers, rows[i])) rows[kept++] = rows[i];
    }
    return kept;
}

/* Pairs of the rows of a field, sorted by row and code, each once. */
typedef struct {
    const uint32_t *rows; /* numbered in the whole store */
    const uint32_t *codes;
    const uint8_t *is_held;
    size_t count;
} strata_row_pairs;

static inline int strata_pairs_ascend(const strata_row_pairs *pairs) {
    int ascend = 1;
    for (size_t i = 0; i < pairs->count; i++) {
        ascend &= pairs->codes[i] != 0;
        if (i == 0 || pairs->rows[i - 1] < pairs->rows[i]) continue;
        ascend &= pairs->rows[i - 1] == pairs->rows[i] && pairs->codes[i - 1] < pairs->codes[i];
    }
    return ascend;
}

/* Brings the presence up to the containers. `givers` are those of the set, NULL where they are
 * not hot; `lost` has room for the rows of the pairs. */
static inline void strata_follow_rows(const strata_hot_set *set, const strata_row_pairs *pairs,
                                      size_t start, size_t end, const strata_hot *givers,
                                      uint16_t *lost) {
    uint64_t *words = (uint64_t *)(void *)(set->payload + set->entries[0].offset);
    uint32_t count = set->entries[0].cardinality, lost_count = 0;
    for (size_t i = start; i < end;) {
        uint32_t row = pairs->rows[i];
        int is_held = 0;
        for (; i < end && pairs->rows[i] == row; i++) is_held |= pairs->is_held[i];
        if (is_held) count += (uint32_t)strata_lay_bit(words, (uint16_t)row, 1);
        else lost[lost_count++] = (uint16_t)row;
    }
    lost_count = givers ? strata_rows_without_giver(givers, lost, lost_count)
                        : strata_rows_in_none(set, lost, lost_count);
    for (uint32_t i = 0; i < lost_count; i++)
        count += (uint32_t)strata_lay_bit(words, lost[i], 0);
    strata_state_rows(&set->entries[0], STRATA_BITSET_BYTES, count);
}

/* -------------------------------------------------------------------------------- field */

/* Memory to work with, each for the number of pairs. */
typedef struct {
    uint64_t *keys;
    strata_code_change *changes;
    uint16_t *lost;
} strata_set_work;

/* Lays the pairs start..end, which are of one block, over it; returns 0 where it has no room. */
static inline int strata_write_set(strata_hot *hot, const strata_row_pairs *pairs, size_t start,
                                   size_t end, const strata_hot *givers,
                                   const strata_set_work *work) {
    strata_hot_set set = strata_open_set(hot->parts[0], hot->lengths[0]);
    size_t count = end - start;
    for (size_t i = 0; i < count; i++)
        work->keys[i] = strata_pair_key(pairs->codes[start + i], pairs->rows[start + i],
                                        pairs->is_held[start + i]);
    qsort(work->keys, count, sizeof *work->keys, strata_compare_keys);
    size_t code_count = strata_plan_codes(&set, work->keys, count, work->changes);
    if (!code_count) return 0;
    strata_add_entries(&set, work->changes, code_count);
    for (size_t c = 0; c < code_count; c++)
        strata_change_code(&set, &work->changes[c], work->keys);
    strata_follow_rows(&set, pairs, start, end, givers, work->lost);
    return 1;
}

/* Lays pairs over the blocks of a field, whose givers, if they are given, have been brought up to
 * them; returns how many blocks are `refused`, and lists them. Whoever calls has room for a block
 * in every pair. */
static inline size_t strata_write_sets(const strata_hot_field *field,
                                       const strata_hot_field *givers,
                                       const strata_row_pairs *pairs, uint64_t newest_open,
                                       uint64_t sequence, const strata_set_work *work,
                                       uint32_t *refused) {
    size_t refused_count = 0;
    for (size_t start = 0, end; start < pairs->count; start = end) {
        uint32_t block = pairs->rows[start] / STRATA_BLOCK_ROWS;
        strata_hot *hot = strata_hot_block(field, block);
        end = strata_end_of_block(pairs->rows, pairs->count, start);
        if (hot && strata_is_writable(hot, newest_open)
            && strata_write_set(hot, pairs, start, end,
                                givers ? strata_hot_block(givers, block) : 0, work)) {
            hot->sequence = sequence;
        } else {
            refused[refused_count++] = block;
        }
    }
    return refused_count;
}

/* ------------------------------------------------------------------------------- storing */

/* The containers that a codec would store: the presence, and the others that have rows. `held` has
 * room for each entry, `room` for as many bytes as the payload; returns how many. */
static inline uint32_t strata_hold_set(uint8_t *payload, uint32_t length, strata_held *held,
                                       uint8_t *room) {
    strata_hot_set set = strata_open_set(payload, length);
    uint32_t count = 0;
    for (uint32_t i = 0; i < set.head->entry_count; i++) {
        strata_entry entry = set.entries[i];
        const void *bytes = payload + entry.offset;
        if (i && !entry.cardinality) continue;
        if (entry.kind == STRATA_ARRAY) {
            held[count] = (strata_held){strata_measure_rows(bytes, entry.cardinality), room};
            held[count].entry.code = entry.code;
            strata_write_rows(held[count].entry, bytes, room);
        } else if (entry.kind == STRATA_BITSET) {
            held[count] = strata_held_of_mask(entry.code, bytes, room);
        } else {
            held[count] = (strata_held){{entry.code, 0, 0, 0, STRATA_EMPTY, 0}, room};
        }
        room += strata_container_bytes(held[count++].entry);
    }
    return count;
}

#endif
