/* A `where` over one chunk: conditions on properties, joined by and, or and not.
 *
 * The nodes stand in postfix order; a condition pushes which events it holds for, `and` and `or`
 * take two, `not` one. Bounds of columns decide what they can before values are looked at, and
 * such a decision goes up: `and` with none is none whatever the other says.
 * Logic is two-valued: a condition on a missing value is false, and `not` is plain negation.
 */
#ifndef STRATA_WHERE_H
#define STRATA_WHERE_H

#include "engine/events/picks.h"

enum {
    STRATA_WHERE_PRESENT = 1, /* the property is there */
    STRATA_WHERE_RANGE = 2,   /* low <= int, code or bool <= high */
    STRATA_WHERE_CODES = 3,   /* code in members */
    STRATA_WHERE_FLOATS = 4,  /* low_float <= float <= high_float */
    STRATA_WHERE_TEXT = 5,    /* the text contains, starts with or ends with the needle */
    STRATA_WHERE_ROWS = 6,    /* the event is of a row in members, a mask of the block */
    STRATA_WHERE_CALL = 7,    /* what test says, for what the others do not cover */
    STRATA_WHERE_AND = 8,
    STRATA_WHERE_OR = 9,
    STRATA_WHERE_NOT = 10,
};

typedef struct strata_where strata_where;

struct strata_where {
    uint32_t kind;
    uint32_t property;
    int64_t low, high;
    double low_float, high_float;
    const uint64_t *members;
    int how;                /* STRATA_TEXT_* */
    uint32_t needle_length;
    const uint8_t *needle;
    int (*test)(const strata_where *node, const strata_chunk *chunk, uint32_t first_word,
                uint32_t end_word, uint64_t *out);
    void *context;          /* of test */
};

/* Masks that may wait at a time: a `where` is at most so deep, each level with one half done. */
#define STRATA_WHERE_DEPTH 72

typedef struct {
    uint64_t words[STRATA_WHERE_DEPTH][STRATA_CHUNK_WORDS];
} strata_where_scratch;

static inline int strata_test_leaf(const strata_kernels *kernels, const strata_chunk *chunk,
                                   const strata_where *node, uint32_t first, uint32_t end,
                                   uint64_t *out) {
    const strata_event_column *column =
        strata_find_event_column(chunk, STRATA_EVENT_PROPERTY, node->property);
    switch (node->kind) {
    case STRATA_WHERE_PRESENT:
        return strata_test_present(kernels, chunk, column, first, end, out);
    case STRATA_WHERE_RANGE:
        return strata_test_range(kernels, chunk, column, node->low, node->high, first, end, out);
    case STRATA_WHERE_CODES:
        return strata_test_codes(kernels, chunk, column, node->members, first, end, out);
    case STRATA_WHERE_FLOATS:
        return strata_test_floats(kernels, chunk, column, node->low_float, node->high_float, first,
                                  end, out);
    case STRATA_WHERE_TEXT:
        return strata_test_texts(chunk, column, node->how, node->needle, node->needle_length,
                                 first, end, out);
    case STRATA_WHERE_ROWS:
        return strata_test_rows(kernels, chunk, node->members, first, end, out);
    default: return node->test(node, chunk, first, end, out);
    }
}

/* Joins the mask b into a; what only bounds decided has no mask. */
static inline int strata_join_tests(int is_and, int a_says, uint64_t *a, int b_says,
                                    const uint64_t *b, uint32_t first, uint32_t end) {
    int deciding = is_and ? STRATA_EVENTS_NONE : STRATA_EVENTS_ALL;
    if (a_says == deciding || b_says == deciding) return deciding;
    if (b_says != STRATA_EVENTS_SOME) return a_says;
    if (a_says != STRATA_EVENTS_SOME) {
        memcpy(a + first, b + first, 8 * (size_t)(end - first));
        return STRATA_EVENTS_SOME;
    }
    if (is_and) {
        for (uint32_t w = first; w < end; w++) a[w] &= b[w];
    } else {
        for (uint32_t w = first; w < end; w++) a[w] |= b[w];
    }
    return STRATA_EVENTS_SOME;
}

/* Which events the nodes hold for, in scratch->words[0] where the answer is SOME. */
static inline int strata_test_where(const strata_kernels *kernels, const strata_chunk *chunk,
                                    const strata_where *nodes, uint32_t node_count,
                                    uint32_t first, uint32_t end,
                                    strata_where_scratch *scratch) {
    int says[STRATA_WHERE_DEPTH];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        uint64_t *top = scratch->words[depth - (depth != 0)];
        if (nodes[i].kind == STRATA_WHERE_NOT) {
            int *said = says + depth - 1;
            if (*said == STRATA_EVENTS_SOME)
                for (uint32_t w = first; w < end; w++) top[w] = ~top[w];
            else *said = *said == STRATA_EVENTS_ALL ? STRATA_EVENTS_NONE : STRATA_EVENTS_ALL;
        } else if (nodes[i].kind >= STRATA_WHERE_AND) {
            depth--;
            says[depth - 1] = strata_join_tests(nodes[i].kind == STRATA_WHERE_AND, says[depth - 1],
                                                scratch->words[depth - 1], says[depth], top, first,
                                                end);
        } else {
            says[depth] = strata_test_leaf(kernels, chunk, nodes + i, first, end,
                                           scratch->words[depth]);
            depth++;
        }
    }
    return says[0];
}

/* Picks the events in [from, to) that the nodes hold for; no nodes, no condition. Returns whether
 * any may be picked. */
static inline int strata_pick_events(const strata_kernels *kernels, const strata_chunk *chunk,
                                     int64_t from, int64_t to, const strata_where *nodes,
                                     uint32_t node_count, strata_where_scratch *scratch,
                                     strata_picks *picks) {
    if (!strata_pick_window(kernels, chunk, from, to, picks)) return 0;
    if (node_count == 0) return 1;
    int verdict = strata_test_where(kernels, chunk, nodes, node_count, strata_first_word(picks),
                                    strata_end_word(picks), scratch);
    return strata_narrow_picks(picks, verdict, scratch->words[0]);
}

/* Leaves only events that have a value; `column` may be NULL. */
static inline int strata_keep_present(const strata_kernels *kernels, const strata_chunk *chunk,
                                      const strata_event_column *column, strata_picks *picks) {
    uint64_t words[STRATA_CHUNK_WORDS];
    int verdict = strata_test_present(kernels, chunk, column, strata_first_word(picks),
                                      strata_end_word(picks), words);
    return strata_narrow_picks(picks, verdict, words);
}

#endif
