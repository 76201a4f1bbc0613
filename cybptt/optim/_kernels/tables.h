/* The kernels of the optimizers: one table for each dtype and instruction set. */
#ifndef CYBPTT_OPTIM_TABLES_H
#define CYBPTT_OPTIM_TABLES_H

#include <stddef.h>

#define DECLARE(SUFFIX, T)                                                                         \
    typedef void (*update_##SUFFIX)(ptrdiff_t n, T *theta, ptrdiff_t theta_stride, const T *grad,  \
                                    ptrdiff_t grad_stride, T *one, T *two, const T *k);            \
    typedef struct {                                                                               \
        const char *name;                                                                          \
        update_##SUFFIX call;                                                                      \
    } update_entry_##SUFFIX;                                                                       \
    typedef struct {                                                                               \
        const update_entry_##SUFFIX *updates; /* ended by one without a name */                    \
        void (*scale)(ptrdiff_t n, T *g, ptrdiff_t stride, double norm, double max_norm);          \
        int (*within)(ptrdiff_t n, const T *g, ptrdiff_t stride, T limit);                         \
        double (*sum_of_squares)(ptrdiff_t n, const T *g, ptrdiff_t stride, double divisor);       \
    } updates_##SUFFIX;                                                                            \
    /* Those of the i-th best instruction set that runs here; NULL past the last. */               \
    const updates_##SUFFIX *cybptt_updates_##SUFFIX(int i);

DECLARE(f32, float)
DECLARE(f64, double)
#undef DECLARE

#endif
