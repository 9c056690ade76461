/* Givers written in place: what settled mentions do to the (row, value, giver) triples of blocks.
 *
 * Hot givers are parts of some thousand triples, so that little moves when one is put in. A row
 * stands in one part, also later: part p takes the rows from first_rows[p] to first_rows[p + 1].
 * Each part is a strata_givers whose arrays all have the same room, which its offsets tell; behind
 * the last part's stand uint16 first_rows[part_count] and, at its end, a strata_givers_bounds.
 *
 *   1. The rows mentioned in a block are found, and what is settled is compared with their triples
 *      (strata_plan_row): out come the triples to be taken out or put in, as they are sorted, and
 *      the (row, value) pairs that somebody holds now, or nobody any more.
 *   2. A part that has not the room for its share, and the block is refused as it is.
 *   3. In each part the stretches between changes move, each once and those that stay where they
 *      are not at all (strata_change_part): leftward ones from the first on, rightward ones from
 *      the last on. Where stretches end up they never overlap, and they keep their order, so none
 *      is overwritten before it has moved.
 */
#ifndef STRATA_HOT_GIVERS_H
#define STRATA_HOT_GIVERS_H

#include <stdlib.h>
#include <string.h>

#include "engine/columns/hot.h"

/* Of a part as it is laid out. Half a part moves for a triple: 5 KiB, under a microsecond. */
#define STRATA_HOT_TRIPLES 1024u
#define STRATA_SPARE_TRIPLES 512u

/* The end of hot givers. */
typedef struct {
    uint32_t row_count; /* rows with a triple */
    uint32_t least;     /* bounds of the values, maybe wider; least > greatest: there are none */
    uint32_t greatest;
    uint32_t reserved;
} strata_givers_bounds;

/* One part. */
typedef struct {
    uint32_t *count;
    uint16_t *rows;
    uint32_t *values;
    uint32_t *givers;
    uint32_t room;
} strata_triples;

static inline strata_triples strata_open_triples(uint8_t *payload) {
    const strata_givers *head = (const strata_givers *)(void *)payload;
    strata_triples part;
    part.count = (uint32_t *)(void *)payload;
    part.rows = (uint16_t *)(void *)(payload + head->rows_offset);
    part.values = (uint32_t *)(void *)(payload + head->values_offset);
    part.givers = (uint32_t *)(void *)(payload + head->givers_offset);
    part.room = (head->values_offset - head->rows_offset) / 2;
    return part;
}

static inline strata_givers_bounds *strata_bounds_of(const strata_hot *hot) {
    uint32_t last = hot->part_count - 1;
    return (strata_givers_bounds *)(void *)(hot->parts[last] + hot->lengths[last]
                                            - sizeof(strata_givers_bounds));
}

static inline uint16_t *strata_first_rows(const strata_hot *hot) {
    return (uint16_t *)(void *)strata_bounds_of(hot) - ((hot->part_count + 3) & ~3u);
}

/* ------------------------------------------------------------------------------- layout */

/* Triples as codecs have them. */
typedef struct {
    const uint16_t *rows;
    const uint32_t *values;
    const uint32_t *givers;
    size_t count;
} strata_stored_triples;

/* Where the part that begins at `start` ends: between two rows. */
static inline size_t strata_end_of_part(const strata_stored_triples *from, size_t start) {
    size_t end = start + STRATA_HOT_TRIPLES, back = end;
    if (end >= from->count) return from->count;
    while (back > start && from->rows[back - 1] == from->rows[end]) back--;
    if (back > start) return back;
    while (end < from->count && from->rows[end] == from->rows[start]) end++;
    return end;
}

/* The triples that a part has room for. Rows that the last part does not have yet will come to
 * it, as many triples each as the others, though at most half of what the block has now. */
static inline uint32_t strata_triple_room(const strata_stored_triples *from, size_t start,
                                          size_t end) {
    size_t held = end - start;
    size_t spare = held / 3 < STRATA_SPARE_TRIPLES ? STRATA_SPARE_TRIPLES : held / 3;
    if (end == from->count && end) {
        uint32_t known = from->rows[end - 1] + 1u;
        uint64_t to_come = (uint64_t)from->count * (STRATA_BLOCK_ROWS - known) / known;
        spare += (size_t)(to_come > from->count / 2 ? from->count / 2 : to_come);
    }
    return (uint32_t)(held + spare + 3) & ~3u;
}

static inline uint32_t strata_part_length(uint32_t room) {
    return (uint32_t)sizeof(strata_givers) + 10 * room;
}

