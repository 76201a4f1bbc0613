/* A C function as it must not be: it sets a Python exception. */
#include <stdint.h>

extern void *PyExc_ArithmeticError;
extern int PyGILState_Ensure(void);
extern void PyGILState_Release(int);
extern void PyErr_SetString(void *, const char *);

void raises(const double *in, double *out, intptr_t n)
{
    for (intptr_t i = 0; i < n; i++) out[i] = in[i];
    const int state = PyGILState_Ensure();
    PyErr_SetString(PyExc_ArithmeticError, "on purpose");
    PyGILState_Release(state);
}
