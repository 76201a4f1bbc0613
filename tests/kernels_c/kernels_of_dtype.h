/* A part of kernels.c, included for each dtype. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(f) JOIN(f, SUFFIX)
#define kernels NAME(kernels)

static const real NAME(GUARD) = 12345;

static real *NAME(whole_numbers)(intptr_t n)
{
    real *x = values(n, sizeof *x);
    for (intptr_t i = 0; i < n; i++) x[i] = (real)((int)(random_bits() % 19) - 9);
    return x;
}

static real *NAME(copy)(const real *x, intptr_t n)
{
    real *y = values(n, sizeof *y);
    if (n) memcpy(y, x, (size_t)n * sizeof *x);
    return y;
}

static void NAME(require_bits)(const real *got, const real *wanted, intptr_t n, const char *what)
{
    for (intptr_t i = 0; i < n; i++)
        REQUIRE(memcmp(got + i, wanted + i, sizeof *got) == 0, "%s: element %ld: %.17g, not %.17g",
                what, (long)i, (double)got[i], (double)wanted[i]);
}

static void NAME(require_near)(double got, double wanted, double scale, const char *what)
{
    REQUIRE(fabs(got - wanted) <= 64 * EPSILON * (fabs(wanted) + scale), "%s: %.17g, not %.17g",
            what, got, wanted);
}

/* -------------------------------------------------------------------------------- products */

static intptr_t NAME(padded)(const kernels *K, intptr_t n)
{
    return (n + K->lanes - 1) / K->lanes * K->lanes;
}

/* B (k, n), by rows or by columns, as panels. */
static real *NAME(packed)(const kernels *K, intptr_t k, intptr_t n, const real *B, int columns)
{
    const intptr_t size = k * NAME(padded)(K, n);
    real *panels = values(size, sizeof *panels);
    for (intptr_t i = 0; i < size; i++) panels[i] = NAN; /* all of them are to be written */
    K->pack(k, n, B, columns ? 1 : n, columns ? k : 1, panels);
    return panels;
}

/* The rows of X, of start and of the result stand `gap` values apart. `columns`: B is given by
 * columns; `bias`: one row of start for all. */
static void NAME(test_product)(const kernels *K, intptr_t m, intptr_t k, intptr_t n, intptr_t gap,
                               int columns, int bias)
{
    const intptr_t ldx = k + gap, lds = bias ? 0 : n + gap, ldo = n + gap;
    real *X = NAME(whole_numbers)(m * ldx), *B = NAME(whole_numbers)(k * n);
    real *start = NAME(whole_numbers)(bias ? n : m * lds);
    real *panels = NAME(packed)(K, k, n, B, columns);
    real *out = values(m * ldo, sizeof *out), *wanted;
    for (intptr_t i = 0; i < m * ldo; i++) out[i] = NAME(GUARD);
    wanted = NAME(copy)(out, m * ldo);
    for (intptr_t i = 0; i < m; i++)
        for (intptr_t j = 0; j < n; j++) {
            real sum = start[i * lds + j];
            for (intptr_t l = 0; l < k; l++)
                sum += X[i * ldx + l] * B[columns ? j * k + l : l * n + j];
            wanted[i * ldo + j] = sum;
        }
    K->product(m, k, n, X, ldx, panels, start, lds, out, ldo);
    NAME(require_bits)(out, wanted, m * ldo, "product");
    for (intptr_t i = 0; i < m; i++) /* and in place */
        for (intptr_t j = 0; j < n; j++) out[i * ldo + j] = start[i * lds + j];
    K->product(m, k, n, X, ldx, panels, out, ldo, out, ldo);
    NAME(require_bits)(out, wanted, m * ldo, "product, in place");
    free(X), free(B), free(start), free(panels), free(out), free(wanted);
}

static void NAME(test_products)(const kernels *K)
{
    for (int options = 0; options < 4; options++) {
        const int columns = options & 1, bias = options >> 1;
        const intptr_t gap = options % 3;
        for (intptr_t j = 0; j < COUNT(COLUMNS); j++) {
            for (intptr_t i = 0; i < COUNT(ROWS); i++)
                NAME(test_product)(K, ROWS[i], 3, COLUMNS[j], gap, columns, bias);
            for (intptr_t l = 0; l < COUNT(TERMS); l++) {
                NAME(test_product)(K, 1, TERMS[l], COLUMNS[j], gap, columns, bias);
                NAME(test_product)(K, 7, TERMS[l], COLUMNS[j], gap, columns, bias);
            }
        }
        for (intptr_t l = 0; l < COUNT(TERMS); l++)
            NAME(test_product)(K, 97, TERMS[l], 17, gap, columns, bias);
    }
}