/* What stands behind the last of some parts. */
static inline uint32_t strata_tail_length(uint32_t part_count) {
    return 2 * ((part_count + 3) & ~3u) + (uint32_t)sizeof(strata_givers_bounds);
}

/* Writes the part start..end. */
static inline void strata_lay_out_part(const strata_stored_triples *from, size_t start, size_t end,
                                       uint8_t *payload) {
    uint32_t room = strata_triple_room(from, start, end), at = (uint32_t)sizeof(strata_givers);
    strata_givers head = {(uint32_t)(end - start), at, at + 2 * room, at + 6 * room};
    memcpy(payload, &head, sizeof head);
    if (end == start) return;
    memcpy(payload + head.rows_offset, from->rows + start, 2 * (end - start));
    memcpy(payload + head.values_offset, from->values + start, 4 * (end - start));
    memcpy(payload + head.givers_offset, from->givers + start, 4 * (end - start));
}

/* Writes all parts, placed with their rooms, and what stands behind them. */
static inline void strata_lay_out_givers(const strata_stored_triples *from, strata_hot *hot) {
    strata_givers_bounds bounds = {0, UINT32_MAX, 0, 0};
    uint16_t *first_rows = strata_first_rows(hot);
    size_t start = 0;
    for (uint32_t p = 0; p < hot->part_count; p++) {
        size_t end = strata_end_of_part(from, start);
        first_rows[p] = p ? from->rows[start] : 0;
        strata_lay_out_part(from, start, end, hot->parts[p]);
        start = end;
    }
    for (size_t i = 0; i < from->count; i++) {
        bounds.row_count += i == 0 || from->rows[i] != from->rows[i - 1];
        if (from->values[i] < bounds.least) bounds.least = from->values[i];
        if (from->values[i] > bounds.greatest) bounds.greatest = from->values[i];
    }
    *strata_bounds_of(hot) = bounds;
}

/* --------------------------------------------------------------------------------- plan */

/* What is settled; see Settled of engine/live/mentions.py. */
typedef struct {
    const uint64_t *replaced;
    size_t replaced_count;
    const uint32_t *rows;
    const uint32_t *givers;
    const uint32_t *values;
    const uint8_t *is_held;
    size_t count;
} strata_settled;

/* A triple to be put in before triple `at` of a part, or triple `at` to be taken out. */
typedef struct {
    uint32_t part;
    uint32_t at;
    uint32_t value;
    uint32_t giver;
    uint16_t row;
    uint8_t is_put;
} strata_triple_change;

/* A word about a value: value << 32 | giver. */
typedef struct {
    uint64_t key;
    uint64_t is_held;
} strata_word;

/* A (row, value) pair, and whether it has come to be held or is no longer. */
typedef struct {
    uint32_t row; /* in the whole store */
    uint32_t code;
    uint32_t is_held;
} strata_changed_pair;

/* What is worked with: it grows as needed, and `failed` says that once it could not. */
typedef struct {
    strata_word *words;
    size_t word_room;
    strata_triple_change *changes; /* of the block */
    size_t change_count;
    size_t change_room;
    strata_changed_pair *pairs;    /* of all blocks */
    size_t pair_count;
    size_t pair_room;
    int failed;
} strata_settling;

/* Memory for `count` things of some size, and more; the old one as it is, and `failed`, where
 * there is none. */
static inline void *strata_grow(strata_settling *work, void *memory, size_t *room, size_t count,
                                size_t size) {
    if (count <= *room) return memory;
    size_t wanted = count < 64 ? 128 : 2 * count;
    void *grown = realloc(memory, wanted * size);
    if (!grown) {
        work->failed = 1;
        return memory;
    }
    *room = wanted;
    return grown;
}

static inline void strata_note_change(strata_settling *work, strata_triple_change change) {
    work->changes = (strata_triple_change *)strata_grow(
        work, work->changes, &work->change_room, work->change_count + 1, sizeof change);
    if (!work->failed) work->changes[work->change_count++] = change;
}

static inline void strata_note_pair(strata_settling *work, strata_changed_pair pair) {
    work->pairs = (strata_changed_pair *)strata_grow(work, work->pairs, &work->pair_room,
                                                     work->pair_count + 1, sizeof pair);
    if (!work->failed) work->pairs[work->pair_count++] = pair;
}

static inline int strata_compare_words(const void *a, const void *b) {
    uint64_t left = ((const strata_word *)a)->key, right = ((const strata_word *)b)->key;
    return (left > right) - (left < right);
}

