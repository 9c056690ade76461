# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The block evaluator: runs a program over blocks, in as many threads as it is given.

A block is claimed from a shared counter, so fast threads take more. The first thread begins alone,
and the others are called once it is known that what is left is worth waking them. Each looks at the
control before every block, evaluates the roots (engine.core.nodes), and counts, groups or copies out
their masks while they are in the cache. Nothing in here touches a Python object until the
last block is done.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from concurrent.futures import wait

import numpy as np

from engine.core.control import Control as _Control

from engine.core.control cimport GO_ON, Control, raise_stopped, stop_reason
from engine.core.nodes cimport (
    A_COUNT,
    A_LIST,
    context,
    live_rows,
    need_columns,
    open_block,
    outcome,
    run_root,
)
from engine.core.program cimport NODE_LEAF, Program
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BLOCK_WORDS,
    STRATA_NONE,
    strata_group_list,
    strata_group_mask,
    strata_leaf_state,
    strata_mask_set_rows,
)
from engine.core.worker cimport Worker

__all__ = [
    "Counting",
    "block_masks",
    "count_groups",
    "count_nodes",
    "count_roots",
    "leaf_states",
    "many_masks",
    "root_masks",
]


cdef extern from *:
    """
    /* Claims the next block of a job. */
    static inline uint32_t strata_claim(uint32_t *next) {
        return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
    }
    """
    uint32_t strata_claim(uint32_t *next) noexcept nogil


# How long the first thread works alone, and how much work has to be left for it to call the others:
# to hand work to a pool and wait for it takes some 50 microseconds.
_ALONE_US = 50
_WORTH_HELP_US = 200

cdef enum:
    BLOCKS_LEFT = -1         # why a thread stopped: it was to look up from its work


cdef struct job:
    # What the threads of one evaluation share; each writes its own counts.
    uint32_t next_block
    uint32_t end_block       # the first that is left out
    uint32_t mask_start      # the block of the first mask
    uint32_t mask_blocks
    const int32_t *roots
    int32_t root_count
    int32_t group_field      # -1 for none
    int32_t group_is_bool
    uint64_t *masks          # root by root, then block by block, where masks are wanted


cdef long long monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <long long>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef int run_blocks(context *c, job *j, int64_t *counts, long long until_ns) noexcept nogil:
    """Claims and evaluates blocks until none is left, or until an instant (0: none) has passed;
    returns why it stopped."""
    cdef uint32_t block
    cdef int32_t i
    cdef outcome found
    cdef int wanted = A_LIST if j.group_field >= 0 or j.masks != NULL else A_COUNT
    while True:
        if until_ns and monotonic_ns() >= until_ns:
            return BLOCKS_LEFT
        block = strata_claim(&j.next_block)
        if block >= j.end_block:
            return GO_ON
        c.stopped = stop_reason(c.switch_)
        if c.stopped != GO_ON:
            return c.stopped
        if not open_block(c, block):
            continue
        for i in range(j.root_count):
            found = run_root(c, j.roots[i], wanted)
            if c.stopped != GO_ON:
                return c.stopped
            if c.node_counts != NULL or found.state == STRATA_NONE:
                continue
            if j.group_field < 0:
                counts[i] += found.rows
            elif found.is_list:
                strata_group_list(
                    &c.reader, j.group_field, j.group_is_bool, c.lists, found.rows, counts)
            else:
                strata_group_mask(
                    &c.reader, j.group_field, j.group_is_bool, mask_of(c, found), counts)
            if j.masks != NULL:
                put_mask(c, found, j.masks + STRATA_BLOCK_WORDS
                         * (<size_t>i * j.mask_blocks + block - j.mask_start))


cdef const uint64_t *mask_of(context *c, outcome found) noexcept nogil:
    return live_rows(c) if found.state == STRATA_ALL else found.mask


cdef void put_mask(context *c, outcome found, uint64_t *out) noexcept nogil:
    """Copies the rows of a root to where they are wanted, which is all zeros."""
    if found.is_list:
        strata_mask_set_rows(out, c.lists, found.rows)
    else:
        memcpy(out, mask_of(c, found), STRATA_BLOCK_WORDS * 8)


