/* The kernels for what every processor of the architecture has: SSE2 on x86-64, NEON on AArch64. */
#define ISA baseline
#define VBYTES 16
#if defined(__aarch64__)
#define MAX_ROWS 12 /* 32 registers */
#else
#define MAX_ROWS 6 /* 16 registers */
#endif
#include "both_dtypes.h"
