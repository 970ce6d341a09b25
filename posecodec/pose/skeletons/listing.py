"""Skeletons as lines of text for people: all that are built in, or one in detail."""

from __future__ import annotations

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, TABLES
from posecodec.pose.skeletons.files import resolve_skeleton


def lines(details: str | None = None) -> list[str]:
    """The built-in skeletons, one a line; or the keypoints of one, by name or path of a `.toml` or `.json` file.

    Raises InputError as `files.resolve_skeleton` does.

    >>> lines()[0].split()[:2]
    ['coco19', '19']
    """
    return _overview() if details is None else _details(resolve_skeleton(details))


def _overview() -> list[str]:
    return [
        f"{table.name:12} {len(skeleton):3} keypoints, {len(skeleton.edges):3} edges  {table.title}"
        for table, skeleton in zip(TABLES, BUILT_IN.values(), strict=True)
    ]


def _details(skeleton: Skeleton) -> list[str]:
    """A headline, then a line a keypoint: its index and name, its partner on the other side, what it is joined to."""
    title = next((table.title for table in TABLES if table.name == skeleton.name), "of your own")
    width = max(len(name) for name in skeleton.keypoints)
    rows = [f"{skeleton.name}: {len(skeleton)} keypoints, {title}"]
    for k, name in enumerate(skeleton.keypoints):
        partner = skeleton.mirror[k]
        joined = sorted({a + b - k for a, b in skeleton.edges if k in (a, b)})
        facts = (
            "root" if k == skeleton.root else "",
            f"mirrors {partner}" if partner != k else "",
            f"joined to {', '.join(map(str, joined))}" if joined else "",
        )
        rows.append(f"{k:4} {name:{width}}  {'; '.join(filter(None, facts))}".rstrip())
    return rows
