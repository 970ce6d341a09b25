"""The same shards from local clusters of two workers, one of which is killed."""

from __future__ import annotations

import os
import signal

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from posecodec import io
from posecodec.corpus import manifest
from posecodec.corpus.encoding import Options
from posecodec.corpus.making import make_shard
from posecodec.pose.synthetic import walk

SHARDS = 4


@pytest.fixture
def planned(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(8):
        io.save(walk(20 + number), tmp_path / f"in/{number}.npz")
    (tmp_path / "in/bad.npz").write_bytes(b"PK")
    manifest.write_manifest(tmp_path / "m.parquet", manifest.plan(tmp_path / "in"))
    for number in range(SHARDS):
        make_shard(
            number, str(tmp_path / "m.parquet"), str(tmp_path / "alone"), SHARDS, Options({}, {"max_error": "5mm"})
        )
    return tmp_path


def read_tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def check(found, planned):
    assert sum(each["recordings"] for each in found) == 8 and sum(each["failed"] for each in found) == 1
    assert [each["shard"] for each in found] == list(range(SHARDS))
    assert read_tree(planned / "made") == read_tree(planned / "alone")


def test_dask_makes_the_same(planned):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    from posecodec.interop import dask

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
            found = dask.encode_corpus(
                str(planned / "m.parquet"), str(planned / "made"), SHARDS, client, max_error="5mm"
            )
    check(found, planned)


def test_ray_makes_the_same(planned):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from posecodec.interop import ray as engine

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:

        @ray.remote(max_retries=0)
        def end():
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(end.remote())
        found = engine.encode_corpus(str(planned / "m.parquet"), str(planned / "made"), SHARDS, max_error="5mm")
    finally:
        ray.shutdown()
    check(found, planned)


def test_a_shard_that_is_there_is_not_made_again(planned):
    again = make_shard(1, str(planned / "m.parquet"), str(planned / "alone"), SHARDS, Options({}, {"max_error": "5mm"}))
    assert again == {"shard": 1, "recordings": 0, "failed": 0}
