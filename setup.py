"""The compiled core: everything else about the build stands in pyproject.toml."""

import os
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

# Portable: each kernel file selects its own instruction set, and the core chooses among them when
# it is imported. Never -march=native, and never -ffast-math, which would change the whole process.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]

core = Extension(
    "cybptt._core",
    ["cybptt/_core.pyx", *sorted(glob("cybptt/_kernels/*.c"))],
    include_dirs=["cybptt/_kernels"],
    depends=[*sorted(glob("cybptt/_kernels/*.h")), "cybptt/_tables.pxd", "cybptt/_functions.pxi"],
    libraries=[] if os.name == "nt" else ["m"],
    extra_compile_args=[] if os.name == "nt" else FLAGS,
)

setup(ext_modules=cythonize([core], build_dir="build/cython"))
