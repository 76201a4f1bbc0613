/* Matrix products: out (m, n) = start (m, n) + X (m, k) B (k, n).
 *
 * (a) B is packed once into panels of PANEL columns, each a run of k rows of PANEL values, the last
 *     panel padded with zeros; in a sweep through time W is packed once and read at every step.
 * (b) A micro-kernel keeps R rows of one panel in R x 2 vector registers through all of k. Rows are
 *     read where they stand, one value at a time, broadcast.
 * (c) An element of the result is start + (its terms summed in the order of k), in blocks of
 *     K_BLOCK terms: never anything that depends on m, on the row, or on the other rows. So a
 *     sequence's nodes have the same bits whatever its batch mates are.
 */

#if defined(__GNUC__)
/* Unaligned, and may alias: loads and stores through it are single instructions. */
typedef real NAME(vec) __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));
#define UNROLL _Pragma("GCC unroll 16")
enum { NAME(LANES) = VBYTES / sizeof(real) };
#else
typedef real NAME(vec);
#define UNROLL
enum { NAME(LANES) = 1 };
#endif

enum {
    NAME(PANEL) = 2 * NAME(LANES),
    NAME(K_BLOCK) = 256,   /* a panel's block stays in the first-level cache */
    NAME(ROW_BLOCK) = 96,  /* and so many rows of X in the second */
};

#define vec NAME(vec)
#define LANES NAME(LANES)
#define PANEL NAME(PANEL)

static void NAME(pack)(intptr_t k, intptr_t n, const real *B, intptr_t row, intptr_t col,
                       real *panels)
{
    for (intptr_t j0 = 0; j0 < n; j0 += PANEL, panels += k * PANEL) {
        intptr_t cols = n - j0 < PANEL ? n - j0 : PANEL;
        if (cols < PANEL)
            memset(panels, 0, (size_t)(k * PANEL) * sizeof(real));
        const real *b = B + j0 * col;
        if (col == 1)
            for (intptr_t i = 0; i < k; i++)
                memcpy(panels + i * PANEL, b + i * row, (size_t)cols * sizeof(real));
        else
            for (intptr_t j = 0; j < cols; j++)
                for (intptr_t i = 0; i < k; i++)
                    panels[i * PANEL + j] = b[i * row + j * col];
    }
}

