"""A picture inside Markdown, so that an artifact needs no file server.

In: a PNG, in a file or not.  Out: a Markdown image with the bytes in it.
"""

from __future__ import annotations

import base64
from pathlib import Path

__all__ = ["markdown_picture", "png_in_markdown"]


def markdown_picture(path: Path, caption: str) -> str:
    """``![caption](data:image/png;base64,...)``"""
    return png_in_markdown(path.read_bytes(), caption)


def png_in_markdown(png: bytes, caption: str) -> str:
    """The same for bytes that are no file."""
    return f"![{caption}](data:image/png;base64,{base64.b64encode(png).decode()})"
