/* Message UpdateRows (proto/strata/v1/ingest.proto), as flat arrays.
 *
 * The bytes are those that protobuf wrote of a message that it had read: strings are UTF-8. All
 * else is checked, and nothing is read outside them. The layout is that of the protocol buffers
 * encoding specification. Fields that are not known here are passed over.
 *
 * What a record says becomes *entries*, in the order of its bytes:
 *
 *   part        1 identifier  2 attribute  3 unset  4 set change  5 giver  6 time  7 event
 *               (the numbers of the fields of ProfileUpdate), and of an event
 *               8 property  9 id  10 time  11 gone
 *   row         the record; of 8 to 11 the event, by its number in the batch
 *   name        number of the kind, attribute, type or property; 0 where the part has no name
 *   kind        attribute, property: the number of its field of Value, 0 for none; set change: 1 adds,
 *               2 removes, 0 neither; else 0
 *   value       string: where it begins; set, set change: its first element; int: itself; float:
 *               its bits; bool: 0 or 1; time: microseconds
 *               event: its number
 *   size        string: bytes; set, set change: elements; time: 1 where there is no such time
 *
 * Elements are the strings of sets: where each begins, and its bytes.
 */
#ifndef STRATA_UPDATE_WIRE_H
#define STRATA_UPDATE_WIRE_H

#include "engine/columns/string_index.h"

enum {
    STRATA_PART_IDENTIFIER = 1,
    STRATA_PART_ATTRIBUTE,
    STRATA_PART_UNSET,
    STRATA_PART_CHANGE,
    STRATA_PART_GIVER,
    STRATA_PART_TIME,
    STRATA_PART_EVENT,
    STRATA_PART_PROPERTY,
    STRATA_PART_EVENT_ID,
    STRATA_PART_EVENT_TIME,
    STRATA_PART_EVENT_GONE,
    /* Numbers of the fields of Value. */
    STRATA_VALUE_STRING = 1,
    STRATA_VALUE_INT,
    STRATA_VALUE_DECIMAL,
    STRATA_VALUE_FLOAT,
    STRATA_VALUE_BOOL,
    STRATA_VALUE_DATE,
    STRATA_VALUE_TIME,
    STRATA_VALUE_SET,
    STRATA_VALUE_DURATION,
    /* Groups within groups; protobuf itself reads no more. */
    STRATA_WIRE_DEPTH = 100,
};

typedef struct {
    const uint8_t *at, *end;
    uint32_t number, type;
    uint64_t word;         /* the value of a number; the size of what has a length */
    const uint8_t *bytes;  /* what has a length */
} strata_field;

/* Where entries and elements go. Without arrays they are only counted. */
typedef struct {
    const uint8_t *base;
    strata_string_index *names;
    int64_t time_least, time_most;
    int64_t entry_count, element_count, event_count;
    uint8_t *parts, *kinds;
    uint32_t *rows;
    int32_t *name_numbers;
    int64_t *values, *sizes;
    int64_t *element_starts, *element_sizes;
} strata_entries;

static inline strata_field strata_field_of(const uint8_t *at, uint64_t size) {
    strata_field field = {at, at + size, 0, 0, 0, at};
    return field;
}

/* 1, or 0 where the bytes end within a number or it has more than 64 bits. */
static inline int strata_wire_varint(strata_field *field, uint64_t *value) {
    uint64_t found = 0;
    for (int shift = 0; shift < 70 && field->at < field->end; shift += 7) {
        uint8_t byte = *field->at++;
        found |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = found;
            return 1;
        }
    }
    return 0;
}

/* Goes to the next field: 1; 0 at the end; -1 where the bytes make no sense. */
static inline int strata_wire_next(strata_field *field) {
    int depth = 0;
    while (field->at < field->end) {
        uint64_t tag, left;
        if (!strata_wire_varint(field, &tag)) return -1;
        field->number = (uint32_t)(tag >> 3);
        field->type = (uint32_t)(tag & 7);
        switch (field->type) {
        case 0:
            if (!strata_wire_varint(field, &field->word)) return -1;
            break;
        case 1:
            if (field->end - field->at < 8) return -1;
            field->word = strata_hash_load64(field->at);
            field->at += 8;
            break;
        case 2:
            if (!strata_wire_varint(field, &field->word)) return -1;
            left = (uint64_t)(field->end - field->at);
            if (field->word > left) return -1;
            field->bytes = field->at;
            field->at += field->word;
            break;
        case 3:
            if (++depth > STRATA_WIRE_DEPTH) return -1;
            continue;
        case 4:
            if (--depth < 0) return -1;
            continue;
        case 5:
            if (field->end - field->at < 4) return -1;
            field->word = strata_hash_load32(field->at);
            field->at += 4;
            break;
        default:
            return -1;
        }
        if (depth == 0) return 1;
    }
    return depth == 0 ? 0 : -1;
}

