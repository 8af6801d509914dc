"""Make `astronaut.mp4`: a NASA portrait brought to life by simulated camera and head motion.

    pip install scikit-image av opencv-python && python samples/make_astronaut.py

Source: the portrait of astronaut Eileen Collins that scikit-image carries
(`skimage.data.astronaut`), a NASA photograph, public domain. Head turns are a parallax of an
ellipsoid laid over the face, the camera drifts and breathes like a hand-held one, and every frame
gets its own sensor noise.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

SIDE = 480
RATE = 25
FRAMES = 75
SAMPLE_RATE = 48_000
FACE_CENTRE = np.array([224.0, 118.0])
"""Middle of the face in the 512 px photograph, (x, y) [px]."""
FACE_HALF_WIDTH = 52.0
WINDOW = 215.0
"""Side of the part of the photograph that fills the frame [px]."""


def head_depth(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0 (background) … 1 (nose): an ellipsoid over the head, smooth at its rim."""
    radius = ((x - FACE_CENTRE[0]) / (1.5 * FACE_HALF_WIDTH)) ** 2
    radius += ((y - FACE_CENTRE[1]) / (2.0 * FACE_HALF_WIDTH)) ** 2
    depth: NDArray[np.float32] = np.clip(1.0 - radius, 0.0, 1.0) ** 2
    return depth


def source_position(t: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where in the photograph each pixel of the frame at t [s] comes from, (x, y) [px]."""
    roll = np.deg2rad(2.5) * np.sin(2 * np.pi * t / 2.9)
    scale = WINDOW / SIDE * (1.0 + 0.03 * np.sin(2 * np.pi * t / 3.7))
    drift_x = FACE_CENTRE[0] + 3.0 * np.sin(2 * np.pi * t / 2.3)
    drift_y = FACE_CENTRE[1] + 6.0 + 2.0 * np.sin(2 * np.pi * t / 1.9)
    v, u = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - (SIDE - 1) / 2
    x = drift_x + scale * (np.cos(roll) * u - np.sin(roll) * v)
    y = drift_y + scale * (np.sin(roll) * u + np.cos(roll) * v)
    depth = head_depth(x, y)
    x = x - 5.0 * np.sin(2 * np.pi * t / 2.1) * depth
    y = y - 2.5 * np.sin(2 * np.pi * t / 1.6) * depth
    return x.astype(np.float32), y.astype(np.float32)


def render_frame(photo: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
    """Return frame `index`, (SIDE, SIDE, 3) uint8 RGB."""
    x, y = source_position(index / RATE)
    image = cv2.remap(photo, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)
    noise = np.random.default_rng(index).normal(0.0, 1.2, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def add_tone(container: av.container.OutputContainer, stream: av.AudioStream) -> None:
    """Write a soft two-note tone of the clip's length, so that the sample has a sound track."""
    t = np.arange(FRAMES * SAMPLE_RATE // RATE) / SAMPLE_RATE
    tone = 0.05 * np.sin(2 * np.pi * np.where(t % 1 < 0.5, 220.0, 277.2) * t)
    block = stream.codec_context.frame_size or 1024
    for start in range(0, len(t), block):
        samples = tone[None, start : start + block].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def main() -> None:
    """Write the clip beside this script."""
    photo = np.ascontiguousarray(data.astronaut())
    target = Path(__file__).with_name("astronaut.mp4")
    with av.open(str(target), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", RATE, options={"crf": "20", "preset": "veryslow"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = SIDE, SIDE, "yuv420p"
        video.time_base = Fraction(1, RATE)
        audio = container.add_stream("aac", SAMPLE_RATE, layout="mono")
        assert isinstance(audio, av.AudioStream)
        audio.codec_context.bit_rate = 32_000
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(render_frame(photo, index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        add_tone(container, audio)


if __name__ == "__main__":
    main()