/* One row, whose length is a whole number of registers. */
static void NAME(test_row)(const kernels *K)
{
    for (intptr_t registers = 1; registers <= 19; registers++)
        for (intptr_t l = 0; l < COUNT(TERMS) * 2; l++) {
            const intptr_t k = TERMS[l / 2] + l % 2 * 6, n = registers * K->lanes;
            real *x = NAME(whole_numbers)(k), *B = NAME(whole_numbers)(k * n);
            real *out = NAME(whole_numbers)(n), *wanted = NAME(copy)(out, n);
            real *panels = NAME(packed)(K, k, n, B, 0);
            for (intptr_t i = 0; i < k; i++)
                for (intptr_t j = 0; j < n; j++) wanted[j] += x[i] * B[i * n + j];
            K->row(k, n, x, panels, out, out, (int)(l % 3 == 0));
            NAME(require_bits)(out, wanted, n, "row");
            free(x), free(B), free(out), free(wanted), free(panels);
        }
}

/* B's rows are padded, out's are not. What stands in the padding does not count. */
static void NAME(test_add_outer)(const kernels *K, intptr_t m, intptr_t k, intptr_t n, intptr_t gap)
{
    const intptr_t ldx = m + gap, ldb = NAME(padded)(K, n), ldo = n + gap;
    real *X = NAME(whole_numbers)(k * ldx), *B = NAME(whole_numbers)(k * ldb);
    real *out = NAME(whole_numbers)(m * ldo), *wanted = NAME(copy)(out, m * ldo);
    for (intptr_t l = 0; l < k; l++) {
        for (intptr_t i = 0; i < m; i++)
            for (intptr_t j = 0; j < n; j++) wanted[i * ldo + j] += X[l * ldx + i] * B[l * ldb + j];
        for (intptr_t j = n; j < ldb; j++) B[l * ldb + j] = NAN;
    }
    K->add_outer(m, k, n, X, ldx, B, ldb, out, ldo);
    NAME(require_bits)(out, wanted, m * ldo, "add_outer");
    free(X), free(B), free(out), free(wanted);
}

static void NAME(test_outer)(const kernels *K)
{
    for (intptr_t j = 0; j < COUNT(COLUMNS); j++) {
        for (intptr_t i = 0; i < COUNT(ROWS); i++)
            NAME(test_add_outer)(K, ROWS[i], 3, COLUMNS[j], j % 3);
        for (intptr_t l = 0; l < COUNT(TERMS); l++)
            NAME(test_add_outer)(K, 7, TERMS[l], COLUMNS[j], j % 3);
    }
    for (intptr_t l = 0; l < COUNT(TERMS); l++) NAME(test_add_outer)(K, 97, TERMS[l], 17, l % 3);
}

static void NAME(test_sums)(const kernels *K)
{
    for (intptr_t j = 0; j < COUNT(COLUMNS); j++)
        for (intptr_t l = 0; l < COUNT(TERMS); l++) {
            const intptr_t m = TERMS[l], n = COLUMNS[j], lda = n + j % 3;
            real *A = NAME(whole_numbers)(m * lda), *x = NAME(whole_numbers)(n);
            real *out = NAME(whole_numbers)(n), *wanted = NAME(copy)(out, n);
            for (intptr_t r = 0; r < m; r++)
                for (intptr_t c = 0; c < n; c++) wanted[c] += A[r * lda + c];
            K->add_rows(m, n, A, lda, out);
            NAME(require_bits)(out, wanted, n, "add_rows");
            for (intptr_t c = 0; c < n; c++) wanted[c] = x[c] * out[c];
            K->multiply(n, x, out, out);
            NAME(require_bits)(out, wanted, n, "multiply");
            free(A), free(x), free(out), free(wanted);
        }
}

/* -------------------------------------------------------------------------------- functions */

static real *NAME(drawn)(intptr_t n)
{
    real *x = values(n, sizeof *x);
    for (intptr_t i = 0; i < n; i++) x[i] = (real)uniform(-4, 4);
    return x;
}