/* One more element; its number. */
static inline void strata_wire_element(strata_entries *out, const strata_field *field) {
    if (out->element_starts) {
        out->element_starts[out->element_count] = field->bytes - out->base;
        out->element_sizes[out->element_count] = (int64_t)field->word;
    }
    out->element_count++;
}

/* One more entry. 0 where memory ran out. */
static inline int strata_wire_entry(strata_entries *out, uint32_t row, uint8_t part,
                                    strata_field name, uint8_t kind, int64_t value,
                                    int64_t size) {
    if (out->rows) {
        int64_t number = 0, at = out->entry_count;
        if (part <= STRATA_PART_CHANGE || part == STRATA_PART_EVENT
            || part == STRATA_PART_PROPERTY) {
            uint64_t hash = strata_xxh64(name.bytes, (size_t)name.word, 0);
            number = strata_index_add(out->names, hash, name.bytes, (int64_t)name.word);
            if (number < 0) return 0;
        }
        out->parts[at] = part;
        out->kinds[at] = kind;
        out->rows[at] = row;
        out->name_numbers[at] = (int32_t)number;
        out->values[at] = value;
        out->sizes[at] = size;
    }
    out->entry_count++;
    return 1;
}

/* Message Timestamp in whole microseconds; `bad` where there is no such time. */
static inline int strata_wire_time(const strata_entries *out, strata_field stamp,
                                   int64_t *time_us, int64_t *bad) {
    strata_field field = strata_field_of(stamp.bytes, stamp.word);
    int64_t seconds = 0, nanos = 0;
    int more;
    while ((more = strata_wire_next(&field)) > 0) {
        if (field.type != 0) continue;
        if (field.number == 1) seconds = (int64_t)field.word;
        if (field.number == 2) nanos = (int32_t)field.word;
    }
    /* Of any sign; far inside of what 64 bits hold. */
    const int64_t most_s = (int64_t)1 << 42;
    *bad = seconds > most_s || seconds < -most_s || nanos < 0 || nanos >= 1000000000;
    *time_us = *bad ? 0 : seconds * 1000000 + nanos / 1000;
    *bad |= *time_us < out->time_least || *time_us > out->time_most;
    return more == 0;
}

/* Message Value. */
static inline int strata_wire_value(strata_entries *out, strata_field message, uint8_t *kind,
                                    int64_t *value, int64_t *size) {
    strata_field field = strata_field_of(message.bytes, message.word), inner;
    const int64_t first = out->element_count;
    int more;
    while ((more = strata_wire_next(&field)) > 0) {
        if (field.number < STRATA_VALUE_STRING || field.number > STRATA_VALUE_DURATION) continue;
        *kind = (uint8_t)field.number;
        *value = *size = 0;
        out->element_count = first;
        switch (field.number) {
        case STRATA_VALUE_STRING:
        case STRATA_VALUE_DECIMAL:
        case STRATA_VALUE_DATE:
        case STRATA_VALUE_DURATION:
            if (field.type != 2) return 0;
            *value = field.bytes - out->base;
            *size = (int64_t)field.word;
            break;
        case STRATA_VALUE_INT:
            if (field.type != 0) return 0;
            *value = (int64_t)(field.word >> 1 ^ (0 - (field.word & 1)));
            break;
        case STRATA_VALUE_FLOAT:
            if (field.type != 1) return 0;
            *value = (int64_t)field.word;
            break;
        case STRATA_VALUE_BOOL:
            if (field.type != 0) return 0;
            *value = field.word != 0;
            break;
        case STRATA_VALUE_TIME:
            if (field.type != 2 || !strata_wire_time(out, field, value, size)) return 0;
            break;
        default:
            if (field.type != 2) return 0;
            *value = first;
            inner = strata_field_of(field.bytes, field.word);
            while ((more = strata_wire_next(&inner)) > 0)
                if (inner.number == 1 && inner.type == 2) strata_wire_element(out, &inner);
            if (more < 0) return 0;
            *size = out->element_count - first;
        }
    }
    return more == 0;
}

/* Messages Identifier and NamedValue: field 1 is the name, field 2 the value. */
static inline int strata_wire_named(strata_entries *out, uint32_t row, uint8_t part,
                                    strata_field message) {
    strata_field field = strata_field_of(message.bytes, message.word);
    strata_field name = strata_field_of(message.bytes, 0);
    uint8_t kind = 0;
    int64_t value = 0, size = 0;
    int more;
    while ((more = strata_wire_next(&field)) > 0) {
        if (field.type != 2) continue;
        if (field.number == 1) {
            name = field;
        } else if (field.number == 2 && part == STRATA_PART_IDENTIFIER) {
            value = field.bytes - out->base;
            size = (int64_t)field.word;
        } else if (field.number == 2) {
            if (!strata_wire_value(out, field, &kind, &value, &size)) return 0;
        }
    }
    return more == 0 && strata_wire_entry(out, row, part, name, kind, value, size);
}

