/* The leaves over a whole block: a mask of live rows, cut to those for which a leaf holds.
 *
 * Masks are narrowed in place: a column is not read where the mask is empty, and containers are
 * taken into the mask as they lie. To fill the mask of a leaf is to narrow the live rows.
 *
 * A row that is missing stores 0. So where 0 is outside of what is asked for, or every live row
 * has a value, the presence of a column need not be read.
 */
#ifndef STRATA_LEAF_BLOCKS_H
#define STRATA_LEAF_BLOCKS_H

#include "engine/core/leaf_outlook.h"

/* Words that are compared at a time where no kernel narrows in place. */
#define STRATA_STRIP_WORDS 16u
/* Up to so many values, `in` over a wide column takes one range pass each. */
#define STRATA_IN_PASSES 8u

/* Whether the leaf has a form for masks; the others are tested row by row. */
static inline int strata_leaf_is_vector(const strata_leaf *leaf) {
    switch (leaf->op) {
    case STRATA_LEAF_SET:
    case STRATA_LEAF_CODES:
    case STRATA_LEAF_PRESENT:
    case STRATA_LEAF_INT_RANGE:
    case STRATA_LEAF_INT_IN:
    case STRATA_LEAF_FLOAT_RANGE:
    case STRATA_LEAF_ROWS: return 1;
    default: return 0;
    }
}

/* ------------------------------------------------------------------------- containers */

static inline uint32_t strata_narrow_set(const strata_reader *reader, const strata_leaf *leaf,
                                         int negate, uint64_t *mask) {
    const strata_field *field = &reader->fields[leaf->field];
    const strata_kernels *kernels = reader->kernels;
    uint64_t any[STRATA_BLOCK_WORDS];
    if (!negate && leaf->code_count > 1) {
        memset(any, 0, sizeof any);
    }
    for (uint32_t i = 0; i < leaf->code_count; i++) {
        const uint8_t *base;
        const strata_entry *entry = strata_find_code(field, reader->block, leaf->codes[i], &base);
        if (!entry) {
            continue;
        }
        if (negate) {
            strata_mask_and_not_entry(kernels, mask, entry, base);
        } else if (leaf->code_count == 1) {
            return strata_mask_and_entry(kernels, mask, entry, base);
        } else {
            strata_mask_or_entry(any, entry, base);
        }
    }
    if (negate) {
        return kernels->mask_count(mask);
    }
    if (leaf->code_count > 1) {
        return kernels->mask_and(mask, any);
    }
    memset(mask, 0, STRATA_BITSET_BYTES);
    return 0;
}

/* mask &= any, or its complement. */
static inline uint32_t strata_narrow_by(const strata_kernels *kernels, const uint64_t *any,
                                        int negate, uint64_t *mask) {
    return negate ? kernels->mask_and_not(mask, any) : kernels->mask_and(mask, any);
}

static inline uint32_t strata_narrow_list(const strata_reader *reader, const strata_leaf *leaf,
                                          int negate, uint64_t *mask) {
    uint64_t any[STRATA_BLOCK_WORDS];
    uint32_t end = leaf->row_start[reader->block + 1];
    memset(any, 0, sizeof any);
    for (uint32_t i = leaf->row_start[reader->block]; i < end; i++) {
        uint32_t row = leaf->rows[i] & (STRATA_BLOCK_ROWS - 1);
        any[row >> 6] |= UINT64_C(1) << (row & 63);
    }
    return strata_narrow_by(reader->kernels, any, negate, mask);
}

static inline uint32_t strata_narrow_present(const strata_reader *reader, const strata_leaf *leaf,
                                             int negate, uint64_t *mask) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t any[STRATA_BLOCK_WORDS];
    memset(any, 0, sizeof any);
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const uint8_t *base = strata_part(field, p);
        strata_mask_or_entry(any,
                             leaf->how ? &((const strata_text *)base)->presence
                                       : &((const strata_column *)base)->presence,
                             base);
    }
    return strata_narrow_by(reader->kernels, any, negate, mask);
}

/* ---------------------------------------------------------------------------- columns */

