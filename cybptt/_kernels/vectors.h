/* Vector registers, by the compilers' vector extensions: LANES values of type `vec`.
 *
 * Included once for each dtype and instruction set, first of all (see template.h). Where there are no
 * such extensions a `vec` is one number.
 */
#if defined(GNU_C)
#define LANES (VBYTES / (IS_FLOAT ? 4 : 8))
/* Unaligned, and may alias: loads and stores through it are single instructions. */
typedef real NAME(vec) __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));
#define UNROLL _Pragma("GCC unroll 16")
#else
#define LANES 1
typedef real NAME(vec);
#define UNROLL
#endif
#define vec NAME(vec)

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector) && LANES > 1
#define SHUFFLES
#endif
#endif

#ifdef SHUFFLES
/* The low or the high halves of two vectors, taken in turn: a0 b0 a1 b1 … */
#if LANES == 2
#define LOW_TURNS 0, 2
#define HIGH_TURNS 1, 3
#elif LANES == 4
#define LOW_TURNS 0, 4, 1, 5
#define HIGH_TURNS 2, 6, 3, 7
#elif LANES == 8
#define LOW_TURNS 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_TURNS 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOW_TURNS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_TURNS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

/* The transpose of LANES vectors in place: log2 LANES rounds of taking the first and the second
 * half of them in turn, as a pack of cards is riffled. */
static inline __attribute__((always_inline)) void NAME(transpose_square)(vec *rows)
{
    UNROLL for (int round = 1; round < LANES; round *= 2)
    {
        vec next[LANES];
        UNROLL for (int i = 0; i < LANES / 2; i++)
        {
            next[2 * i] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], LOW_TURNS);
            next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], HIGH_TURNS);
        }
        UNROLL for (int i = 0; i < LANES; i++) rows[i] = next[i];
    }
}
#endif
