/* The kernels for what every processor has: on x86-64 SSE2, elsewhere what the compiler makes of
 * vectors of 16 bytes, or of single values. */
#define ISA baseline
#define VBYTES 16
#define MAX_ROWS 6 /* 6 x 2 accumulators, 2 of B and a broadcast in 16 registers */
#include "both_dtypes.h"
