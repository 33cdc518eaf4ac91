"""Sphinx configuration."""

import warnings
from importlib.metadata import version as installed_version

project = "skhyperband"
version = release = installed_version("skhyperband")

extensions = ["sphinx.ext.autodoc", "numpydoc", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "examples"]
default_role = "literal"
# scikit-learn's docstrings, of what is inherited, name terms of its own glossary.
suppress_warnings = ["ref.term"]

html_theme = "furo"
html_title = "skhyperband"
html_show_copyright = False

# The docstrings say the types.
autodoc_typehints = "none"
numpydoc_show_class_members = False


# The gallery: the build runs the examples, and one that fails or warns fails the build.
def make_warnings_errors(gallery_conf, fname, when):
    """Make warnings errors while an example runs."""
    warnings.simplefilter("error" if when == "before" else "default")


sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "reset_modules": ("matplotlib", make_warnings_errors),
    "reset_modules_order": "both",
    "image_srcset": ["2x"],
    "show_signature": False,
    "download_all_examples": False,
}
