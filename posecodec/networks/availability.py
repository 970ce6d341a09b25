"""Whether torch is there, which posecodec is installed without. Loads nothing else."""

from __future__ import annotations

from posecodec.errors import DependencyError, name_install


def require_torch(what: str = "tokens need", extra: str = "tokens") -> None:
    """Import torch. Raises DependencyError that says which extra brings it."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise DependencyError(f"{what} torch; {name_install(extra)}") from error
