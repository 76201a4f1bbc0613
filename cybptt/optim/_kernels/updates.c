/* The optimizers' kernels for each instruction set; all give the same bits. */
#include <float.h>
#include <math.h>
#include <stddef.h>

#include "tables.h"

enum { SUMS = 32, BLOCK = 4096 }; /* of the sum of squares */

#define ISA baseline
#include "table.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(CYBPTT_PLAIN_C)
#pragma GCC push_options
#pragma GCC target("avx2")
#define ISA avx2
#include "table.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")
#define ISA avx512
#include "table.h"
#pragma GCC pop_options

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
           && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#define VARIANTS(suffix) {has_avx512, &table_##suffix##_avx512}, {has_avx2, &table_##suffix##_avx2},
#else
#define VARIANTS(suffix)
#endif

static int has_baseline(void)
{
    return 1;
}

#define CHOOSE(suffix)                                                                             \
    const updates_##suffix *cybptt_updates_##suffix(int i)                                         \
    {                                                                                              \
        static const struct {                                                                      \
            int (*runs_here)(void);                                                                \
            const updates_##suffix *table;                                                         \
        } variants[] = {VARIANTS(suffix){has_baseline, &table_##suffix##_baseline}};               \
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)                            \
            if (variants[v].runs_here() && i-- == 0)                                               \
                return variants[v].table;                                                          \
        return NULL;                                                                               \
    }

CHOOSE(f32)
CHOOSE(f64)
