/* The losses L(t) = -log p_model(y(t)) of 10.14, less terms without o, and their gradients by
 * o (10.18).
 *
 * Included after elementwise.h, with the same macros defined. o is (N, O), a row for each step of
 * each sequence; y is (N,) labels or (N, O) values; value (N,) and grad (N, O) are written where
 * they are not NULL, and grad is not o. A row's results depend on the row alone. That labels are
 * 0 <= y < O is checked at the door, not here.
 */

SCALAR real NAME(row_exp_sum)(const real *o, real largest, intptr_t n)
{
    FOLD(n, 0, *to += NAME(scalar_exp)(o[k] - largest), *to += other)
}

/* L = log(sum exp(o)) - o_y, with the largest o taken out of the sum: 1e8 neither overflows nor is
 * lost. The gradient is y_hat - onehot(y). */
static void NAME(softmax_nll)(const real *o, const void *labels, real *value, real *grad,
                              intptr_t N, intptr_t O, const void *context)
{
    const intptr_t *y = (const intptr_t *)labels;
    (void)context;
#ifdef SHUFFLES
    real tile[LANES * NARROW], largest[LANES], sums[LANES], logs[LANES];
    for (; O <= NARROW && N > 0; N -= LANES, o += LANES * O, y += LANES) {
        const intptr_t count = N < LANES ? N : LANES;
        NAME(exp_of_narrow)(o, count, O, tile, largest, sums);
        if (value != NULL) {
            for (int r = 0; r < LANES; r++) logs[r] = NAME(scalar_log)(sums[r]);
            for (intptr_t r = 0; r < count; r++)
                value[r] = (largest[r] - o[r * O + y[r]]) + logs[r];
            value += LANES;
        }
        if (grad != NULL) {
            for (intptr_t r = 0; r < count; r++) {
                const real inverse = 1 / sums[r];
                for (intptr_t j = 0; j < O; j++)
                    grad[r * O + j] = tile[r * PADDED(O) + j] * inverse;
                grad[r * O + y[r]] -= 1;
            }
            grad += LANES * O;
        }
    }
#endif
    while (N > 0) {
        const intptr_t count = N < TILE_ROWS(O) ? N : TILE_ROWS(O);
        if (grad != NULL) NAME(shifted_exp)(o, grad, value, count, O);
        for (intptr_t n = 0; n < count; n++, o += O) {
            const intptr_t label = y[n];
            real sum;
            if (grad != NULL) {
                sum = NAME(row_sum)(grad, O);
                NAME(scale_row)(grad, 1 / sum, O);
                grad[label] -= 1;
                grad += O;
            } else {
                value[n] = NAME(row_max)(o, O);
                sum = NAME(row_exp_sum)(o, value[n], O);
            }
            if (value != NULL) value[n] = (value[n] - o[label]) + LIBM(log)(sum);
        }
        y += count;
        N -= count;
        if (value != NULL) value += count;
    }
}

/* Losses that are a sum of one term for each output: x is o_i, y is y_i, p the parameter. */
#define SUM_LOSS(name, term, slope)                                                                \
    SCALAR real NAME(name##_of_row)(const real *o, const real *targets, intptr_t n, real p)        \
    {                                                                                              \
        (void)p;                                                                                   \
        FOLD(n, 0, const real x = o[k]; const real y = targets[k]; *to += term, *to += other)      \
    }                                                                                              \
    static void NAME(name)(const real *o, const void *targets, real *value, real *grad,            \
                           intptr_t N, intptr_t O, const void *context)                            \
    {                                                                                              \
        const real *const values = (const real *)targets;                                          \
        const real p = (real)*(const double *)context;                                             \
        (void)p;                                                                                   \
        if (value != NULL)                                                                         \
            for (intptr_t n = 0; n < N; n++)                                                       \
                value[n] = NAME(name##_of_row)(o + n * O, values + n * O, O, p);                   \
        if (grad != NULL) {                                                                        \
            INDEPENDENT                                                                            \
            for (intptr_t i = 0; i < N * O; i++) {                                                 \
                const real x = o[i], y = values[i];                                                \
                grad[i] = slope;                                                                   \
            }                                                                                      \
        }                                                                                          \
    }

/* -log N(y; o, 1), without its constant */
SUM_LOSS(squared_error, (x - y) * (x - y) * (real)0.5, x - y)

/* o is the logit: -y log s - (1 - y) log(1 - s) = log(1 + e^o) - y o for s = sigmoid(o) */
SCALAR real NAME(bernoulli_term)(real x, real y)
{
    const real rest = LIBM(log1p)(NAME(scalar_exp)(-NAME(magnitude)(x)));
    return ((x < 0 ? 0 : x) - y * x) + rest;
}
SUM_LOSS(bernoulli_nll, NAME(bernoulli_term)(x, y), NAME(scalar_sigmoid)(x) - y)

/* o is the log of the rate; without the constant log y! */
SUM_LOSS(poisson_nll, NAME(scalar_exp)(x) - y * x, NAME(scalar_exp)(x) - y)

/* d²/2 up to |d| = δ, δ (|d| - δ/2) beyond; with c = clip(d, -δ, δ) both are c (d - c/2) */
SCALAR real NAME(huber_term)(real d, real delta)
{
    const real c = NAME(clip)(d, -delta, delta);
    return c * (d - (real)0.5 * c);
}
SUM_LOSS(huber, NAME(huber_term)(x - y, p), NAME(clip)(x - y, -p, p))

/* The sum that SUM_LOSS makes of a row, of terms that a plugin has computed. */
static void NAME(sum_rows)(intptr_t m, intptr_t n, const real *terms, real *out)
{
    for (intptr_t i = 0; i < m; i++) out[i] += NAME(row_sum)(terms + i * n, n);
}

#define ENTRY(name, classes) {#name, NAME(name), classes}
static const loss_entry NAME(losses)[] = {
    ENTRY(softmax_nll, 1),
    ENTRY(squared_error, 0),
    ENTRY(bernoulli_nll, 0),
    ENTRY(poisson_nll, 0),
    ENTRY(huber, 0),
    {0},
};

#undef ENTRY
#undef SUM_LOSS
#undef SCALAR
#undef INDEPENDENT
#undef WORD
#undef SIGNED
#undef NARROW
#undef PADDED
#undef MANTISSA
#undef BIAS
#undef ROUND
#undef LN2_HI
#undef LN2_LO
#undef LIBM
#undef LARGEST
#undef EXP_UNDERFLOWS
#undef EXP_OVERFLOWS
#undef SATURATED
#undef LOG2_E
#undef SQRT_HALF
#undef SQRT_2_OVER_PI
#undef ELEMENTWISE
#undef DERIVATIVE
#undef UNLESS_NAN
#undef LINK_VJP
#undef FOLD_LANES
#undef FOLD
#undef TILE_ROWS
