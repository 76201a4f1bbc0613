/* Matrix products: out (m, n) = start (m, n) + X (m, k) B (k, n).
 *
 * (a) B is packed once into panels of PANEL columns, each a run of k rows of PANEL values, the last
 *     panel padded with zeros, to PANEL columns or, where that will do, to LANES. In a sweep through
 *     time W is packed once and read at every step.
 * (b) A micro-kernel keeps R rows of one panel in R x 2 vector registers through all of k. Rows are
 *     read where they stand, one value at a time, broadcast.
 * (c) An element of the result is start + (its terms summed in the order of k), in blocks of
 *     K_BLOCK terms: never anything that depends on m, on the row, or on the other rows. So a
 *     sequence's nodes have the same bits whatever its batch mates are. Only `row`, for batches of
 *     one sequence, sums in another order.
 * (d) The last panel's columns past n are computed, and written only where the caller's rows are
 *     padded: that is, where n is a multiple of LANES. Otherwise they go by way of a copy.
 */

#define PANEL (2 * LANES)

enum {
    NAME(K_BLOCK) = 256,  /* a panel's block stays in the first-level cache */
    NAME(ROW_BLOCK) = 96, /* and so many rows of X in the second */
    NAME(lanes) = LANES,
};

/* ------------------------------------------------------------------------------- packing */

/* out (k, cols) = the transpose of A (cols, k), by squares of LANES x LANES. */
static void NAME(transpose)(intptr_t k, intptr_t cols, const real *A, intptr_t lda, real *out,
                            intptr_t ldo)
{
    intptr_t j0 = 0;
#ifdef SHUFFLES
    for (; j0 + LANES <= cols; j0 += LANES) {
        intptr_t i = 0;
        for (; i + LANES <= k; i += LANES) {
            vec square[LANES];
            UNROLL for (int j = 0; j < LANES; j++)
                square[j] = *(const vec *)(A + (j0 + j) * lda + i);
            NAME(transpose_square)(square);
            UNROLL for (int j = 0; j < LANES; j++)
                *(vec *)(out + (i + j) * ldo + j0) = square[j];
        }
        for (; i < k; i++)
            for (int j = 0; j < LANES; j++) out[i * ldo + j0 + j] = A[(j0 + j) * lda + i];
    }
#endif
    for (; j0 < cols; j0++)
        for (intptr_t i = 0; i < k; i++) out[i * ldo + j0] = A[j0 * lda + i];
}

static void NAME(pack)(intptr_t k, intptr_t n, const real *B, intptr_t row, intptr_t col,
                       real *panels)
{
    for (intptr_t j0 = 0; j0 < n; j0 += PANEL) {
        const intptr_t cols = n - j0 < PANEL ? n - j0 : PANEL;
        const intptr_t width = cols <= LANES ? LANES : PANEL;
        const real *b = B + j0 * col;
        if (cols < width) memset(panels, 0, (size_t)(k * width) * sizeof(real));
        if (col != 1)
            NAME(transpose)(k, cols, b, col, panels, width);
        else if (cols == PANEL)
            for (intptr_t i = 0; i < k; i++) {
                *(vec *)(panels + i * PANEL) = *(const vec *)(b + i * row);
                *(vec *)(panels + i * PANEL + LANES) = *(const vec *)(b + i * row + LANES);
            }
        else if (cols == LANES)
            for (intptr_t i = 0; i < k; i++)
                *(vec *)(panels + i * LANES) = *(const vec *)(b + i * row);
        else
            for (intptr_t i = 0; i < k; i++)
                memcpy(panels + i * width, b + i * row, (size_t)cols * sizeof(real));
        panels += k * width;
    }
}

/* ------------------------------------------------------------------------------- micro-kernels */

/* R rows of one panel of NV vectors, whose rows are ldb apart. AT(r, i) is where row r of X keeps
 * its value i. */
