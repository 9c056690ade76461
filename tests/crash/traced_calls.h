/* A library to preload: logs the calls that change files below one folder, with their bytes,
   and lets chosen ones fail. It stands in front of the C library's own functions.

   STRATA_TRACE_FOLDER    an absolute path without links; other files pass unseen
   STRATA_TRACE_LOG       where to append the log, a file outside that folder; none if unset
   STRATA_TRACE_FAIL      first,last,errno: of the counted calls (write, pwrite, writev, fsync,
                          fdatasync, ftruncate, posix_fallocate, rename) these fail without
                          doing anything; errno 0 lets writes do half of their work instead,
                          and other calls all of it; a file named `acknowledged` is spared
   strata_trace_fail      sets the same from within, and counts from 0 again
   Syncs are recorded and not carried out, and O_DSYNC likewise: nobody cuts the power of the
   machine that runs this, and waiting for its disk would be most of the time.

   A log is a sequence of records, native byte order: `struct record`, then `name` bytes of a
   path, then `size` bytes of data. A record is written once its call has succeeded, under a
   lock that is held from before the call; so the log has the calls in one true order.

   Built by tests/crash/tracing.py with cc -shared -fPIC -x c. Calls go to the kernel by
   number, so nothing of the C library has to be found behind its replaced name. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE, SYNC, TRUNCATE, ALLOCATE, RENAME, UNLINK, MKDIR };

struct record {
    uint32_t kind;
    uint32_t flags; /* OPEN, WRITE: those of open */
    uint64_t inode; /* of the file that is meant; 0 where a path says it */
    uint64_t start; /* WRITE, ALLOCATE: offset */
    uint64_t size;  /* WRITE: bytes that follow; TRUNCATE, ALLOCATE: bytes; RENAME: of 2nd path */
    uint64_t name;  /* OPEN, UNLINK, MKDIR: bytes of the path; RENAME: of the first */
};

