"""Two processes that train one network: both have the same one, and it is not that of one alone."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import torch
from small_tokens import config, write_walks

from posecodec.train.ranks import ALONE, Ranks
from posecodec.train.steps import find_checkpoint, run_steps
from posecodec.train.token_loop import TokenTrainer

STEPS = 3


def train(folder, out, ranks=ALONE):
    """A digest of the network after some steps."""
    trainer = TokenTrainer(config(folder, out, steps=STEPS, evaluate_every=STEPS), ranks=ranks)
    run_steps(trainer)
    state = trainer.state.model.state_dict()
    return hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest()


def test_two_processes_have_one_network(tmp_path):
    walks = write_walks(tmp_path / "walks")
    alone = train(walks, tmp_path / "alone")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [*command, str(walks), str(tmp_path / "both")], capture_output=True, text=True, check=False, timeout=200,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = {path.name: path.read_text() for path in tmp_path.glob("both.rank*")}
    assert len(found) == 2 and len(set(found.values())) == 1, found
    assert set(found.values()) != {alone} and find_checkpoint(tmp_path / "both").exists()
    assert len((tmp_path / "both" / "log.jsonl").read_text().splitlines()) == 1  # the first alone writes


def test_a_process_alone_is_the_first_and_draws_as_ever(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Ranks.join("cpu") == ALONE and ALONE.is_first and not ALONE.key and Ranks(1, 2).key == (1,)
    assert ALONE.choose_device("cuda") == "cuda" and Ranks(0, 2).choose_device("cuda") == "cuda:0"


if __name__ == "__main__":
    torch.set_num_threads(1)
    ranks = Ranks.join("cpu")
    digest = train(Path(sys.argv[1]), Path(sys.argv[2]), ranks)
    with open(f"{sys.argv[2]}.rank{ranks.rank}", "w") as file:
        file.write(digest)
