"""Pictures of a world by PyBullet's software renderer, as cameras take them."""

from array import array
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sim.worlds.variation import DAYLIGHT, Light
from sim.worlds.world import ImageReading

SMALL_PX = 128
"""Pictures up to this height are rendered finer than they are, as a camera asks."""


@dataclass(frozen=True)
class Camera:
    """A camera, positions in metres; its view is `aspect` times as wide as high before it is made square."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    field_deg: float
    """Vertical field of view."""
    aspect: float = 1.0
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    follows: bool = False
    """Whether `eye` and `target` are seen from a robot that moves about, instead of the world's origin."""
    fineness: int = 2
    """Small pictures are rendered this much finer and averaged, as a sensor's pixels do: thin things move less than a
    pixel. It costs its square where all of a picture is full."""
    far_m: float = 20.0
    """What is farther away is not seen."""


AMBIENT = 0.6
"""The renderer's own ambient light."""


def render(
    bullet: Any,
    camera: Camera,
    height: int,
    width: int,
    *,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    light: Light = DAYLIGHT,
) -> np.ndarray:
    """A camera's picture, uint8, shape (height, width, 3), without shadows.

    Args:
        bullet: the engine.
        camera: what looks.
        height: of the picture.
        width: of the picture.
        origin: of the camera's positions.
        light: what lights the scene.
    """
    fineness = camera.fineness if height <= SMALL_PX else 1
    eye, target = (tuple(a + b for a, b in zip(origin, place, strict=True)) for place in (camera.eye, camera.target))
    pixels = bullet.getCameraImage(
        width * fineness,
        height * fineness,
        bullet.computeViewMatrix(eye, target, camera.up),
        bullet.computeProjectionMatrixFOV(camera.field_deg, camera.aspect, 0.1, camera.far_m),
        shadow=0,
        lightDirection=light.direction,
        lightAmbientCoeff=AMBIENT * light.brightness,
        renderer=bullet.ER_TINY_RENDERER,
        flags=bullet.ER_NO_SEGMENTATION_MASK,
    )[2]
    # A PyBullet built without NumPy gives a flat tuple instead of an array.
    fine = np.asarray(pixels, np.uint8).reshape(height * fineness, width * fineness, 4)[..., :3]
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA))


def image_reading(picture: np.ndarray) -> ImageReading:
    """A picture, uint8, shape (height, width, 3), as a camera sends it."""
    height, width, _ = picture.shape
    return ImageReading(height, width, "rgb8", step=width * 3, data=array("B", picture.tobytes()))
