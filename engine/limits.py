"""Every limit of the engine with its reason, one section per room.

A limit protects the service from one request, never the user from a large result. Those of
a section are one frozen object, so that a deployment can pass its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "APPLY_QUEUE_BATCHES",
    "BATCH_COLUMN_BYTES",
    "BATCH_ROWS",
    "CLOSING_TICK_S",
    "COMMIT_TARGET_S",
    "DATE_DAYS",
    "DECIMAL_UNSCALED",
    "DEFAULT",
    "DEFAULT_MAP_BYTES",
    "DICTIONARY_PAGE_BYTES",
    "DICTIONARY_VALUES",
    "EVENTS_AHEAD_US",
    "EVENT_CHAINS_BYTES",
    "EVENT_ID_BYTES",
    "EVENT_PROPERTIES",
    "EVENT_TEXT_BYTES",
    "FEED_KEPT_BYTES",
    "FEED_KEPT_US",
    "FEED_PROGRESS_S",
    "FEED_READS",
    "FEED_STEP_BYTES",
    "FEED_STEP_ENTRIES",
    "FEED_STEP_RECORDS",
    "FEED_TRIM_RECORDS",
    "FEED_TRIM_S",
    "FROZEN_AUDIENCES",
    "FROZEN_BY_BYTES",
    "GIVER_BYTES",
    "GROUP_BATCHES",
    "HALF_LIFE_HOURS",
    "HEAP_KEPT_BYTES",
    "IDENTIFIER_BYTES",
    "IDENTITY_SHARD_BITS_MAX",
    "IDENTITY_SHARD_ENTRIES",
    "IDLE_SAVE_S",
    "INGEST_QUEUE_BATCHES",
    "JOINED_CELLS",
    "LIST_NAME_BYTES",
    "LIST_VALUES",
    "LOAD_IDENTITIES",
    "LOAD_IDENTITY_DRAFT_BYTES",
    "LOAD_IDENTITY_FILTER_BYTES",
    "LOAD_KEPT_BYTES",
    "LOAD_ORDERED_BYTES",
    "LOAD_STAGED_BYTES",
    "LOAD_UPDATES_AHEAD",
    "LOG_KEPT_BYTES",
    "LOG_KEPT_RECORDS",
    "LONGEST_DURATION_DAYS",
    "MAX_SNAPSHOTS",
    "MEASURED_BORDERS",
    "MEASURED_GROUPS",
    "MODEL_EVENT_PROPERTIES",
    "NUMBER_DIGITS",
    "POSITIONS_FEW",
    "POSITIONS_LAG",
    "POSITION_NAME_BYTES",
    "QUIET_S",
    "READ_CHAINS_BYTES",
    "RECENT_EVENTS",
    "ROW_CHAINS_BYTES",
    "ROW_MEMBERSHIPS_BYTES",
    "SAVE_CAUGHT_UP_SHARE",
    "SAVE_LATE_SHARE",
    "SAVE_SLICE_BYTES",
    "SAVE_SLICE_LEAST_BYTES",
    "SCORE_EVENTS",
    "SCORE_REACH",
    "SET_VALUES_PER_CELL",
    "SMALLEST_MAP_BYTES",
    "STRING_BYTES",
    "TEXT_BYTES",
    "TIME_SLICE_FIRST_US",
    "TIME_SLICE_LEAST_US",
    "TIME_SLICE_S",
    "TIME_US",
    "ExpressionLimits",
]

# ------------------------------------------------------------------------ expressions

# A literal of 38 digits fits a 128-bit integer, which is what exact comparisons run in.
NUMBER_DIGITS: Final = 38

# 1,000 Gregorian years, rounded up to whole days: any window longer than that is a slip of
# the keyboard, and microseconds of it stay far from the end of 64 bits.
LONGEST_DURATION_DAYS: Final = 365_250


@dataclass(frozen=True, slots=True)
class ExpressionLimits:
    """What one expression may measure. A text and its canonical form both stay within.

    text_bytes       UTF-8 bytes. A text is held, scanned and logged whole; a segment with
                     10,000 names of 30 Chinese characters still fits.
    depth            Open brackets and `not` at any place, counted together. Every reading of
                     a tree nests as deep, so this bounds their stacks; the length of a chain
                     of `and` or `or` costs no depth.
    nodes            Predicates, `not`s, aggregates, steps of a sequence and further terms of
                     a sum, counted together. Chains are not counted: each joins at least two
                     of these. Bounds the work that one text can ask for per block.
    in_literals      Literals in one `in (...)` or `has all (...)`. A longer list of values is
                     data: upload it and write `list('name')`.
    """

    text_bytes: int = 1 << 20
    depth: int = 64
    nodes: int = 10_000
    in_literals: int = 10_000


DEFAULT: Final = ExpressionLimits()

# Levels and nodes of a bound expression with the definitions of its segments in place. One
# text of the deepest nesting has fewer than 150 levels; the rest is for segments that refer
# to segments. Readers of the bound tree recurse over levels, which this keeps far from the
# interpreter's own limit, and a few segments that mention each other twice would otherwise
# double without end.
EXPANDED_LEVELS: Final = 256
EXPANDED_NODES: Final = 1 << 18
# Attributes with `is:` that read others with `is:`.
COMPUTED_LEVELS: Final = 16

# Events of one profile that a rule of a score can count, and how far from 0 a score may get, in
# thousandths: what is added up stays in 64 bits with a sign, whatever the order. Rules of a million
# points together need no `at_most` for that.
SCORE_EVENTS: Final = 1 << 32
SCORE_REACH: Final = 1 << 62
# Hours for which an event with a half-life is worth anything: the table of what it is worth takes
# eight bytes for each. That is a half-life of seven years for 30 points.
HALF_LIFE_HOURS: Final = 1 << 20

# ------------------------------------------------------------------------ the model file

# All files of a model together. Ten thousand segments of 400 bytes fit; more than that is
# data in the wrong place (a list of values belongs into an uploaded list).
MODEL_BYTES: Final = 4 << 20

# The deepest key of the schema lies seven levels down; the rest is room for the future.
MODEL_DEPTH: Final = 32

# Scalars, lists and mappings, with aliases written out: what 4 MiB can hold when written in
# full, so that aliases save typing and cannot multiply the work.
MODEL_VALUES: Final = 500_000

# Code points. Names stand in expressions, answers and logs, where a longer one is a slip.
MODEL_NAME_LENGTH: Final = 200

# Points of one rule, bound or band, in size: a million in thousandths leaves room for 2,147
# of them in 32 bits.
MODEL_POINTS: Final = 1_000_000

# Properties of one type of event: a chunk of events has 255 columns at most, and some of them are
# the row, the time, the id and who brought it.
MODEL_EVENT_PROPERTIES: Final = 250


# ------------------------------------------------------------------------------ store

# Address space reserved for a store's file: sparse, so it costs nothing until written, and
# large, because a map that grows would move every address in use. Where the system grants
# less it is halved, down to the smallest that is worth running with.
DEFAULT_MAP_BYTES: Final = 1 << 40
SMALLEST_MAP_BYTES: Final = 1 << 26

# Each needs a slot in LMDB's reader table, and pins the pages of its data version; a table
# of this size is 64 KiB, and more snapshots alive at once are a leak.
MAX_SNAPSHOTS: Final = 1024

# A value of a category or a set, or a giver, in UTF-8. Longer ones are texts.
STRING_BYTES: Final = 4096

# Different values of one category or set. Each is held in memory once, with about 40 bytes
# beside its own; a field with more is an identifier or a text.
DICTIONARY_VALUES: Final = 1 << 24

# The last page of a dictionary is written again when values are added to it, so a page
# bounds what one new value costs.
DICTIONARY_PAGE_BYTES: Final = 64 << 10

# ------------------------------------------------------------------------------- loads

# A decimal is a 64-bit integer without its point: 18 digits always fit.
DECIMAL_UNSCALED: Final = (-(10**18) + 1, 10**18 - 1)

# The years 1 to 9999, which every calendar library can name: days and microseconds from
# 1970-01-01 in UTC.
DATE_DAYS: Final = (-719_162, 2_932_896)
TIME_US: Final = (-719_162 * 86_400_000_000, 2_932_897 * 86_400_000_000 - 1)

# The longest identifiers in use (mail addresses, wallet keys) have fewer than 256 bytes;
# anything longer is a column taken for another.
IDENTIFIER_BYTES: Final = 256

# A giver is the name of a source or a person, kept with every set value that it gave.
GIVER_BYTES: Final = 256

# A text is kept and returned, one cell at a time: a long remark, not a document.
TEXT_BYTES: Final = 64 << 10

# An event that is dated further ahead of the clock than this was read in the wrong zone or unit; a
# day is more than two zones, or the clocks of two machines, are apart.
EVENTS_AHEAD_US: Final = 86_400_000_000

# What a source knows an event by: an order and its line, not a text.
EVENT_ID_BYTES: Final = 256

# The texts of one event together: with all other columns it has to fit in one chunk.
EVENT_TEXT_BYTES: Final = 96 << 10
# Properties of one type of event. With its texts any event then fits into a chunk, which has 255
# columns and 256 KiB.
EVENT_PROPERTIES: Final = 200

# More values than this in one cell are a separator that was not recognised.
SET_VALUES_PER_CELL: Final = 10_000

# Cells wait in plain arrays until this many bytes of them are packed into blocks: enough that
# a block is packed a few times in a load at most, and little beside the blocks themselves.
LOAD_STAGED_BYTES: Final = 128 << 20

# Where they come in the order of their rows each block is packed once whatever waits: a few
# blocks' worth, so that packing goes on beside reading.
LOAD_ORDERED_BYTES: Final = 24 << 20

# Blocks that are packed wait in memory for the commit until they are this many bytes; then those
# that are new are written ahead of it.
LOAD_KEPT_BYTES: Final = 256 << 20

# Identifiers that a load has given away stay in memory up to so many, 34 to 48 bytes each: all of
# those of two million people. More are brought to the disk in runs of so many.
LOAD_IDENTITIES: Final = 1 << 22

# Before the runs stands a filter, which may take so much: 10 bits for each of 200 million entries.
LOAD_IDENTITY_FILTER_BYTES: Final = 256 << 20

# Shards of the index that are written ahead of a load's commit in one transaction. It takes the
# memory twice, and the next ones are made meanwhile: few enough, and enough to be worth a sync.
LOAD_IDENTITY_DRAFT_BYTES: Final = 32 << 20

# Batches that are resolved and wait to be packed: one is worked on, and one is ready for it.
LOAD_UPDATES_AHEAD: Final = 2

# Entries of one shard of the identity index, at most: its 260,008 bytes fit in one part of a
# named record, so that it can be read where it lies in the map.
IDENTITY_SHARD_ENTRIES: Final = 13_000
IDENTITY_SHARD_BITS_MAX: Final = 16

# Values of an uploaded list; one is resolved anew by every query that names it.
LIST_VALUES: Final = 20_000_000
LIST_NAME_BYTES: Final = 200

# Frozen audiences of a store. Naming them takes reading the description of each.
FROZEN_AUDIENCES: Final = 10_000

# Who froze one, as they say: an address or a name.
FROZEN_BY_BYTES: Final = 200

# ------------------------------------------------------------------------------- feed

# One step of reading the feed: a thread of the reading lane is busy for a few milliseconds, and
# a watcher holds a message of about 100 KiB. Where nothing of a record is wanted the step ends
# after so many records or bytes, so that a watcher far behind does not keep others waiting.
FEED_STEP_ENTRIES: Final = 1024
FEED_STEP_RECORDS: Final = 1024
FEED_STEP_BYTES: Final = 8 << 20

# Records that are larger than a step stay in memory, packed, for the next step: an edit that
# moves 20 million of 100 million profiles is 12 MB, and a few watchers may be inside others.
FEED_KEPT_BYTES: Final = 64 << 20

# Steps of all watchers together under way at a time. Hundreds of watchers wake at once when
# something happens; counts and lists must still find a place in the lane that they share.
FEED_READS: Final = 2

# The longest silence on a watch. Proxies cut streams that are silent for a minute, and a watcher
# that comes back has at most so much of the feed to read again.
FEED_PROGRESS_S: Final = 10.0

# ------------------------------------------------------------------------------ batches

# Updates of one batch that comes over the wire: three commits' worth at full speed. More would
# only delay the answer; a batch that says it has more is damaged or means harm.
BATCH_ROWS: Final = 1 << 18

# Bytes of strings that one column of a batch may stand for. A dictionary that repeats its longest
# entry would otherwise turn a message of megabytes into memory of gigabytes.
BATCH_COLUMN_BYTES: Final = 64 << 20

# ------------------------------------------------------------------------------ ingest

# Names of a source and of a partition stand in every record of the log.
POSITION_NAME_BYTES: Final = 256

# Batches that wait to be logged. A batch of 5,000 rows takes some 20 ms, so this many keep the
# log busy for seconds; whoever sends more is told to slow down.
INGEST_QUEUE_BATCHES: Final = 128

# Batches logged by one commit: they share its sync, and wait for each other.
GROUP_BATCHES: Final = 64

# Bytes of dirty blocks that one commit saves, and the time that it should take: what is saved
# delays the acknowledgements of the commit, so a slower disk gets smaller slices.
SAVE_SLICE_BYTES: Final = 4 << 20
SAVE_SLICE_LEAST_BYTES: Final = 256 << 10
COMMIT_TARGET_S: Final = 0.010

# Bytes of blocks that stay in memory though they are saved, because they are likely to change
# again: those that changed last. 10 million profiles with ten attributes, 60 tags and 100
# segments take about half of it.
HEAP_KEPT_BYTES: Final = 1 << 30

# Bytes that chains of events may take, by which events are found that are sent again, corrected or
# taken away: 256 KiB and four bytes an event for each type and block that was asked for last. What
# would take more is made again when it is asked for.
EVENT_CHAINS_BYTES: Final = 256 << 20

# Bytes that chains of events may take by which the events of rows are found that stored segments
# are judged for: as much for each type and block as of those above. Beyond it blocks are scanned.
ROW_CHAINS_BYTES: Final = 1 << 30

# Bytes that chains of events may take by which one profile's events are found that somebody reads,
# in blocks that have many chunks of a type: as much again. Beyond it those used longest ago go.
READ_CHAINS_BYTES: Final = 256 << 20

# Bytes that the memberships of rows side by side may take, beside their containers: a bit for each
# profile and stored segment, in steps of 64 segments. What would take more is looked up in the
# containers instead, at ten times the cost. 100 million profiles with 100 segments take 1.5 GiB.
ROW_MEMBERSHIPS_BYTES: Final = 2 << 30

# While batches come in, every dirty block is saved once for so much of the log: what a restart
# replays. Saving sooner costs more than it spares, because blocks are changed again.
LOG_KEPT_BYTES: Final = 48 << 20
LOG_KEPT_RECORDS: Final = 1_000

# A restart carries out together records of the log that have so many cells; these take some 40 MB.
JOINED_CELLS: Final = 1 << 20

# A commit that somebody waits for saves blocks once this share of the dirty ones is due: the log is
# longer by as much. Then all do, until a pause comes or less than the other share is due.
SAVE_LATE_SHARE: Final = 1.0
SAVE_CAUGHT_UP_SHARE: Final = 7 / 8

# Once nothing has come in for so long, slices are saved so far apart until nothing is dirty.
# Between the batches of a steady stream it would be in vain: each changes most blocks again.
QUIET_S: Final = 0.25
IDLE_SAVE_S: Final = 0.02

# The saved table of positions may lack this many records of the log: reading them again at
# opening costs little.
POSITIONS_LAG: Final = 512

# A table of no more partitions than this is saved whenever it alone holds the log: that costs
# less than a page.
POSITIONS_FEW: Final = 64

# How long the feed is kept: a consumer that was away over a week and its two weekends goes on
# where it was. Removing looks at so many records, every so often.
FEED_KEPT_US: Final = 10 * 86_400_000_000
FEED_TRIM_S: Final = 30.0
FEED_TRIM_RECORDS: Final = 4096

# Logged batches that wait to become visible. Few: what is acknowledged should be seen soon after,
# so when applying is slower than logging, it is logging that waits.
APPLY_QUEUE_BATCHES: Final = 8

# ------------------------------------------------------------------------------- measuring

# Groups that a summary has lines of. A sum of doubles takes 544 bytes of each thread for each.
MEASURED_GROUPS: Final = 10_001

# Bins, edges, thresholds and named values of one distribution, as many as a message takes with
# ease; each value is looked for among them by bisection.
MEASURED_BORDERS: Final = 10_000

# ------------------------------------------------------------------------------ profiles

# The last events that come with a profile: what fits on a screen beside the rest of it.
RECENT_EVENTS: Final = 10

# ------------------------------------------------------------------------------- clock

# How often a running server looks whether time has changed who is in what.
TICK_S: Final = 1.0

# A clock that is further behind is brought up in slices of time, so that closing waits for one of
# them at most: the first, the shortest, and how long one should take.
TIME_SLICE_FIRST_US: Final = 86_400_000_000
TIME_SLICE_LEAST_US: Final = 60_000_000
TIME_SLICE_S: Final = 2.0

# A tick that has to look through more blocks, each as often as something of its own flips there, is
# cut into slices of blocks. How long one should take, so that others hardly notice, and which share
# of the time that others take it may be: who writes at full speed would keep the blocks back for
# minutes, and each row that is written to has to be brought up meanwhile. And how far a block may
# lag behind, in the time of the store, before batches wait for it.
SLICED_BLOCK_LOOKS: Final = 64
BLOCK_SLICE_S: Final = 0.02
BLOCK_SLICE_SHARE: Final = 0.25
LAG_MOST_US: Final = 3_600_000_000

# For so long closing waits for a tick under way, which is otherwise left to the next opening.
CLOSING_TICK_S: Final = 3.0

# Changes to come that one answer has, beside their counts, where nothing else is asked.
NEXT_CHANGES: Final = 1000
# How far ahead one is asked: as far as a duration of the language reaches.
NEXT_CHANGES_WITHIN_US: Final = 1000 * 366 * 86_400_000_000

# ------------------------------------------------------------------------------ overlaps

# Audiences of one overlap: the masks of a block then take 800 KiB of each thread, which the
# second-level cache holds while all pairs are counted, and the 4,950 pairs fit in one message.
OVERLAP_AUDIENCES: Final = 100

# Steps of one waterfall. Each is a pass over the data, and nobody reads more.
WATERFALL_STEPS: Final = 100
