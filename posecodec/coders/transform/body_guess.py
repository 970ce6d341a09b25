"""Which keypoints of a body those of an unknown skeleton may be: only the encoder guesses, a chunk says what it was.

By the same edges, whatever the names; or by the same names in another spelling.
"""

from __future__ import annotations

from functools import lru_cache

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.pose.skeletons.naming import spell_name

Places = tuple[int, ...]


@lru_cache(maxsize=64)
def guess_places(skeleton: Skeleton, body: Skeleton) -> tuple[Places, ...]:
    """Places among a body's keypoints that all of a skeleton's may have; empty where none are likely."""
    if len(skeleton) > len(body):
        return ()
    index = {name: k for k, name in enumerate(body.keypoints)}
    found: dict[Places, None] = {}
    edges = _collect_edges(skeleton)
    for known in (body, *BUILT_IN.values()):
        if (
            len(known) == len(skeleton)
            and edges
            and edges == _collect_edges(known)
            and set(known.keypoints) <= index.keys()
        ):
            found[tuple(index[name] for name in known.keypoints)] = None
    spelled = [spell_name(name) for name in skeleton.keypoints]
    if len(set(spelled)) == len(spelled) and set(spelled) <= index.keys():
        found[tuple(index[name] for name in spelled if name is not None)] = None
    return tuple(found)


def _collect_edges(skeleton: Skeleton) -> frozenset[frozenset[int]]:
    return frozenset(frozenset(edge) for edge in skeleton.edges)
