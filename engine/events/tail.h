/* The open end of the events of one type of one block: events are added in place.
 *
 * Columns have room and widths that anything fits in, so that adding is a copy and never a new
 * frame: ints as 8 bytes above the least int64, codes as 4, presence as bits whether all have a
 * value or not. A version is a head of its own over the same columns (layout.h, data_offset).
 *
 * Manual
 *   - One thread adds; others read versions meanwhile. What is added lies after the last event of
 *     every version, in the same words of presence at most, whose other bits stay.
 *   - The caller has made sure that there is room: events, and bytes of texts.
 *   - strata_tail_put_* write values of the next events, each once for every column, columns that
 *     no event has a value of included; strata_tail_advance ends it.
 */
#ifndef STRATA_TAIL_H
#define STRATA_TAIL_H

#include "engine/events/chunk.h"

/* A column and what is known of its values so far: `head` as versions state it, except that its
 * presence offset is always that of the bits. */
typedef struct {
    strata_event_column head;
    uint32_t byte_room;
} strata_tail_column;

typedef struct {
    uint8_t *memory;
    uint32_t capacity;
    uint32_t count;
    uint32_t column_count;
    int is_sorted;         /* by (time, row), so far */
    strata_tail_column *columns;
} strata_tail;

/* ------------------------------------------------------------------------------------ room */

static inline uint32_t strata_tail_width(uint32_t role, uint32_t kind) {
    if (role == STRATA_EVENT_ROW) return 2;
    return kind == STRATA_EVENT_CODES || kind == STRATA_EVENT_TEXTS ? 4 : 8;
}

static inline int strata_tail_has_bits(const strata_event_column *head) {
    return head->role == STRATA_EVENT_PROPERTY && head->kind != STRATA_EVENT_CODES;
}

/* Gives each column its place for the capacity; returns the bytes of all. */
static inline size_t strata_tail_place(strata_tail *tail) {
    size_t at = 64; /* no column is at 0, which would say that there is none */
    for (uint32_t i = 0; i < tail->column_count; i++) {
        strata_tail_column *column = tail->columns + i;
        column->head.values_offset = (uint32_t)at;
        at += (size_t)column->head.width * tail->capacity;
        at = (at + 63) & ~(size_t)63;
        if (strata_tail_has_bits(&column->head)) {
            column->head.presence_offset = (uint32_t)at;
            at += tail->capacity / 8;
            at = (at + 63) & ~(size_t)63;
        }
        if (column->head.kind == STRATA_EVENT_TEXTS) {
            column->head.bytes_offset = (uint32_t)at;
            at += column->byte_room;
            at = (at + 63) & ~(size_t)63;
        }
    }
    return at;
}

/* Copies the events of `from` to a tail with the same columns (and maybe more) at other places. */
static inline void strata_tail_copy(const strata_tail *from, strata_tail *to) {
    for (uint32_t i = 0, j = 0; i < from->column_count; i++, j++) {
        const strata_event_column *old = &from->columns[i].head;
        const strata_event_column *head = &to->columns[j].head;
        while (head->role != old->role || head->property != old->property)
            head = &to->columns[++j].head;
        memcpy(to->memory + head->values_offset, from->memory + old->values_offset,
               (size_t)old->width * from->count);
        if (strata_tail_has_bits(old))
            memcpy(to->memory + head->presence_offset, from->memory + old->presence_offset,
                   (from->count + 63) / 64 * 8);
        if (old->kind == STRATA_EVENT_TEXTS)
            memcpy(to->memory + head->bytes_offset, from->memory + old->bytes_offset,
                   old->byte_count);
    }
}

/* ---------------------------------------------------------------------------------- adding */

static inline void strata_tail_bound(strata_event_column *head, int64_t value) {
    if (head->present_count++ == 0) {
        head->low = head->high = value;
        return;
    }
    if (value < head->low) head->low = value;
    if (value > head->high) head->high = value;
}

/* Sets the presence of the event that is `i` after the last. */
static inline void strata_tail_mark(strata_tail *tail, const strata_tail_column *column,
                                    uint32_t i) {
    uint32_t event = tail->count + i;
    uint64_t *words = (uint64_t *)(void *)(tail->memory + column->head.presence_offset);
    words[event >> 6] |= (uint64_t)1 << (event & 63);
}

/* Before times: whether events stay in order is seen by them. */
static inline void strata_tail_put_rows(strata_tail *tail, const uint16_t *rows, uint32_t count) {
    strata_event_column *head = &tail->columns[0].head;
    memcpy(tail->memory + head->values_offset + 2 * (size_t)tail->count, rows, 2 * (size_t)count);
    for (uint32_t i = 0; i < count; i++) strata_tail_bound(head, rows[i]);
}

