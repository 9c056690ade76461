/* Entries of the identity index that are not in a shard: a table in the order of digests.
 *
 * 256 parts by the first byte of the digest, each with slots of its own, so that the table
 * grows a part at a time. A digest's home is the slot that its high half points to in
 * proportion; taken slots are passed over, from the last to the first. So look-ups are those of
 * a hash table, digests being uniform and keyed, and the entries of a shard stand next to one
 * another, nearly sorted: what makes a shard of them reads a stretch and no more.
 *
 * A slot is written once and never moved within its part. Readers need no lock: `rest` is
 * written last and read first, so that who sees it sees the digest too, and an entry that
 * came later is known by its ordinal. One thread writes at a time. At least one slot of a part
 * that has any is free, or a search would not end.
 */
#ifndef STRATA_DIGEST_TABLE_H
#define STRATA_DIGEST_TABLE_H

#include <stdint.h>
#include <stdlib.h>

enum { STRATA_TABLE_PARTS = 256, STRATA_TABLE_PART_BITS = 8 };

/* Entries whose slots are on their way from memory together. */
enum { STRATA_TABLE_GROUP = 32 };

/* `rest`: the ordinal of the entry in its upper half, the complement of its number in the
 * lower one; 0 where the slot is free, since no number is 0xFFFFFFFF. */
typedef struct {
    uint64_t high, low, rest;
} strata_table_slot;

/* Where the slots of each part are, and how many; 0 for none. */
typedef struct {
    const uint64_t *addresses;
    const int64_t *sizes;
} strata_table;

static inline strata_table_slot *strata_table_part(const strata_table *table, int64_t part) {
    return (strata_table_slot *)(uintptr_t)table->addresses[part];
}

static inline int64_t strata_table_part_of(uint64_t high) {
    return (int64_t)(high >> (64 - STRATA_TABLE_PART_BITS));
}

/* The home of a digest in a part of `size` slots. */
static inline int64_t strata_table_home(uint64_t high, int64_t size) {
    return (int64_t)(((unsigned __int128)(high << STRATA_TABLE_PART_BITS) * (uint64_t)size) >> 64);
}

static inline int64_t strata_table_next(int64_t slot, int64_t size) {
    return slot + 1 < size ? slot + 1 : 0;
}

static inline uint32_t strata_table_ordinal(uint64_t rest) { return (uint32_t)(rest >> 32); }

static inline uint32_t strata_table_number(uint64_t rest) { return ~(uint32_t)rest; }

/* `rest` of the entry of a digest, 0 where there is none; the part has slots. */
static inline uint64_t strata_table_look(
    const strata_table_slot *slots, int64_t size, int64_t slot, uint64_t high, uint64_t low
) {
    for (;; slot = strata_table_next(slot, size)) {
        uint64_t rest = __atomic_load_n(&slots[slot].rest, __ATOMIC_ACQUIRE);
        if (rest == 0 || (slots[slot].high == high && slots[slot].low == low)) return rest;
    }
}

/* Looks up many digests (high, low, high, ...). Entries of ordinals below `visible` give their
 * numbers, other ones of ordinals below `known` give `unknown`. The places of the digests that
 * have neither go to `missing`; returns how many, and leaves their rows at `unknown`. */
static inline int64_t strata_table_find(
    const strata_table *table, const uint64_t *digests, int64_t count, uint64_t known,
    uint64_t visible, uint32_t unknown, uint32_t *rows, int64_t *missing
) {
    int64_t homes[STRATA_TABLE_GROUP], missing_count = 0;
    for (int64_t at = 0; at < count; at += STRATA_TABLE_GROUP) {
        int64_t size = count - at < STRATA_TABLE_GROUP ? count - at : STRATA_TABLE_GROUP;
        for (int64_t i = 0; i < size; i++) {
            uint64_t high = digests[2 * (at + i)];
            int64_t part = strata_table_part_of(high);
            homes[i] = strata_table_home(high, table->sizes[part]);
            // What is not there is known behind four slots on average, often in the next line.
            __builtin_prefetch(strata_table_part(table, part) + homes[i]);
            __builtin_prefetch(strata_table_part(table, part) + homes[i] + 3);
        }
        for (int64_t i = 0; i < size; i++) {
            uint64_t high = digests[2 * (at + i)], low = digests[2 * (at + i) + 1], rest = 0;
            int64_t part = strata_table_part_of(high), slots = table->sizes[part];
            if (slots)
                rest = strata_table_look(strata_table_part(table, part), slots, homes[i], high, low);
            uint64_t ordinal = strata_table_ordinal(rest);
            int is_there = rest != 0 && ordinal < known;
            rows[at + i] = is_there && ordinal < visible ? strata_table_number(rest) : unknown;
            missing[missing_count] = at + i;
            missing_count += !is_there;
        }
    }
    return missing_count;
}

/* Puts an entry into the first free slot from its home on. */
static inline void strata_table_put(
    strata_table_slot *slots, int64_t size, uint64_t high, uint64_t low, uint64_t rest
) {
    int64_t slot = strata_table_home(high, size);
    while (slots[slot].rest != 0) slot = strata_table_next(slot, size);
    slots[slot].high = high;
    slots[slot].low = low;
    __atomic_store_n(&slots[slot].rest, rest, __ATOMIC_RELEASE);
}

