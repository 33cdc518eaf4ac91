"""Sphinx configuration."""

import sys
import warnings
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "skhyperband"
version = release = installed_version("skhyperband")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "links",
    "parameter_groups",
    "output_that_fits",
]
exclude_patterns = ["_build", "examples", "_templates"]
templates_path = ["_templates"]
# A name in backticks is a link where it is known, and otherwise code.
default_role = "py:obj"
# scikit-learn's docstrings, of what is inherited, name terms of its own glossary.
suppress_warnings = ["ref.term"]

html_theme = "furo"
html_title = "skhyperband"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["custom.css", "gallery.css"]

# The docstrings say the types.
autodoc_typehints = "none"
numpydoc_show_class_members = False

# Prompts are not copied, nor is what a command printed.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

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
