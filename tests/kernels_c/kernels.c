/* Every kernel of every instruction set that this processor runs, against plain loops.
 *
 * Products and sums are of whole numbers, so that no order of a sum matters and the bits must be
 * right. Every array is a block of its own size, for AddressSanitizer to watch its ends; between
 * the rows of a result stand guards. `kernels NAME` runs the instruction set of that name alone.
 */
#include <math.h>

#include "common.h"

#define COUNT(array) ((intptr_t)(sizeof(array) / sizeof *(array)))

/* Around strips of 6 and 12 rows, blocks of 96; panels of 4 to 32 columns, four at once for a
 * single row; blocks of 256 terms. */
static const intptr_t ROWS[] = {1, 2, 5, 6, 7, 11, 12, 13, 24, 25, 95, 96, 97, 193};
static const intptr_t TERMS[] = {0, 1, 2, 3, 255, 256, 257, 513};
static const intptr_t COLUMNS[] = {1,  2,  3,  4,  5,  7,  8,  9,  15, 16,  17,
                                   31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129};

#define real float
#define SUFFIX f32
#define EPSILON 0x1p-23
#include "kernels_of_dtype.h"
#undef real
#undef SUFFIX
#undef EPSILON

#define real double
#define SUFFIX f64
#define EPSILON 0x1p-52
#include "kernels_of_dtype.h"

int main(int argc, char **argv)
{
    const kernels_f32 *narrow;
    const kernels_f64 *wide;
    int run = 0;
    for (int i = 0; (narrow = cybptt_kernels_f32(i)) != NULL; i++) {
        wide = cybptt_kernels_f64(i);
        REQUIRE(wide != NULL && strcmp(wide->name, narrow->name) == 0, "%d", i);
        if (argc > 1 && strcmp(argv[1], narrow->name) != 0) continue;
        test_all_f32(narrow);
        test_all_f64(wide);
        printf("kernels: %s passed\n", narrow->name);
        run++;
    }
    REQUIRE(cybptt_kernels_f64(run) == NULL || argc > 1, "%d", run);
    REQUIRE(run > 0, "got %s, need an instruction set of this processor", argc > 1 ? argv[1] : "");
    return 0;
}