/* Adds distinct digests that are not there, with ordinals from `first` on; there is room. */
static inline void strata_table_add(
    const strata_table *table, const uint64_t *digests, const uint32_t *numbers, int64_t count,
    uint32_t first
) {
    for (int64_t at = 0; at < count; at += STRATA_TABLE_GROUP) {
        int64_t size = count - at < STRATA_TABLE_GROUP ? count - at : STRATA_TABLE_GROUP;
        for (int64_t i = at; i < at + size; i++) {
            int64_t part = strata_table_part_of(digests[2 * i]);
            __builtin_prefetch(
                strata_table_part(table, part)
                    + strata_table_home(digests[2 * i], table->sizes[part]), 1
            );
        }
        for (int64_t i = at; i < at + size; i++) {
            int64_t part = strata_table_part_of(digests[2 * i]);
            uint64_t rest = (uint64_t)(first + (uint32_t)i) << 32 | (uint32_t)~numbers[i];
            strata_table_put(
                strata_table_part(table, part), table->sizes[part], digests[2 * i],
                digests[2 * i + 1], rest
            );
        }
    }
}

/* Puts the taken ones of some slots into a part that has room for them. */
static inline void strata_table_move(
    const strata_table_slot *from, int64_t count, strata_table_slot *slots, int64_t size
) {
    for (int64_t i = 0; i < count; i++)
        if (from[i].rest) strata_table_put(slots, size, from[i].high, from[i].low, from[i].rest);
}

/* Which entries are meant: high halves from `first` to `last`, both included, ordinals from
 * `since` up to but not `until`. */
typedef struct {
    uint64_t first, last, since, until;
} strata_table_bounds;

static inline int strata_table_is_meant(
    const strata_table_bounds *bounds, const strata_table_slot *entry
) {
    uint64_t ordinal = strata_table_ordinal(entry->rest);
    return entry->rest != 0 && entry->high >= bounds->first && entry->high <= bounds->last
           && ordinal >= bounds->since && ordinal < bounds->until;
}

/* Goes through the slots of one part in which entries of some high halves, all of that part,
 * may stand. Writes those that are meant to `out`, nearly sorted, or where it is NULL counts
 * them by the first 16 bits of their high halves, from those of `bounds->first` on. Returns how
 * many there are. */
static inline int64_t strata_table_part_between(
    const strata_table_slot *slots, int64_t size, uint64_t least, uint64_t greatest,
    const strata_table_bounds *bounds, strata_table_slot *out, int64_t *counts
) {
    if (!size) return 0;
    int64_t found = 0, slot = strata_table_home(least, size);
    int64_t homes = strata_table_home(greatest, size) - slot;
    for (int64_t passed = 0; passed < size; passed++, slot = strata_table_next(slot, size)) {
        const strata_table_slot *entry = &slots[slot];
        // Behind the last home a free slot is the end of what was passed on from there.
        if (passed >= homes && !entry->rest) break;
        if (!strata_table_is_meant(bounds, entry)) continue;
        if (out)
            out[found] = *entry;
        else
            counts[(entry->high >> 48) - (bounds->first >> 48)]++;
        found++;
    }
    return found;
}

/* The same of all parts. */
static inline int64_t strata_table_between(
    const strata_table *table, const strata_table_bounds *bounds, strata_table_slot *out,
    int64_t *counts
) {
    int64_t found = 0;
    int64_t from = strata_table_part_of(bounds->first), to = strata_table_part_of(bounds->last);
    for (int64_t part = from; part <= to; part++) {
        uint64_t least = (uint64_t)part << (64 - STRATA_TABLE_PART_BITS);
        uint64_t greatest = least + (((uint64_t)1 << (64 - STRATA_TABLE_PART_BITS)) - 1);
        found += strata_table_part_between(
            strata_table_part(table, part), table->sizes[part],
            part == from ? bounds->first : least, part == to ? bounds->last : greatest, bounds,
            out ? out + found : NULL, counts
        );
    }
    return found;
}

static inline int strata_table_is_before(const strata_table_slot *a, const strata_table_slot *b) {
    return a->high < b->high || (a->high == b->high && a->low < b->low);
}

static inline int strata_table_compare(const void *a, const void *b) {
    const strata_table_slot *left = a, *right = b;
    return strata_table_is_before(right, left) - strata_table_is_before(left, right);
}

/* Sorts entries by digest. Those of a table are a few places off; should they not be, the
 * library sorts them. */
static inline void strata_table_sort(strata_table_slot *entries, int64_t count) {
    int64_t moves_left = 32 * count;
    for (int64_t i = 1; i < count; i++) {
        strata_table_slot entry = entries[i];
        int64_t to = i;
        while (to > 0 && strata_table_is_before(&entry, &entries[to - 1])) {
            entries[to] = entries[to - 1];
            to--;
        }
        entries[to] = entry;
        moves_left -= i - to;
        if (moves_left < 0) {
            qsort(entries, (size_t)count, sizeof *entries, strata_table_compare);
            return;
        }
    }
}

#endif
