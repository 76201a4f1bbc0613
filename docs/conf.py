"""How the site is built: `sphinx-build -W -n docs build/site`. It needs no network."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import cited

# Where a neighbour's library is missing, a mock stands in for it, that its module have its pages.
autodoc_mock_imports = [
    library
    for library in ("jax", "mpi4py", "onnx", "sklearn", "torch")
    if importlib.util.find_spec(library) is None
]
# (By its name alone, which Sphinx keeps, wherever the function is.)
with importlib.import_module("sphinx.ext.autodoc.mock").mock(autodoc_mock_imports):
    cited.neighbours()

import short_names

import cybptt

project = "cybptt"
author = "The cybptt developers"
project_copyright = author
version = release = cybptt.__version__.partition("+")[0]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "drawn",
    "equations",
    "graphs",
    "measured",
    "short_names",
    "subscripts",
]
templates_path = ["_templates"]
exclude_patterns = ["checks", "examples"]  # the gallery is made of these
nitpicky = True
smartquotes = False  # {"o", "y_hat"} is code
default_role = "name"  # `fit` in a docstring is a link where it names something

# --------------------------------------------------------------------------- the reference

autodoc_typehints = "none"  # numpydoc's sections have the types, in words
autodoc_member_order = "bysource"
autosummary_generate = True
# Each name has one page, under its shortest name: cybptt.save, not cybptt.io.save.
_names = [function.name for function in cited.functions()]
_offered = {m: importlib.import_module(m).__all__ for m in cited.public_modules()}
autosummary_context = {
    "own": {m: [n for n in names if f"{m}.{n}" in _names] for m, names in _offered.items()},
    "shared": {
        m: [n for n in names if f"{m}.{n}" not in _names and f"cybptt.{n}" in _names]
        for m, names in _offered.items()
        if m != "cybptt"
    },
}
numpydoc_show_class_members = False  # the template of classes lists them
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = True  # types are links,
numpydoc_xref_aliases = short_names.TYPES
numpydoc_xref_ignore = "all"  # where they are classes, and not words such as "shape"
python_use_unqualified_type_names = True

# The inventories are in the repository, so that a build needs no network. NumPy's and Matplotlib's
# are lists of what we cite, in the first version of the format, which is plain text.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3/", "inventories/python.inv"),
    "numpy": ("https://numpy.org/doc/stable/", "inventories/numpy.inv"),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "inventories/scipy.inv"),
    "matplotlib": ("https://matplotlib.org/stable/", "inventories/matplotlib.inv"),
}

# --------------------------------------------------------------------------- the gallery

if any((HERE / "examples").glob("*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": "examples",
        "gallery_dirs": "gallery",
        "filename_pattern": r"\.py$",
        "abort_on_example_error": True,
        "within_subsection_order": "FileNameSortKey",
        "reset_modules": ("matplotlib", "gallery.set_style"),
        "image_srcset": ["2x"],
        "remove_config_comments": True,
        "download_all_examples": False,
        "show_memory": False,
        "write_computation_times": False,  # a page that would fetch its scripts
    }

# --------------------------------------------------------------------------- the site

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "cybptt"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # they are fetched, which a site read from files can't
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

# MathJax whole in one file, with its letters in it, from the package that brings it: no CDN. Its
# menu would load more, and is switched off.
_mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
if _mathjax is None or not _mathjax.submodule_search_locations:
    raise RuntimeError("MathJax: install the extra, pip install '.[docs]'")
mathjax_path = "tex-svg-full.js"
html_static_path.append(f"{_mathjax.submodule_search_locations[0]}/static/mathjax/{mathjax_path}")
mathjax3_config = {
    "options": {"enableMenu": False, "ignoreHtmlClass": ".*", "processHtmlClass": "math"},
    "tex": {
        "macros": {
            "v": [r"\boldsymbol{#1}^{(#2)}", 2],  # \v{h}{t}: a node at a step
            "m": [r"\boldsymbol{#1}", 1],  # a matrix or a bias
            "grad": [r"\nabla_{\!#1} L", 1],
            "T": r"{\mkern-1mu\top}",
            "diag": r"\operatorname{diag}",
        }
    },
}
myst_update_mathjax = False
