"""The page: one HTML file with style, script and data inside, that asks the network for nothing and may not.

Its script is joined from four files: what is shown, how it is drawn, single keypoints, what moves it. The policy in the page
allows this one script and style by their hashes, so that no text from a recording can become code.
"""

from __future__ import annotations

import base64
import hashlib
import html as escaping
import json
import re
from importlib.resources import files

from posecodec.view.pack import pack
from posecodec.view.scene import Scene

SCRIPTS = (
    "page_data.js",
    "page_drawing.js",
    "page_keypoints.js",
    "page_controls.js",
)  # each uses names of those before it
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_html(scene: Scene) -> bytes:
    """The page of a scene, UTF-8."""
    template, style = _read_part("page.html"), _read_part("page.css")
    script = "\n".join(map(_read_part, SCRIPTS))
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data: blob:; media-src blob:"
    title = escaping.escape(scene.title.encode(errors="replace").decode())  # no UTF-8 file holds half surrogate pairs
    parts = {"title": title, "style": style, "script": script, "scene": dump_json(pack(scene))}
    parts["policy"] = f"{policy}; base-uri 'none'; form-action 'none'"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template).encode()


def dump_json(values: object) -> str:
    """JSON in which no tag can begin or end."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE[found[0]], text)


def _read_part(name: str) -> str:
    return files("posecodec.view").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
