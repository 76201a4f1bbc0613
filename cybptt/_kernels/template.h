/* All kernels for one dtype and one instruction set. Included with
 *
 *   real      float or double                 SUFFIX   f32 or f64
 *   ISA       baseline, avx2, …               IS_FLOAT 1 or 0
 *   VBYTES    bytes of a vector register      MAX_ROWS rows of the largest micro-kernel
 */
#define PASTE_(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define TYPED_(a, b) a##_##b
#define TYPED(a, b) TYPED_(a, b)
#define NAME(f) PASTE(f, SUFFIX, ISA)
#define TEXT_(s) #s
#define TEXT(s) TEXT_(s)
#define function_entry TYPED(function_entry, SUFFIX)
#define loss_entry TYPED(loss_entry, SUFFIX)

#include "vectors.h"

#include "elementwise.h"
#include "losses.h"
#include "products.h"

const TYPED(kernels, SUFFIX) NAME(cybptt) = {
    .name = TEXT(ISA),
    .lanes = NAME(lanes),
    .functions = NAME(functions),
    .losses = NAME(losses),
    .pack = NAME(pack),
    .transpose = NAME(transpose),
    .product = NAME(product),
    .row = NAME(row),
    .add_outer = NAME(add_outer),
    .add_rows = NAME(add_rows),
    .sum_rows = NAME(sum_rows),
    .multiply = NAME(multiply),
};

#undef vec
#undef LANES
#undef UNROLL
#undef SHUFFLES
#undef LOW_TURNS
#undef HIGH_TURNS
#undef PASTE_
#undef PASTE
#undef TYPED_
#undef TYPED
#undef NAME
#undef TEXT_
#undef TEXT
#undef function_entry
#undef loss_entry