/* R rows of one panel. AT(r, i) is where row r keeps its value i. */
#define MICRO_KERNEL(kind, R, AT)                                                                  \
    static void NAME(kind##_##R)(intptr_t k, const real *X, intptr_t ldx, const real *panel,       \
                                 const real *start, intptr_t lds, real *out, intptr_t ldo)         \
    {                                                                                              \
        vec sum[R][2];                                                                             \
        UNROLL for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = (vec){0};                       \
        for (intptr_t i = 0; i < k; i++, panel += PANEL) {                                         \
            vec b0 = *(const vec *)panel, b1 = *(const vec *)(panel + LANES);                      \
            UNROLL for (int r = 0; r < R; r++)                                                     \
            {                                                                                      \
                real x = X[AT(r, i)];                                                              \
                sum[r][0] += b0 * x;                                                               \
                sum[r][1] += b1 * x;                                                               \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (int r = 0; r < R; r++)                                                         \
        {                                                                                          \
            const real *s = start + r * lds;                                                       \
            real *o = out + r * ldo;                                                               \
            *(vec *)o = *(const vec *)s + sum[r][0];                                               \
            *(vec *)(o + LANES) = *(const vec *)(s + LANES) + sum[r][1];                           \
        }                                                                                          \
    }

#define ROWS_OF_X(r, i) ((r) * ldx + (i))
#define ROWS_OF_XT(r, i) ((i) * ldx + (r))
#define MICRO_KERNELS(R) MICRO_KERNEL(rows, R, ROWS_OF_X) MICRO_KERNEL(columns, R, ROWS_OF_XT)

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
#define LARGE_KERNELS(kind)                                                                        \
    , NAME(kind##_7), NAME(kind##_8), NAME(kind##_9), NAME(kind##_10), NAME(kind##_11),            \
        NAME(kind##_12)
#else
#define LARGE_KERNELS(kind)
#endif

typedef void (*NAME(micro_kernel))(intptr_t k, const real *X, intptr_t ldx, const real *panel,
                                   const real *start, intptr_t lds, real *out, intptr_t ldo);

#define BY_ROWS(kind)                                                                              \
    {0, NAME(kind##_1), NAME(kind##_2), NAME(kind##_3), NAME(kind##_4), NAME(kind##_5),            \
     NAME(kind##_6) LARGE_KERNELS(kind)}
static const NAME(micro_kernel) NAME(rows)[MAX_ROWS + 1] = BY_ROWS(rows);
static const NAME(micro_kernel) NAME(columns)[MAX_ROWS + 1] = BY_ROWS(columns);

/* The last panel, of fewer than PANEL columns: computed whole beside the result, then copied. */
static void NAME(narrow)(NAME(micro_kernel) kernel, int R, intptr_t cols, intptr_t k, const real *X,
                         intptr_t ldx, const real *panel, const real *start, intptr_t lds,
                         real *out, intptr_t ldo)
{
    real whole[MAX_ROWS * PANEL];
    memset(whole, 0, sizeof whole);
    for (int r = 0; r < R; r++)
        memcpy(whole + r * PANEL, start + r * lds, (size_t)cols * sizeof(real));
    kernel(k, X, ldx, panel, whole, PANEL, whole, PANEL);
    for (int r = 0; r < R; r++)
        memcpy(out + r * ldo, whole + r * PANEL, (size_t)cols * sizeof(real));
}

/* One row: four panels at once, for eight sums under way hide the latency of an addition. The
 * sums are those of rows_1, to the bit. */
static void NAME(row_4)(intptr_t k, const real *X, const real *panels, intptr_t stride,
                        const real *start, real *out)
{
    vec sum[8];
    UNROLL for (int v = 0; v < 8; v++) sum[v] = (vec){0};
    for (intptr_t i = 0; i < k; i++, panels += PANEL) {
        real x = X[i];
        UNROLL for (int p = 0; p < 4; p++)
        {
            const real *b = panels + p * stride;
            sum[2 * p] += *(const vec *)b * x;
            sum[2 * p + 1] += *(const vec *)(b + LANES) * x;
        }
    }
    UNROLL for (int v = 0; v < 8; v++)
        *(vec *)(out + v * LANES) = *(const vec *)(start + v * LANES) + sum[v];
}

/* A block of rows and of k: panel by panel, strip by strip, the strips' heights as even as can be
 * (16 = 6 + 5 + 5). x_row is the distance from one row of the result to the next in X. */
static void NAME(block)(const NAME(micro_kernel) *kernels, intptr_t m, intptr_t k, intptr_t stride,
                        intptr_t n, const real *X, intptr_t ldx, intptr_t x_row, const real *panels,
                        const real *start, intptr_t lds, real *out, intptr_t ldo)
{
    intptr_t strips = (m + MAX_ROWS - 1) / MAX_ROWS, j = 0;
    if (m == 1 && x_row != 1)
        for (; j + 4 * PANEL <= n; j += 4 * PANEL, panels += 4 * stride)
            NAME(row_4)(k, X, panels, stride, start + j, out + j);
    for (; j < n; j += PANEL, panels += stride)
        for (intptr_t s = 0, r = 0; s < strips; s++) {
            int R = (int)((m - r + strips - s - 1) / (strips - s));
            const real *x = X + r * x_row, *from = start + r * lds + j;
            real *to = out + r * ldo + j;
            if (n - j >= PANEL)
                kernels[R](k, x, ldx, panels, from, lds, to, ldo);
            else
                NAME(narrow)(kernels[R], R, n - j, k, x, ldx, panels, from, lds, to, ldo);
            r += R;
        }
}

/* x_row and x_k: the distances in X from row to row and from term to term; one of them is 1. */
static void NAME(blocks)(const NAME(micro_kernel) *kernels, intptr_t m, intptr_t k, intptr_t n,
                         const real *X, intptr_t ldx, intptr_t x_row, intptr_t x_k,
                         const real *panels, const real *start, intptr_t lds, real *out,
                         intptr_t ldo)
{
    const intptr_t K = NAME(K_BLOCK), M = NAME(ROW_BLOCK);
    for (intptr_t i = 0; i < m; i += M) {
        intptr_t rows = m - i < M ? m - i : M;
        intptr_t k0 = 0;
        do { /* once even for k = 0: the result is then start */
            intptr_t terms = k - k0 < K ? k - k0 : K;
            NAME(block)(kernels, rows, terms, k * PANEL, n, X + i * x_row + k0 * x_k, ldx, x_row,
                        panels + k0 * PANEL, k0 ? out + i * ldo : start + i * lds, k0 ? ldo : lds,
                        out + i * ldo, ldo);
            k0 += K;
        } while (k0 < k);
    }
}

static void NAME(product)(intptr_t m, intptr_t k, intptr_t n, const real *X, intptr_t ldx,
                          const real *panels, const real *start, intptr_t lds, real *out,
                          intptr_t ldo)
{
    NAME(blocks)(NAME(rows), m, k, n, X, ldx, ldx, 1, panels, start, lds, out, ldo);
}

static void NAME(product_t)(intptr_t m, intptr_t k, intptr_t n, const real *X, intptr_t ldx,
                            const real *panels, const real *start, intptr_t lds, real *out,
                            intptr_t ldo)
{
    NAME(blocks)(NAME(columns), m, k, n, X, ldx, 1, ldx, panels, start, lds, out, ldo);
}

static void NAME(add_rows)(intptr_t m, intptr_t n, const real *A, intptr_t lda, real *out)
{
    for (intptr_t j0 = 0; j0 < n; j0 += PANEL) {
        intptr_t cols = n - j0 < PANEL ? n - j0 : PANEL;
        real sum[PANEL] = {0};
        for (intptr_t i = 0; i < m; i++)
            for (intptr_t j = 0; j < cols; j++)
                sum[j] += A[i * lda + j0 + j];
        for (intptr_t j = 0; j < cols; j++)
            out[j0 + j] += sum[j];
    }
}

static void NAME(multiply)(intptr_t n, const real *x, const real *y, real *out)
{
    for (intptr_t i = 0; i < n; i++)
        out[i] = x[i] * y[i];
}

#undef vec
#undef LANES
#undef PANEL
#undef UNROLL
#undef MICRO_KERNEL
#undef MICRO_KERNELS
#undef ROWS_OF_X
#undef ROWS_OF_XT
#undef LARGE_KERNELS
#undef BY_ROWS