#define MICRO_KERNEL(kind, R, NV, AT)                                                              \
    static void NAME(kind##_##R##x##NV)(intptr_t k, const real *X, intptr_t ldx,                   \
                                        const real *panel, intptr_t ldb, const real *start,        \
                                        intptr_t lds, real *out, intptr_t ldo)                     \
    {                                                                                              \
        vec sum[R][NV];                                                                            \
        UNROLL for (int r = 0; r < R; r++)                                                         \
            UNROLL for (int v = 0; v < NV; v++) sum[r][v] = (vec){0};                              \
        for (intptr_t i = 0; i < k; i++, panel += ldb) {                                               \
            vec b[NV];                                                                             \
            UNROLL for (int v = 0; v < NV; v++) b[v] = *(const vec *)(panel + v * LANES);          \
            UNROLL for (int r = 0; r < R; r++)                                                     \
            {                                                                                      \
                const real x = X[AT(r, i)];                                                        \
                UNROLL for (int v = 0; v < NV; v++) sum[r][v] += b[v] * x;                         \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (int r = 0; r < R; r++)                                                         \
            UNROLL for (int v = 0; v < NV; v++)                                                    \
                *(vec *)(out + r * ldo + v * LANES)                                                \
                    = *(const vec *)(start + r * lds + v * LANES) + sum[r][v];                     \
    }

#define ROWS_OF_X(r, i) ((r) * ldx + (i))
#define ROWS_OF_XT(r, i) ((i) * ldx + (r))
#define MICRO_KERNELS(R)                                                                           \
    MICRO_KERNEL(rows, R, 1, ROWS_OF_X)                                                            \
    MICRO_KERNEL(rows, R, 2, ROWS_OF_X)                                                            \
    MICRO_KERNEL(columns, R, 1, ROWS_OF_XT)                                                        \
    MICRO_KERNEL(columns, R, 2, ROWS_OF_XT)

MICRO_KERNELS(1)
MICRO_KERNELS(2)
MICRO_KERNELS(3)
MICRO_KERNELS(4)
MICRO_KERNELS(5)
MICRO_KERNELS(6)
#if MAX_ROWS > 6
MICRO_KERNELS(7)
MICRO_KERNELS(8)
MICRO_KERNELS(9)
MICRO_KERNELS(10)
MICRO_KERNELS(11)
MICRO_KERNELS(12)
#define LARGE_KERNELS(kind, NV)                                                                    \
    , NAME(kind##_7x##NV), NAME(kind##_8x##NV), NAME(kind##_9x##NV), NAME(kind##_10x##NV),         \
        NAME(kind##_11x##NV), NAME(kind##_12x##NV)
#else
#define LARGE_KERNELS(kind, NV)
#endif

typedef void (*NAME(micro_kernel))(intptr_t k, const real *X, intptr_t ldx, const real *panel,
                                   intptr_t ldb, const real *start, intptr_t lds, real *out,
                                   intptr_t ldo);
typedef const NAME(micro_kernel) NAME(kernels_by_rows)[MAX_ROWS + 1];

#define BY_ROWS(kind, NV)                                                                          \
    {0, NAME(kind##_1x##NV), NAME(kind##_2x##NV), NAME(kind##_3x##NV), NAME(kind##_4x##NV),        \
     NAME(kind##_5x##NV), NAME(kind##_6x##NV) LARGE_KERNELS(kind, NV)}
/* One vector wide, two vectors wide. */
static NAME(kernels_by_rows) NAME(rows)[2] = {BY_ROWS(rows, 1), BY_ROWS(rows, 2)};
static NAME(kernels_by_rows) NAME(columns)[2] = {BY_ROWS(columns, 1), BY_ROWS(columns, 2)};

/* The last panel of rows that are not padded: computed whole beside the result, then copied. */
static void NAME(narrow)(NAME(micro_kernel) kernel, int R, intptr_t cols, intptr_t k, const real *X,
                         intptr_t ldx, const real *panel, intptr_t ldb, const real *start,
                         intptr_t lds, real *out, intptr_t ldo)
{
    real whole[MAX_ROWS * PANEL] = {0};
    for (int r = 0; r < R; r++)
        for (intptr_t j = 0; j < cols; j++) whole[r * PANEL + j] = start[r * lds + j];
    kernel(k, X, ldx, panel, ldb, whole, PANEL, whole, PANEL);
    for (int r = 0; r < R; r++)
        for (intptr_t j = 0; j < cols; j++) out[r * ldo + j] = whole[r * PANEL + j];
}

/* A strip of one panel: R rows of it, `cols` columns. */
static inline void NAME(strip)(NAME(kernels_by_rows) *kernels, int R, intptr_t cols, intptr_t k,
                               const real *X, intptr_t ldx, const real *panel, intptr_t ldb,
                               const real *start, intptr_t lds, real *out, intptr_t ldo)
{
    const NAME(micro_kernel) kernel = kernels[cols > LANES][R];
    if (cols == LANES || cols == PANEL)
        kernel(k, X, ldx, panel, ldb, start, lds, out, ldo);
    else
        NAME(narrow)(kernel, R, cols, k, X, ldx, panel, ldb, start, lds, out, ldo);
}

/* ------------------------------------------------------------------------------- whole products */

/* A block of rows and of k goes panel by panel, strip by strip, the strips' heights as even as can
 * be (16 = 6 + 5 + 5). `body` does R rows from r, and `cols` columns from j. */
#define STRIPS(m, n, body)                                                                         \
    for (intptr_t j = 0; j < (n); j += PANEL) {                                                    \
        const intptr_t cols = (n)-j < PANEL ? (n)-j : PANEL;                                       \
        for (intptr_t strips = ((m) + MAX_ROWS - 1) / MAX_ROWS, r = 0; strips > 0; strips--) {     \
            const int R = (int)(((m)-r + strips - 1) / strips);                                    \
            body;                                                                                  \
            r += R;                                                                                \
        }                                                                                          \
    }

/* out (m, n) = start (m, n) + X (m, k) B (k, n), B packed */
static void NAME(product)(intptr_t m, intptr_t k, intptr_t n, const real *X, intptr_t ldx,
                          const real *panels, const real *start, intptr_t lds, real *out,
                          intptr_t ldo)
{
    const intptr_t K = NAME(K_BLOCK), M = NAME(ROW_BLOCK);
    for (intptr_t i = 0; i < m; i += M) {
        const intptr_t rows = m - i < M ? m - i : M;
        const real *from = start + i * lds;
        intptr_t from_ld = lds, k0 = 0;
        do { /* once even for k = 0: the result is then start */
            const intptr_t terms = k - k0 < K ? k - k0 : K;
            STRIPS(rows, n, {
                const intptr_t width = cols <= LANES ? LANES : PANEL;
                NAME(strip)(NAME(rows), R, cols, terms, X + (i + r) * ldx + k0, ldx,
                            panels + j * k + k0 * width, width, from + r * from_ld + j, from_ld,
                            out + (i + r) * ldo + j, ldo);
            })
            from = out + i * ldo;
            from_ld = ldo;
            k0 += K;
        } while (k0 < k);
    }
}

/* out (m, n) += Xᵀ (m, k) B (k, n): X is (k, m), and B's rows are read where they stand. They must
 * be padded to LANES; out's need not be. */
static void NAME(add_outer)(intptr_t m, intptr_t k, intptr_t n, const real *X, intptr_t ldx,
                            const real *B, intptr_t ldb, real *out, intptr_t ldo)
{
    const intptr_t K = NAME(K_BLOCK), M = NAME(ROW_BLOCK);
    for (intptr_t k0 = 0; k0 < k; k0 += K) {
        const intptr_t terms = k - k0 < K ? k - k0 : K;
        for (intptr_t i = 0; i < m; i += M) {
            const intptr_t rows = m - i < M ? m - i : M;
            real *const to = out + i * ldo;
            STRIPS(rows, n, {
                NAME(strip)(NAME(columns), R, cols, terms, X + k0 * ldx + i + r, ldx,
                            B + k0 * ldb + j, ldb, to + r * ldo + j, ldo, to + r * ldo + j, ldo);
            })
        }
    }
}

/* ------------------------------------------------------------------------------- one row */

/* One row of NP panels of NV vectors. An addition takes some four cycles, and two can start in
 * each: eight sums under way keep the processor busy. Where NP * NV is less, S sums share a
 * vector's terms, and meet at the end. */
#define ROW_KERNEL(NP, NV, S)                                                                      \
    static void NAME(row_##NP##x##NV)(intptr_t k, const real *x, const real *panels,               \
                                      intptr_t stride, const real *start, real *out)               \
    {                                                                                              \
        vec sum[S][NP][NV];                                                                        \
        UNROLL for (int s = 0; s < S; s++)                                                         \
            UNROLL for (int p = 0; p < NP; p++)                                                    \
                UNROLL for (int v = 0; v < NV; v++) sum[s][p][v] = (vec){0};                       \
        intptr_t i = 0;                                                                            \
        for (; i + S <= k; i += S)                                                                 \
            UNROLL for (int s = 0; s < S; s++)                                                     \
                UNROLL for (int p = 0; p < NP; p++)                                                \
                    UNROLL for (int v = 0; v < NV; v++)                                            \
                        sum[s][p][v]                                                               \
                            += *(const vec *)(panels + p * stride + ((i + s) * NV + v) * LANES)    \
                               * x[i + s];                                                         \
        for (; i < k; i++)                                                                         \
            UNROLL for (int p = 0; p < NP; p++)                                                    \
                UNROLL for (int v = 0; v < NV; v++)                                                \
                    sum[0][p][v]                                                                   \
                        += *(const vec *)(panels + p * stride + (i * NV + v) * LANES) * x[i];      \
        UNROLL for (int width = S / 2; width > 0; width /= 2)                                      \
            UNROLL for (int s = 0; s < width; s++)                                                 \
                UNROLL for (int p = 0; p < NP; p++)                                                \
                    UNROLL for (int v = 0; v < NV; v++) sum[s][p][v] += sum[s + width][p][v];      \
        UNROLL for (int p = 0; p < NP; p++)                                                        \
            UNROLL for (int v = 0; v < NV; v++)                                                    \
            {                                                                                      \
                const intptr_t at = (p * NV + v) * LANES;                                          \
                *(vec *)(out + at) = *(const vec *)(start + at) + sum[0][p][v];                    \
            }                                                                                      \
    }

ROW_KERNEL(4, 2, 1)
ROW_KERNEL(3, 2, 2)
ROW_KERNEL(2, 2, 2)
ROW_KERNEL(1, 2, 4)
ROW_KERNEL(1, 1, 8)

/* out (n,) = start (n,) + x (k,) B (k, n), B packed; the rows are padded: n is a multiple of LANES.
 * `back` takes the panels from the last to the first: those that the step before took last may still
 * be in the nearest cache. */
static void NAME(row)(intptr_t k, intptr_t n, const real *x, const real *panels, const real *start,
                      real *out, int back)
{
    const intptr_t groups = (n + 4 * PANEL - 1) / (4 * PANEL);
    for (intptr_t g = 0; g < groups; g++) {
        intptr_t j = 4 * PANEL * (back ? groups - 1 - g : g);
        const intptr_t left = n - j, whole = left / PANEL, stride = k * PANEL;
        const real *at = panels + j * k;
        switch (whole < 4 ? whole : 4) {
        case 4: NAME(row_4x2)(k, x, at, stride, start + j, out + j); continue;
        case 3: NAME(row_3x2)(k, x, at, stride, start + j, out + j); break;
        case 2: NAME(row_2x2)(k, x, at, stride, start + j, out + j); break;
        case 1: NAME(row_1x2)(k, x, at, stride, start + j, out + j); break;
        }
        j += whole * PANEL;
        if (left % PANEL) NAME(row_1x1)(k, x, at + whole * stride, stride, start + j, out + j);
    }
}

/* ------------------------------------------------------------------------------- sums and rest */

static void NAME(add_rows)(intptr_t m, intptr_t n, const real *A, intptr_t lda, real *out)
{
    for (intptr_t j0 = 0; j0 < n; j0 += PANEL) {
        intptr_t cols = n - j0 < PANEL ? n - j0 : PANEL;
        if (cols == PANEL) {
            vec low = {0}, high = {0};
            for (intptr_t i = 0; i < m; i++) {
                low += *(const vec *)(A + i * lda + j0);
                high += *(const vec *)(A + i * lda + j0 + LANES);
            }
            *(vec *)(out + j0) += low;
            *(vec *)(out + j0 + LANES) += high;
            continue;
        }
        real sum[PANEL] = {0};
        for (intptr_t i = 0; i < m; i++)
            for (intptr_t j = 0; j < cols; j++) sum[j] += A[i * lda + j0 + j];
        for (intptr_t j = 0; j < cols; j++) out[j0 + j] += sum[j];
    }
}

static void NAME(multiply)(intptr_t n, const real *x, const real *y, real *out)
{
    for (intptr_t i = 0; i < n; i++)
        out[i] = x[i] * y[i];
}

#undef PANEL
#undef MICRO_KERNEL
#undef MICRO_KERNELS
#undef ROWS_OF_X
#undef ROWS_OF_XT
#undef LARGE_KERNELS
#undef BY_ROWS
#undef STRIPS
#undef ROW_KERNEL