/* The words start..end about one row, sorted by value and giver; returns how many. */
static inline size_t strata_sort_words(const strata_settled *settled, size_t start, size_t end,
                                       strata_settling *work) {
    size_t count = end - start;
    int is_sorted = 1;
    work->words = (strata_word *)strata_grow(work, work->words, &work->word_room, count,
                                             sizeof *work->words);
    if (work->failed) return 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t key = (uint64_t)settled->values[start + i] << 32 | settled->givers[start + i];
        work->words[i] = (strata_word){key, settled->is_held[start + i]};
        is_sorted &= i == 0 || work->words[i - 1].key < key;
    }
    if (!is_sorted) qsort(work->words, count, sizeof *work->words, strata_compare_words);
    return count;
}

/* Index of the first triple from `low` on, before `high`, whose row is not below. */
static inline uint32_t strata_find_row(const uint16_t *rows, uint32_t low, uint32_t high,
                                       uint32_t row) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows[middle] < row) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The part of a row, from part `low` on. */
static inline uint32_t strata_part_of_row(const uint16_t *first_rows, uint32_t low, uint32_t count,
                                          uint32_t row) {
    return strata_find_row(first_rows, low, count, row + 1) - 1;
}

/* Whether the sorted pairs have this one. */
static inline int strata_has_pair(const uint64_t *pairs, size_t count, uint64_t pair) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pairs[middle] < pair) low = middle + 1;
        else high = middle;
    }
    return low < count && pairs[low] == pair;
}

/* A row that is mentioned. */
typedef struct {
    uint32_t row; /* in the whole store */
    uint32_t part;
    uint32_t start; /* of its triples in the part */
    uint32_t end;
    const uint64_t *replaced; /* pairs of this row */
    size_t replaced_count;
    size_t word_count;
} strata_mentioned;

/* Settles the triple of the row that sorts first of those left, which stood or is spoken of or
 * both, and notes what changes. Returns 1 if it stood, + 2 if it stands now. */
static inline int strata_settle_one(const strata_mentioned *row, const strata_triples *part,
                                    uint32_t *at, size_t *word, strata_settling *work) {
    int is_spoken = *word < row->word_count, stood = *at < row->end, stands;
    uint64_t old = stood ? (uint64_t)part->values[*at] << 32 | part->givers[*at] : 0;
    uint64_t said = is_spoken ? work->words[*word].key : 0;
    if (stood && is_spoken && old != said) {
        if (old < said) is_spoken = 0;
        else stood = 0;
    }
    uint64_t key = stood ? old : said;
    if (is_spoken) stands = work->words[*word].is_held != 0;
    else stands = !strata_has_pair(row->replaced, row->replaced_count,
                                   (uint64_t)row->row << 32 | (uint32_t)key);
    if (stood != stands) {
        strata_triple_change change;
        change.part = row->part;
        change.at = *at;
        change.value = (uint32_t)(key >> 32);
        change.giver = (uint32_t)key;
        change.row = (uint16_t)row->row;
        change.is_put = (uint8_t)stands;
        strata_note_change(work, change);
    }
    *word += (size_t)is_spoken;
    *at += (uint32_t)stood;
    return stood + 2 * stands;
}

/* Notes what happens to a row; returns how many rows with triples there are more. */
static inline int strata_plan_row(const strata_mentioned *row, const strata_triples *part,
                                  strata_settling *work) {
    uint32_t at = row->start;
    size_t word = 0;
    int of_row = 0;
    while (at < row->end || word < row->word_count) {
        uint32_t value = at < row->end ? part->values[at] : UINT32_MAX;
        if (word < row->word_count && work->words[word].key >> 32 <= value)
            value = (uint32_t)(work->words[word].key >> 32);
        int of_value = 0;
        while ((at < row->end && part->values[at] == value)
               || (word < row->word_count && work->words[word].key >> 32 == value))
            of_value |= strata_settle_one(row, part, &at, &word, work);
        if (of_value == 1 || of_value == 2)
            strata_note_pair(work, (strata_changed_pair){row->row, value, of_value == 2});
        of_row |= of_value;
    }
    return (of_row >> 1) - (of_row & 1);
}

