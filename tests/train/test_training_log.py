"""The log of a training: JSON lines, and the same numbers for TensorBoard where it is there."""

import json
import sys
import types

import pytest

from posecodec.errors import DependencyError
from posecodec.train.training_log import TrainingLog, list_scalars


class Writer:
    """What TensorBoard would be told."""

    told: list[tuple[str, float, int]]

    def __init__(self, folder):
        self.folder, self.told = folder, []
        Writer.last = self

    def add_scalar(self, name, value, step):
        self.told.append((name, value, step))

    def flush(self):
        pass


def test_records_are_lines_and_curves(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    log = TrainingLog(str(tmp_path / "run"), tensorboard=True)
    log.append({"step": 20, "body": 0.5, "val": {"1": [80.0, 70.0]}, "note": "none"})
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert record["step"] == 20 and record["body"] == 0.5 and record["time"] > 0
    assert Writer.last.folder == str(tmp_path / "run" / "tensorboard")
    assert Writer.last.told == [("body", 0.5, 20), ("val/1/0", 80.0, 20), ("val/1/1", 70.0, 20)]


def test_without_tensorboard_the_log_is_lines_and_asking_for_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    TrainingLog(str(tmp_path)).append({"step": 1, "loss": 2})
    assert (tmp_path / "log.jsonl").exists()
    with pytest.raises(DependencyError, match="pip install tensorboard"):
        TrainingLog(str(tmp_path), tensorboard=True)


def test_numbers_are_found_wherever_they_stand():
    assert list(list_scalars({"step": 3, "a": {"b": [1, {"c": 2.5}]}, "d": "x"})) == [("a/b/0", 1.0), ("a/b/1/c", 2.5)]
