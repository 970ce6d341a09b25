"""Import paths and names of 0.4 (`names_of_0_4.txt`, frozen) work, warn, and say where the thing is now."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import pytest

from posecodec import legacy

LINES = [line.split() for line in Path(__file__).with_name("names_of_0_4.txt").read_text("utf-8").splitlines()]
NAMES = {module.strip("."): names for module, *names in LINES}


def get(dotted: str) -> object:
    """What is at `module.name` below posecodec, without the help of old paths."""
    module, _, name = dotted.rpartition(".")
    assert module not in legacy.read_moves() or find_file(module)
    return getattr(importlib.import_module(f"posecodec.{module}"), name)


def find_file(module: str) -> bool:
    folder = Path(legacy.__file__).parents[1].joinpath(*module.split("."))
    return folder.with_suffix(".py").is_file() or (folder / "__init__.py").is_file()


@pytest.mark.parametrize("module", NAMES)
def test_every_old_name_is_found_or_told_to_be_gone(module: str) -> None:
    moves = legacy.read_moves().get(module, {"": module})
    old = importlib.import_module(f"posecodec.{module}".strip("."))
    for name in NAMES[module]:
        new = moves.get(name, f"{moves['']}.{name}")
        if f"{module}.{name}".strip(".") == new.strip("."):
            assert getattr(old, name) is not None
        elif not new:
            with pytest.raises(AttributeError, match="gone since posecodec 0.5"):
                getattr(old, name)
        else:
            with pytest.warns(DeprecationWarning, match=f" is posecodec.{new} now"):
                assert getattr(old, name) is get(new)


def test_old_paths_import_in_every_way() -> None:
    """As statements do it, from packages that are gone and from those that stayed; the warning points here."""
    with pytest.warns(DeprecationWarning, match=r"posecodec\.ratecontrol\.target\.") as caught:
        from posecodec.goal import Goal
    assert caught[0].filename == __file__
    import posecodec.latents.joins
    import posecodec.skeleton as skeleton
    from posecodec.transform import layer

    from posecodec import container
    from posecodec.io import table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Goal and posecodec.latents.joins.smoothed and layer.step_size(0) and container.read and table.read
        assert skeleton.COCO19.name == "coco19" and container.Promise.__name__ == "Guarantee"
    with pytest.raises(ImportError, match="sequences"):
        importlib.import_module("posecodec.sequences")
    with pytest.raises(ImportError, match="nothing"):
        from posecodec.goal import nothing  # noqa: F401


def test_looking_at_old_modules_is_not_using_them() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = importlib.import_module("posecodec.rate")
        assert not hasattr(module, "__path__") and hasattr(importlib.import_module("posecodec.transform"), "__path__")
