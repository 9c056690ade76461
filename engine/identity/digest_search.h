/* Places of digests in sorted columns.
 *
 * Digests are uniform, so a digest's place is guessed from its value: with n entries the guess
 * is off by about sqrt(n) / 2, a few cache lines, where a binary search from the middle misses
 * the cache at every step of the first dozen. What stands there tells how far off, and the
 * second guess is right to a few entries. From it the search gallops, so that any other
 * distribution costs no more than twice a binary search.
 *
 * Many digests are searched for in groups, a step for all of a group at a time, so that what
 * the next step reads is on its way from memory meanwhile.
 *
 * Columns need no alignment. Nothing is read outside them, whatever they hold.
 */
#ifndef STRATA_DIGEST_SEARCH_H
#define STRATA_DIGEST_SEARCH_H

#include <stdint.h>
#include <string.h>

/* First step of the gallop: the usual error of a second guess in a full shard. */
enum { STRATA_DIGEST_STRIDE = 8 };

/* Digests searched for at a time: enough to cover the way from memory, few enough for the
 * first-level cache. */
enum { STRATA_DIGEST_GROUP = 32 };

/* Columns sorted by (high, low), n entries whose high halves have their first `depth` (0..63)
 * bits in common with every digest that is looked for. */
typedef struct {
    const uint8_t *highs, *lows;
    int64_t n;
    unsigned depth;
} strata_digest_columns;

static inline uint64_t strata_digest_at(const uint8_t *column, int64_t place) {
    uint64_t value;
    memcpy(&value, column + 8 * place, 8);
    return value;
}

/* How many entries a stretch of high halves has, if they are uniform; below n. */
static inline int64_t strata_digest_expected(const strata_digest_columns *in, uint64_t stretch) {
    return (int64_t)(((unsigned __int128)(stretch << in->depth) * (uint64_t)in->n) >> 64);
}

/* A better guess, by what stands at the first one; n must not be 0. */
static inline int64_t strata_digest_guess_again(
    const strata_digest_columns *in, int64_t guess, uint64_t high
) {
    uint64_t there = strata_digest_at(in->highs, guess);
    int64_t place;
    if (there < high) {
        place = guess + strata_digest_expected(in, high - there);
        return place < in->n ? place : in->n - 1;
    }
    place = guess - strata_digest_expected(in, there - high);
    return place > 0 ? place : 0;
}

/* The first place whose high half is not below `high`, n where there is none, searched from a
 * guess; n must not be 0. */