enum {
    STRATA_NOBODY = 0,
    STRATA_THE_PRESENT,
    STRATA_IN_RANGE,
    STRATA_IN_DOUBLES,
    STRATA_MEMBERS,
    STRATA_PASSES, /* one of few values: a range pass each */
    STRATA_SOUGHT  /* one of many, in a wide column: row by row */
};

/* What a leaf asks of one part of a column, in stored units. */
typedef struct {
    const strata_leaf *leaf;
    const strata_column *column;
    int how;
    uint64_t flip;           /* all ones where the present rows that do not hit are asked for */
    uint64_t first, span;
    uint64_t passes[STRATA_IN_PASSES];
    uint32_t pass_count;
    const uint64_t *members; /* bits by stored value */
    int needs_present;       /* a row that hits may be missing */
    const uint64_t *present; /* for masks: NULL where it need not be read */
    uint64_t made_present[STRATA_BLOCK_WORDS];
    uint64_t made_members[STRATA_BLOCK_WORDS];
} strata_question;

/* Words of what is sought among the rows of a mask. */
static inline void strata_sought_hits(const strata_question *question, uint32_t word,
                                      uint32_t words, const uint64_t *mask, uint64_t *hit) {
    const strata_column *column = question->column;
    const strata_leaf *leaf = question->leaf;
    uint32_t row = column->first_row + 64 * word;
    for (uint32_t w = 0; w < words; w++, row += 64) {
        hit[w] = 0;
        for (uint64_t rest = mask[w]; rest; rest &= rest - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(rest);
            uint64_t stored = strata_stored(column, row + bit);
            int64_t value = (int64_t)((uint64_t)column->base + column->step * stored);
            hit[w] |= (uint64_t)strata_has_int(leaf->ints, leaf->int_count, value) << bit;
        }
    }
}

static inline void strata_range_hits(const strata_kernels *kernels, const strata_column *column,
                                     uint32_t word, uint32_t words, uint64_t first, uint64_t span,
                                     uint64_t *hit) {
    const uint8_t *values =
        (const uint8_t *)column + column->values_offset + 64 * (size_t)column->width * word;
    switch (column->width) {
    case 1: kernels->range_u8(values, words, (uint8_t)first, (uint8_t)span, hit); break;
    case 2:
        kernels->range_u16((const uint16_t *)values, words, (uint16_t)first, (uint16_t)span, hit);
        break;
    case 4:
        kernels->range_u32((const uint32_t *)values, words, (uint32_t)first, (uint32_t)span, hit);
        break;
    default: kernels->range_u64((const uint64_t *)values, words, first, span, hit); break;
    }
}

static inline void strata_member_hits(const strata_kernels *kernels, const strata_column *column,
                                      uint32_t word, uint32_t words, const uint64_t *members,
                                      uint64_t *hit) {
    const uint8_t *values =
        (const uint8_t *)column + column->values_offset + 64 * (size_t)column->width * word;
    switch (column->width) {
    case 1: kernels->member_u8(values, words, members, hit); break;
    case 2: kernels->member_u16((const uint16_t *)values, words, members, hit); break;
    default: kernels->member_u32((const uint32_t *)values, words, members, hit); break;
    }
}

static inline void strata_passes_hits(const strata_kernels *kernels,
                                      const strata_question *question, uint32_t word,
                                      uint32_t words, uint64_t *hit) {
    uint64_t more[STRATA_STRIP_WORDS];
    memset(hit, 0, 8 * (size_t)words);
    for (uint32_t i = 0; i < question->pass_count; i++) {
        strata_range_hits(kernels, question->column, word, words, question->passes[i], 0, more);
        for (uint32_t w = 0; w < words; w++) hit[w] |= more[w];
    }
}

/* hit = rows of `words` words from `word` of the part on that hit; rows outside of `mask` may say
 * anything. */
