"""A picture inside Markdown, so that an artifact needs no file server.

In: a PNG file.  Out: a Markdown image with the bytes in it.
"""

from __future__ import annotations

import base64
from pathlib import Path

__all__ = ["markdown_picture"]


def markdown_picture(path: Path, caption: str) -> str:
    """``![caption](data:image/png;base64,...)``"""
    return f"![{caption}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"
