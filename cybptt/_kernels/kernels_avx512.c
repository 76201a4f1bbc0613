/* The kernels for AVX-512; empty where the compiler or the architecture has none. */
#include "compiler.h"

#if defined(__x86_64__) && defined(GNU_C)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512")
#endif
#define ISA avx512
#define VBYTES 64
#define MAX_ROWS 12 /* 12 x 2 accumulators, 2 of B and a broadcast in 32 registers */
#include "both_dtypes.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int cybptt_no_avx512; /* a translation unit may not be empty */
#endif
