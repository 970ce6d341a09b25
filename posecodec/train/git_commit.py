"""Which commit a card of weights names."""

from __future__ import annotations

import subprocess


def find_commit() -> str:
    """The short hash of the checkout, or \"unknown\"."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
