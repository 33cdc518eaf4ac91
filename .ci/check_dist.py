"""Check that sdist and wheel hold what they should, and that the wheel works alone."""

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
USE = "import skhyperband; print(skhyperband.HyperbandSearchCV.__name__, skhyperband.__file__)"


def tracked():
    """Return the files that belong to the project."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(listed.stdout.split())


def cited_version():
    """Return the version that is to be cited."""
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited, "CITATION.cff names no version"
    return cited[1]


def main():
    """Compare the archives with the checkout, and try the wheel elsewhere."""
    (sdist,) = ROOT.glob("dist/*.tar.gz")
    (wheel,) = ROOT.glob("dist/*.whl")
    files = tracked()
    expected = f"skhyperband-{cited_version()}.tar.gz"
    assert sdist.name == expected, f"{sdist.name}, but CITATION.cff asks for {expected}"

    with tarfile.open(sdist) as archive:
        packed = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    made = {"PKG-INFO", *(name for name in packed if name.startswith("skhyperband.egg-info/"))}
    wanted = {name for name in files if not name.startswith(".")}
    assert packed - made == wanted, sorted((packed - made) ^ wanted)

    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {name for name in files if name.startswith("skhyperband/")}
    assert packed == wanted, sorted(packed ^ wanted)

    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "venv"), with_pip=True)
        python = Path(folder, "venv", "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
        subprocess.run([python, "-c", USE], cwd=folder, check=True)


if __name__ == "__main__":
    sys.exit(main())