/* Whether all is sorted as it has to be, and each once. */
static inline int strata_settled_ascends(const strata_settled *settled) {
    int ascend = 1;
    for (size_t i = 1; i < settled->replaced_count; i++)
        ascend &= settled->replaced[i - 1] < settled->replaced[i];
    for (size_t i = 0; i < settled->count; i++) {
        ascend &= settled->rows[i] != UINT32_MAX;
        if (i == 0 || settled->rows[i - 1] < settled->rows[i]) continue;
        uint64_t last = (uint64_t)settled->givers[i - 1] << 32 | settled->values[i - 1];
        uint64_t next = (uint64_t)settled->givers[i] << 32 | settled->values[i];
        ascend &= settled->rows[i - 1] == settled->rows[i] && last < next;
    }
    if (settled->replaced_count)
        ascend &= settled->replaced[settled->replaced_count - 1] >> 32 != UINT32_MAX;
    return ascend;
}

/* How far `settled` is worked off. */
typedef struct {
    size_t replaced;
    size_t word;
} strata_settled_at;

/* The next row that is mentioned; rows of the whole store do not reach 2^32. */
static inline uint32_t strata_next_mentioned(const strata_settled *settled, strata_settled_at at) {
    uint32_t row = UINT32_MAX;
    if (at.replaced < settled->replaced_count)
        row = (uint32_t)(settled->replaced[at.replaced] >> 32);
    if (at.word < settled->count && settled->rows[at.word] < row) row = settled->rows[at.word];
    return row;
}

/* Gathers what is settled of a row, and moves on behind it. */
static inline strata_mentioned strata_take_mentioned(const strata_settled *settled, uint32_t row,
                                                     strata_settled_at *at,
                                                     strata_settling *work) {
    strata_settled_at from = *at;
    while (at->replaced < settled->replaced_count && settled->replaced[at->replaced] >> 32 == row)
        at->replaced++;
    while (at->word < settled->count && settled->rows[at->word] == row) at->word++;
    strata_mentioned mentioned = {row, 0, 0, 0, 0, 0, 0};
    mentioned.replaced = settled->replaced + from.replaced;
    mentioned.replaced_count = at->replaced - from.replaced;
    mentioned.word_count = strata_sort_words(settled, from.word, at->word, work);
    return mentioned;
}

/* Notes what happens to a block, and moves on behind it; returns how many rows with triples
 * there are more. */
static inline int strata_plan_block(const strata_hot *hot, const strata_settled *settled,
                                    uint32_t block, strata_settled_at *at,
                                    strata_settling *work) {
    const uint16_t *first_rows = strata_first_rows(hot);
    strata_triples part = strata_open_triples(hot->parts[0]);
    uint32_t row, p = 0, from = 0;
    int more_rows = 0;
    while ((row = strata_next_mentioned(settled, *at)) / STRATA_BLOCK_ROWS == block
           && row != UINT32_MAX) {
        strata_mentioned mentioned = strata_take_mentioned(settled, row, at, work);
        uint32_t in_block = row % STRATA_BLOCK_ROWS, before = p;
        p = strata_part_of_row(first_rows, p, hot->part_count, in_block);
        if (p != before) {
            part = strata_open_triples(hot->parts[p]);
            from = 0;
        }
        mentioned.part = p;
        mentioned.start = strata_find_row(part.rows, from, *part.count, in_block);
        for (from = mentioned.start; from < *part.count && part.rows[from] == in_block;) from++;
        mentioned.end = from;
        more_rows += strata_plan_row(&mentioned, &part, work);
    }
    return more_rows;
}

/* ------------------------------------------------------------------------------- writing */

/* The changes from `start` on that are to the same part: returns the first that is not. */
static inline size_t strata_end_of_changes(const strata_settling *work, size_t start) {
    size_t end = start + 1;
    while (end < work->change_count && work->changes[end].part == work->changes[start].part) end++;
    return end;
}

/* Whether every part of the block has room for what is noted. */
static inline int strata_have_room(const strata_hot *hot, const strata_settling *work) {
    for (size_t start = 0, end; start < work->change_count; start = end) {
        strata_triples part = strata_open_triples(hot->parts[work->changes[start].part]);
        int64_t count = *part.count;
        end = strata_end_of_changes(work, start);
        for (size_t i = start; i < end; i++) count += work->changes[i].is_put ? 1 : -1;
        if (count > (int64_t)part.room) return 0;
    }
    return 1;
}

/* Moves the triples behind change `i` of `count`, up to the next one, `shift` places. */
static inline void strata_move_stretch(const strata_triples *part,
                                       const strata_triple_change *changes, size_t i, size_t count,
                                       int64_t shift) {
    size_t from = changes[i].at + (size_t)!changes[i].is_put;
    size_t size = (i + 1 < count ? changes[i + 1].at : *part->count) - from;
    memmove(part->rows + (int64_t)from + shift, part->rows + from, 2 * size);
    memmove(part->values + (int64_t)from + shift, part->values + from, 4 * size);
    memmove(part->givers + (int64_t)from + shift, part->givers + from, 4 * size);
}

