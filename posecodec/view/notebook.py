"""A recording in a notebook: the viewer's page in a frame of its own, which may not reach the page around it."""

from __future__ import annotations

import html

from posecodec.pose.sequence import PoseSequence
from posecodec.view.page import render_html
from posecodec.view.scene import build

HEIGHT = 520  # Pixels of the frame
MOST_FRAMES = 3000  # That a cell shows: notebooks keep them in their files


def render_cell(sequence: PoseSequence, title: str) -> str:
    """HTML for one cell; of a long recording the first MOST_FRAMES, and it says so."""
    shown = sequence[:MOST_FRAMES]
    if len(shown) < len(sequence):
        title += f" (frames 0 to {MOST_FRAMES - 1} shown)"
    page = html.escape(render_html(build(shown, None, title, None)).decode(), quote=True)
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" srcdoc="{page}" width="100%" height="{HEIGHT}" style="border:0" '
        f'title="{html.escape(title, quote=True)}"></iframe>'
    )
