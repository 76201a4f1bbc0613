/* What the programs of this folder share. */
#ifndef CYBPTT_TEST_COMMON_H
#define CYBPTT_TEST_COMMON_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* The last argument of a function of the tables: of a built-in one, its parameter. */
#define PARAMETER(value) (&(const double){value})

#define REQUIRE(condition, ...)                                                                    \
    do                                                                                             \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    while (0)

/* Exactly n values: AddressSanitizer sees what is read or written beside them. */
static inline void *values(intptr_t n, size_t size)
{
    void *memory = malloc(n ? (size_t)n * size : 1);
    REQUIRE(memory != NULL, "no memory for %ld values", (long)n);
    return memory;
}

/* The same numbers at every run (xorshift64*). */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline uint64_t random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1du;
}

static inline double uniform(double low, double high)
{
    return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53;
}

/* The dispatcher's tables begin alike for both dtypes; CYBPTT_KERNELS chooses one, as in Python. */
static inline int chosen(const char *name)
{
    const char *wanted = getenv("CYBPTT_KERNELS");
    return wanted == NULL || strcmp(wanted, name) == 0;
}

#endif
