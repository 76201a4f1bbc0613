/* updates.h for float and for double, and their tables; the including file has set ISA. */
#define PASTE_(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define NAME(f) PASTE(f, SUFFIX, ISA)
#define ENTRY_(suffix) update_entry_##suffix
#define ENTRY(suffix) ENTRY_(suffix)
#define TABLE_(suffix) updates_##suffix
#define TABLE(suffix) TABLE_(suffix)
#define DEFINE_TABLE                                                                               \
    static const ENTRY(SUFFIX) NAME(entries)[] = {                                                 \
        {"sgd", NAME(sgd)},         {"momentum", NAME(momentum)}, {"nesterov", NAME(nesterov)},    \
        {"adagrad", NAME(adagrad)}, {"rmsprop", NAME(rmsprop)},   {"adam", NAME(adam)},            \
        {NULL, NULL}};                                                                             \
    static const TABLE(SUFFIX) NAME(table) = {NAME(entries), NAME(scale), NAME(within),                 \
                                               NAME(sum_of_squares)};

#define T float
#define ROOT sqrtf
#define SUFFIX f32
#include "updates.h"
DEFINE_TABLE
#undef T
#undef ROOT
#undef SUFFIX

#define T double
#define ROOT sqrt
#define SUFFIX f64
#include "updates.h"
DEFINE_TABLE
#undef T
#undef ROOT
#undef SUFFIX

#undef PASTE_
#undef PASTE
#undef NAME
#undef ENTRY_
#undef ENTRY
#undef TABLE_
#undef TABLE
#undef DEFINE_TABLE
#undef ISA
