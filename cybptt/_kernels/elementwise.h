/* The elementwise functions: activations, their derivatives, and the links from o to y_hat.
 *
 * Included once for each dtype and instruction set, with `real`, `NAME(f)` and `IS_FLOAT` defined
 * (see template.h). tanh, exp, expm1 and sigmoid are branch-free, so that the compiler vectorises
 * the loops over them; the rest is libm's where libm has it. Every sum takes one product at a time
 * (a b + c, never a b + c d): a compiler that makes it an fma has no choice to make, so the bits of
 * an element do not depend on whether a vector or the scalar tail of a loop computed it.
 * A comparison with NaN is false: `x < low ? low : x` and its like are written so that NaN stays.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(GNU_C)
#define SCALAR static inline __attribute__((always_inline))
#else
#define SCALAR static inline
#endif
/* in == out is allowed: element i is read before it is written */
#if !defined(GNU_C)
#define INDEPENDENT
#elif defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* x + ROUND - ROUND is x rounded to a whole number n, and the low bits of x + ROUND are n's.
 * LN2_HI ends in so many zeros that n LN2_HI is exact for every exponent n. */
#if IS_FLOAT
#define WORD uint32_t
#define SIGNED int32_t
#define MANTISSA 23
#define BIAS 127
#define ROUND 0x1.8p23f
#define LN2_HI 0x1.62e4p-1f
#define LN2_LO 0x1.7f7d1cp-20f
#define LIBM(name) name##f
#define LARGEST FLT_MAX
#define EXP_UNDERFLOWS (-105) /* exp is 0 here, */
#define EXP_OVERFLOWS 89      /* infinity here, */
#define SATURATED 20          /* and 1 + exp(-SATURATED) is 1 */
#else
#define WORD uint64_t
#define SIGNED int64_t
#define MANTISSA 52
#define BIAS 1023
#define ROUND 0x1.8p52
#define LN2_HI 0x1.62e42fefa3000p-1
#define LN2_LO 0x1.3de6af278ece6p-42
#define LIBM(name) name
#define LARGEST DBL_MAX
#define EXP_UNDERFLOWS (-746)
#define EXP_OVERFLOWS 710
#define SATURATED 44
#endif
#define LOG2_E ((real)1.4426950408889634074)
#define SQRT_HALF 0.70710678118654752440
#define SQRT_2_OVER_PI 0.79788456080286535588

