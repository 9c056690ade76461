"""The C structures of a program, as Cython sees them (engine/core/*.h)."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "engine/core/kernels.h" nogil:
    const uint32_t STRATA_BLOCK_ROWS
    const uint32_t STRATA_BLOCK_WORDS
    const uint32_t STRATA_MASK_STRIDE
    const uint32_t STRATA_LEAST_MEMBERS
    const uint32_t STRATA_BITSET_BYTES

    const uint32_t STRATA_CUTS_MOST

    ctypedef struct strata_cuts:
        uint32_t before
        uint32_t steps
        uint32_t *cuts
        uint32_t cut_count

    int strata_divide_cuts(strata_cuts *all, uint32_t highest) noexcept

    ctypedef struct strata_kernels:
        const char *name
        uint32_t (*mask_count)(const uint64_t *) noexcept nogil
        uint32_t (*mask_and)(uint64_t *, const uint64_t *) noexcept nogil
        uint32_t (*mask_or)(uint64_t *, const uint64_t *) noexcept nogil
        uint32_t (*mask_and_not)(uint64_t *, const uint64_t *) noexcept nogil
        void (*range_u8)(const uint8_t *, uint32_t, uint8_t, uint8_t, uint64_t *) noexcept nogil
        void (*range_u16)(const uint16_t *, uint32_t, uint16_t, uint16_t, uint64_t *) noexcept nogil
        void (*range_u32)(const uint32_t *, uint32_t, uint32_t, uint32_t, uint64_t *) noexcept nogil
        void (*range_u64)(const uint64_t *, uint32_t, uint64_t, uint64_t, uint64_t *) noexcept nogil
        void (*range_f64)(const double *, uint32_t, double, double, uint64_t *) noexcept nogil
        void (*member_u8)(const uint8_t *, uint32_t, const uint64_t *, uint64_t *) noexcept nogil
        void (*member_u16)(const uint16_t *, uint32_t, const uint64_t *, uint64_t *) noexcept nogil
        void (*member_u32)(const uint32_t *, uint32_t, const uint64_t *, uint64_t *) noexcept nogil
        uint32_t (*mask_join)(
            const uint64_t *const *, const uint64_t *, uint32_t, uint64_t *) noexcept nogil
        uint32_t (*mask_join_any)(
            const uint64_t *const *, const uint32_t *, const uint64_t *, uint32_t,
            uint64_t *) noexcept nogil
        void (*code_masks_u8)(const uint8_t *, uint32_t, uint32_t, uint64_t *) noexcept nogil
        void (*range_masks_u8)(
            const uint8_t *, uint32_t, const uint8_t *, const uint8_t *, uint32_t,
            uint64_t *) noexcept nogil
        void (*ranks_u32)(
            const uint32_t *, uint32_t, const strata_cuts *, uint8_t *) noexcept nogil
        uint32_t (*range_and_u8)(
            const uint8_t *, uint32_t, uint8_t, uint8_t, const uint64_t *, uint64_t,
            uint64_t *) noexcept nogil
        uint32_t (*range_and_u16)(
            const uint16_t *, uint32_t, uint16_t, uint16_t, const uint64_t *, uint64_t,
            uint64_t *) noexcept nogil
        uint32_t (*range_and_u32)(
            const uint32_t *, uint32_t, uint32_t, uint32_t, const uint64_t *, uint64_t,
            uint64_t *) noexcept nogil
        uint32_t (*range_and_u64)(
            const uint64_t *, uint32_t, uint64_t, uint64_t, const uint64_t *, uint64_t,
            uint64_t *) noexcept nogil
        uint32_t (*range_and_f64)(
            const double *, uint32_t, double, double, const uint64_t *, uint64_t,
            uint64_t *) noexcept nogil
        uint32_t (*member_and_u8)(
            const uint8_t *, uint32_t, const uint64_t *, uint64_t, uint64_t *) noexcept nogil
        uint32_t (*member_and_u16)(
            const uint16_t *, uint32_t, const uint64_t *, uint64_t, uint64_t *) noexcept nogil
        uint32_t (*member_and_u32)(
            const uint32_t *, uint32_t, const uint64_t *, uint64_t, uint64_t *) noexcept nogil
        uint32_t (*mask_to_rows)(const uint64_t *, uint16_t *) noexcept nogil
        uint32_t (*rows_in_mask)(
            const uint16_t *, uint32_t, const uint64_t *, uint32_t, uint16_t *) noexcept nogil
        uint32_t (*rows_range_u8)(
            const uint8_t *, uint32_t, const uint16_t *, uint32_t, uint8_t, uint8_t, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_range_u16)(
            const uint16_t *, uint32_t, const uint16_t *, uint32_t, uint16_t, uint16_t, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_range_u32)(
            const uint32_t *, uint32_t, const uint16_t *, uint32_t, uint32_t, uint32_t, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_range_u64)(
            const uint64_t *, uint32_t, const uint16_t *, uint32_t, uint64_t, uint64_t, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_range_f64)(
            const double *, uint32_t, const uint16_t *, uint32_t, double, double, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_member_u8)(
            const uint8_t *, uint32_t, const uint16_t *, uint32_t, const uint64_t *, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_member_u16)(
            const uint16_t *, uint32_t, const uint16_t *, uint32_t, const uint64_t *, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*rows_member_u32)(
            const uint32_t *, uint32_t, const uint16_t *, uint32_t, const uint64_t *, uint32_t,
            uint16_t *) noexcept nogil
        uint32_t (*group_u8)(
            const uint8_t *, uint32_t, const uint64_t *, uint32_t, int64_t *) noexcept nogil
        uint32_t (*group_u16)(
            const uint16_t *, uint32_t, const uint64_t *, uint32_t, int64_t *) noexcept nogil
        uint32_t (*group_u32)(
            const uint32_t *, uint32_t, const uint64_t *, uint32_t, int64_t *) noexcept nogil
        void (*add_u8)(uint8_t *, const uint64_t *, uint8_t) noexcept nogil
        void (*add_u16)(uint16_t *, const uint64_t *, uint16_t) noexcept nogil
        void (*add_u32)(uint32_t *, const uint64_t *, uint32_t) noexcept nogil
        void (*add_u64)(uint64_t *, const uint64_t *, uint64_t) noexcept nogil
        void (*add_by_u8)(
            uint8_t *, const uint8_t *, uint32_t, const uint8_t *, uint32_t) noexcept nogil
        void (*add_in_u16)(
            uint8_t *, const uint16_t *, uint32_t, uint16_t, uint16_t, uint8_t) noexcept nogil
        void (*add_in_u32)(
            uint8_t *, const uint32_t *, uint32_t, uint32_t, uint32_t, uint8_t) noexcept nogil
        void (*after_u32)(
            const uint16_t *rows, const uint32_t *times, uint32_t count, const uint32_t *latest,
            uint32_t sure, uint32_t most, uint64_t *hits, uint64_t *open) noexcept nogil
        void (*take_pairs)(
            uint32_t *lanes, uint32_t words, uint32_t bits, uint32_t least, uint32_t low,
            uint32_t span, uint64_t *out) noexcept nogil

    const strata_kernels *strata_pick_kernels(const char *name) noexcept


cdef extern from "engine/core/exact.h" nogil:
    ctypedef int strata_int128
    ctypedef struct strata_wide:
        uint64_t limb[8]
    strata_int128 strata_int128_of(int64_t high, uint64_t low) noexcept
    double strata_ratio_to_double(strata_int128 numerator, uint64_t denominator) noexcept
    double strata_wide_ratio_to_double(strata_wide numerator, strata_wide denominator) noexcept
    void strata_wide_add_product(strata_wide *total, const strata_wide *factor, int64_t value) noexcept
    int strata_wide_sign(const strata_wide *number) noexcept


cdef extern from "engine/core/fields.h" nogil:
    enum:
        STRATA_ARRAY
        STRATA_BITSET

    ctypedef struct strata_entry:
        uint32_t code
        uint32_t cardinality
        uint32_t offset
        uint8_t kind

    ctypedef struct strata_field:
        const uint32_t *first_part
        const uint64_t *address

    uint32_t strata_read_code(const strata_field *field, uint32_t block, uint32_t row) noexcept
    const strata_entry *strata_find_code(
        const strata_field *field, uint32_t block, uint32_t code, const uint8_t **base) noexcept
    int strata_entry_has(const strata_entry *entry, const uint8_t *base, uint32_t row) noexcept
    void strata_mask_from_entry(
        uint64_t *mask, const strata_entry *entry, const uint8_t *base) noexcept
    void strata_mask_set_rows(uint64_t *mask, const uint16_t *rows, uint32_t count) noexcept
    uint32_t strata_mask_and_entry(
        const strata_kernels *kernels, uint64_t *mask, const strata_entry *entry,
        const uint8_t *base) noexcept
    uint32_t strata_mask_and_not_entry(
        const strata_kernels *kernels, uint64_t *mask, const strata_entry *entry,
        const uint8_t *base) noexcept
    uint32_t strata_mask_count_entry(
        const strata_kernels *kernels, const uint64_t *mask, const strata_entry *entry,
        const uint8_t *base) noexcept


cdef extern from "engine/core/leaf_blocks.h" nogil:
    enum:
        STRATA_NONE
        STRATA_ALL
        STRATA_OPEN
        STRATA_LEAF_SET
        STRATA_LEAF_CODES
        STRATA_LEAF_CODE_PAIR
        STRATA_LEAF_PRESENT
        STRATA_LEAF_INT_RANGE
        STRATA_LEAF_INT_IN
        STRATA_LEAF_FLOAT_RANGE
        STRATA_LEAF_LINEAR
        STRATA_LEAF_LINEAR_IN
        STRATA_LEAF_FLOAT
        STRATA_LEAF_FLOAT_IN
        STRATA_LEAF_TEXT
        STRATA_LEAF_ROWS
        STRATA_LEAF_BUCKET

    ctypedef struct strata_source:
        int32_t kind
        int32_t field
        int32_t field2
        uint64_t seed
        uint64_t denominator
        const int64_t *day_start
        int64_t first_day
        int64_t day_count

    ctypedef struct strata_term:
        strata_source source
        strata_int128 factor
        strata_wide wide

    ctypedef struct strata_float_term:
        strata_source source
        const strata_side *exact
        int32_t is_literal
        int32_t has_factor
        double literal
        double factor
        double sign

    ctypedef struct strata_side:
        const strata_float_term *float_terms
        uint32_t float_count
        const strata_term *terms
        uint32_t count
        strata_int128 constant
        uint64_t denominator
        int32_t wide
        uint32_t averages
        strata_wide wide_constant
        strata_wide wide_denominator

    ctypedef struct strata_leaf:
        int32_t op
        int32_t field
        int32_t field2
        int32_t negated
        int32_t compare
        int32_t how
        int64_t low
        int64_t high
        uint32_t range
        double float_low
        double float_high
        const uint32_t *codes
        uint32_t code_count
        uint32_t lowest_code
        uint32_t highest_code
        int32_t contiguous
        const uint64_t *members
        const int64_t *ints
        uint32_t int_count
        const double *doubles
        uint32_t double_count
        const uint8_t *needle
        uint32_t needle_length
        const uint32_t *rows
        const uint32_t *row_start
        uint64_t seed
        const strata_term *terms
        uint32_t term_count
        int32_t wide
        uint32_t averages
        strata_int128 constant
        strata_wide wide_constant
        const strata_wide *targets
        uint32_t target_count
        strata_side left
        strata_side right
        const int32_t *columns
        uint32_t column_count

    ctypedef struct strata_reader:
        const strata_kernels *kernels
        const strata_field *fields
        int32_t uid_field
        uint32_t block
        uint32_t live_count
        uint64_t *live

    ctypedef struct strata_outlook:
        int32_t state
        uint32_t cost
        uint32_t rows

    int strata_leaf_is_vector(const strata_leaf *leaf) noexcept
    strata_outlook strata_leaf_state(const strata_reader *reader, const strata_leaf *leaf) noexcept
    uint32_t strata_leaf_narrow(
        const strata_reader *reader, const strata_leaf *leaf, int negate, uint64_t *mask) noexcept
    uint32_t strata_leaf_unite(
        const strata_reader *reader, const strata_leaf *leaf, uint64_t *mask) noexcept
    const strata_entry *strata_leaf_entry(
        const strata_reader *reader, const strata_leaf *leaf, const uint8_t **base) noexcept
    int strata_leaf_test(
        const strata_reader *reader, const strata_leaf *leaf, uint32_t row) noexcept


cdef extern from "engine/core/score_tables.h" nogil:
    const uint32_t STRATA_BYTE_VALUES

    int strata_table_rule(
        const strata_reader *reader, const strata_leaf *leaf, int negate, uint8_t points,
        uint8_t *table) noexcept
    void strata_add_table(
        const strata_reader *reader, const strata_leaf *leaf, const uint8_t *table,
        uint8_t *lanes) noexcept
    int strata_takes_range(const strata_reader *reader, const strata_leaf *leaf) noexcept
    void strata_add_range(
        const strata_reader *reader, const strata_leaf *leaf, uint8_t points,
        uint8_t *lanes) noexcept


cdef extern from "engine/core/row_lists.h" nogil:
    uint32_t strata_list_words(
        const uint64_t *mask, uint32_t first, uint32_t words, uint16_t *rows) noexcept
    uint32_t strata_list_whole(
        int whole, const uint16_t *rows, uint32_t count, uint16_t *out) noexcept
    uint32_t strata_leaf_list(
        const strata_reader *reader, const strata_leaf *leaf, uint32_t flip,
        const uint16_t *rows, uint32_t count, uint16_t *out) noexcept


cdef extern from "engine/core/groups.h" nogil:
    void strata_group_list(
        const strata_reader *reader, int32_t field, int is_bool, const uint16_t *rows,
        uint32_t count, int64_t *counts) noexcept
    void strata_group_mask(
        const strata_reader *reader, int32_t field, int is_bool, const uint64_t *mask,
        int64_t *counts) noexcept


cdef extern from "engine/core/code_masks.h" nogil:
    enum:
        STRATA_CODES_JOINED
    const uint32_t STRATA_CODES_MOST

    ctypedef struct strata_code_masks:
        uint32_t leaf_count
        int32_t code_count
        uint64_t *masks

    uint32_t strata_codes_joined(
        const strata_reader *reader, strata_code_masks *codes, const strata_leaf *leaf,
        const uint64_t **terms) noexcept
    int strata_codes_narrow(
        const strata_reader *reader, strata_code_masks *codes, const strata_leaf *leaf,
        int negate, uint64_t *mask, uint32_t *rows) noexcept
    uint32_t strata_codes_cost(
        const strata_reader *reader, const strata_code_masks *codes,
        const strata_leaf *leaf, uint32_t cost) noexcept


cdef extern from "engine/core/range_masks.h" nogil:
    const uint32_t STRATA_RANGES_MOST

    ctypedef struct strata_ranges:
        uint32_t cut_count
        uint32_t range_count
        const int64_t *cuts
        const uint8_t *lows
        const uint8_t *spans
        int32_t is_made
        uint8_t *ranks
        uint64_t *masks
        strata_cuts *divided

    int strata_has_ranges(const strata_reader *reader, const strata_leaf *leaf) noexcept
    const uint64_t *strata_range_mask(
        const strata_reader *reader, strata_ranges *ranges, const strata_leaf *leaf) noexcept
