"""Pictures and films of what a world model expected beside what came."""

from pathlib import Path

import numpy as np

from robot_mbrl.learning.prediction import CONTEXT, LENGTH, Prediction

COLUMNS = 10
"""Moments of which pictures are shown."""
PANEL_INCHES, DOTS_PER_INCH = (7.0, 1.1), 100
OBSERVED, EXPECTED = "#333333", "#c8501e"
FILM_SCALE, FRAME_MS = 3, 100


def draw(prediction: Prediction) -> np.ndarray:
    """A picture of it, uint8, shape (height, width, 3): strips of camera pictures and a panel for each value."""
    # Not at the top: drawing takes a second to load, and most learners are never asked to.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = 2 * len(prediction.images) + len(prediction.names)
    figure = Figure(figsize=(PANEL_INCHES[0], PANEL_INCHES[1] * rows), dpi=DOTS_PER_INCH, layout="constrained")
    panels = iter(np.atleast_1d(figure.subplots(rows, 1)))
    moments = np.linspace(0, LENGTH - 1, COLUMNS).round().astype(int)
    for camera, pair in prediction.images.items():
        for what, pictures in zip(("observed", "expected"), pair, strict=True):
            panel = next(panels)
            panel.imshow(np.concatenate(list(pictures[moments]), 1).squeeze(), cmap="gray", vmin=0, vmax=255)
            panel.set_title(f"{camera}, {what}", fontsize=8)
            panel.set_axis_off()
    seconds = np.arange(LENGTH) * prediction.step_s
    for index, name in enumerate(prediction.names):
        panel = next(panels)
        panel.plot(seconds, prediction.values[0][:, index], color=OBSERVED, label="observed")
        panel.plot(seconds, prediction.values[1][:, index], color=EXPECTED, linestyle="--", label="expected")
        panel.axvline((CONTEXT - 1) * prediction.step_s, color="grey", linewidth=0.8)
        panel.set_ylabel(name, fontsize=7)
        panel.tick_params(labelsize=7)
        if index == 0:
            panel.legend(fontsize=7, loc="upper right", ncols=2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture: np.ndarray = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
    return picture


def film(prediction: Prediction, path: Path) -> None:
    """Write an animated GIF: each camera's pictures, observed above expected."""
    from PIL import Image

    columns = [np.concatenate(pair, 1) for pair in prediction.images.values()]
    tallest = max(column.shape[1] for column in columns)
    columns = [np.pad(c, ((0, 0), (0, tallest - c.shape[1]), (0, 0), (0, 0))) for c in columns]
    frames = np.concatenate([np.broadcast_to(c, (*c.shape[:3], 3)) for c in columns], 2)
    frames = frames.repeat(FILM_SCALE, 1).repeat(FILM_SCALE, 2)
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=FRAME_MS, loop=0)