cdef class _Job:
    """One evaluation, shared by its threads."""

    cdef job j
    cdef Program program
    cdef Control control
    cdef object roots
    cdef object kept_masks
    cdef list threads
    cdef Py_ssize_t count_size
    cdef bint every_node
    cdef int thread_count

    def __init__(self, Program program, roots, Control control, Py_ssize_t count_size,
                 int threads, bint every_node=False):
        cdef const int32_t[::1] view
        self.program = program
        self.control = control if control is not None else _Control()
        self.roots = np.ascontiguousarray(roots, dtype=np.int32)
        assert self.roots.size, "a job has a root"
        view = self.roots
        self.j.next_block = 0
        self.j.end_block = program.block_count
        self.j.mask_start = 0
        self.j.mask_blocks = program.block_count
        self.j.roots = &view[0]
        self.j.root_count = <int32_t>len(view)
        self.j.group_field = -1
        self.j.group_is_bool = 0
        self.j.masks = NULL
        self.count_size = count_size
        self.every_node = every_node
        self.thread_count = max(1, min(threads, <int>program.block_count))
        self.threads = [self.worker()]

    cdef Worker worker(self):
        return Worker(self.program, self.control, self.count_size, self.every_node)

    def work(self, Worker thread, long long until_ns=0):
        """Runs one thread's share, all threads at the same time, or what it has done of it until
        an instant of the monotonic clock."""
        cdef int64_t[::1] counts = thread.counts
        cdef int stopped
        with nogil:
            stopped = run_blocks(&thread.c, &self.j, &counts[0], until_ns)
        return stopped

    def help(self):
        """Runs the share of one more thread. Its memory is made here, where the first thread goes on
        meanwhile."""
        cdef Worker thread = self.worker()
        self.threads.append(thread)
        return self.work(thread)

    def is_worth_help(self):
        """Whether much is left of a job that one thread has worked on for a moment."""
        left = self.j.end_block - self.j.next_block
        return _ALONE_US * left > _WORTH_HELP_US * self.j.next_block or not _ALONE_US

    def run(self, pool):
        """Runs every thread to its end; raises where the control stopped one."""
        cdef int reason = BLOCKS_LEFT
        helpers = []
        try:
            if pool and self.thread_count > 1:
                reason = self.work(self.threads[0], monotonic_ns() + 1_000 * _ALONE_US)
                if reason == BLOCKS_LEFT and self.is_worth_help():
                    helpers = [pool.submit(self.help) for _ in range(self.thread_count - 1)]
            reasons = [self.work(self.threads[0]) if reason == BLOCKS_LEFT else reason]
            # A helper that still waits for its turn has nothing left to do: no block is unclaimed.
            reasons += [future.result() for future in helpers if not future.cancel()]
        except BaseException:
            # Interrupted: what the helpers read is not held for them any longer than this call.
            self.control.cancel()
            wait([future for future in helpers if not future.cancel()])
            raise
        for reason in reasons:
            raise_stopped(reason)
        if len(self.threads) == 1:
            return (<Worker>self.threads[0]).counts
        return sum((<Worker>thread).counts for thread in self.threads)


cdef class Counting:
    """Counts one root of a program, or its groups, again and again with the same memory.

    `group_size` is how many counts there are where the program has a group field, see
    `count_groups`; None without. For one thread at a time.
    """

    cdef _Job work
    cdef Worker first

    def __init__(self, Program program, int root, group_size, bint is_bool):
        self.work = _Job(program, [root], None, group_size or 1, 1)
        self.first = self.work.threads[0]
        if group_size:
            self.work.j.group_field = program.group_field
            self.work.j.group_is_bool = is_bool

    def run(self, Control control, pool, int threads):
        """int64 of one, or of `group_size`; good until the next run. `control` and the rest are as
        those of `count_roots`."""
        cdef _Job work = self.work
        work.control = control
        self.first.start(control)
        work.threads = [self.first]
        work.j.next_block, work.j.end_block = 0, work.program.block_count
        work.thread_count = max(1, min(threads if pool else 1, <int>work.program.block_count))
        return work.run(pool)


