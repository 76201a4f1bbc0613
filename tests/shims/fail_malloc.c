/* Memory that runs out: an allocation chosen beforehand fails. For LD_PRELOAD, with the GNU C library.
 *
 * fail_at(size, which): of the allocations of at least `size` bytes from now on, number `which`
 * (0, 1, …) gives NULL. allocations(): how many there have been since.
 */
#include <errno.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_size_t at_least = SIZE_MAX;
static atomic_int which = -1, seen;

void fail_at(size_t size, int number)
{
    seen = 0;
    which = number;
    at_least = size;
}

int allocations(void)
{
    return seen;
}

static int fails(size_t size)
{
    if (size < at_least || seen++ != which) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(size && n > SIZE_MAX / size ? SIZE_MAX : n * size) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(size) ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(size) ? NULL : __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails(size) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *found = fails(size) ? NULL : __libc_memalign(alignment, size);
    if (found == NULL) return ENOMEM;
    *memory = found;
    return 0;
}