SCALAR WORD NAME(bits_of)(real x)
{
    WORD bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

SCALAR real NAME(from_bits)(WORD bits)
{
    real x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

SCALAR real NAME(magnitude)(real x)
{
    return x < 0 ? -x : x;
}

SCALAR real NAME(clip)(real x, real low, real high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* p = e^r - 1, where x = n ln 2 + r with n whole: then e^x = 2^n (1 + p). n's bits are *n's lowest.
 * The 0.15 moves r from -0.35 … 0.35 to -0.24 … 0.45, so that 2^n p + (2^n - 1) does not cancel for
 * x > 0. p = r + r² q(r), where q is the minimax polynomial of (e^r - 1 - r) / r² for p's relative
 * error, found by Remez' algorithm and rounded: 0.3 units of 2^-24 and 0.2 of 2^-53. */
SCALAR real NAME(reduced)(real x, WORD *n)
{
    real k = (x * LOG2_E - (real)0.15) + ROUND;
    *n = NAME(bits_of)(k);
    k -= ROUND;
    const real r = (x - k * LN2_HI) - k * LN2_LO;
#if IS_FLOAT
    real q = 0x1.8db7eap-10f;
    q = q * r + 0x1.114056p-7f;
    q = q * r + 0x1.553e8ap-5f;
    q = q * r + 0x1.55556ep-3f;
    q = q * r + 0x1.000006p-1f;
#else
    real q = 0x1.d960e360a21aep-26;
    q = q * r + 0x1.274bd7408a1bbp-22;
    q = q * r + 0x1.71d45bab63fadp-19;
    q = q * r + 0x1.a01a78e5e6aebp-16;
    q = q * r + 0x1.a01a02ec00104p-13;
    q = q * r + 0x1.6c16c15283782p-10;
    q = q * r + 0x1.111111110866ap-7;
    q = q * r + 0x1.55555555595bfp-5;
    q = q * r + 0x1.5555555555544p-3;
    q = q * r + 0x1.ffffffffffff5p-2;
#endif
    return (r * r) * q + r;
}

/* e^x for every x. 2^n is multiplied in as two factors, since n goes from -1076 to 1024 and no
 * exponent field does: the second product overflows, or rounds to a denormal once, as it should. */
SCALAR real NAME(scalar_exp)(real x)
{
    WORD n;
    const real p = NAME(reduced)(NAME(clip)(x, EXP_UNDERFLOWS, EXP_OVERFLOWS), &n);
    n += 2 * BIAS - NAME(bits_of)(ROUND);
    const WORD half = n >> 1;
    const real s = NAME(from_bits)(half << MANTISSA), t = NAME(from_bits)((n - half) << MANTISSA);
    return (1 + p) * s * t;
}

/* log x for x >= 1, not infinite; NaN stays. x = 2^n m, m from sqrt ½ to sqrt 2; with f = m - 1 and
 * s = f / (2 + f), log m = 2 artanh s = 2 s (1 + s²/3 + s⁴/5 + …), s² < 0.03. Within 2 ulp. */
SCALAR real NAME(scalar_log)(real x)
{
    const WORD bits = NAME(bits_of)(x), half = NAME(bits_of)((real)SQRT_HALF);
    const WORD n = (bits - half) >> MANTISSA;
    const real f = NAME(from_bits)(bits - (n << MANTISSA)) - 1, s = f / (f + 2), z = s * s;
    const real k = (real)(SIGNED)n;
#if IS_FLOAT
    real q = (real)2 / 9;
#else
    real q = (real)2 / 21;
    q = q * z + (real)2 / 19;
    q = q * z + (real)2 / 17;
    q = q * z + (real)2 / 15;
    q = q * z + (real)2 / 13;
    q = q * z + (real)2 / 11;
    q = q * z + (real)2 / 9;
#endif
    q = q * z + (real)2 / 7;
    q = q * z + (real)2 / 5;
    q = q * z + (real)2 / 3;
    const real small = (s * z) * q + k * LN2_LO;
    return k * LN2_HI + (2 * s + small) + (x - x);
}

/* e^x - 1 = 2^n p + (2^n - 1) for |x| <= SATURATED; x itself where x is tiny. */
SCALAR real NAME(scalar_expm1)(real x)
{
    WORD n;
    const real p = NAME(reduced)(x, &n);
    const real s = NAME(from_bits)((n + BIAS) << MANTISSA);
    return s * p + (s - 1);
}

/* tanh |x| = e / (e + 2), e = exp(2|x|) - 1. The quotient t is mended once by e - t (d + low),
 * where d + low is e + 2 without rounding: within 1.7 ulp with fma, 2.6 without. Denormals and -0
 * come back as they are. */
SCALAR real NAME(scalar_tanh)(real x)
{
    const real y = 2 * NAME(magnitude)(x);
    const real e = NAME(scalar_expm1)(y > SATURATED ? SATURATED : y);
    const real d = e + 2, low = e - (d - 2), inverse = 1 / d;
    const real t = e * inverse;
    real rest = e - t * d;
    rest = rest - t * low;
    return LIBM(copysign)(rest * inverse + t, x);
}

/* 1 / (1 + e^-x), and z / (1 + z) where x < 0; z = e^-|x|: nothing overflows, nothing cancels. */
SCALAR real NAME(scalar_sigmoid)(real x)
{
    const real z = NAME(scalar_exp)(-NAME(magnitude)(x));
    return (x < 0 ? z : 1) / (1 + z);
}

/* log(1 + e^x) */
SCALAR real NAME(scalar_softplus)(real x)
{
    return (x < 0 ? 0 : x) + LIBM(log1p)(NAME(scalar_exp)(-NAME(magnitude)(x)));
}

/* α (e^x - 1) for x <= 0 */
SCALAR real NAME(scalar_elu)(real x, real alpha)
{
    return x > 0 ? x : alpha * NAME(scalar_expm1)(NAME(clip)(x, -SATURATED, 0));
}

/* x / (1 + |x|), but never infinity / infinity */
SCALAR real NAME(scalar_softsign)(real x)
{
    const real c = NAME(clip)(x, -LARGEST, LARGEST);
    return c / (1 + NAME(magnitude)(c));
}

/* 1 / (1 + |x|)² */
SCALAR real NAME(softsign_slope)(real x)
{
    const real inverse = 1 / (1 + NAME(magnitude)(x));
    return inverse * inverse;
}

/* x P(Z <= x), Z standard normal. erfc keeps the lower tail, where 1 + erf would cancel; it
 * multiplies the rounding of its argument by x², hence double for both dtypes. Past -40 the result
 * is 0, and x is held there: no infinity times 0. */
SCALAR double NAME(scalar_gelu)(double x)
{
    x = x < -40 ? -40 : x;
    return 0.5 * x * erfc(-SQRT_HALF * x);
}

/* P(Z <= x) + x exp(-x²/2) / sqrt(2π) */
SCALAR double NAME(gelu_slope)(double x)
{
    x = x < -40 ? -40 : x;
    x = x > 40 ? 40 : x;
    const double density = SQRT_2_OVER_PI * exp(-0.5 * x * x);
    return 0.5 * (x * density + erfc(-SQRT_HALF * x));
}

/* x s, s = sigmoid(x). Far out, where s is 0, x is held: no infinity times 0. */
SCALAR real NAME(scalar_silu)(real x)
{
    x = x < EXP_UNDERFLOWS - 20 ? EXP_UNDERFLOWS - 20 : x;
    const real z = NAME(scalar_exp)(-NAME(magnitude)(x));
    return x * (x < 0 ? z : 1) / (1 + z);
}

/* s (1 + x (1 - s)); 1 - s = sigmoid(-x) */
SCALAR real NAME(silu_slope)(real x)
{
    x = NAME(clip)(x, EXP_UNDERFLOWS - 20, EXP_OVERFLOWS + 20);
    const real z = NAME(scalar_exp)(-NAME(magnitude)(x));
    const real larger = 1 / (1 + z), smaller = z * larger;
    return (x < 0 ? smaller : larger) * (x * (x < 0 ? larger : smaller) + 1);
}

/* ------------------------------------------------- activations and derivatives, a line for each */

/* x is an element of in[0], p the parameter. */
#define ELEMENTWISE(name, expression)                                                              \
    static void NAME(name)(const real *const *in, real *out, intptr_t rows, intptr_t cols,         \
                           const void *context)                                                    \
    {                                                                                              \
        const real *const values = in[0];                                                          \
        const real p = (real)*(const double *)context;                                             \
        const intptr_t n = rows * cols;                                                            \
        (void)p;                                                                                   \
        INDEPENDENT                                                                                \
        for (intptr_t i = 0; i < n; i++) {                                                         \
            const real x = values[i];                                                              \
            out[i] = (real)(expression);                                                           \
        }                                                                                          \
    }
/* f' as in ELEMENTWISE, and what C.1 makes of it, in = {x, g}: f'(x) g, with the bits that the
 * derivative and a product after it have. */
#define DERIVATIVE(name, expression)                                                               \
    ELEMENTWISE(name##_derivative, expression)                                                     \
    static void NAME(name##_pullback)(const real *const *in, real *out, intptr_t rows,             \
                                      intptr_t cols, const void *context)                          \
    {                                                                                              \
        const real *const values = in[0], *const cotangent = in[1];                                \
        const real p = (real)*(const double *)context;                                             \
        const intptr_t n = rows * cols;                                                            \
        (void)p;                                                                                   \
        INDEPENDENT                                                                                \
        for (intptr_t i = 0; i < n; i++) {                                                         \
            const real x = values[i];                                                              \
            const real slope = (real)(expression);                                                 \
            out[i] = slope * cotangent[i];                                                         \
        }                                                                                          \
    }
/* A derivative does not hide a NaN. */
#define UNLESS_NAN(slope) (x != x ? x : (slope))

ELEMENTWISE(tanh, NAME(scalar_tanh)(x))
DERIVATIVE(tanh, 1 - x * x) /* of the output: f'(a) = 1 - h², as in 10.21 */
ELEMENTWISE(identity, x)
DERIVATIVE(identity, UNLESS_NAN(1))
ELEMENTWISE(sigmoid, NAME(scalar_sigmoid)(x))
DERIVATIVE(sigmoid, x * (1 - x)) /* of the output */
ELEMENTWISE(relu, x < 0 ? 0 : x)
DERIVATIVE(relu, UNLESS_NAN(x > 0 ? 1 : 0)) /* of the input or the output */
ELEMENTWISE(leaky_relu, x < 0 ? p * x : x)
DERIVATIVE(leaky_relu, UNLESS_NAN(x > 0 ? 1 : p)) /* of the input; p >= 0: of either */
ELEMENTWISE(elu, NAME(scalar_elu)(x, p))
DERIVATIVE(elu, x > 0 ? 1 : p * NAME(scalar_exp)(x))
ELEMENTWISE(softplus, NAME(scalar_softplus)(x))
DERIVATIVE(softplus, NAME(scalar_sigmoid)(x))
ELEMENTWISE(softsign, NAME(scalar_softsign)(x))
DERIVATIVE(softsign, NAME(softsign_slope)(x))
ELEMENTWISE(hard_sigmoid, NAME(clip)((x + 3) / 6, 0, 1)) /* x / 6 + 1/2 cancels at -3, this not */
DERIVATIVE(hard_sigmoid, UNLESS_NAN(x > -3 && x < 3 ? (real)1 / 6 : 0))
ELEMENTWISE(hard_tanh, NAME(clip)(x, -1, 1))
DERIVATIVE(hard_tanh, UNLESS_NAN(x > -1 && x < 1 ? 1 : 0)) /* of the input or output */
ELEMENTWISE(gelu, NAME(scalar_gelu)(x))
DERIVATIVE(gelu, NAME(gelu_slope)(x))
ELEMENTWISE(silu, NAME(scalar_silu)(x))
DERIVATIVE(silu, NAME(silu_slope)(x))

/* ------------------------------------ links from o to y_hat, and their vector-Jacobian products */

ELEMENTWISE(exp, NAME(scalar_exp)(x))

/* in = {o, y_hat, cotangent}: y and v are elements of the last two (C.6). */
#define LINK_VJP(name, expression)                                                                 \
    static void NAME(name)(const real *const *in, real *out, intptr_t rows, intptr_t cols,         \
                           const void *context)                                                    \
    {                                                                                              \
        const real *const y_hat = in[1], *const cotangent = in[2];                                 \
        const intptr_t n = rows * cols;                                                            \
        (void)context;                                                                             \
        INDEPENDENT                                                                                \
        for (intptr_t i = 0; i < n; i++) {                                                         \
            const real y = y_hat[i], v = cotangent[i];                                             \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

LINK_VJP(exp_vjp, v * y)
LINK_VJP(sigmoid_vjp, v * (y * (1 - y)))

/* The body of a function that folds a row's n terms into one number: term j goes to lane
 * j % FOLD_LANES, and the lanes meet in a fixed tree. It vectorises without reordering, and the
 * bits depend on the row alone. `add` takes term k into *to, `meet` takes `other` into *to. */
#define FOLD_LANES 16
#define FOLD(n, start, add, meet)                                                                  \
    real lanes[FOLD_LANES];                                                                        \
    for (int lane = 0; lane < FOLD_LANES; lane++) lanes[lane] = start;                             \
    intptr_t j = 0;                                                                                \
    for (; j + FOLD_LANES <= (n); j += FOLD_LANES)                                                 \
        for (int lane = 0; lane < FOLD_LANES; lane++) {                                            \
            const intptr_t k = j + lane;                                                           \
            real *const to = lanes + lane;                                                         \
            add;                                                                                   \
        }                                                                                          \
    for (intptr_t k = j; k < (n); k++) {                                                           \
        real *const to = lanes + (k - j);                                                          \
        add;                                                                                       \
    }                                                                                              \
    for (int width = FOLD_LANES / 2; width > 0; width /= 2)                                        \
        for (int lane = 0; lane < width; lane++) {                                                 \
            const real other = lanes[lane + width];                                                \
            real *const to = lanes + lane;                                                         \
            meet;                                                                                  \
        }                                                                                          \
    return lanes[0];

SCALAR real NAME(row_max)(const real *x, intptr_t n)
{
    FOLD(n, -INFINITY, *to = x[k] > *to ? x[k] : *to, *to = other > *to ? other : *to)
}

SCALAR real NAME(row_sum)(const real *x, intptr_t n)
{
    FOLD(n, 0, *to += x[k], *to += other)
}

SCALAR real NAME(row_dot)(const real *x, const real *y, intptr_t n)
{
    FOLD(n, 0, *to += x[k] * y[k], *to += other)
}

SCALAR void NAME(scale_row)(real *x, real factor, intptr_t n)
{
    INDEPENDENT
    for (intptr_t j = 0; j < n; j++) x[j] *= factor;
}

/* Rows go by tiles that fit the first-level cache: a loop over a tile is long, however short the
 * rows are. */
#define TILE_ROWS(cols) (2048 / ((cols) + 1) + 1)

/* z = exp(o - max o) in each row. The maxima go to `largest`, unless it is NULL. */
SCALAR void NAME(shifted_exp)(const real *o, real *z, real *largest, intptr_t rows, intptr_t cols)
{
    for (intptr_t n = 0; n < rows; n++, o += cols) {
        const real top = NAME(row_max)(o, cols);
        real *const row = z + n * cols;
        if (largest != NULL) largest[n] = top;
        INDEPENDENT
        for (intptr_t j = 0; j < cols; j++) row[j] = o[j] - top;
    }
    INDEPENDENT
    for (intptr_t i = 0; i < rows * cols; i++) z[i] = NAME(scalar_exp)(z[i]);
}

#ifdef SHUFFLES
/* Rows of few columns go LANES at a time, so that a sum along each row is a sum down a square: what
 * is left of each row is a vector, and the transpose of LANES of these adds up for all at once. */
#define NARROW 128
#define PADDED(cols) (((cols) + LANES - 1) / LANES * LANES)

/* The larger of each two values; b's where either is NaN. */
SCALAR vec NAME(larger)(vec a, vec b)
{
    typedef SIGNED mask __attribute__((vector_size(VBYTES)));
    const mask which = (mask)(a > b);
    return (vec)(((mask)a & which) | ((mask)b & ~which));
}

/* tile = exp(o - max o), padded with zeros, and each row's maximum and sum. */
SCALAR void NAME(exp_of_narrow)(const real *o, intptr_t rows, intptr_t cols, real *tile,
                                real *largest, real *sums)
{
    const intptr_t width = PADDED(cols);
    vec fold[LANES], all;
    for (intptr_t r = 0; r < LANES; r++) {
        const real *const row = o + (r < rows ? r : rows - 1) * cols;
        real *const to = tile + r * width;
        for (intptr_t j = 0; j < cols; j++) to[j] = row[j];
        for (intptr_t j = cols; j < width; j++) to[j] = -INFINITY;
        fold[r] = *(const vec *)to;
        for (intptr_t j = LANES; j < width; j += LANES) {
            const vec next = *(const vec *)(to + j);
            fold[r] = NAME(larger)(next, fold[r]);
        }
    }
    NAME(transpose_square)(fold);
    all = fold[0];
    UNROLL for (int i = 1; i < LANES; i++) all = NAME(larger)(fold[i], all);
    *(vec *)largest = all;
    for (intptr_t r = 0; r < LANES; r++)
        for (intptr_t j = 0; j < width; j += LANES) *(vec *)(tile + r * width + j) -= largest[r];
    INDEPENDENT
    for (intptr_t i = 0; i < LANES * width; i++) tile[i] = NAME(scalar_exp)(tile[i]);
    for (intptr_t r = 0; r < LANES; r++) {
        fold[r] = *(const vec *)(tile + r * width);
        for (intptr_t j = LANES; j < width; j += LANES) fold[r] += *(const vec *)(tile + r * width + j);
    }
    NAME(transpose_square)(fold);
    UNROLL for (int width_left = LANES / 2; width_left > 0; width_left /= 2)
        UNROLL for (int i = 0; i < width_left; i++) fold[i] += fold[i + width_left];
    *(vec *)sums = fold[0];
}
#endif

/* 10.11: y_hat = exp(o) / (the sum of exp(o) over the row) */
static void NAME(softmax)(const real *const *in, real *out, intptr_t rows, intptr_t cols,
                          const void *context)
{
    const real *o = in[0];
    (void)context;
#ifdef SHUFFLES
    real tile[LANES * NARROW], largest[LANES], sums[LANES];
    for (; cols <= NARROW && rows > 0; rows -= LANES, o += LANES * cols, out += LANES * cols) {
        const intptr_t count = rows < LANES ? rows : LANES;
        NAME(exp_of_narrow)(o, count, cols, tile, largest, sums);
        for (intptr_t r = 0; r < count; r++) {
            const real inverse = 1 / sums[r];
            for (intptr_t j = 0; j < cols; j++)
                out[r * cols + j] = tile[r * PADDED(cols) + j] * inverse;
        }
    }
#endif
    for (intptr_t first = 0; first < rows; first += TILE_ROWS(cols)) {
        const intptr_t left = rows - first;
        const intptr_t count = left < TILE_ROWS(cols) ? left : TILE_ROWS(cols);
        real *y_hat = out + first * cols;
        NAME(shifted_exp)(o + first * cols, y_hat, NULL, count, cols);
        for (intptr_t n = 0; n < count; n++, y_hat += cols)
            NAME(scale_row)(y_hat, 1 / NAME(row_sum)(y_hat, cols), cols);
    }
}

/* (diag(y) - y yᵀ) v = y (v - yᵀ v) */
static void NAME(softmax_vjp)(const real *const *in, real *out, intptr_t rows, intptr_t cols,
                              const void *context)
{
    const real *y = in[1], *v = in[2];
    (void)context;
    for (intptr_t n = 0; n < rows; n++, y += cols, v += cols, out += cols) {
        const real mean = NAME(row_dot)(y, v, cols);
        INDEPENDENT
        for (intptr_t j = 0; j < cols; j++) out[j] = y[j] * (v[j] - mean);
    }
}

#define ENTRY(name, n_in) {#name, NAME(name), n_in}
#define ACTIVATION(name)                                                                           \
    ENTRY(name, 1), ENTRY(name##_derivative, 1), ENTRY(name##_pullback, 2)
static const function_entry NAME(functions)[] = {
    ACTIVATION(tanh), ACTIVATION(identity), ACTIVATION(sigmoid), ACTIVATION(relu),
    ACTIVATION(leaky_relu), ACTIVATION(elu), ACTIVATION(softplus), ACTIVATION(softsign),
    ACTIVATION(hard_sigmoid), ACTIVATION(hard_tanh), ACTIVATION(gelu), ACTIVATION(silu),
    ENTRY(softmax, 1), ENTRY(exp, 1), /* links; sigmoid is one too */
    ENTRY(softmax_vjp, 3), ENTRY(exp_vjp, 3), ENTRY(sigmoid_vjp, 3),
    {0},
};
#undef ENTRY
#undef ACTIVATION
