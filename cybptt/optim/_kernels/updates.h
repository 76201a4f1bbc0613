/* What an optimizer does to a vector, element by element; see updates.c and _algorithms.py.
 *
 * Every operation is rounded by itself, in the order written: no fused multiply-add, or the bits
 * would depend on the instruction set. Included with T, its root, and NAME(function).
 *
 * theta and g may be strided, counted in elements; what the optimizer keeps is contiguous.
 */
#define UPDATE(name, BODY)                                                                         \
    static void NAME(name)(ptrdiff_t n, T *restrict theta, ptrdiff_t theta_stride,                 \
                           const T *restrict grad, ptrdiff_t grad_stride, T *restrict one,         \
                           T *restrict two, const T *restrict k)                                   \
    {                                                                                              \
        (void)one, (void)two;                                                                      \
        if (theta_stride == 1 && grad_stride == 1) {                                               \
            for (ptrdiff_t i = 0; i < n; i++) {                                                    \
                T *t = theta + i;                                                                  \
                const T g = grad[i];                                                               \
                BODY                                                                               \
            }                                                                                      \
        } else {                                                                                   \
            for (ptrdiff_t i = 0; i < n; i++) {                                                    \
                T *t = theta + i * theta_stride;                                                   \
                const T g = grad[i * grad_stride];                                                 \
                BODY                                                                               \
            }                                                                                      \
        }                                                                                          \
    }

/* k: the rate */
UPDATE(sgd, *t -= g * k[0];)

/* k: the rate, μ; one: v */
UPDATE(momentum, {
    one[i] = one[i] * k[1] - g * k[0];
    *t += one[i];
})

/* As momentum, with the step that the new v would make next. */
UPDATE(nesterov, {
    const T s = g * k[0];
    one[i] = one[i] * k[1] - s;
    *t = (*t - s) + one[i] * k[1];
})

/* k: the rate, ε; one: r */
UPDATE(adagrad, {
    one[i] += g * g;
    *t -= g / (ROOT(one[i]) + k[1]) * k[0];
})

/* k: the rate, ε, ρ, 1 − ρ; one: r */
UPDATE(rmsprop, {
    one[i] = one[i] * k[2] + g * g * k[3];
    *t -= g / ROOT(one[i] + k[1]) * k[0];
})

/* k: the rate over 1 − β₁ᵗ, ε, β₁, 1 − β₁, β₂, 1 − β₂, 1 over the root of 1 − β₂ᵗ; one: m, two: v */
UPDATE(adam, {
    one[i] = one[i] * k[2] + g * k[3];
    two[i] = two[i] * k[4] + g * g * k[5];
    *t -= one[i] / (ROOT(two[i]) * k[6] + k[1]) * k[0];
})

/* g ← g · max_norm / norm, in double precision; in two steps where the quotient would underflow. */
static void NAME(scale)(ptrdiff_t n, T *restrict g, ptrdiff_t stride, double norm, double max_norm)
{
    const double factor = max_norm / norm;
    if (factor < DBL_MIN)
        for (ptrdiff_t i = 0; i < n; i++) g[i * stride] = (T)(g[i * stride] / norm * max_norm);
    else if (stride == 1)
        for (ptrdiff_t i = 0; i < n; i++) g[i] = (T)(g[i] * factor);
    else
        for (ptrdiff_t i = 0; i < n; i++) g[i * stride] = (T)(g[i * stride] * factor);
}

/* Σ (g / divisor)², in double precision and in an order that depends on n alone: by blocks, in each
 * SUMS sums side by side, which meet in a tree. */
#define ADD_SQUARES(VALUE)                                                                         \
    for (; i + SUMS <= end; i += SUMS)                                                             \
        for (int lane = 0; lane < SUMS; lane++) {                                                  \
            const double value = VALUE(i + lane);                                                  \
            sums[lane] += value * value;                                                           \
        }                                                                                          \
    for (int lane = 0; i < end; i++, lane++) {                                                     \
        const double value = VALUE(i);                                                             \
        sums[lane] += value * value;                                                               \
    }
#define AS_IT_IS(i) g[i]
#define DIVIDED(i) (g[(i) * stride] / divisor)
static double NAME(sum_of_squares)(ptrdiff_t n, const T *restrict g, ptrdiff_t stride,
                                   double divisor)
{
    double total = 0;
    for (ptrdiff_t i = 0; i < n;) {
        const ptrdiff_t end = n - i < BLOCK ? n : i + BLOCK;
        double sums[SUMS] = {0};
        if (stride == 1 && divisor == 1) {
            ADD_SQUARES(AS_IT_IS)
        } else {
            ADD_SQUARES(DIVIDED)
        }
        for (int width = SUMS / 2; width > 0; width /= 2)
            for (int lane = 0; lane < width; lane++) sums[lane] += sums[lane + width];
        total += sums[0];
    }
    return total;
}
#undef ADD_SQUARES
#undef AS_IT_IS
#undef DIVIDED

/* Whether all |g| ≤ limit; NaN is not. */
static int NAME(within)(ptrdiff_t n, const T *restrict g, ptrdiff_t stride, T limit)
{
    int beyond = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        beyond |= !(g[i * stride] <= limit) | !(g[i * stride] >= -limit);
    return !beyond;
}
