/* The kernels called wrongly, to see that a sanitizer would notice: `faults KIND`.
 *
 *   address      a term more than the matrix has
 *   undefined    more values than an index counts
 *   thread       two threads that write one array
 */
#include <pthread.h>

#include "common.h"

enum { N = 1000 };

static void address(const kernels_f32 *K)
{
    float *B = values(N, sizeof *B), *panels = values((N + 1) * K->lanes, sizeof *panels);
    for (int i = 0; i < N; i++) B[i] = 1;
    K->pack(N + 1, 1, B, 1, 1, panels);
    printf("%g\n", (double)panels[0]);
}

static void undefined(const kernels_f32 *K)
{
    float value = 1;
    const float *in[] = {&value};
    const function_entry_f32 *entry = K->functions;
    while (strcmp(entry->name, "identity") != 0) entry++;
    entry->call(in, &value, INTPTR_MAX, 2, PARAMETER(0)); /* -2 values: none */
    printf("%g\n", (double)value);
}

static float shared[N];

static void *write_shared(void *K)
{
    ((const kernels_f32 *)K)->multiply(N, shared, shared, shared);
    return NULL;
}

static void thread(const kernels_f32 *K)
{
    pthread_t other;
    REQUIRE(pthread_create(&other, NULL, write_shared, (void *)K) == 0, "no thread");
    write_shared((void *)K);
    pthread_join(other, NULL);
    printf("%g\n", (double)shared[0]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(const kernels_f32 *K);
    } faults[] = {{"address", address}, {"undefined", undefined}, {"thread", thread}};
    for (int i = 0; i < 3; i++)
        if (argc == 2 && strcmp(argv[1], faults[i].name) == 0) {
            faults[i].make(cybptt_kernels_f32(0));
            return 0;
        }
    fputs("usage: faults address | undefined | thread\n", stderr);
    return 2;
}
