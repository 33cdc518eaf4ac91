"""Check typical uses with mypy as a user would: with the package installed, from another folder."""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
USES = ROOT / "tests" / "typing" / "typical_uses.py"


def main():
    """Install the package alone into an empty environment, and let mypy look from there."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder)
        python = Path(folder, "bin", "python")
        site = sysconfig.get_path("purelib", "venv", {"base": folder})
        # The dependencies are those of this environment, but not its link to the checkout.
        Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", ROOT], check=True)
        mypy = [sys.executable, "-m", "mypy", "--python-executable", python]
        options = ["--config-file", ROOT / "pyproject.toml"]
        options += ["--cache-dir", ROOT / ".mypy_cache" / "typical_uses"]
        # A copy: from a file in the checkout mypy would look for the package there.
        shutil.copy(USES, folder)
        return subprocess.run([*mypy, *options, USES.name], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
