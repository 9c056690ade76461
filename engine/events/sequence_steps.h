/* One profile's sequence: whether events, one for each step, follow each other as rules.md says.
 *
 * What happened is taken step by step, forward: the times at which a step can have happened, given
 * the steps before it. That any earlier event serves, not only the first or the last, makes each
 * step one question of each of its times t, about the step before it alone: did that happen within
 * [t - within, t - silence)? Silence is the longest `then no` in between, which itself is a
 * question of each time of the step before it: did one of those events come in (t, t + within]?
 * All lists ascend, so each question is one walk along two lists, and a step costs as much as
 * there are events in it; nothing is tried twice however many steps there are.
 *
 * Times are microseconds; equal times stay, as they answer alike.
 */
#ifndef STRATA_SEQUENCE_STEPS_H
#define STRATA_SEQUENCE_STEPS_H

#include <stdint.h>

/* One step: events of a set. The first has neither of the others. */
typedef struct {
    uint32_t set;
    int absent;         /* none of these events may come */
    int64_t within_us;  /* after the last step that happened */
} strata_step;

/* Times of one profile in one set, ascending. */
typedef struct {
    const int64_t *times;
    uint32_t count;
} strata_times;

static inline int64_t strata_time_after(int64_t time, int64_t span_us) {
    int64_t later;
    return __builtin_add_overflow(time, span_us, &later) ? INT64_MAX : later;
}

/* Keeps the times after which none of `others` came for so long, up to the instant asked. */
static inline uint32_t strata_keep_silent(int64_t *times, uint32_t count,
                                          const strata_times *others, int64_t within_us,
                                          int64_t now_us) {
    uint32_t kept = 0, next = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t end = strata_time_after(times[i], within_us);
        if (end > now_us) break; /* and so it is for all later ones */
        while (next < others->count && others->times[next] <= times[i]) next++;
        if (next == others->count || others->times[next] > end) times[kept++] = times[i];
    }
    return kept;
}

/* The times of `step` that come after one of `times` by more than the silence and at most
 * `within`. */
static inline uint32_t strata_times_after(const int64_t *times, uint32_t count,
                                          const strata_times *step, int64_t silence_us,
                                          int64_t within_us, int64_t *out) {
    uint32_t kept = 0, next = 0;
    for (uint32_t i = 0; i < step->count; i++) {
        int64_t time = step->times[i];
        while (next < count && strata_time_after(times[next], silence_us) < time) next++;
        /* The latest of those early enough is the one that may be near enough. */
        if (next && strata_time_after(times[next - 1], within_us) >= time) out[kept++] = time;
    }
    return kept;
}

/* Whether a profile has the sequence. `sets` are its times by set; `from_us` and `to_us` bound the
 * first step, [from, to); `held` and `spare` have room for the times of any one set. */
static inline int strata_steps_follow(const strata_step *steps, uint32_t step_count,
                                      const strata_times *sets, int64_t from_us, int64_t to_us,
                                      int64_t now_us, int64_t *held, int64_t *spare) {
    const strata_times *first = sets + steps[0].set;
    uint32_t count = 0, s = 1;
    for (uint32_t i = 0; i < first->count; i++)
        if (from_us <= first->times[i] && first->times[i] < to_us) held[count++] = first->times[i];
    while (count && s < step_count) {
        int64_t silence_us = 0;
        for (; s < step_count && steps[s].absent; s++) {
            if (steps[s].within_us > silence_us) silence_us = steps[s].within_us;
            count = strata_keep_silent(held, count, sets + steps[s].set, steps[s].within_us,
                                       now_us);
        }
        if (s == step_count) break;
        count = strata_times_after(held, count, sets + steps[s].set, silence_us,
                                   steps[s].within_us, spare);
        int64_t *swapped = held;
        held = spare;
        spare = swapped;
        s++;
    }
    return count != 0;
}

#endif