static inline int64_t strata_digest_lower_bound(
    const strata_digest_columns *in, int64_t guess, uint64_t high
) {
    const uint8_t *highs = in->highs;
    int64_t step = STRATA_DIGEST_STRIDE, n = in->n, from, to;
    if (strata_digest_at(highs, guess) < high) {
        from = guess + 1;
        to = from;
        while (to < n && strata_digest_at(highs, to) < high) {
            from = to + 1;
            to = step < n - from ? from + step : n;
            step *= 2;
        }
    } else {
        to = guess;
        from = to;
        while (from > 0 && strata_digest_at(highs, from - 1) >= high) {
            to = from - 1;
            from = step < to ? to - step : 0;
            step *= 2;
        }
    }
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (strata_digest_at(highs, middle) < high)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The place of (high, low), or -1; `place` is the first whose high half is not below. */
static inline int64_t strata_digest_equal(
    const strata_digest_columns *in, int64_t place, uint64_t high, uint64_t low
) {
    for (; place < in->n && strata_digest_at(in->highs, place) == high; place++)
        if (strata_digest_at(in->lows, place) == low) return place;
    return -1;
}

/* The places of up to STRATA_DIGEST_GROUP digests (high, low, high, ...), each in columns of its
 * own, or -1. */
static inline void strata_digest_group(
    const strata_digest_columns *in, const uint64_t *digests, int64_t count, int64_t *places
) {
    for (int64_t i = 0; i < count; i++) {
        places[i] = strata_digest_expected(&in[i], digests[2 * i]);
        __builtin_prefetch(in[i].highs + 8 * places[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        if (in[i].n == 0) continue;
        places[i] = strata_digest_guess_again(&in[i], places[i], digests[2 * i]);
        __builtin_prefetch(in[i].highs + 8 * places[i]);
        __builtin_prefetch(in[i].lows + 8 * places[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        if (in[i].n == 0) continue;
        places[i] = strata_digest_lower_bound(&in[i], places[i], digests[2 * i]);
        __builtin_prefetch(in[i].lows + 8 * places[i]);
    }
    for (int64_t i = 0; i < count; i++)
        places[i] = strata_digest_equal(&in[i], places[i], digests[2 * i], digests[2 * i + 1]);
}

/* How the index is cut: digests whose high halves begin with the same `bits` bits are in one
 * shard, which `shard_of` names. A shard is `counts` entries at its address (0: not known yet):
 * high halves, low halves, rows. */
typedef struct {
    const uint32_t *shard_of;
    unsigned bits;
    const uint64_t *addresses;
    const int64_t *counts;
    const uint8_t *depths;
} strata_digest_shards;

/* The shard of each of many digests; returns for how many its address is not known. */
static inline int64_t strata_shards_of(
    const strata_digest_shards *in, const uint64_t *digests, int64_t count, uint32_t *shards
) {
    int64_t unknown = 0;
    for (int64_t i = 0; i < count; i++) {
        // A shift by the whole width has no meaning in C.
        shards[i] = in->shard_of[in->bits ? digests[2 * i] >> (64 - in->bits) : 0];
        unknown += in->addresses[shards[i]] == 0;
    }
    return unknown;
}

/* The order of places that brings those of one shard together. `starts` has an element for each
 * shard and one more, all 0. */
static inline void strata_order_by_shard(
    const uint32_t *shards, int64_t count, int64_t shard_count, uint32_t *starts, uint32_t *order
) {
    for (int64_t i = 0; i < count; i++) starts[shards[i] + 1]++;
    for (int64_t i = 0; i < shard_count; i++) starts[i + 1] += starts[i];
    for (int64_t i = 0; i < count; i++) order[starts[shards[i]]++] = (uint32_t)i;
}

/* The rows of many digests, or `unknown`, each looked for in its shard; in `order`, or as they
 * come where it is NULL. In the order of shards a large batch finds the pages of a shard in the
 * processor's table of pages, and half of its lines in the cache. */
static inline void strata_rows_in_shards(
    const strata_digest_shards *from, const uint64_t *digests, const uint32_t *shards,
    int64_t count, const uint32_t *order, uint32_t unknown, uint32_t *rows
) {
    strata_digest_columns in[STRATA_DIGEST_GROUP];
    uint64_t asked[2 * STRATA_DIGEST_GROUP];
    int64_t places[STRATA_DIGEST_GROUP];
    for (int64_t at = 0; at < count; at += STRATA_DIGEST_GROUP) {
        int64_t size = count - at < STRATA_DIGEST_GROUP ? count - at : STRATA_DIGEST_GROUP;
        if (order)
            for (int64_t i = at + size; i < at + 2 * size && i < count; i++) {
                __builtin_prefetch(digests + 2 * order[i]);
                __builtin_prefetch(shards + order[i]);
            }
        for (int64_t i = 0; i < size; i++) {
            int64_t place = order ? order[at + i] : at + i;
            uint32_t shard = shards[place];
            asked[2 * i] = digests[2 * place];
            asked[2 * i + 1] = digests[2 * place + 1];
            in[i].highs = (const uint8_t *)(uintptr_t)from->addresses[shard];
            in[i].n = from->counts[shard];
            in[i].lows = in[i].highs + 8 * in[i].n;
            in[i].depth = from->depths[shard];
        }
        strata_digest_group(in, asked, size, places);
        for (int64_t i = 0; i < size; i++)
            if (places[i] >= 0) __builtin_prefetch(in[i].lows + 8 * in[i].n + 4 * places[i]);
        for (int64_t i = 0; i < size; i++) {
            uint32_t *row = rows + (order ? order[at + i] : at + i);
            *row = unknown;
            if (places[i] >= 0) memcpy(row, in[i].lows + 8 * in[i].n + 4 * places[i], 4);
        }
    }
}

#endif
