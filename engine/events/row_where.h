/* A `where` for one event: what where.h says of it, without a mask of its chunk.
 *
 * Whoever looks at a few events of many chunks asks about each by itself; a mask of 16,384 events
 * for two of them takes a hundred times as long. Nodes, their order and their logic are those of
 * where.h.
 */
#ifndef STRATA_ROW_WHERE_H
#define STRATA_ROW_WHERE_H

#include "engine/events/where.h"

static inline int strata_event_passes_leaf(const strata_where *node, const strata_chunk *chunk,
                                           uint32_t event) {
    if (node->kind == STRATA_WHERE_CALL) {
        uint64_t words[STRATA_CHUNK_WORDS];
        uint32_t word = event / 64;
        int says = node->test(node, chunk, word, word + 1, words);
        if (says != STRATA_EVENTS_SOME) return says == STRATA_EVENTS_ALL;
        return (int)(words[word] >> (event & 63)) & 1;
    }
    if (node->kind == STRATA_WHERE_ROWS) {
        uint32_t row = strata_event_rows(chunk)[event];
        return (int)(node->members[row >> 6] >> (row & 63)) & 1;
    }
    const strata_event_column *column =
        strata_find_event_column(chunk, STRATA_EVENT_PROPERTY, node->property);
    if (!column || !strata_event_has(chunk, column, event)) return 0;
    switch (node->kind) {
    case STRATA_WHERE_PRESENT: return 1;
    case STRATA_WHERE_RANGE: {
        int64_t value = strata_event_int(chunk, column, event);
        return node->low <= value && value <= node->high;
    }
    case STRATA_WHERE_CODES: {
        uint64_t code = (uint64_t)strata_event_int(chunk, column, event);
        return (int)(node->members[code >> 6] >> (code & 63)) & 1;
    }
    case STRATA_WHERE_FLOATS: {
        int64_t bits = strata_event_int(chunk, column, event);
        double value;
        memcpy(&value, &bits, 8);
        return node->low_float <= value && value <= node->high_float;
    }
    default: {
        uint32_t length;
        const uint8_t *text = strata_event_text(chunk, column, event, &length);
        return strata_text_matches(text, length, node->how, node->needle, node->needle_length);
    }
    }
}

/* Whether the nodes hold for an event; no nodes, no condition. */
static inline int strata_event_passes(const strata_where *nodes, uint32_t node_count,
                                      const strata_chunk *chunk, uint32_t event) {
    uint8_t says[STRATA_WHERE_DEPTH];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].kind == STRATA_WHERE_NOT) {
            says[depth - 1] = !says[depth - 1];
        } else if (nodes[i].kind == STRATA_WHERE_AND) {
            depth--;
            says[depth - 1] &= says[depth];
        } else if (nodes[i].kind == STRATA_WHERE_OR) {
            depth--;
            says[depth - 1] |= says[depth];
        } else {
            says[depth++] = (uint8_t)strata_event_passes_leaf(nodes + i, chunk, event);
        }
    }
    return node_count == 0 || says[0];
}

#endif
