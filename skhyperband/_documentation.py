"""Finds where the documentation is published, from the metadata of the installed package."""

import functools
from importlib.metadata import PackageNotFoundError, metadata


@functools.cache
def reference_page() -> str:
    """Return the address of a page of the reference, to be formatted with a module and a name.

    It is empty if the metadata has no project URL with the label "Documentation".
    """
    try:
        urls = metadata("skhyperband").get_all("Project-URL") or []
    except PackageNotFoundError:  # A copy of the source that is not installed.
        return ""
    for url in urls:
        label, _, address = url.partition(", ")
        if label == "Documentation":
            return f"{address.rstrip('/')}/generated/{{estimator_module}}.{{estimator_name}}.html"
    return ""