def count_roots(Program program, roots, *, control=None, pool=None, threads=1):
    """How many profiles satisfy each root: int64, in the order of `roots`.

    `pool` is an executor for the threads after the first. Raises `Cancelled` and
    `DeadlineExceeded` as `control` says.
    """
    work = _Job(program, roots, control, len(roots), threads if pool else 1)
    return work.run(pool)[:len(roots)]


def count_nodes(Program program, roots, *, control=None, pool=None, threads=1):
    """How many profiles satisfy each node that the roots reach: int64 by node id."""
    cdef _Job work = _Job(program, sorted(set(roots)), control, 1, threads if pool else 1, True)
    work.run(pool)
    return sum((<Worker>thread).node_counts for thread in work.threads)


def count_groups(Program program, int root, Py_ssize_t code_count, *,
                 is_bool=False, control=None, pool=None, threads=1):
    """How many profiles of a root have each code of the program's group field.

    int64 of `code_count + 1`; element 0 counts those without the attribute. Codes of a bool
    are 1 false and 2 true.
    """
    cdef _Job work = _Job(program, [root], control, code_count + 1, threads if pool else 1)
    assert program.group_field >= 0, "the program was laid out without a group field"
    work.j.group_field = program.group_field
    work.j.group_is_bool = is_bool
    return work.run(pool)


def root_masks(Program program, int root, *, control=None, pool=None, threads=1):
    """The profiles of a root as masks: uint64 of shape (blocks, 1024), and their count."""
    masks, counts = many_masks(program, [root], control=control, pool=pool, threads=threads)
    return masks[0], int(counts[0])


def many_masks(Program program, roots, *, control=None, pool=None, threads=1):
    """The profiles of each root as masks: uint64 of shape (roots, blocks, 1024), and how many
    they are, int64. They take 8 KiB for each root and block."""
    cdef _Job work = _Job(program, roots, control, len(roots), threads if pool else 1)
    cdef uint64_t[:, :, ::1] view
    masks = np.zeros((len(roots), program.block_count, STRATA_BLOCK_WORDS), dtype=np.uint64)
    if program.block_count:
        view = masks
        work.kept_masks = masks
        work.j.masks = &view[0, 0, 0]
    return masks, work.run(pool)[:len(roots)]


def block_masks(Program program, roots, uint32_t block):
    """The profiles of each root in one block, which the program has: uint64 (roots, 1024)."""
    cdef _Job work = _Job(program, roots, None, len(roots), 1)
    cdef uint64_t[:, ::1] view
    assert block < program.block_count, "a program has the blocks of its snapshot"
    masks = np.zeros((len(roots), STRATA_BLOCK_WORDS), dtype=np.uint64)
    view = masks
    work.kept_masks = masks
    work.j.masks = &view[0, 0]
    work.j.next_block, work.j.end_block = block, block + 1
    work.j.mask_start, work.j.mask_blocks = block, 1
    work.run(None)
    return masks


def leaf_states(Program program):
    """What headers alone decide of each leaf in each block: 0 none, 1 all, 2 open.

    uint8 of shape (nodes, blocks); nodes that are no leaves, and blocks without live rows,
    are 255. For tests and explanations of a plan.
    """
    cdef Worker thread = Worker(program, _Control(), 1, False)
    cdef context *c = &thread.c
    cdef int32_t node
    cdef uint32_t block
    states = np.full((program.node_count, program.block_count), 255, dtype=np.uint8)
    cdef uint8_t[:, ::1] out = states
    for block in range(program.block_count):
        if not open_block(c, block):
            continue
        for node in range(program.node_count):
            if c.nodes[node].kind == NODE_LEAF:
                need_columns(c, &c.leaves[c.nodes[node].leaf])
                out[node, block] = strata_leaf_state(&c.reader, &c.leaves[c.nodes[node].leaf]).state
    return states
