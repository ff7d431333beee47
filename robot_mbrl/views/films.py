"""Films and pictures of a run in a form that every browser shows, and a page can hold in itself."""

import base64
import io
from pathlib import Path

from robot_mbrl.runs.folder import RunFolder

SECONDS_SHOWN = 20.0
"""How much of a long film is shown: its end, where the robot has learned the most."""
FRAMES_PER_S = 10.0
WIDTH = 320
"""Pixels; wider films are made smaller."""
QUALITY = 60
LARGEST_BYTES = 8 * 1024 * 1024
"""Larger pictures are named and left in the run's folder."""
MIME = {".gif": "image/gif", ".png": "image/png"}


def pictures(folder: RunFolder) -> list[tuple[str, str]]:
    """What there is to see of a run: captions and data URIs.

    A film that OpenCV cannot read, such as one of a run that was killed, is left out.
    """
    found = []
    if (film := animation(folder.video)) is not None:
        found.append((f"the robot, the last {SECONDS_SHOWN:g} s of {folder.video.name}", film))
    for name, caption in (
        ("prediction.gif", "camera: above what was observed, below what the world model expected"),
        ("prediction.png", "what the world model expected beside what the robot observed"),
    ):
        path = folder.path / name
        if path.is_file() and path.stat().st_size <= LARGEST_BYTES:
            found.append((caption, data_uri(path.read_bytes(), MIME[path.suffix])))
    return found


def animation(path: Path) -> str | None:
    """The end of a film as an animated WebP: its own format, MPEG-4 part 2, browsers do not play.

    Args:
        path: of an MP4 file; it need not exist.

    Returns:
        A data URI; None where there is no film that can be read.
    """
    # Not at the top: drawing is the workstation's, and the command line starts without its libraries.
    import cv2
    from PIL import Image

    film = cv2.VideoCapture(str(path))
    try:
        rate_hz, count = film.get(cv2.CAP_PROP_FPS), int(film.get(cv2.CAP_PROP_FRAME_COUNT))
        if not film.isOpened() or rate_hz <= 0 or count <= 0:
            return None
        stride = max(1, round(rate_hz / FRAMES_PER_S))
        film.set(cv2.CAP_PROP_POS_FRAMES, max(0, count - round(SECONDS_SHOWN * rate_hz)))
        frames = []
        index = 0
        while (read := film.read())[0]:
            if index % stride == 0:
                frames.append(Image.fromarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)))
            index += 1
    finally:
        film.release()
    if not frames:
        return None
    for frame in frames:
        frame.thumbnail((WIDTH, WIDTH))
    buffer = io.BytesIO()
    duration_ms = round(1000.0 * stride / rate_hz)
    frames[0].save(
        buffer, "WEBP", save_all=True, append_images=frames[1:], duration=duration_ms, loop=0, quality=QUALITY
    )
    return data_uri(buffer.getvalue(), "image/webp")


def data_uri(content: bytes, mime: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
