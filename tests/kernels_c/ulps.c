/* How far the activations and exp are from the exact values, in units in the last place.
 *
 *   ulps float32 STRIDE    every STRIDE-th float32 there is; all 2^32 of them with 1
 *   ulps float64 COUNT     COUNT of each kind: near 0, far out, of any magnitude, any bits; and the
 *                          neighbours of the places where a function changes what it does
 *
 * float32 is held against the C library's double, float64 against its long double. With every
 * instruction set of the machine; a table comes out, and the status is 1 where a bound is passed.
 * A third argument is the name of one function.
 */
#include <float.h>
#include <math.h>
#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

#include "common.h"

#if defined(__clang__)
#define COMPILER __VERSION__
#else
#define COMPILER "GCC " __VERSION__
#endif
#if defined(__GLIBC__) /* erf, log1p and their like are its own */
#define LIBC gnu_get_libc_version()
#else
#define LIBC "not glibc"
#endif

enum { BLOCK = 4096, MOST_VARIANTS = 8 };

typedef struct {
    double worst, at;
} result;

#define real float
#define wide double
#define SUFFIX f32
#define W(name) name
#define DIGITS FLT_MANT_DIG
#define LEAST_EXPONENT (FLT_MIN_EXP - FLT_MANT_DIG)
#define TOO_LARGE 0x1.ffffffp127 /* the first that rounds to infinity */
#define NARROW 1
#include "ulps_of_dtype.h"
#undef real
#undef wide
#undef SUFFIX
#undef W
#undef DIGITS
#undef LEAST_EXPONENT
#undef TOO_LARGE
#undef NARROW

#define real double
#define wide long double
#define SUFFIX f64
#define W(name) name##l
#define DIGITS DBL_MANT_DIG
#define LEAST_EXPONENT (DBL_MIN_EXP - DBL_MANT_DIG)
#define TOO_LARGE 0x1.fffffffffffffcp1023L
#define NARROW 0
#include "ulps_of_dtype.h"

static intptr_t every_float(float *x, uint64_t first, uint64_t stride)
{
    intptr_t n = 0;
    for (uint64_t bits = first; bits < (uint64_t)1 << 32 && n < BLOCK; bits += stride) {
        const uint32_t word = (uint32_t)bits;
        memcpy(x + n++, &word, sizeof word);
    }
    return n;
}

static int all_float32(uint64_t stride, const char *only)
{
    static float x[BLOCK];
    int failed = 0;
    for (const row_f32 *row = rows_f32; row->name != NULL; row++) {
        result results[MOST_VARIANTS] = {0};
        if (only != NULL && strcmp(only, row->name) != 0) continue;
        for (uint64_t first = 0; first < (uint64_t)1 << 32; first += BLOCK * stride)
            measure_f32(row, x, every_float(x, first, stride), results);
        failed |= report_f32(row, results);
    }
    return failed;
}

/* Where functions bend, overflow, underflow, saturate, or take another power of two. */
static double hard_place(int i)
{
    static const double edges[] = {0,     0.5,   1,   3,      6,      10,     17.3,    18.02,
                                   20,    22,    36,  37.5,   38.5,   40,     44,      87.34,
                                   708.4, 709.7, 710, 709.79, 745.13, 744.44, DBL_MIN, DBL_MAX};
    const int n = sizeof edges / sizeof *edges;
    return i < n ? edges[i] : (i - n + 0.65) * 0.69314718055994531;
}
enum { HARD_PLACES = 1150, NEIGHBOURS = 32 };

static intptr_t neighbours(double *x, double middle)
{
    double up = middle, down = middle;
    for (int i = 0; i < NEIGHBOURS; i++, x += 4) {
        x[0] = up, x[1] = -up, x[2] = down, x[3] = -down;
        up = nextafter(up, INFINITY), down = nextafter(down, -INFINITY);
    }
    return 4 * NEIGHBOURS;
}

static double drawn(int kind)
{
    const uint64_t bits = random_bits();
    double any;
    switch (kind) {
    case 0: return uniform(-1, 1);
    case 1: return uniform(-10, 10);
    case 2: return uniform(-760, 760);
    case 3: return copysign(exp2(uniform(-40, 11)), bits & 1 ? 1 : -1);
    default: memcpy(&any, &bits, sizeof any); return any;
    }
}

static int dense_float64(long count, const char *only)
{
    static double x[BLOCK];
    int failed = 0;
    for (const row_f64 *row = rows_f64; row->name != NULL; row++) {
        result results[MOST_VARIANTS] = {0};
        if (only != NULL && strcmp(only, row->name) != 0) continue;
        intptr_t n;
        for (int i = 0; i < HARD_PLACES; i++) {
            n = neighbours(x, hard_place(i));
            measure_f64(row, x, n, results);
        }
        for (int kind = 0; kind < 5; kind++)
            for (long done = 0; done < count; done += n) {
                n = count - done < BLOCK ? count - done : BLOCK;
                for (intptr_t i = 0; i < n; i++) x[i] = drawn(kind);
                measure_f64(row, x, n, results);
            }
        failed |= report_f64(row, results);
    }
    return failed;
}

int main(int argc, char **argv)
{
    const long number = argc > 2 ? atol(argv[2]) : 0;
    const char *only = argc > 3 ? argv[3] : NULL;
    if (number <= 0 || (strcmp(argv[1], "float32") != 0 && strcmp(argv[1], "float64") != 0)) {
        fputs("usage: ulps float32 STRIDE [NAME] | ulps float64 COUNT [NAME]\n", stderr);
        return 2;
    }
    printf("ulps %s %ld: %s, the C library %s\n", argv[1], number, COMPILER, LIBC);
    puts("The largest error in units in the last place (in the derivatives of tanh, sigmoid, gelu and\n"
         "silu, of 1; in silu and gelu, more where they are nearly 0: see the program), and where.");
    if (strcmp(argv[1], "float32") == 0) return all_float32((uint64_t)number, only);
    return dense_float64(number, only);
}