static inline void strata_hits(const strata_kernels *kernels, const strata_question *question,
                               uint32_t word, uint32_t words, const uint64_t *mask,
                               uint64_t *hit) {
    const strata_column *column = question->column;
    switch (question->how) {
    case STRATA_NOBODY: memset(hit, 0, 8 * (size_t)words); break;
    case STRATA_THE_PRESENT: memset(hit, 0xFF, 8 * (size_t)words); break;
    case STRATA_IN_RANGE:
        strata_range_hits(kernels, column, word, words, question->first, question->span, hit);
        break;
    case STRATA_IN_DOUBLES:
        kernels->range_f64((const double *)((const uint8_t *)column + column->values_offset) +
                               64 * (size_t)word,
                           words, question->leaf->float_low, question->leaf->float_high, hit);
        break;
    case STRATA_MEMBERS:
        strata_member_hits(kernels, column, word, words, question->members, hit);
        break;
    case STRATA_PASSES: strata_passes_hits(kernels, question, word, words, hit); break;
    default: strata_sought_hits(question, word, words, mask, hit); break;
    }
}

static inline void strata_ask_codes(const strata_leaf *leaf, strata_question *question) {
    const strata_column *column = question->column;
    if (leaf->lowest_code > column->max_stored) {
        question->how = STRATA_NOBODY;
    } else if (leaf->contiguous) {
        /* A wider bound would not fit the part's width. */
        uint64_t highest = leaf->highest_code < column->max_stored ? leaf->highest_code
                                                                   : column->max_stored;
        question->how = STRATA_IN_RANGE;
        question->first = leaf->lowest_code;
        question->span = highest - leaf->lowest_code;
    } else {
        question->how = STRATA_MEMBERS;
        question->members = leaf->members;
    }
}

static inline void strata_ask_range(int64_t low, int64_t high, strata_question *question) {
    int state = strata_stored_range(question->column, low, high, &question->first,
                                    &question->span);
    question->how = state == STRATA_OPEN  ? STRATA_IN_RANGE
                    : state == STRATA_ALL ? STRATA_THE_PRESENT
                                          : STRATA_NOBODY;
}

/* How a part stores a value; 0 where it has no such value. */
static inline int strata_to_stored(const strata_column *column, int64_t value, uint64_t *stored) {
    uint64_t distance = (uint64_t)value - (uint64_t)column->base;
    *stored = distance / column->step;
    return value >= column->base && *stored <= column->max_stored &&
           *stored * column->step == distance;
}

/* The values of an `in` as bits by stored value, where the column is narrow. */
static inline void strata_ask_int_in(const strata_leaf *leaf, strata_question *question) {
    const strata_column *column = question->column;
    int is_narrow = column->width <= 2;
    uint64_t stored, found = 0;
    if (!is_narrow && leaf->int_count > STRATA_IN_PASSES) {
        question->how = STRATA_SOUGHT;
        return;
    }
    if (is_narrow) {
        memset(question->made_members, 0, column->width == 2 ? STRATA_BITSET_BYTES : 32);
    }
    for (uint32_t i = 0; i < leaf->int_count; i++) {
        if (!strata_to_stored(column, leaf->ints[i], &stored)) {
            continue;
        }
        if (is_narrow) {
            question->made_members[stored >> 6] |= UINT64_C(1) << (stored & 63);
        } else {
            question->passes[found] = stored;
        }
        found++;
    }
    question->members = question->made_members;
    question->pass_count = (uint32_t)found;
    question->how = !found          ? STRATA_NOBODY
                    : !is_narrow    ? STRATA_PASSES
                    : column->width ? STRATA_MEMBERS
                                    : STRATA_THE_PRESENT;
}

/* Whether a row that stores 0 hits. */
static inline int strata_zero_hits(const strata_question *question) {
    switch (question->how) {
    case STRATA_NOBODY: return 0;
    case STRATA_IN_RANGE: return question->first == 0;
    case STRATA_IN_DOUBLES:
        return question->leaf->float_low <= 0 && question->leaf->float_high >= 0;
    case STRATA_MEMBERS: return (int)(question->members[0] & 1);
    default: return 1;
    }
}