/* Message SetChange. */
static inline int strata_wire_change(strata_entries *out, uint32_t row, strata_field message) {
    strata_field field = strata_field_of(message.bytes, message.word);
    strata_field name = strata_field_of(message.bytes, 0);
    const int64_t first = out->element_count;
    uint8_t operation = 0;
    int more;
    while ((more = strata_wire_next(&field)) > 0) {
        if (field.number == 1 && field.type == 2) name = field;
        if (field.number == 2 && field.type == 0)
            operation = field.word == 1 || field.word == 2 ? (uint8_t)field.word : 0;
        if (field.number == 3 && field.type == 2) strata_wire_element(out, &field);
    }
    return more == 0
           && strata_wire_entry(out, row, STRATA_PART_CHANGE, name, operation, first,
                                out->element_count - first);
}

/* Message Event. */
static inline int strata_wire_event(strata_entries *out, uint32_t row, strata_field message) {
    strata_field field = strata_field_of(message.bytes, message.word);
    strata_field name = strata_field_of(message.bytes, 0);
    const uint32_t event = (uint32_t)out->event_count++;
    int64_t time_us, bad;
    int more, done = 1;
    while (done && (more = strata_wire_next(&field)) > 0) {
        if (field.number == 5 && field.type == 0 && field.word)
            done = strata_wire_entry(out, event, STRATA_PART_EVENT_GONE, field, 0, 1, 0);
        if (field.type != 2) continue;
        switch (field.number) {
        case 1:
            name = field;
            break;
        case 2:
            if (field.word)
                done = strata_wire_entry(out, event, STRATA_PART_EVENT_ID, field, 0,
                                         field.bytes - out->base, (int64_t)field.word);
            break;
        case 3:
            done = strata_wire_time(out, field, &time_us, &bad)
                   && strata_wire_entry(out, event, STRATA_PART_EVENT_TIME, field, 0, time_us,
                                        bad);
            break;
        case 4:
            done = strata_wire_named(out, event, STRATA_PART_PROPERTY, field);
            break;
        default:
            break;
        }
    }
    return done && more == 0
           && strata_wire_entry(out, row, STRATA_PART_EVENT, name, 0, event, 0);
}

/* Message ProfileUpdate. */
static inline int strata_wire_update(strata_entries *out, uint32_t row, strata_field message) {
    strata_field field = strata_field_of(message.bytes, message.word);
    int64_t time_us, bad;
    int more, done = 1;
    while (done && (more = strata_wire_next(&field)) > 0) {
        if (field.type != 2) continue;
        switch (field.number) {
        case STRATA_PART_IDENTIFIER:
        case STRATA_PART_ATTRIBUTE:
            done = strata_wire_named(out, row, (uint8_t)field.number, field);
            break;
        case STRATA_PART_UNSET:
            done = strata_wire_entry(out, row, STRATA_PART_UNSET, field, 0, 0, 0);
            break;
        case STRATA_PART_CHANGE:
            done = strata_wire_change(out, row, field);
            break;
        case STRATA_PART_GIVER:
            if (field.word)
                done = strata_wire_entry(out, row, STRATA_PART_GIVER, field, 0,
                                         field.bytes - out->base, (int64_t)field.word);
            break;
        case STRATA_PART_TIME:
            done = strata_wire_time(out, field, &time_us, &bad)
                   && strata_wire_entry(out, row, STRATA_PART_TIME, field, 0, time_us, bad);
            break;
        case STRATA_PART_EVENT:
            done = strata_wire_event(out, row, field);
            break;
        default:
            break;
        }
    }
    return done && more == 0;
}

/* Message UpdateRows; the number of records, or -1 where the bytes make no sense or memory ran
 * out. */
static inline int64_t strata_wire_rows(strata_entries *out, const uint8_t *bytes, int64_t size) {
    strata_field field = strata_field_of(bytes, (uint64_t)size);
    int64_t rows = 0;
    int more;
    out->base = bytes;
    out->entry_count = out->element_count = out->event_count = 0;
    while ((more = strata_wire_next(&field)) > 0) {
        if (field.number != 1 || field.type != 2) continue;
        if (!strata_wire_update(out, (uint32_t)rows, field)) return -1;
        rows++;
    }
    return more == 0 ? rows : -1;
}

/* Writes strings one after the other; offsets[i] is where string i begins, offsets[count] where
 * the last one ends. */
static inline void strata_wire_copy(const uint8_t *base, const int64_t *starts,
                                    const int64_t *sizes, int64_t count, int32_t *offsets,
                                    uint8_t *out) {
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        offsets[i] = (int32_t)at;
        if (sizes[i]) memcpy(out + at, base + starts[i], (size_t)sizes[i]);
        at += sizes[i];
    }
    offsets[count] = (int32_t)at;
}

#endif
