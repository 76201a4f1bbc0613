/* A part of ulps.c, included for each dtype: `real` is measured, `wide` holds the exact value. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(f) JOIN(f, SUFFIX)

/* The unit in the last place of a `real` of this size. */
static wide NAME(place)(wide exact)
{
#if NARROW /* the exponent field alone, for there are 2^32 */
    uint64_t bits;
    memcpy(&bits, &exact, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023 - (DIGITS - 1);
    if (exponent < LEAST_EXPONENT) exponent = LEAST_EXPONENT;
    bits = (uint64_t)(exponent + 1023) << 52;
    memcpy(&exact, &bits, sizeof bits);
    return exact;
#else
    int exponent;
    if (exact == 0 || exact - exact != 0) return W(ldexp)(1, LEAST_EXPONENT);
    W(frexp)(exact, &exponent);
    exponent -= DIGITS;
    return W(ldexp)(1, exponent < LEAST_EXPONENT ? LEAST_EXPONENT : exponent);
#endif
}

/* What is beyond the largest number is as far as the next power of two; NaN must stay. */
static double NAME(off)(real got, wide exact, wide unit)
{
    if (exact != exact || got != got) return (exact != exact) == (got != got) ? 0 : INFINITY;
    if (got == exact) return 0;
    if (got - got == 0) return (double)(W(fabs)(got - exact) / unit);
    if (W(fabs)(exact) >= TOO_LARGE) return (got > 0) == (exact > 0) ? 0 : INFINITY;
    const wide infinity = W(copysign)(W(ldexp)(TOO_LARGE, -1) + W(ldexp)(TOO_LARGE, -1), got);
    return (double)(W(fabs)(infinity - exact) / unit);
}

typedef struct {
    const char *name;
    wide (*exact)(wide x);
    wide (*unit)(wide exact, wide x);
    double parameter, bound;
} NAME(row);

/* The units. */
static wide NAME(ulp)(wide exact, wide x)
{
    (void)x;
    return NAME(place)(exact);
}

/* Of a slope that is small where its terms cancel: of 1. */
static wide NAME(of_1)(wide exact, wide x)
{
    (void)x;
    return NAME(place)(W(fabs)(exact) < 1 ? 1 : exact);
}

/* x times what e^x loses where it is a denormal. */
static wide NAME(tail)(wide exact, wide x)
{
    return NAME(place)(exact) + (x < 0 ? W(ldexp)(-x, LEAST_EXPONENT) : 0);
}

/* erfc's argument is rounded, which the lower tail multiplies by x² + 1; float32's is in double. */
static wide NAME(erfc_tail)(wide exact, wide x)
{
    return NAME(place)(exact) * (NARROW || x > 0 || x < -40 ? 1 : 1 + x * x);
}

#define EXACT(name, value)                                                                         \
    static wide NAME(name##_exact)(wide x)                                                         \
    {                                                                                              \
        return value;                                                                              \
    }
#define UNLESS_NAN(slope) (x != x ? x : (slope))
/* No infinity times 0, nor divided by infinity: there, the limit. */
#define FAR_OUT 20000

EXACT(tanh, W(tanh)(x))
EXACT(tanh_derivative, (1 - x) * (1 + x))
EXACT(identity, x)
EXACT(identity_derivative, UNLESS_NAN(1))
EXACT(sigmoid, 1 / (1 + W(exp)(-x)))
EXACT(sigmoid_derivative, x * (1 - x))
EXACT(relu, x < 0 ? 0 : x)
EXACT(relu_derivative, UNLESS_NAN(x > 0))
EXACT(leaky_relu, x < 0 ? (real)0.01 * x : x)
EXACT(leaky_relu_derivative, UNLESS_NAN(x > 0 ? 1 : (real)0.01))
EXACT(elu, x > 0 ? x : W(expm1)(x))
EXACT(elu_derivative, x > 0 ? 1 : W(exp)(x))
EXACT(softplus, (x < 0 ? 0 : x) + W(log1p)(W(exp)(-W(fabs)(x))))
EXACT(softsign, W(fabs)(x) == INFINITY ? W(copysign)(1, x) : x / (1 + W(fabs)(x)))
EXACT(softsign_derivative, 1 / ((1 + W(fabs)(x)) * (1 + W(fabs)(x))))
EXACT(hard_sigmoid, x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6)
EXACT(hard_sigmoid_derivative, UNLESS_NAN(x > -3 && x < 3 ? (wide)1 / 6 : 0))
EXACT(hard_tanh, x < -1 ? -1 : x > 1 ? 1 : x)
EXACT(hard_tanh_derivative, UNLESS_NAN(x > -1 && x < 1))
EXACT(gelu, x < -FAR_OUT ? 0 : x / 2 * W(erfc)(-x * 0.70710678118654752440084436L))
EXACT(gelu_derivative,
      W(fabs)(x) > FAR_OUT ? x > 0
                           : (W(erfc)(-x * 0.70710678118654752440084436L)
                              + x * 0.79788456080286535587989212L * W(exp)(-x * x / 2)) / 2)
EXACT(silu, x < -FAR_OUT ? 0 : x / (1 + W(exp)(-x)))
EXACT(silu_derivative,
      W(fabs)(x) > FAR_OUT
          ? x > 0
          : (1 + x / (1 + W(exp)(x))) / (1 + W(exp)(-x)))
EXACT(exp, W(exp)(x))

#define ROW(name, exact, unit, parameter, bound)                                                   \
    {#name, NAME(exact##_exact), NAME(unit), parameter, bound}
static const NAME(row) NAME(rows)[] = {
    ROW(tanh, tanh, ulp, 0, 2.6),
    ROW(tanh_derivative, tanh_derivative, of_1, 0, 1.1),
    ROW(identity, identity, ulp, 0, 0),
    ROW(identity_derivative, identity_derivative, ulp, 0, 0),
    ROW(sigmoid, sigmoid, ulp, 0, 2.5),
    ROW(sigmoid_derivative, sigmoid_derivative, of_1, 0, 1.6),
    ROW(relu, relu, ulp, 0, 0),
    ROW(relu_derivative, relu_derivative, ulp, 0, 0),
    ROW(leaky_relu, leaky_relu, ulp, 0.01, 0.51),
    ROW(leaky_relu_derivative, leaky_relu_derivative, ulp, 0.01, 0),
    ROW(elu, elu, ulp, 1, 2.9),
    ROW(elu_derivative, elu_derivative, ulp, 1, 1.2),
    ROW(softplus, softplus, ulp, 0, 1.7),
    ROW(softplus_derivative, sigmoid, ulp, 0, 2.5),
    ROW(softsign, softsign, ulp, 0, 1.6),
    ROW(softsign_derivative, softsign_derivative, ulp, 0, 3.6),
    ROW(hard_sigmoid, hard_sigmoid, ulp, 0, 1.5),
    ROW(hard_sigmoid_derivative, hard_sigmoid_derivative, ulp, 0, 0.5),
    ROW(hard_tanh, hard_tanh, ulp, 0, 0),
    ROW(hard_tanh_derivative, hard_tanh_derivative, ulp, 0, 0),
    ROW(gelu, gelu, erfc_tail, 0, 2.5),
    ROW(gelu_derivative, gelu_derivative, of_1, 0, 2),
    ROW(silu, silu, tail, 0, 3.5),
    ROW(silu_derivative, silu_derivative, of_1, 0, 2.1),
    ROW(exp, exp, ulp, 0, 1.2),
    {0},
};

static void NAME(measure)(const NAME(row) *row, const real *x, intptr_t n, result *results)
{
    static wide exact[BLOCK], unit[BLOCK];
    static real got[BLOCK];
    const NAME(kernels) *kernels;
    for (intptr_t i = 0; i < n; i++) {
        exact[i] = row->exact(x[i]);
        unit[i] = row->unit(exact[i], x[i]);
    }
    for (int v = 0; (kernels = JOIN(cybptt_kernels, SUFFIX)(v)) != NULL; v++) {
        const JOIN(function_entry, SUFFIX) *entry = kernels->functions;
        while (strcmp(entry->name, row->name) != 0) entry++;
        entry->call(&x, got, 1, n, PARAMETER(row->parameter));
        for (intptr_t i = 0; i < n; i++) {
            const double error = NAME(off)(got[i], exact[i], unit[i]);
            if (error > results[v].worst) {
                results[v].worst = error;
                results[v].at = (double)x[i];
            }
        }
    }
}

static int NAME(report)(const NAME(row) *row, const result *results)
{
    const NAME(kernels) *kernels;
    int failed = 0;
    for (int v = 0; (kernels = JOIN(cybptt_kernels, SUFFIX)(v)) != NULL; v++) {
        const int passed = results[v].worst <= row->bound;
        printf("%-24s %-9s %6.3f at %.*g", row->name, kernels->name, results[v].worst,
               NARROW ? 9 : 17, results[v].at);
        if (!passed) printf("  FAILED: need at most %g", row->bound);
        putchar('\n');
        failed |= !passed;
    }
    fflush(stdout);
    return failed;
}

#undef JOIN_
#undef JOIN
#undef NAME
#undef EXACT
#undef UNLESS_NAN
#undef FAR_OUT
#undef ROW
