"""Films: pictures of an environment as a GIF or an MP4, at the speed of the environment."""

from __future__ import annotations

import importlib
import io
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morl.errors import MorlError

MOST_SHOWN = 30.0
"""Pictures per second, unless `fps` says otherwise: more are left out, and the film keeps its speed."""

FASTEST_GIF = 50
"""Viewers show GIFs of more pictures per second at a speed of their own."""

HELD = 0.5
"""Seconds for which the last picture of an episode stays."""

Picture = NDArray[np.uint8]
"""(height, width, 3)."""


class Reel(Protocol):
    """A video being written."""

    fps: float

    def add(self, picture: Picture) -> None:
        """Append a picture."""

    def finish(self) -> bytes:
        """The whole file."""

    def close(self) -> None:
        """Clean up, also where it was not finished."""


class Film:
    """Chooses the pictures of an environment with `native` steps per second that a reel of `fps` shows."""

    def __init__(self, reel: Reel, *, native: float, fps: float | None) -> None:
        reel.fps = min(native, MOST_SHOWN) if fps is None else fps
        self.reel = reel
        self.share = min(1.0, reel.fps / native)
        self.steps = 0

    def begin(self, picture: Picture) -> None:
        """The first picture of an episode."""
        self.steps = 0
        self.reel.add(picture)

    def due(self) -> bool:
        """Whether the step that was just made is shown; to be asked once for every step."""
        self.steps += 1
        return int(self.steps * self.share) > int((self.steps - 1) * self.share)

    def show(self, picture: Picture, *, last: bool) -> None:
        """A picture, the last one of an episode for a while."""
        for _ in range(max(1, round(HELD * self.reel.fps)) if last else 1):
            self.reel.add(picture)


def reel_for(path: Path, fps: float | None) -> Reel:
    """What writes a file of this name."""
    kinds: dict[str, type[Gif | Mp4]] = {".gif": Gif, ".mp4": Mp4}
    if path.suffix.lower() not in kinds:
        raise MorlError(f"expected a film ending in {' or '.join(kinds)}, got {path}")
    most = FASTEST_GIF if path.suffix.lower() == ".gif" else 1000
    if fps is not None and not 0 < fps <= most:
        raise MorlError(f"expected fps above 0 and at most {most} for {path.suffix}, got {fps:g}")
    return kinds[path.suffix.lower()]()


class Gif:
    """A GIF, by Pillow."""

    fps = MOST_SHOWN

    def __init__(self) -> None:
        self.pictures: list[Any] = []

    def add(self, picture: Picture) -> None:
        """Append a picture, in 256 colours of its own."""
        from PIL import Image

        self.pictures.append(Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE))

    def finish(self) -> bytes:
        """The whole file; it repeats for ever."""
        file = io.BytesIO()
        first, *rest = self.pictures
        first.save(file, "GIF", save_all=True, append_images=rest, duration=1000 / self.fps, loop=0)
        return file.getvalue()

    def close(self) -> None:
        """Forget the pictures."""
        self.pictures = []


class Mp4:
    """An MP4 (H.264), by the ffmpeg that imageio-ffmpeg brings."""

    fps = MOST_SHOWN

    def __init__(self) -> None:
        try:
            self.ffmpeg = importlib.import_module("imageio_ffmpeg")
        except ImportError as error:
            raise MorlError(
                "expected imageio-ffmpeg for .mp4, it is not installed; pip install 'morl[video]', "
                "or choose a name that ends in .gif"
            ) from error
        self.folder = tempfile.TemporaryDirectory(prefix="morl-film-")
        self.path = Path(self.folder.name) / "film.mp4"
        self.writer: Any = None

    def add(self, picture: Picture) -> None:
        """Append a picture; an odd side gets one more line, as the codec needs."""
        height, width, _ = picture.shape
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self.writer is None:
            size = (even.shape[1], even.shape[0])
            self.writer = self.ffmpeg.write_frames(
                self.path, size, fps=self.fps, quality=8, macro_block_size=2, ffmpeg_log_level="error"
            )
            self.writer.send(None)
        self.writer.send(np.ascontiguousarray(even))

    def finish(self) -> bytes:
        """The whole file."""
        self.writer.close()
        return self.path.read_bytes()

    def close(self) -> None:
        """Remove what was written meanwhile."""
        if self.writer is not None:
            self.writer.close()
        self.folder.cleanup()