/* A row's results are the same among other rows as alone. */
static void NAME(test_function)(const JOIN(function_entry, SUFFIX) *entry)
{
    for (intptr_t rows = 1; rows < 36; rows += 2)
        for (intptr_t cols = 1; cols < 36; cols += rows < 3 ? 1 : 11) {
            const intptr_t n = rows * cols;
            real *in[3], *out = values(n, sizeof *out), *alone = values(n, sizeof *out);
            for (int i = 0; i < 3; i++) in[i] = NAME(drawn)(n);
            entry->call((const real *const *)in, out, rows, cols, PARAMETER(0.25));
            for (intptr_t r = 0; r < rows; r++) {
                const real *row[3];
                for (int i = 0; i < 3; i++) row[i] = in[i] + r * cols;
                entry->call(row, alone + r * cols, 1, cols, PARAMETER(0.25));
            }
            NAME(require_bits)(alone, out, n, entry->name);
            for (intptr_t i = 0; i < n; i++) REQUIRE(isfinite(out[i]), "%s", entry->name);
            for (int i = 0; i < 3; i++) free(in[i]);
            free(out), free(alone);
        }
}

static const JOIN(function_entry, SUFFIX) *NAME(entry_of)(const kernels *K, const char *name)
{
    const JOIN(function_entry, SUFFIX) *entry = K->functions;
    while (entry->name != NULL && strcmp(entry->name, name) != 0) entry++;
    REQUIRE(entry->name != NULL, "%s: no such function", name);
    return entry;
}

/* The pull-back through an activation: its derivative times what comes back, to the bit. */
static void NAME(test_pullback)(const kernels *K, const JOIN(function_entry, SUFFIX) *derivative)
{
    const size_t length = strlen(derivative->name) - strlen("_derivative");
    char name[64];
    snprintf(name, sizeof name, "%.*s_pullback", (int)length, derivative->name);
    for (intptr_t n = 1; n < 70; n++) {
        real *x = NAME(drawn)(n), *back = NAME(drawn)(n), *got = NAME(drawn)(n);
        real *slope = NAME(drawn)(n);
        const real *in[2] = {x, back};
        NAME(entry_of)(K, name)->call(in, got, 1, n, PARAMETER(0.25));
        derivative->call(in, slope, 1, n, PARAMETER(0.25));
        for (intptr_t i = 0; i < n; i++) slope[i] *= back[i];
        NAME(require_bits)(got, slope, n, name);
        free(x), free(back), free(got), free(slope);
    }
}

static void NAME(test_softmax)(const kernels *K)
{
    for (intptr_t cols = 1; cols < 70; cols++) {
        const intptr_t rows = 1 + 4000 / (cols * cols); /* some with more rows than a tile has */
        real *o = NAME(drawn)(rows * cols), *v = NAME(drawn)(rows * cols);
        real *y = values(rows * cols, sizeof *y), *back = values(rows * cols, sizeof *back);
        const real *in[3] = {o, y, v};
        NAME(entry_of)(K, "softmax")->call(in, y, rows, cols, PARAMETER(0));
        NAME(entry_of)(K, "softmax_vjp")->call(in, back, rows, cols, PARAMETER(0));
        for (intptr_t r = 0; r < rows; r++) {
            double sum = 0, mean = 0;
            for (intptr_t c = 0; c < cols; c++) sum += exp((double)o[r * cols + c]);
            for (intptr_t c = 0; c < cols; c++)
                mean += exp((double)o[r * cols + c]) / sum * (double)v[r * cols + c];
            for (intptr_t i = r * cols; i < (r + 1) * cols; i++) {
                const double wanted = exp((double)o[i]) / sum;
                NAME(require_near)((double)y[i], wanted, 0, "softmax");
                NAME(require_near)((double)back[i], wanted * ((double)v[i] - mean), 1, "its vjp");
            }
        }
        free(o), free(v), free(y), free(back);
    }
    for (intptr_t n = 1; n < 40; n++) {
        real *o = NAME(drawn)(n), *y = NAME(drawn)(n), *v = NAME(drawn)(n), *out = NAME(drawn)(n);
        const real *in[3] = {o, y, v};
        NAME(entry_of)(K, "exp_vjp")->call(in, out, 1, n, PARAMETER(0));
        for (intptr_t i = 0; i < n; i++)
            NAME(require_near)((double)out[i], (double)v[i] * (double)y[i], 0, "exp_vjp");
        NAME(entry_of)(K, "sigmoid_vjp")->call(in, out, 1, n, PARAMETER(0));
        for (intptr_t i = 0; i < n; i++)
            NAME(require_near)((double)out[i], (double)(v[i] * (y[i] * (1 - y[i]))), 1,
                               "sigmoid_vjp");
        free(o), free(y), free(v), free(out);
    }
}

