/* The kernels for AVX2 with FMA; empty where the compiler or the architecture has none. */
#include "compiler.h"

#if defined(__x86_64__) && defined(GNU_C)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define ISA avx2
#define VBYTES 32
#define MAX_ROWS 6 /* 6 x 2 accumulators, 2 of B and a broadcast in 16 registers */
#include "both_dtypes.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int cybptt_no_avx2; /* a translation unit may not be empty */
#endif
