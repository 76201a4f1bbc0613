/* The pool of threads: every task once, whoever calls, after a failure and after a fork.
 *
 * The argument `no-fork` leaves out the forks: ThreadSanitizer does not follow them.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "threads.h"

enum { MOST_TASKS = 300, CALLERS = 4 };

typedef struct {
    intptr_t runs[MOST_TASKS], fails_at;
    int callers_tasks;
    pthread_t caller;
} work;

static int task(void *context, intptr_t i, int caller)
{
    work *w = context;
    REQUIRE(caller == (pthread_equal(pthread_self(), w->caller) != 0), "task %ld", (long)i);
    if (i == w->fails_at) return 1;
    /* Some take long, so that others overtake them. */
    for (volatile int wait = (int)(i % 7) * 30; wait > 0; wait--) {}
    w->runs[i]++; /* plain: one thread alone runs task i, and the caller reads it afterwards */
    return 0;
}

static void share_out(intptr_t n_tasks, int n_threads)
{
    work w = {.fails_at = -1, .caller = pthread_self()};
    REQUIRE(cybptt_share_out(n_tasks, n_threads, task, &w) == 0, "%ld tasks", (long)n_tasks);
    for (intptr_t i = 0; i < MOST_TASKS; i++)
        REQUIRE(w.runs[i] == (i < n_tasks), "task %ld of %ld on %d threads: run %ld times", (long)i,
                (long)n_tasks, n_threads, (long)w.runs[i]);
}

static void fail(intptr_t n_tasks, int n_threads, intptr_t at)
{
    work w = {.fails_at = at, .caller = pthread_self()};
    REQUIRE(cybptt_share_out(n_tasks, n_threads, task, &w) != 0, "%ld tasks", (long)n_tasks);
    for (intptr_t i = 0; i < n_tasks; i++)
        REQUIRE(w.runs[i] <= (i != at), "task %ld: run %ld times", (long)i, (long)w.runs[i]);
}

static void *many(void *unused)
{
    for (int round = 0; round < 400; round++) {
        share_out(round % MOST_TASKS, 1 + round % 5);
        if (round % 10 == 0) fail(1 + round % 50, 1 + round % 4, round % (1 + round % 50));
    }
    return unused;
}

static void several_callers(void)
{
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        REQUIRE(pthread_create(threads + i, NULL, many, NULL) == 0, "no thread");
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
}

/* Children, while other threads have the pool at work: it is of use to each. */
static void forks(void)
{
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        REQUIRE(pthread_create(threads + i, NULL, many, NULL) == 0, "no thread");
    for (int i = 0; i < 20; i++) {
        int status;
        const pid_t child = fork();
        if (child == 0) {
            alarm(60); /* a child that waits for a thread that is not there */
            for (int n = 0; n < 50; n++) share_out(n, 3);
            _exit(0);
        }
        REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "fork");
        REQUIRE(status == 0, "child %d ended with %#x", i, (unsigned)status);
    }
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    const int with_forks = argc < 2 || strcmp(argv[1], "no-fork") != 0;
    many(NULL);
    several_callers();
    if (with_forks) forks();
    share_out(MOST_TASKS, 4);
    printf("threads: passed%s\n", with_forks ? "" : ", without forks");
    return 0; /* with workers that wait */
}
