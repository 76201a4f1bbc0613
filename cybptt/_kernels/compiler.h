/* GNU_C: the compiler has the extensions of C that GCC and Clang share: vectors, instruction sets
 * chosen by function, atomic operations. Microsoft's has not, and gets plain C. CYBPTT_PLAIN_C asks
 * any compiler for that, so that it can be tested where Microsoft's is not at hand. */
#ifndef CYBPTT_COMPILER_H
#define CYBPTT_COMPILER_H

#if defined(__GNUC__) && !defined(CYBPTT_PLAIN_C)
#define GNU_C
#endif

#endif
