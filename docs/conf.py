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
html_static_path = ["_static"]
html_css_files = ["gallery.css"]

# The docstrings say the types.
autodoc_typehints = "none"
numpydoc_show_class_members = False

# The build runs the gallery. An example that raises or warns fails it.
warnings.filterwarnings("error", module="__main__")
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "image_srcset": ["2x"],
    "show_signature": False,
    "download_all_examples": False,
}
