/* A pool of threads: started when first wanted, waiting between calls, ended before a fork.
 *
 * (a) The caller writes its work into `pool`, wakes the workers, and takes tasks itself, by an atomic
 *     counter. When there are none left it closes the work, so that a worker that wakes late finds
 *     nothing, and waits for those that had joined in. All this is written under one mutex; the
 *     counter alone is not, nor the flag of a failure. Who looks before it sleeps reads without it.
 * (b) The pool serves one caller. Another, from another Python thread, finds it taken and does its
 *     work alone: the results are the same, to the bit.
 * (c) A worker looks for new work for a few microseconds before it sleeps, since a pass shares out
 *     several batches of tasks one shortly after another.
 * (d) Before a fork the workers that wait are ended, for Python warns of a fork while other threads
 *     live. Those that are at work, for another Python thread, are let be. In the child no worker
 *     lives; there, and here, the pool starts anew when it is next wanted.
 *     A fork may also come from within a pass, by a signal's handler: the child has lost what its
 *     workers had under way, and the pass fails there.
 * (e) Workers block the signals that others send: these are the interpreter's, in its own threads.
 *     Those of a fault of their own they do not, so that it is reported.
 */
#include "threads.h"

static int run_alone(intptr_t n_tasks, cybptt_task run, void *context)
{
    int failed = 0;
    for (intptr_t i = 0; i < n_tasks && !failed; i++) failed = run(context, i, 1);
    return failed;
}

#if defined(_WIN32) || !defined(GNU_C)

int cybptt_most_threads(void) { return 1; }

