"""Sphinx configuration."""

from importlib.metadata import version as installed_version

project = "skhyperband"
version = release = installed_version("skhyperband")

extensions = ["sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
default_role = "literal"
# scikit-learn's docstrings, of what is inherited, name terms of its own glossary.
suppress_warnings = ["ref.term"]

html_theme = "furo"
html_title = "skhyperband"
html_show_copyright = False

# The docstrings say the types.
autodoc_typehints = "none"
numpydoc_show_class_members = False
