"""The API reference, a page a module, from the docstrings of what has no underscore: `bin/docs`, or given a folder.

Needs pdoc (`bin/setup docs`) and no network. Leaves out the command line, which `posecodec --help` explains.
"""

from __future__ import annotations

import pkgutil
import shutil
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pdoc

import posecodec.datasets
import posecodec.io

LEFT_OUT = ("cli", "legacy", "__main__")
"""Modules of the package."""


def complete(package: ModuleType) -> None:
    """Import what a package offers and name its modules too: pdoc shows what is there and, if there is one, in `__all__`."""
    for name in package.__all__:
        setattr(package, name, getattr(package, name))
    modules = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in LEFT_OUT]
    package.__all__ = [*package.__all__, *modules]


def build(folder: Path) -> None:
    """Write index.html and the pages, in place of what is there. Whatever pdoc warns of is an error."""
    complete(posecodec.datasets)
    complete(posecodec.io)
    complete(posecodec)
    shutil.rmtree(folder, ignore_errors=True)
    pdoc.render.configure(show_source=False, footer_text=f"posecodec {posecodec.__version__}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "Error parsing type annotation")  # shown as written: not known at run time
        pdoc.pdoc("posecodec", output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    print(f"wrote {sys.argv[1]}/index.html")
