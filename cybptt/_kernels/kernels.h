/* The table of kernels that the core calls, one for each dtype and instruction set.
 *
 * kernels_baseline.c, _avx2.c, _avx512.c and _neon.c compile the same source (template.h) for their
 * instruction set; dispatch.c chooses among them once, when the core is imported.
 */
#ifndef CYBPTT_KERNELS_H
#define CYBPTT_KERNELS_H

#include <stdint.h>

/* The types that depend on the dtype are written once and made for float (_f32) and double (_f64). */
#define CYBPTT_DECLARE(real, suffix)                                                               \
    /* An elementwise function on rows * cols contiguous values (in place is allowed), or a        \
     * function of rows of cols values. `in` holds as many arrays as the function has arguments;   \
     * `context` is whatever else it needs: a built-in one's parameter, a double. */               \
    typedef void (*block_function_##suffix)(const real *const *in, real *out, intptr_t rows,       \
                                            intptr_t cols, const void *context);                   \
    /* N rows of O outputs: their losses and the gradients; `value` or `grad` may be NULL.         \
     * y is intptr_t (N,) for losses over classes, real (N, O) for the others. */                  \
    typedef void (*loss_function_##suffix)(const real *o, const void *y, real *value, real *grad,  \
                                           intptr_t N, intptr_t O, const void *context);           \
    typedef struct {                                                                               \
        const char *name;                                                                          \
        block_function_##suffix call;                                                              \
        int n_in;                                                                                  \
    } function_entry_##suffix;                                                                     \
    typedef struct {                                                                               \
        const char *name;                                                                          \
        loss_function_##suffix call;                                                               \
        int classes;                                                                               \
    } loss_entry_##suffix;                                                                         \
    typedef struct {                                                                               \
        const char *name;                         /* the instruction set */                        \
        intptr_t lanes;                           /* values of a vector register */             \
        const function_entry_##suffix *functions; /* ended by a NULL name */                       \
        const loss_entry_##suffix *losses;                                                         \
        /* B, whose element (i, j) stands at B[i row + j col], as panels: see products.h */        \
        void (*pack)(intptr_t k, intptr_t n, const real *B, intptr_t row, intptr_t col,            \
                     real *panels);                                                                \
        /* out (k, n) = the transpose of A (n, k) */                                               \
        void (*transpose)(intptr_t k, intptr_t n, const real *A, intptr_t lda, real *out,          \
                          intptr_t ldo);                                                           \
        /* out (m, n) = start (m, n) + X (m, k) B (k, n) */                                        \
        void (*product)(intptr_t m, intptr_t k, intptr_t n, const real *X, intptr_t ldx,           \
                        const real *panels, const real *start, intptr_t lds, real *out,            \
                        intptr_t ldo);                                                             \
        /* The same for one row, summed in an order of its own. n is a multiple of `lanes`. */     \
        void (*row)(intptr_t k, intptr_t n, const real *x, const real *panels, const real *start,  \
                    real *out, int back);                                                          \
        /* out (m, n) += Xᵀ (m, k) B (k, n), X given as (k, m), B's rows padded to `lanes` */      \
        void (*add_outer)(intptr_t m, intptr_t k, intptr_t n, const real *X, intptr_t ldx,         \
                          const real *B, intptr_t ldb, real *out, intptr_t ldo);                   \
        /* out[j] += sum over i of A[i, j] */                                                      \
        void (*add_rows)(intptr_t m, intptr_t n, const real *A, intptr_t lda, real *out);          \
        /* out[i] += sum over j of A[i, j], rows of n */                                           \
        void (*sum_rows)(intptr_t m, intptr_t n, const real *A, real *out);                        \
        /* out[i] = x[i] * y[i] */                                                                 \
        void (*multiply)(intptr_t n, const real *x, const real *y, real *out);                     \
    } kernels_##suffix;

CYBPTT_DECLARE(float, f32)
CYBPTT_DECLARE(double, f64)

/* The instruction sets that this build has and this processor runs, best first; NULL past the last. */
const kernels_f32 *cybptt_kernels_f32(int i);
const kernels_f64 *cybptt_kernels_f64(int i);

#endif