/* -------------------------------------------------------------------------------- losses */

/* A term of a loss of values; in double. */
static double NAME(term)(const char *name, double o, double y, double parameter)
{
    const double d = o - y, within = fmin(fmax(d, -parameter), parameter);
    if (strcmp(name, "squared_error") == 0) return d * d / 2;
    if (strcmp(name, "bernoulli_nll") == 0) return log1p(exp(o)) - y * o;
    if (strcmp(name, "poisson_nll") == 0) return exp(o) - y * o;
    REQUIRE(strcmp(name, "huber") == 0, "%s: no such loss here", name);
    return within * (d - within / 2);
}

static double NAME(slope)(const char *name, double o, double y, double parameter)
{
    if (strcmp(name, "squared_error") == 0) return o - y;
    if (strcmp(name, "bernoulli_nll") == 0) return 1 / (1 + exp(-o)) - y;
    if (strcmp(name, "poisson_nll") == 0) return exp(o) - y;
    return fmin(fmax(o - y, -parameter), parameter);
}

static void NAME(test_loss)(const JOIN(loss_entry, SUFFIX) *entry, intptr_t N, intptr_t O)
{
    const double parameter = 0.75;
    real *o = NAME(drawn)(N * O), *targets = NAME(drawn)(N * O);
    intptr_t *labels = values(N, sizeof *labels);
    real *value = values(N, sizeof *value), *alone = values(N, sizeof *alone);
    real *grad = values(N * O, sizeof *grad), *only = values(N * O, sizeof *only);
    const void *y = entry->classes ? (const void *)labels : (const void *)targets;
    for (intptr_t n = 0; n < N; n++) labels[n] = (intptr_t)(random_bits() % (uint64_t)O);
    entry->call(o, y, value, grad, N, O, PARAMETER(parameter));
    entry->call(o, y, alone, NULL, N, O, PARAMETER(parameter));
    entry->call(o, y, NULL, only, N, O, PARAMETER(parameter));
    NAME(require_bits)(only, grad, N * O, entry->name);
    for (intptr_t n = 0; n < N; n++) {
        double wanted = 0, scale = 0, sum = 0;
        for (intptr_t i = n * O; i < (n + 1) * O; i++) sum += exp((double)o[i]);
        for (intptr_t i = n * O; i < (n + 1) * O; i++) {
            double slope;
            if (entry->classes) {
                const int is_label = i - n * O == labels[n];
                wanted += is_label ? log(sum) - (double)o[i] : 0;
                slope = exp((double)o[i]) / sum - is_label;
                scale = 8;
            } else {
                const double term =
                    NAME(term)(entry->name, (double)o[i], (double)targets[i], parameter);
                wanted += term, scale += fabs(term) + 8;
                slope = NAME(slope)(entry->name, (double)o[i], (double)targets[i], parameter);
            }
            NAME(require_near)((double)grad[i], slope, 8, entry->name);
        }
        NAME(require_near)((double)value[n], wanted, scale, entry->name);
        NAME(require_near)((double)alone[n], wanted, scale, entry->name);
    }
    free(o), free(targets), free(labels), free(value), free(alone), free(grad), free(only);
}

static void NAME(test_all)(const kernels *K)
{
    NAME(test_products)(K);
    NAME(test_row)(K);
    NAME(test_outer)(K);
    NAME(test_sums)(K);
    for (const JOIN(function_entry, SUFFIX) *entry = K->functions; entry->name != NULL; entry++)
        NAME(test_function)(entry);
    for (const JOIN(function_entry, SUFFIX) *entry = K->functions; entry->name != NULL; entry++)
        if (strstr(entry->name, "_derivative") != NULL) NAME(test_pullback)(K, entry);
    NAME(test_softmax)(K);
    for (const JOIN(loss_entry, SUFFIX) *entry = K->losses; entry->name != NULL; entry++)
        for (intptr_t O = 1; O < 70; O += 1 + O / 20)
            NAME(test_loss)(entry, O % 3 ? 5 : 2500 / O, O);
}

#undef JOIN_
#undef JOIN
#undef NAME
#undef kernels