/* Carries out the changes to one part, which are in the order of its triples. */
static inline void strata_change_part(const strata_triples *part,
                                      const strata_triple_change *changes, size_t count) {
    int64_t shift = 0;
    for (size_t i = 0; i < count; i++) {
        shift += changes[i].is_put ? 1 : -1;
        if (shift < 0) strata_move_stretch(part, changes, i, count, shift);
    }
    int64_t more = shift;
    for (size_t i = count; i-- > 0; shift -= changes[i].is_put ? 1 : -1) {
        if (shift > 0) strata_move_stretch(part, changes, i, count, shift);
    }
    for (size_t i = 0; i < count; shift += changes[i++].is_put ? 1 : -1) {
        if (!changes[i].is_put) continue;
        part->rows[changes[i].at + shift] = changes[i].row;
        part->values[changes[i].at + shift] = changes[i].value;
        part->givers[changes[i].at + shift] = changes[i].giver;
    }
    *part->count = (uint32_t)(*part->count + more);
}

/* Carries out all that is noted. */
static inline void strata_change_block(strata_hot *hot, const strata_settling *work,
                                       int more_rows) {
    strata_givers_bounds *bounds = strata_bounds_of(hot);
    for (size_t start = 0, end; start < work->change_count; start = end) {
        strata_triples part = strata_open_triples(hot->parts[work->changes[start].part]);
        end = strata_end_of_changes(work, start);
        strata_change_part(&part, work->changes + start, end - start);
        for (size_t i = start; i < end; i++) {
            uint32_t value = work->changes[i].value;
            if (!work->changes[i].is_put) continue;
            if (value < bounds->least) bounds->least = value;
            if (value > bounds->greatest) bounds->greatest = value;
        }
    }
    bounds->row_count += (uint32_t)more_rows;
}

/* Whether a row of the block has a triple. */
static inline int strata_has_giver(const strata_hot *hot, uint32_t row) {
    uint32_t p = strata_part_of_row(strata_first_rows(hot), 0, hot->part_count, row);
    strata_triples part = strata_open_triples(hot->parts[p]);
    uint32_t at = strata_find_row(part.rows, 0, *part.count, row);
    return at < *part.count && part.rows[at] == row;
}

/* -------------------------------------------------------------------------------- field */

/* Carries out what is settled of a block, and moves on behind it. Returns 0 where that cannot be
 * done: then nothing has happened. */
static inline int strata_settle_block(strata_hot *hot, const strata_settled *settled,
                                      uint32_t block, strata_settled_at *at, uint64_t newest_open,
                                      uint64_t sequence, strata_settling *work) {
    size_t pair_count = work->pair_count;
    work->change_count = 0;
    work->failed = 0;
    int more_rows = strata_plan_block(hot, settled, block, at, work);
    if (work->failed
        || (work->change_count
            && (!strata_is_writable(hot, newest_open) || !strata_have_room(hot, work)))) {
        work->pair_count = pair_count;
        return 0;
    }
    if (work->change_count) {
        strata_change_block(hot, work, more_rows);
        hot->sequence = sequence;
    }
    return 1;
}

/* Carries out what is settled, block by block; returns how many of these are `refused`, and
 * lists them. Whoever calls has room for a block in every pair and triple that is settled. */
static inline size_t strata_settle_givers(const strata_hot_field *field,
                                          const strata_settled *settled, uint64_t newest_open,
                                          uint64_t sequence, strata_settling *work,
                                          uint32_t *refused) {
    size_t refused_count = 0;
    strata_settled_at at = {0, 0};
    while (at.replaced < settled->replaced_count || at.word < settled->count) {
        uint32_t block = strata_next_mentioned(settled, at) / STRATA_BLOCK_ROWS;
        strata_hot *hot = strata_hot_block(field, block);
        if (hot && strata_settle_block(hot, settled, block, &at, newest_open, sequence, work))
            continue;
        refused[refused_count++] = block;
        while (at.replaced < settled->replaced_count
               && settled->replaced[at.replaced] >> 48 == block)
            at.replaced++;
        while (at.word < settled->count && settled->rows[at.word] / STRATA_BLOCK_ROWS == block)
            at.word++;
    }
    return refused_count;
}

#endif