static inline void strata_tail_put_times(strata_tail *tail, const int64_t *times, uint32_t count) {
    strata_event_column *head = &tail->columns[1].head;
    uint64_t *to = (uint64_t *)(void *)(tail->memory + head->values_offset) + tail->count;
    const uint16_t *rows =
        strata_u16(tail->memory + tail->columns[0].head.values_offset) + tail->count;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (uint64_t)times[i] - (uint64_t)INT64_MIN;
        strata_tail_bound(head, times[i]);
    }
    /* Each with the one before it; the very first has none. */
    for (int64_t i = tail->count == 0; i < (int64_t)count; i++)
        tail->is_sorted &= to[i] > to[i - 1] || (to[i] == to[i - 1] && rows[i] >= rows[i - 1]);
}

/* `present` NULL: all have a value. */
static inline void strata_tail_put_ints(strata_tail *tail, uint32_t c, const int64_t *values,
                                        const uint8_t *present, uint32_t count) {
    strata_tail_column *column = tail->columns + c;
    uint64_t *to = (uint64_t *)(void *)(tail->memory + column->head.values_offset) + tail->count;
    for (uint32_t i = 0; i < count; i++) {
        if (present && !present[i]) continue;
        to[i] = (uint64_t)values[i] - (uint64_t)INT64_MIN;
        strata_tail_bound(&column->head, values[i]);
        strata_tail_mark(tail, column, i);
    }
}

/* Finite doubles. Bounds are kept as bits of doubles. */
static inline void strata_tail_put_floats(strata_tail *tail, uint32_t c, const double *values,
                                          const uint8_t *present, uint32_t count) {
    strata_tail_column *column = tail->columns + c;
    double *to = (double *)(void *)(tail->memory + column->head.values_offset) + tail->count;
    double low, high;
    memcpy(&low, &column->head.low, 8);
    memcpy(&high, &column->head.high, 8);
    for (uint32_t i = 0; i < count; i++) {
        if (present && !present[i]) continue;
        double value = values[i] + 0.0; /* -0.0 becomes 0.0 */
        to[i] = value;
        if (column->head.present_count++ == 0) low = high = value;
        low = value < low ? value : low;
        high = value > high ? value : high;
        strata_tail_mark(tail, column, i);
    }
    memcpy(&column->head.low, &low, 8);
    memcpy(&column->head.high, &high, 8);
}

/* 0 where missing. */
static inline void strata_tail_put_codes(strata_tail *tail, uint32_t c, const uint32_t *codes,
                                         uint32_t count) {
    strata_event_column *head = &tail->columns[c].head;
    uint32_t *to = (uint32_t *)(void *)(tail->memory + head->values_offset) + tail->count;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = codes[i];
        if (codes[i]) strata_tail_bound(head, codes[i]);
    }
}

/* 0 where missing. */
static inline void strata_tail_put_digests(strata_tail *tail, uint32_t c, const uint64_t *digests,
                                           uint32_t count) {
    strata_event_column *head = &tail->columns[c].head;
    uint64_t *to = (uint64_t *)(void *)(tail->memory + head->values_offset) + tail->count;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = digests[i];
        head->present_count += digests[i] != 0;
    }
}

/* Text i is data[offsets[i]:offsets[i + 1]]; `data` may be NULL where all are empty or missing. */
static inline void strata_tail_put_texts(strata_tail *tail, uint32_t c, const int64_t *offsets,
                                         const uint8_t *data, const uint8_t *present,
                                         uint32_t count) {
    strata_tail_column *column = tail->columns + c;
    uint32_t *ends =
        (uint32_t *)(void *)(tail->memory + column->head.values_offset) + tail->count;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = present && !present[i] ? 0 : (size_t)(offsets[i + 1] - offsets[i]);
        if (length)
            memcpy(tail->memory + column->head.bytes_offset + column->head.byte_count,
                   data + offsets[i], length);
        column->head.byte_count += (uint32_t)length;
        ends[i] = column->head.byte_count;
        if (present && !present[i]) continue;
        column->head.present_count++;
        strata_tail_mark(tail, column, i);
    }
}