enum { DESCRIPTORS = 4096 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_size;
static int log_descriptor = -1;
static long first_failing = LONG_MAX, last_failing = LONG_MAX, counted;
static int failing_with;
/* Whether a descriptor is of a file below the folder, and one whose calls may fail. */
enum { UNSEEN, FOLLOWED, SPARED };
static char followed[DESCRIPTORS];
static char writes_through[DESCRIPTORS]; /* whether it was opened with O_DSYNC */

__attribute__((constructor)) static void begin(void) {
    const char *wanted = getenv("STRATA_TRACE_FOLDER");
    const char *log = getenv("STRATA_TRACE_LOG");
    const char *fail = getenv("STRATA_TRACE_FAIL");
    if (wanted && strlen(wanted) < sizeof folder) {
        strcpy(folder, wanted);
        folder_size = strlen(folder);
    }
    if (log && folder_size)
        log_descriptor = (int)syscall(SYS_openat, AT_FDCWD, log,
                                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fail)
        sscanf(fail, "%ld,%ld,%d", &first_failing, &last_failing, &failing_with);
}

/* The folder itself counts: its names are synced through it. */
static int below_folder(const char *path) {
    return folder_size && strncmp(path, folder, folder_size) == 0 &&
           (path[folder_size] == '/' || !path[folder_size]);
}

static int follows(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS && followed[descriptor];
}

void strata_trace_fail(long first, long last, int error) {
    pthread_mutex_lock(&guard);
    counted = 0;
    first_failing = first;
    last_failing = last;
    failing_with = error;
    pthread_mutex_unlock(&guard);
}

long strata_trace_counted(void) { return counted; }

static int is_spared(const char *path) {
    const char *name = strrchr(path, '/');
    return name && strcmp(name, "/acknowledged") == 0;
}

/* Whether a call is to fail, with errno set; *halve where it is to do half. */
static int fails(int descriptor, int *halve) {
    *halve = 0;
    if (descriptor >= 0 && followed[descriptor] == SPARED)
        return 0;
    counted++;
    if (counted < first_failing || counted > last_failing)
        return 0;
    *halve = failing_with == 0;
    errno = failing_with;
    return !*halve;
}

static uint64_t inode_of(int descriptor, uint32_t *flags) {
    struct stat status;
    if (fstat(descriptor, &status))
        return 0;
    *flags = (uint32_t)fcntl(descriptor, F_GETFL);
    if (writes_through[descriptor])
        *flags |= O_DSYNC;
    return status.st_ino;
}

static void note(struct record record, const char *name, const struct iovec *data, int count) {
    if (log_descriptor < 0)
        return;
    int before = errno;
    uint64_t left = record.kind == WRITE || record.kind == RENAME ? record.size : 0;
    struct iovec head[2] = {{&record, sizeof record}, {(void *)name, record.name}};
    if (syscall(SYS_writev, log_descriptor, head, 2) != (long)(sizeof record + record.name))
        _exit(99);
    for (int i = 0; i < count && left; i++) {
        size_t size = data[i].iov_len < left ? data[i].iov_len : left;
        const char *at = data[i].iov_base;
        left -= size;
        while (size) {
            long done = syscall(SYS_write, log_descriptor, at, size);
            if (done <= 0)
                _exit(99); /* a log with a hole would blame the store */
            at += done;
            size -= (size_t)done;
        }
    }
    errno = before;
}

/* ------------------------------------------------------------------------ descriptors */

static int opened(int at, const char *path, int flags, mode_t mode) {
    pthread_mutex_lock(&guard);
    int seen = at == AT_FDCWD && below_folder(path);
    int passed = seen ? flags & ~O_SYNC : flags; /* O_SYNC has the bit of O_DSYNC too */
    int descriptor = (int)syscall(SYS_openat, at, path, passed, mode);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        followed[descriptor] = UNSEEN;
        writes_through[descriptor] = passed != flags;
        if (seen) {
            followed[descriptor] = is_spared(path) ? SPARED : FOLLOWED;
            struct record record = {.kind = OPEN, .name = strlen(path)};
            record.inode = inode_of(descriptor, &record.flags);
            record.flags |= (uint32_t)flags & O_TRUNC;
            note(record, path, NULL, 0);
        }
    }
    pthread_mutex_unlock(&guard);
    return descriptor;
}

#define MODE_OF(flags, mode)                                                                     \
    mode_t mode = 0;                                                                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                       \
        va_list rest;                                                                            \
        va_start(rest, flags);                                                                   \
        mode = va_arg(rest, mode_t);                                                             \
        va_end(rest);                                                                            \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return opened(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return opened(at, path, flags, mode);
}

int close(int descriptor) {
    pthread_mutex_lock(&guard);
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        followed[descriptor] = UNSEEN;
    int result = (int)syscall(SYS_close, descriptor);
    pthread_mutex_unlock(&guard);
    return result;
}

/* ------------------------------------------------------------------------------ bytes */

/* Writes at an offset, or at the descriptor's own where `start` is -1. */
static ssize_t written(int descriptor, const struct iovec *data, int count, off_t start) {
    if (!follows(descriptor))
        return start < 0 ? syscall(SYS_writev, descriptor, data, count)
                         : syscall(SYS_pwritev, descriptor, data, count, start, 0);
    pthread_mutex_lock(&guard);
    int halve;
    ssize_t done = -1;
    if (!fails(descriptor, &halve)) {
        struct iovec half = {data[0].iov_base, data[0].iov_len > 1 ? data[0].iov_len / 2 : 1};
        const struct iovec *chosen = halve ? &half : data;
        struct record record = {.kind = WRITE};
        record.inode = inode_of(descriptor, &record.flags);
        int appends = start < 0 && (record.flags & O_APPEND);
        off_t at = start < 0 ? lseek(descriptor, 0, appends ? SEEK_END : SEEK_CUR) : start;
        count = halve ? 1 : count;
        done = start < 0 ? syscall(SYS_writev, descriptor, chosen, count)
                         : syscall(SYS_pwritev, descriptor, chosen, count, start, 0);
        if (done > 0) {
            record.start = (uint64_t)at;
            record.size = (uint64_t)done;
            note(record, NULL, chosen, count);
        }
    }
    pthread_mutex_unlock(&guard);
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    if (!follows(descriptor))
        return syscall(SYS_write, descriptor, data, size);
    struct iovec one = {(void *)data, size};
    return written(descriptor, &one, 1, -1);
}

