/* Another library's threads: a sum by GNU OpenMP, as PyTorch, SciPy's or scikit-learn's. */
#include <omp.h>

int threads_at_work(void)
{
    int most = 0;
#pragma omp parallel num_threads(2) reduction(max : most)
    most = omp_get_num_threads();
    return most;
}

double sum(const double *x, long n)
{
    double total = 0;
#pragma omp parallel for num_threads(2) reduction(+ : total)
    for (long i = 0; i < n; i++) total += x[i];
    return total;
}
