"""The tables of C kernels, as _kernels/kernels.h declares them."""

ctypedef fused real:
    float
    double

cdef extern from "kernels.h" nogil:
    ctypedef void (*block_function_f32)(
        const float *const *inputs, float *out, Py_ssize_t rows, Py_ssize_t cols,
        const void *context
    ) noexcept nogil
    ctypedef void (*loss_function_f32)(
        const float *o, const void *y, float *value, float *grad, Py_ssize_t N, Py_ssize_t O,
        const void *context
    ) noexcept nogil
    ctypedef struct function_entry_f32:
        const char *name
        block_function_f32 call
        int n_in
    ctypedef struct loss_entry_f32:
        const char *name
        loss_function_f32 call
        int classes
    ctypedef struct kernels_f32:
        const char *name
        Py_ssize_t lanes
        const function_entry_f32 *functions
        const loss_entry_f32 *losses
        void (*pack)(
            Py_ssize_t k, Py_ssize_t n, const float *B, Py_ssize_t row, Py_ssize_t col,
            float *panels
        ) noexcept nogil
        void (*transpose)(
            Py_ssize_t k, Py_ssize_t n, const float *A, Py_ssize_t lda, float *out, Py_ssize_t ldo
        ) noexcept nogil
        void (*product)(
            Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const float *X, Py_ssize_t ldx,
            const float *panels, const float *start, Py_ssize_t lds, float *out, Py_ssize_t ldo
        ) noexcept nogil
        void (*row)(
            Py_ssize_t k, Py_ssize_t n, const float *x, const float *panels, const float *start,
            float *out, int back
        ) noexcept nogil
        void (*add_outer)(
            Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const float *X, Py_ssize_t ldx,
            const float *B, Py_ssize_t ldb, float *out, Py_ssize_t ldo
        ) noexcept nogil
        void (*add_rows)(
            Py_ssize_t m, Py_ssize_t n, const float *A, Py_ssize_t lda, float *out
        ) noexcept nogil
        void (*sum_rows)(Py_ssize_t m, Py_ssize_t n, const float *A, float *out) noexcept nogil
        void (*multiply)(Py_ssize_t n, const float *x, const float *y, float *out) noexcept nogil
    const kernels_f32 *cybptt_kernels_f32(int i)

    ctypedef void (*block_function_f64)(
        const double *const *inputs, double *out, Py_ssize_t rows, Py_ssize_t cols,
        const void *context
    ) noexcept nogil
    ctypedef void (*loss_function_f64)(
        const double *o, const void *y, double *value, double *grad, Py_ssize_t N, Py_ssize_t O,
        const void *context
    ) noexcept nogil
    ctypedef struct function_entry_f64:
        const char *name
        block_function_f64 call
        int n_in
    ctypedef struct loss_entry_f64:
        const char *name
        loss_function_f64 call
        int classes
    ctypedef struct kernels_f64:
        const char *name
        Py_ssize_t lanes
        const function_entry_f64 *functions
        const loss_entry_f64 *losses
        void (*pack)(
            Py_ssize_t k, Py_ssize_t n, const double *B, Py_ssize_t row, Py_ssize_t col,
            double *panels
        ) noexcept nogil
        void (*transpose)(
            Py_ssize_t k, Py_ssize_t n, const double *A, Py_ssize_t lda, double *out, Py_ssize_t ldo
        ) noexcept nogil
        void (*product)(
            Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const double *X, Py_ssize_t ldx,
            const double *panels, const double *start, Py_ssize_t lds, double *out, Py_ssize_t ldo
        ) noexcept nogil
        void (*row)(
            Py_ssize_t k, Py_ssize_t n, const double *x, const double *panels, const double *start,
            double *out, int back
        ) noexcept nogil
        void (*add_outer)(
            Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const double *X, Py_ssize_t ldx,
            const double *B, Py_ssize_t ldb, double *out, Py_ssize_t ldo
        ) noexcept nogil
        void (*add_rows)(
            Py_ssize_t m, Py_ssize_t n, const double *A, Py_ssize_t lda, double *out
        ) noexcept nogil
        void (*sum_rows)(Py_ssize_t m, Py_ssize_t n, const double *A, double *out) noexcept nogil
        void (*multiply)(Py_ssize_t n, const double *x, const double *y, double *out) noexcept nogil
    const kernels_f64 *cybptt_kernels_f64(int i)

cdef extern from "threads.h" nogil:
    ctypedef int (*cybptt_task)(void *context, Py_ssize_t task, int caller) noexcept nogil
    int cybptt_most_threads()
    int cybptt_share_out(Py_ssize_t n_tasks, int n_threads, cybptt_task run, void *context)
    void cybptt_raise_flag(int *flag)
    int cybptt_flag(const int *flag)
    int cybptt_set(int *flag, int value)

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident() noexcept nogil
    # The exception that a signal's handler raised stands in this thread if it is not 0.
    int check_signals "PyErr_CheckSignals" () noexcept
