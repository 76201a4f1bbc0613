"""The tables of C kernels, as _kernels/kernels.h declares them."""

ctypedef fused real:
    float
    double

cdef extern from "kernels.h" nogil:
    ctypedef void (*block_function_f32)(const float *const *, float *, Py_ssize_t, Py_ssize_t, double) noexcept nogil
    ctypedef void (*block_function_f64)(const double *const *, double *, Py_ssize_t, Py_ssize_t, double) noexcept nogil
    ctypedef void (*loss_function_f32)(const float *, const void *, float *, float *, Py_ssize_t, Py_ssize_t, double) noexcept nogil
    ctypedef void (*loss_function_f64)(const double *, const void *, double *, double *, Py_ssize_t, Py_ssize_t, double) noexcept nogil

    ctypedef struct function_entry_f32:
        const char *name
        block_function_f32 call
        int n_in
    ctypedef struct function_entry_f64:
        const char *name
        block_function_f64 call
        int n_in
    ctypedef struct loss_entry_f32:
        const char *name
        loss_function_f32 call
        int classes
    ctypedef struct loss_entry_f64:
        const char *name
        loss_function_f64 call
        int classes

    ctypedef struct kernels_f32:
        const char *name
        Py_ssize_t panel
        const function_entry_f32 *functions
        const loss_entry_f32 *losses
        void (*pack)(Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, Py_ssize_t, float *) noexcept nogil
        void (*product)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, const float *,
                        const float *, Py_ssize_t, float *, Py_ssize_t) noexcept nogil
        void (*product_t)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, const float *,
                          const float *, Py_ssize_t, float *, Py_ssize_t) noexcept nogil
        void (*add_rows)(Py_ssize_t, Py_ssize_t, const float *, Py_ssize_t, float *) noexcept nogil
        void (*multiply)(Py_ssize_t, const float *, const float *, float *) noexcept nogil
    ctypedef struct kernels_f64:
        const char *name
        Py_ssize_t panel
        const function_entry_f64 *functions
        const loss_entry_f64 *losses
        void (*pack)(Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, Py_ssize_t, double *) noexcept nogil
        void (*product)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, const double *,
                        const double *, Py_ssize_t, double *, Py_ssize_t) noexcept nogil
        void (*product_t)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, const double *,
                          const double *, Py_ssize_t, double *, Py_ssize_t) noexcept nogil
        void (*add_rows)(Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, double *) noexcept nogil
        void (*multiply)(Py_ssize_t, const double *, const double *, double *) noexcept nogil

    const kernels_f32 *cybptt_kernels_f32(int)
    const kernels_f64 *cybptt_kernels_f64(int)