/* A property that none of the next events has. */
static inline void strata_tail_put_missing(strata_tail *tail, uint32_t c, uint32_t count) {
    strata_event_column *head = &tail->columns[c].head;
    if (head->kind != STRATA_EVENT_TEXTS) return; /* memory is zero where nothing was put */
    uint32_t *ends = (uint32_t *)(void *)(tail->memory + head->values_offset) + tail->count;
    for (uint32_t i = 0; i < count; i++) ends[i] = head->byte_count;
}

/* A property of events to come, in arrays as strata_tail_put_* take them; `data` are texts. */
typedef struct {
    uint32_t property;
    uint32_t kind;
    const void *values;
    const uint8_t *present;
    const uint8_t *data;
} strata_event_source;

/* The source of a column, or NULL where none of the next events has the property. */
static inline const strata_event_source *strata_source_of(const strata_event_column *head,
                                                          const strata_event_source *sources,
                                                          uint32_t source_count) {
    if (head->role != STRATA_EVENT_PROPERTY) return 0;
    for (uint32_t i = 0; i < source_count; i++) {
        if (sources[i].property == head->property) return sources + i;
    }
    return 0;
}

/* Whether events start .. start + count - 1 of the sources can be put: there is room, and a column
 * for each source, of its kind. */
static inline int strata_tail_takes(const strata_tail *tail, const strata_event_source *sources,
                                    uint32_t source_count, uint32_t start, uint32_t count) {
    uint32_t known = 0;
    if (tail->count + count > tail->capacity) return 0;
    for (uint32_t c = 2; c < tail->column_count; c++) {
        const strata_tail_column *column = tail->columns + c;
        const strata_event_source *source =
            strata_source_of(&column->head, sources, source_count);
        if (!source) continue;
        if (source->kind != column->head.kind) return 0;
        if (source->kind == STRATA_EVENT_TEXTS) {
            const int64_t *offsets = (const int64_t *)source->values + start;
            if ((uint64_t)(offsets[count] - offsets[0]) + column->head.byte_count >
                column->byte_room)
                return 0;
        }
        known++;
    }
    return known == source_count;
}

/* Writes the properties of events start .. start + count - 1, which the tail takes. */
static inline void strata_tail_put_columns(strata_tail *tail, const strata_event_source *sources,
                                           uint32_t source_count, uint32_t start,
                                           uint32_t count) {
    for (uint32_t c = 2; c < tail->column_count; c++) {
        const strata_event_column *head = &tail->columns[c].head;
        const strata_event_source *source = strata_source_of(head, sources, source_count);
        if (!source) {
            if (head->role == STRATA_EVENT_PROPERTY) strata_tail_put_missing(tail, c, count);
            continue;
        }
        const uint8_t *present = source->present ? source->present + start : 0;
        switch (source->kind) {
        case STRATA_EVENT_CODES:
            strata_tail_put_codes(tail, c, (const uint32_t *)source->values + start, count);
            break;
        case STRATA_EVENT_TEXTS:
            strata_tail_put_texts(tail, c, (const int64_t *)source->values + start, source->data,
                                  present, count);
            break;
        case STRATA_EVENT_INTS:
            strata_tail_put_ints(tail, c, (const int64_t *)source->values + start, present, count);
            break;
        default:
            strata_tail_put_floats(tail, c, (const double *)source->values + start, present,
                                   count);
        }
    }
}

static inline void strata_tail_advance(strata_tail *tail, uint32_t count) { tail->count += count; }

/* -------------------------------------------------------------------------------- versions */

static inline uint32_t strata_tail_columns_in_use(const strata_tail *tail) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < tail->column_count; i++)
        count += tail->columns[i].head.present_count != 0;
    return count;
}

/* Writes the head of the version that has all events so far, which are at least one, to `out`:
 * room for a strata_chunk and the columns in use. */
static inline void strata_tail_write_head(const strata_tail *tail, strata_chunk *out) {
    strata_event_column *columns = (strata_event_column *)(out + 1);
    uint32_t used = 0;
    for (uint32_t i = 0; i < tail->column_count; i++) {
        strata_event_column head = tail->columns[i].head;
        if (head.present_count == 0) continue;
        if (head.present_count == tail->count) head.presence_offset = 0;
        columns[used++] = head;
    }
    *out = (strata_chunk){
        .version = STRATA_CHUNK_VERSION,
        .flags = STRATA_CHUNK_TAIL | (tail->is_sorted ? STRATA_CHUNK_SORTED : 0),
        .column_count = used,
        .event_count = tail->count,
        .capacity = tail->capacity,
        .size = (uint32_t)(sizeof *out + used * sizeof *columns),
        .data_offset = (uint64_t)((uintptr_t)tail->memory - (uintptr_t)out),
    };
}

#endif