/* What a leaf asks of a part; `all_present`: no live row of the block is missing. */
static inline void strata_ask(const strata_leaf *leaf, const strata_column *column,
                              int all_present, strata_question *question) {
    question->leaf = leaf;
    question->column = column;
    question->flip = 0;
    question->needs_present = 0;
    if (leaf->op == STRATA_LEAF_CODES) {
        strata_ask_codes(leaf, question); /* 0 is no code: presence is in the values */
        return;
    }
    if (leaf->op == STRATA_LEAF_INT_RANGE) {
        strata_ask_range(leaf->low, leaf->high, question);
    } else if (leaf->op == STRATA_LEAF_INT_IN) {
        strata_ask_int_in(leaf, question);
    } else {
        question->how = STRATA_IN_DOUBLES;
    }
    question->flip = leaf->negated ? ~UINT64_C(0) : 0;
    question->needs_present = !all_present && (leaf->negated || strata_zero_hits(question));
}

/* The presence as a mask, where it has to be read: the stored bitset itself if it is one. */
static inline void strata_find_present(strata_question *question) {
    const strata_entry *presence = &question->column->presence;
    const uint8_t *base = (const uint8_t *)question->column;
    question->present = 0;
    if (question->needs_present && presence->kind == STRATA_BITSET) {
        question->present = (const uint64_t *)(base + presence->offset);
    } else if (question->needs_present) {
        strata_mask_from_entry(question->made_present, presence, base);
        question->present = question->made_present;
    }
}

/* The part's words by the kernel that narrows in place: mask &= (hit & present) ^ flip. */
static inline uint32_t strata_narrow_hits(const strata_kernels *kernels,
                                          const strata_question *question,
                                          const uint64_t *present, uint64_t flip, uint64_t *mask) {
    const strata_column *column = question->column;
    const void *values = (const uint8_t *)column + column->values_offset;
    uint32_t words = (column->row_count + 63) / 64;
    uint64_t low = question->first, span = question->span;
    if (question->how == STRATA_IN_DOUBLES) {
        return kernels->range_and_f64(values, words, question->leaf->float_low,
                                      question->leaf->float_high, present, flip, mask);
    }
    if (question->how == STRATA_MEMBERS) {
        switch (column->width) {
        case 1: return kernels->member_and_u8(values, words, question->members, flip, mask);
        case 2: return kernels->member_and_u16(values, words, question->members, flip, mask);
        default: return kernels->member_and_u32(values, words, question->members, flip, mask);
        }
    }
    switch (column->width) {
    case 1:
        return kernels->range_and_u8(values, words, (uint8_t)low, (uint8_t)span, present, flip,
                                     mask);
    case 2:
        return kernels->range_and_u16(values, words, (uint16_t)low, (uint16_t)span, present, flip,
                                      mask);
    case 4:
        return kernels->range_and_u32(values, words, (uint32_t)low, (uint32_t)span, present, flip,
                                      mask);
    default: return kernels->range_and_u64(values, words, low, span, present, flip, mask);
    }
}

static inline uint32_t strata_count_words(const uint64_t *mask, uint32_t words) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < words; w++) count += strata_popcount64(mask[w]);
    return count;
}

/* What no kernel does in place: hits of a few words at a time, then joined with the mask. */
static inline uint32_t strata_narrow_apart(const strata_kernels *kernels,
                                           const strata_question *question, uint64_t turn,
                                           uint64_t *mask) {
    uint32_t start = question->column->first_row / 64, left = 0;
    uint32_t words = (question->column->row_count + 63) / 64;
    uint64_t hit[STRATA_STRIP_WORDS];
    for (uint32_t word = 0; word < words; word += STRATA_STRIP_WORDS) {
        uint32_t count = words - word < STRATA_STRIP_WORDS ? words - word : STRATA_STRIP_WORDS;
        strata_hits(kernels, question, word, count, mask + word, hit);
        for (uint32_t w = 0; w < count; w++) {
            uint64_t holds = hit[w] ^ question->flip;
            if (question->present) {
                holds &= question->present[start + word + w];
            }
            mask[word + w] &= holds ^ turn;
        }
        left += strata_count_words(mask + word, count);
    }
    return left;
}

