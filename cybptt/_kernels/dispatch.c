/* Which kernels this build has and this processor runs, the best first.
 *
 * Each of them has been executed by the tests in tests/kernels_c: on x86-64 by the processor, NEON
 * by an emulator. One that nothing has executed does not belong in the table. */
#include <stddef.h>

#include "compiler.h"
#include "kernels.h"

#if defined(__x86_64__) && defined(GNU_C)
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
           && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#define VARIANTS(suffix)                                                                           \
    {has_avx512, &cybptt_##suffix##_avx512}, {has_avx2, &cybptt_##suffix##_avx2},
#define EXTERN(suffix) extern const kernels_##suffix cybptt_##suffix##_avx512, cybptt_##suffix##_avx2;
#elif defined(__aarch64__) && defined(GNU_C)
static int has_neon(void)
{
    return 1;
}
#define VARIANTS(suffix) {has_neon, &cybptt_##suffix##_neon},
#define EXTERN(suffix) extern const kernels_##suffix cybptt_##suffix##_neon;
#else
#define VARIANTS(suffix)
#define EXTERN(suffix)
#endif

static int has_baseline(void)
{
    return 1;
}

#define DISPATCH(suffix)                                                                           \
    extern const kernels_##suffix cybptt_##suffix##_baseline;                                      \
    EXTERN(suffix)                                                                                 \
    const kernels_##suffix *cybptt_kernels_##suffix(int i)                                         \
    {                                                                                              \
        static const struct {                                                                      \
            int (*runs_here)(void);                                                                \
            const kernels_##suffix *kernels;                                                       \
        } variants[] = {VARIANTS(suffix){has_baseline, &cybptt_##suffix##_baseline}};              \
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)                            \
            if (variants[v].runs_here() && i-- == 0)                                               \
                return variants[v].kernels;                                                        \
        return NULL;                                                                               \
    }

DISPATCH(f32)
DISPATCH(f64)
