"""Whether torch is there, which posecodec is installed without. Loads nothing else."""

from __future__ import annotations

from posecodec.errors import DependencyError, UsageError, name_install


def require_torch(what: str = "tokens need", extra: str = "tokens") -> None:
    """Import torch. Raises DependencyError that says which extra brings it."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise DependencyError(f"{what} torch; {name_install(extra)}") from error


def check_device(device: str) -> None:
    """Raises UsageError where torch has no such device here."""
    import torch

    try:
        torch.empty(0, device=device)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        has = "cpu and cuda" if torch.cuda.is_available() else "cpu alone"
        raise UsageError(f"torch has no device {device!r} here; this machine's is {has} (--device)") from error