int cybptt_share_out(intptr_t n_tasks, int n_threads, cybptt_task run, void *context)
{
    (void)n_threads;
    return run_alone(n_tasks, run, context);
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { MOST_WORKERS = 255, LOOKS_BEFORE_SLEEP = 4000 };

static struct {
    pthread_mutex_t taken; /* held by the caller whom the pool serves */
    pthread_mutex_t mutex; /* guards all below but `next` and `failed` */
    pthread_cond_t work_to_do, all_done;
    int workers;         /* started */
    int ending;          /* the workers are to end */
    pthread_t threads[MOST_WORKERS];
    long kernels_ids[MOST_WORKERS]; /* of the threads, on Linux; each writes its own */
    unsigned generation; /* of the work; read without the mutex while looking */
    int places;          /* for workers that may still join in */
    int busy;            /* workers that have */
    cybptt_task run;
    void *context;
    intptr_t n_tasks, next;
    int failed;
} pool = {
    .taken = PTHREAD_MUTEX_INITIALIZER,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .work_to_do = PTHREAD_COND_INITIALIZER,
    .all_done = PTHREAD_COND_INITIALIZER,
};

static void pause_shortly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_tasks(cybptt_task run, void *context, intptr_t n_tasks, int caller)
{
    while (!cybptt_flag(&pool.failed)) {
        const intptr_t task = __atomic_fetch_add(&pool.next, 1, __ATOMIC_RELAXED);
        if (task >= n_tasks) return;
        if (run(context, task, caller)) cybptt_raise_flag(&pool.failed);
    }
}

static long kernels_id(void)
{
#ifdef __linux__
    return syscall(SYS_gettid);
#else
    return 0;
#endif
}

/* A thread that has been joined may be counted by the kernel for some microseconds more. */
static void wait_until_gone(long id)
{
#ifdef __linux__
    for (int look = 0; look < LOOKS_BEFORE_SLEEP; look++) {
        if (syscall(SYS_tgkill, (long)getpid(), id, 0L)) return;
        sched_yield();
    }
#else
    (void)id;
#endif
}

static void *work(void *own_id)
{
    unsigned seen = 0;
    *(long *)own_id = kernels_id();
    for (;;) {
        for (int look = 0; look < LOOKS_BEFORE_SLEEP; look++) {
            if (__atomic_load_n(&pool.generation, __ATOMIC_RELAXED) != seen) break;
            pause_shortly();
        }
        pthread_mutex_lock(&pool.mutex);
        while (pool.generation == seen) pthread_cond_wait(&pool.work_to_do, &pool.mutex);
        seen = pool.generation;
        if (pool.ending) break;
        if (pool.places > 0) {
            pool.places--;
            __atomic_add_fetch(&pool.busy, 1, __ATOMIC_RELAXED);
            const cybptt_task run = pool.run;
            void *const context = pool.context;
            const intptr_t n_tasks = pool.n_tasks;
            pthread_mutex_unlock(&pool.mutex);
            take_tasks(run, context, n_tasks, 0);
            pthread_mutex_lock(&pool.mutex);
            /* The caller looks at this without the mutex, before it sleeps. */
            if (__atomic_sub_fetch(&pool.busy, 1, __ATOMIC_RELAXED) == 0)
                pthread_cond_signal(&pool.all_done);
        }
        pthread_mutex_unlock(&pool.mutex);
    }
    pthread_mutex_unlock(&pool.mutex);
    return NULL;
}

static void start_workers(int wanted)
{
    static const int of_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof of_faults / sizeof *of_faults; i++)
        sigdelset(&others, of_faults[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    while (pool.workers < wanted) {
        const int i = pool.workers;
        if (pthread_create(&pool.threads[i], NULL, work, &pool.kernels_ids[i])) break;
        pool.workers++; /* where there cannot be another, fewer will do */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static _Thread_local int sharing_out; /* whether the pool serves this thread */

static void end_workers(void)
{
    if (pthread_mutex_trylock(&pool.taken)) return; /* at work: the one who waits may be this one */
    pthread_mutex_lock(&pool.mutex);
    pool.ending = 1;
    __atomic_store_n(&pool.generation, pool.generation + 1, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&pool.work_to_do);
    pthread_mutex_unlock(&pool.mutex);
    for (int i = 0; i < pool.workers; i++) pthread_join(pool.threads[i], NULL);
    for (int i = 0; i < pool.workers; i++) wait_until_gone(pool.kernels_ids[i]);
    pool.workers = pool.ending = 0;
    pthread_mutex_unlock(&pool.taken);
}

static void forget_workers(void)
{
    /* The fork may have come while another thread held these. */
    pthread_mutex_init(&pool.taken, NULL);
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.work_to_do, NULL);
    pthread_cond_init(&pool.all_done, NULL);
    pool.workers = pool.ending = pool.places = pool.busy = 0;
    pool.generation = 0;
    if (sharing_out) {
        pthread_mutex_trylock(&pool.taken);
        cybptt_raise_flag(&pool.failed);
    }
}

static void watch_forks(void)
{
    pthread_atfork(end_workers, NULL, forget_workers);
}

int cybptt_most_threads(void) { return MOST_WORKERS + 1; }

int cybptt_share_out(intptr_t n_tasks, int n_threads, cybptt_task run, void *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int wanted = n_threads - 1;
    if (wanted > n_tasks - 1) wanted = (int)(n_tasks - 1);
    if (wanted > MOST_WORKERS) wanted = MOST_WORKERS;
    if (wanted < 1 || pthread_mutex_trylock(&pool.taken)) return run_alone(n_tasks, run, context);
    pthread_once(&once, watch_forks);

    pthread_mutex_lock(&pool.mutex);
    start_workers(wanted);
    pool.run = run;
    pool.context = context;
    pool.n_tasks = n_tasks;
    pool.failed = 0;
    __atomic_store_n(&pool.next, 0, __ATOMIC_RELAXED);
    pool.places = wanted;
    __atomic_store_n(&pool.generation, pool.generation + 1, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&pool.work_to_do);
    pthread_mutex_unlock(&pool.mutex);

    sharing_out = 1;
    take_tasks(run, context, n_tasks, 1);
    sharing_out = 0;

    pthread_mutex_lock(&pool.mutex);
    pool.places = 0;
    while (pool.busy > 0) {
        pthread_mutex_unlock(&pool.mutex);
        for (int look = 0; look < LOOKS_BEFORE_SLEEP; look++) {
            if (__atomic_load_n(&pool.busy, __ATOMIC_RELAXED) == 0) break;
            pause_shortly();
        }
        pthread_mutex_lock(&pool.mutex);
        if (pool.busy > 0) pthread_cond_wait(&pool.all_done, &pool.mutex);
    }
    const int failed = pool.failed;
    pthread_mutex_unlock(&pool.mutex);
    pthread_mutex_unlock(&pool.taken);
    return failed;
}

#endif
