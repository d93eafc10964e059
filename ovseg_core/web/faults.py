"""The faults of the web, drawn for each picture of the local site: what a downloader has to live with.

A fault is a share of all pictures; `page` turns a good picture into what the site answers instead. Some
pictures have a second copy elsewhere, the same bytes or nearly.
"""

import io
import json
from dataclasses import replace

import numpy as np
from PIL import Image

from ovseg_core.web.site import Page

DEAD = {  # about 5 %
    "not_found": 0.0220,
    "gone": 0.0080,
    "server_error": 0.0060,
    "closed": 0.0060,
    "flaky": 0.0050,
    "redirect_loop": 0.0010,
    "redirect_private": 0.0010,  # towards an address that has to be refused
    "too_slow": 0.0002,  # few, since each holds a thread of the downloader for its whole timeout
}
BROKEN = {"truncated": 0.005, "cut": 0.004, "broken": 0.005, "html": 0.006}  # 2 %
ODD = {"redirect": 0.03, "slow": 0.015, "tiny": 0.007, "noai": 0.005}
FAULTS = {**DEAD, **BROKEN, **ODD}
COPIES = {"duplicate": 0.01, "near_duplicate": 0.01}  # besides the picture itself
SLOW_S = (0.2, 0.8)
TOO_SLOW_S = 8.0
TINY_PX = 12
NOAI = ["noai", "noimageai"]
PRIVATE = "http://169.254.169.254/latest/meta-data/"  # where clouds answer with credentials
HTML = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


def draw(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """One of the faults, each with its share, else "ok"."""
    names = [*shares, "ok"]
    return names[int(np.searchsorted(np.cumsum(list(shares.values())), rng.random(), side="right"))]


def jpeg(image: np.ndarray, quality: int = 92) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG without chroma subsampling, which would smear the small patterns."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def page(rng: np.random.Generator, fault: str, path: str, image: np.ndarray) -> list[Page]:
    """What the site holds for a picture under `path` when it has this fault; the first page is its URL."""
    body = jpeg(image)
    good = Page(path=path, body=body)
    if fault == "redirect":
        moved = path.replace("/", "/moved-", 1)
        return [Page(path=path, kind="redirect", location=moved), Page(path=moved, body=body)]
    if fault in ("redirect_loop", "redirect_private"):
        return [Page(path=path, kind="redirect", location=path if fault == "redirect_loop" else PRIVATE)]
    if fault in ("slow", "too_slow"):
        delay = TOO_SLOW_S if fault == "too_slow" else rng.uniform(*SLOW_S)
        return [replace(good, delay_s=round(float(delay), 3))]
    if fault == "noai":
        return [replace(good, headers=json.dumps({"X-Robots-Tag": str(rng.choice(NOAI))}))]
    bodies = {
        "cut": lambda: body[: int(len(body) * rng.uniform(0.2, 0.7))],
        "broken": lambda: body[:2] + rng.bytes(len(body) // 2),
        "html": lambda: HTML,
        "tiny": lambda: jpeg(np.asarray(Image.fromarray(image).resize((TINY_PX, TINY_PX)))),
    }
    if fault in bodies:
        return [Page(path=path, kind="html" if fault == "html" else "ok", body=bodies[fault]())]
    return [good if fault == "ok" else replace(good, kind=fault)]


def copy(rng: np.random.Generator, kind: str, path: str, image: np.ndarray) -> Page:
    """A second copy of a picture under another path: the same bytes, or cropped a little and re-encoded."""
    if kind == "duplicate":
        return Page(path=path, body=jpeg(image))
    side = len(image)
    edge = max(1, side // 48)
    cropped = Image.fromarray(image[edge : side - edge, edge : side - edge]).resize((side, side))
    return Page(path=path, body=jpeg(np.asarray(cropped), quality=int(rng.integers(60, 85))))