ssize_t writev(int descriptor, const struct iovec *data, int count) {
    return written(descriptor, data, count, -1);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t start) {
    struct iovec one = {(void *)data, size};
    return written(descriptor, &one, 1, start);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t start) {
    return pwrite(descriptor, data, size, start);
}

ssize_t pwritev(int descriptor, const struct iovec *data, int count, off_t start) {
    return written(descriptor, data, count, start);
}

ssize_t pwritev64(int descriptor, const struct iovec *data, int count, off_t start) {
    return written(descriptor, data, count, start);
}

/* ---------------------------------------------------------------------- sync and sizes */

static int noted(int descriptor, struct record record, long number, long a, long b, long c) {
    if (!follows(descriptor))
        return (int)syscall(number, descriptor, a, b, c);
    pthread_mutex_lock(&guard);
    int halve;
    int result = -1;
    if (!fails(descriptor, &halve)) {
        record.inode = inode_of(descriptor, &record.flags);
        result = record.kind == SYNC ? 0 : (int)syscall(number, descriptor, a, b, c);
        if (result == 0)
            note(record, NULL, NULL, 0);
    }
    pthread_mutex_unlock(&guard);
    return result;
}

int fsync(int descriptor) {
    return noted(descriptor, (struct record){.kind = SYNC}, SYS_fsync, 0, 0, 0);
}

int fdatasync(int descriptor) {
    return noted(descriptor, (struct record){.kind = SYNC}, SYS_fdatasync, 0, 0, 0);
}

int ftruncate(int descriptor, off_t size) {
    struct record record = {.kind = TRUNCATE, .size = (uint64_t)size};
    return noted(descriptor, record, SYS_ftruncate, size, 0, 0);
}

int ftruncate64(int descriptor, off_t size) { return ftruncate(descriptor, size); }

int posix_fallocate(int descriptor, off_t start, off_t size) {
    struct record record = {.kind = ALLOCATE, .start = (uint64_t)start, .size = (uint64_t)size};
    int before = errno;
    int result = noted(descriptor, record, SYS_fallocate, 0, start, size) ? errno : 0;
    errno = before;
    return result;
}

int posix_fallocate64(int descriptor, off_t start, off_t size) {
    return posix_fallocate(descriptor, start, size);
}

/* ------------------------------------------------------------------------------ names */

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&guard);
    int halve;
    int result = -1;
    int seen = below_folder(from) || below_folder(to);
    if (!seen || !fails(-1, &halve)) {
        result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
        if (result == 0 && seen) {
            struct iovec second = {(void *)to, strlen(to)};
            struct record record = {.kind = RENAME, .name = strlen(from), .size = strlen(to)};
            note(record, from, &second, 1);
        }
    }
    pthread_mutex_unlock(&guard);
    return result;
}

static int named(enum kind kind, const char *path, long number, long third) {
    pthread_mutex_lock(&guard);
    int result = (int)syscall(number, AT_FDCWD, path, third);
    if (result == 0 && below_folder(path))
        note((struct record){.kind = kind, .name = strlen(path)}, path, NULL, 0);
    pthread_mutex_unlock(&guard);
    return result;
}

int unlink(const char *path) { return named(UNLINK, path, SYS_unlinkat, 0); }

int rmdir(const char *path) { return named(UNLINK, path, SYS_unlinkat, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) { return named(MKDIR, path, SYS_mkdirat, mode); }
