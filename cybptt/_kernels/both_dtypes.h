/* template.h for float and for double; the including file has set ISA, VBYTES and MAX_ROWS. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"
#include "kernels.h"

#define real float
#define SUFFIX f32
#define IS_FLOAT 1
#include "template.h"
#undef real
#undef SUFFIX
#undef IS_FLOAT

#define real double
#define SUFFIX f64
#define IS_FLOAT 0
#include "template.h"
#undef real
#undef SUFFIX
#undef IS_FLOAT
