"""Links to other projects without the network: inventories for intersphinx, made of a list.

The build must not depend on other people's servers, so the names that are linked to are
in ``links.toml``, and an inventory of each project is written from it before each build.
"""

import tomllib
import zlib
from pathlib import Path

HEADER = """# Sphinx inventory version 2
# Project: {project}
# Version:
# The remainder of this file is compressed using zlib.
"""
ROLES = ("class", "function", "data")


def inventory(project, entries):
    """Return the bytes of an inventory: of each name its role, and the address of its page.

    A class is also found by its name without the module, as docstrings have it.
    """
    lines = []
    for role in ROLES:
        for name in entries.get(role, "").split():
            address = f"{entries['page'].format(name=name)}#{name}"
            lines.append(f"{name} py:{role} 1 {address} -")
            if role == "class":
                lines.append(f"{name.rpartition('.')[2]} py:{role} 1 {address} -")
    text = "\n".join(sorted(lines)) + "\n"
    return HEADER.format(project=project).encode() + zlib.compress(text.encode())


def write_inventories(app, config):
    """Write the inventories, and say where they are."""
    projects = tomllib.loads((Path(app.srcdir) / "links.toml").read_text())
    folder = Path(app.doctreedir)
    folder.mkdir(parents=True, exist_ok=True)
    for project, entries in projects.items():
        path = folder / f"{project}.inv"
        path.write_bytes(inventory(project, entries))
        config.intersphinx_mapping[project] = (entries["site"], str(path))


def setup(app):
    """Write the inventories before intersphinx looks for them."""
    app.setup_extension("sphinx.ext.intersphinx")
    app.connect("config-inited", write_inventories, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
