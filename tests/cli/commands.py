"""The command line as the tests run it: in a process of its own, or, where many calls are to be quick, in this one."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any
from unittest.mock import patch

import pytest

from posecodec.cli import main

COMMAND = [sys.executable, "-c", "from posecodec.cli import main; main()"]


def run(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, check=False, **options)


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Exit code, standard output and errors of a command in this process."""
    code: Any = 0
    with patch.object(sys, "argv", ["posecodec", *map(str, args)]), warnings.catch_warnings():
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code
    return code, *capsys.readouterr()
