/* The kernels for NEON, which every AArch64 processor has; empty for other architectures. */
#include "compiler.h"

#if defined(__aarch64__) && defined(GNU_C)
#define ISA neon
#define VBYTES 16
#define MAX_ROWS 12 /* 12 x 2 accumulators, 2 of B and a broadcast in 32 registers */
#include "both_dtypes.h"
#else
typedef int cybptt_no_neon; /* a translation unit may not be empty */
#endif
