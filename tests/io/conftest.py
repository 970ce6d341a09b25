"""What tests of formats share: content put into a file, reports that must come, and silence about all others."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from posecodec.errors import DataWarning


def pytest_collection_modifyitems(items):
    """Reports of changed data are not printed where nobody asks for them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning"))


@pytest.fixture
def put(tmp_path, request):
    """Writes content, as JSON unless it is bytes or text, into a file, by default `a` with the module's SUFFIX, or .json."""
    usual = "a" + getattr(request.module, "SUFFIX", ".json")

    def write(content, name=usual):
        text = content if isinstance(content, bytes | str) else json.dumps(content)
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / name

    return write


@pytest.fixture
def reports():
    """`with reports("this", "that"):` means that all of these are reported, in any order."""

    @contextmanager
    def expect(*parts):
        with pytest.warns(DataWarning) as found:
            yield
        said = " | ".join(str(w.message) for w in found)
        assert [part for part in parts if part not in said] == [], said

    return expect