/* Cuts the words of the mask that are the part's own; returns the rows left in them. */
static inline uint32_t strata_narrow_part(const strata_kernels *kernels,
                                          const strata_question *question, int negate,
                                          uint64_t *mask) {
    uint32_t start = question->column->first_row / 64;
    uint32_t words = (question->column->row_count + 63) / 64;
    uint64_t turn = negate ? ~UINT64_C(0) : 0;
    const uint64_t *present = question->present ? question->present + start : 0;
    int is_range = question->how == STRATA_IN_RANGE || question->how == STRATA_IN_DOUBLES;
    uint64_t *own = mask + start;
    if (!is_range && question->how != STRATA_MEMBERS) {
        return strata_narrow_apart(kernels, question, turn, own);
    }
    if (!present || (is_range && !question->flip)) {
        return strata_narrow_hits(kernels, question, present, question->flip ^ turn, own);
    }
    if (negate) {
        return strata_narrow_apart(kernels, question, turn, own);
    }
    for (uint32_t w = 0; w < words; w++) own[w] &= present[w];
    return strata_narrow_hits(kernels, question, 0, question->flip, own);
}

/* Whether every live row of the reader's block is in the presence of a column. */
static inline int strata_nobody_lacks(const strata_reader *reader, const strata_field *field) {
    uint64_t present = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        present += ((const strata_column *)strata_part(field, p))->present_count;
    }
    return present == reader->live_count;
}

/* Words of rows that no part has: the leaf holds for none of them. Returns the rows left. */
static inline uint32_t strata_narrow_nobody(int negate, uint64_t *mask, uint32_t words) {
    if (negate) {
        return strata_count_words(mask, words);
    }
    memset(mask, 0, 8 * (size_t)words);
    return 0;
}

static inline uint32_t strata_narrow_column(const strata_reader *reader, const strata_leaf *leaf,
                                            int negate, uint64_t *mask) {
    const strata_field *field = &reader->fields[leaf->field];
    int all_present = strata_nobody_lacks(reader, field);
    strata_question question;
    uint32_t next = 0, left = 0; /* the first word that no part so far has reached */
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        uint32_t first = column->first_row / 64;
        left += strata_narrow_nobody(negate, mask + next, first - next);
        next = first + (column->row_count + 63) / 64;
        strata_ask(leaf, column, all_present, &question);
        strata_find_present(&question);
        left += strata_narrow_part(reader->kernels, &question, negate, mask);
    }
    return left + strata_narrow_nobody(negate, mask + next, STRATA_BLOCK_WORDS - next);
}

/* ------------------------------------------------------------------------------ leaves */

/* Cuts a mask of live rows to those for which a vector leaf holds, or to the others where `negate`
 * is; returns how many stay. */
static inline uint32_t strata_leaf_narrow(const strata_reader *reader, const strata_leaf *leaf,
                                          int negate, uint64_t *mask) {
    switch (leaf->op) {
    case STRATA_LEAF_SET: return strata_narrow_set(reader, leaf, negate, mask);
    case STRATA_LEAF_ROWS: return strata_narrow_list(reader, leaf, negate, mask);
    case STRATA_LEAF_PRESENT: return strata_narrow_present(reader, leaf, negate, mask);
    default: return strata_narrow_column(reader, leaf, negate, mask);
    }
}

/* Adds the rows of a set leaf to a mask; returns how many that then has. */
static inline uint32_t strata_leaf_unite(const strata_reader *reader, const strata_leaf *leaf,
                                         uint64_t *mask) {
    for (uint32_t i = 0; i < leaf->code_count; i++) {
        const uint8_t *base;
        const strata_entry *entry =
            strata_find_code(&reader->fields[leaf->field], reader->block, leaf->codes[i], &base);
        if (entry) {
            strata_mask_or_entry(mask, entry, base);
        }
    }
    return reader->kernels->mask_count(mask);
}

/* The one container that a leaf consists of in the reader's block, or NULL. */
static inline const strata_entry *strata_leaf_entry(const strata_reader *reader,
                                                    const strata_leaf *leaf,
                                                    const uint8_t **base) {
    if (leaf->op != STRATA_LEAF_SET || leaf->code_count != 1) {
        return 0;
    }
    return strata_find_code(&reader->fields[leaf->field], reader->block, leaf->codes[0], base);
}

#endif
