/* Tasks shared out among threads, and the flag that stops them. */
#ifndef CYBPTT_THREADS_H
#define CYBPTT_THREADS_H

#include <stdint.h>

#include "compiler.h"

/* One of several tasks that may run at the same time. `caller` is 1 in the thread that shared them
 * out. What it returns is not 0 where it failed, or found that another had. */
typedef int (*cybptt_task)(void *context, intptr_t task, int caller);

/* Run tasks 0 … n_tasks - 1 on at most n_threads threads, the calling one among them, and come back
 * when all are done. Which thread runs which task is left open. What comes back is not 0 if a task
 * failed; then some may not have been run. */
int cybptt_share_out(intptr_t n_tasks, int n_threads, cybptt_task run, void *context);

/* How many threads there can be: one where the compiler gives no more. */
int cybptt_most_threads(void);

/* A flag that one thread raises and others look at. */
#if defined(GNU_C)
#define cybptt_raise_flag(flag) __atomic_store_n((flag), 1, __ATOMIC_RELAXED)
#define cybptt_flag(flag) __atomic_load_n((flag), __ATOMIC_RELAXED)
/* Give it a value; what it was. */
#define cybptt_set(flag, value) __atomic_exchange_n((flag), (value), __ATOMIC_SEQ_CST)
#else /* one thread alone */
#define cybptt_raise_flag(flag) (*(flag) = 1)
#define cybptt_flag(flag) (*(flag))
static inline int cybptt_set(int *flag, int value)
{
    const int before = *flag;
    *flag = value;
    return before;
}
#endif

#endif
