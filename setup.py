"""What is compiled: everything else about the build stands in pyproject.toml."""

import os
from glob import glob

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

# Portable: each kernel file selects its own instruction set, and the core chooses among them when
# it is imported. Never -march=native, and never -ffast-math, which would change the whole process.
FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]

# What the core does without, for what comes to it has been checked. `wraparound` is never wanted:
# without it, `boundscheck` refuses an index below 0, too.
CHECKS = ["boundscheck", "initializedcheck", "overflowcheck"]

# CYBPTT_BUILD names a build for tests: with those checks, watched by a sanitizer, or in the plain C
# that Microsoft's compiler gets. -fno-wrapv: with what Python itself is built with, a signed number
# that overflows wraps around, unseen.
BUILDS = {
    "": [],
    "checked": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover", "-fno-wrapv", "-O1", "-g"],
    "thread": ["-fsanitize=thread", "-O1", "-g"],
    "plain": ["-std=c11", "-DCYBPTT_PLAIN_C"],
}
build = os.environ.get("CYBPTT_BUILD", "")
if build not in BUILDS:
    raise SystemExit(f"CYBPTT_BUILD: got {build!r}, need one of {', '.join(BUILDS)[2:]}")
sanitizer = [flag for flag in BUILDS[build] if flag.startswith("-fsanitize")]

if os.name == "nt":
    # Microsoft's compiler, for which each kernel is plain C.
    libraries, flags, separately = [], ["/O2", "/std:c11", "/fp:precise"], []
else:
    libraries, flags, separately = ["m"], FLAGS + BUILDS[build], ["-ffp-contract=off"]

core = Extension(
    "cybptt._core",
    ["cybptt/_core.pyx", *sorted(glob("cybptt/_kernels/*.c"))],
    include_dirs=["cybptt/_kernels", np.get_include()],
    depends=[*sorted(glob("cybptt/_kernels/*.h") + glob("cybptt/*.px[di]"))],
    libraries=libraries,
    extra_compile_args=flags,
    extra_link_args=sanitizer,
)
checks = dict.fromkeys(CHECKS, build == "checked") | {"wraparound": False}

updates = Extension(
    "cybptt.optim._updates",
    ["cybptt/optim/_updates.pyx", *sorted(glob("cybptt/optim/_kernels/*.c"))],
    include_dirs=["cybptt/optim/_kernels"],
    depends=sorted(glob("cybptt/optim/_kernels/*.h")),
    libraries=libraries,
    # Each operation rounded by itself, as in NumPy: the same bits on every instruction set.
    extra_compile_args=flags + separately,
    extra_link_args=sanitizer,
)

# What JAX's programs call: it needs nothing of JAX's.
ffi = Extension(
    "cybptt.jax._ffi",
    ["cybptt/jax/_ffi.pyx"],
    include_dirs=[np.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=flags,
    extra_link_args=sanitizer,
)

setup(
    ext_modules=cythonize(
        [core, updates, ffi], build_dir=f"build/cython{build}", compiler_directives=checks
    )
)
