"""The avatar stage's one pass over the frames."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from sinew_take import masks
from sinew_take import skeleton as sk

from .. import video
from ..flow import Camera, Motion, Report, Shot, nothing
from ..workers import in_order
from . import colour, seed, view

SPLATS = 40_000
MOST_FRAMES = 60
"""Frames looked at, spread over the shot: memory and time stay the same however long it is."""
FLATNESS = 0.3
WIDTH = 0.62
"""Standard deviation of a splat over the distance to its neighbours: closes the surface without smearing it."""
OPACITY = 0.95
SH0 = 0.28209479177387814
BORDER_SHARE = 0.015
"""Distance from the mask's border at which colours are trusted, as a share of the person's height in the picture."""
LEAST_CONFIDENCE = 0.2
PARTS = (("pelvis", "lumbar_body", "thorax", "scapula"), ("femur", "tibia"), ("talus", "calcn", "toes"),
         ("humerus", "ulna", "radius"), ("hand",), ("head",))
"""Segments that share colours where a frame showed none."""
ARM_PARTS = (3, 4)


def build_avatars(shot: Shot, camera: Camera, motions: list[Motion], bodies: list[dict[str, np.ndarray]],
                  report: Report = nothing, n_splats: int = SPLATS,
                  most_frames: int = MOST_FRAMES) -> list[dict[str, np.ndarray]]:
    """Gaussians for every person, seeded on the body and coloured from the frames that show them.

    Args:
        shot: The shot; its frames are streamed once.
        camera: The solved camera.
        motions: One per person.
        bodies: `build_body` of each, in the same order.
        report: Called once a frame.
        n_splats: About how many per person.
        most_frames: At most how many frames are looked at.

    Returns:
        Per person the arrays of `sinew_take.arrays.AVATAR`, with spherical harmonics of degree 0. A splat that no
        frame showed has `seen` False and a borrowed colour.

    A splat takes colour from a frame where it faces the camera, is hidden by nobody's body, lies inside the person's
    own mask and away from its border, and belongs to joints that were seen there. Weights favour views that are
    frontal, large, sharp and well fitted.
    """
    people = [_Person(body, motion, n_splats, most_frames) for body, motion in zip(bodies, motions)]
    wanted = spread_frames(np.any([p.present for p in people], 0) if people else np.zeros(0, bool), most_frames)
    report(0, len(wanted) + 1)
    pictures = video.ahead(video.frames(shot, wanted)) if len(wanted) else ()
    with closing(in_order(lambda frame: _look(people, camera, *frame), pictures)) as looks:
        for done, shown in enumerate(looks, 1):
            for person, own in zip(people, shown, strict=True):
                if own is not None:
                    person.keep(own)
            report(done, len(wanted) + 1)
    out = [person.finish() for person in people]
    report(len(wanted) + 1, len(wanted) + 1)
    return out


def spread_frames(present: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the frames where `present` (T,) is true, evenly spread."""
    usable = np.flatnonzero(present)
    if len(usable) <= most:
        return usable
    return usable[np.round(np.linspace(0, len(usable) - 1, most)).astype(int)]


def _look(people: list[_Person], camera: Camera, t: int, picture: np.ndarray) -> list[_Shown | None]:
    """What one frame shows of everybody."""
    placed = [p.place(camera, t) if p.present[t] else None for p in people]
    return [None if own is None else
            person.look(picture, t, own, [q for q in placed if q is not None and q is not own], float(camera.K[t, 0, 0]))
            for person, own in zip(people, placed, strict=True)]


@dataclass(frozen=True)
class _Shown:
    """What one frame shows of one person, N splats of which S are shown."""

    splats: np.ndarray
    """(N,) bool."""
    colours: np.ndarray
    """(S, 3) uint8."""
    weight: np.ndarray
    """(S,)."""
    detail: float


class _Person:
    """One person's splats and what the frames showed of them so far."""

    def __init__(self, body: dict[str, np.ndarray], motion: Motion, n_splats: int, most_frames: int):
        self.body, self.motion = body, motion
        self.seeds = seed.spread(body["rest_vertices_m"], body["faces"], n_splats)
        self.skin_index, self.skin_weight = seed.skin(body["skin_index"], body["skin_weight"], body["faces"],
                                                      self.seeds, len(body["rest_joints_m"]))
        n = len(self.seeds.face)
        self.present = motion.arrays["present"] & np.isfinite(motion.arrays["T_wj"]).all((1, 2, 3))
        self.samples = np.zeros((most_frames, n, 3), np.uint8)
        self.weights = np.zeros((most_frames, n), np.float32)
        self.detail: list[float] = []

    def place(self, camera: Camera, t: int) -> view.Placed:
        return view.place(self.body, self.seeds, self.motion.arrays["T_wj"][t], camera.T_wc[t], camera.K[t],
                          camera.distortion[t])

    def look(self, picture: np.ndarray, t: int, own: view.Placed, others: list[view.Placed], focal_px: float
             ) -> _Shown | None:
        """This frame's colours; None where it shows nothing of the person. For any thread: nothing is kept here."""
        size_px = (picture.shape[1], picture.shape[0])
        shown = view.visible(own, others, focal_px, self.seeds.spacing_m, size_px)
        joint_sure = self.motion.arrays["confidence"][t]
        sure = np.einsum("nm,nm->n", self.skin_weight, joint_sure[self.skin_index])
        shown &= sure > LEAST_CONFIDENCE
        error_px = float(self.motion.pixel_error[t])
        error_px = error_px if np.isfinite(error_px) else 0.0
        with np.errstate(invalid="ignore"):
            height_px = float(np.nanmax(own.px[:, 1]) - np.nanmin(own.px[:, 1])) if shown.any() else 1.0
        if self.motion.track.masks:
            mask = masks.unpack(self.motion.track.masks, t)
            shown &= view.within_mask(mask, own.px, size_px, max(BORDER_SHARE * height_px, 0.7 * error_px))
        if not shown.any():
            return None
        px = own.px[shown]
        scale = (focal_px / own.depth_m[shown]) ** 2
        fit = 1 / (1 + (error_px / (0.02 * height_px)) ** 2)
        weight = own.facing[shown] ** 2 * sure[shown] * scale * fit
        return _Shown(shown, np.round(view.sample(picture, px)).astype(np.uint8), weight.astype(np.float32),
                      view.sharpness(picture, px))

    def keep(self, shown: _Shown) -> None:
        """Take what a frame showed."""
        s = len(self.detail)
        self.samples[s, shown.splats] = shown.colours
        self.weights[s, shown.splats] = shown.weight
        self.detail.append(shown.detail)

    def finish(self) -> dict[str, np.ndarray]:
        """The arrays of the avatar."""
        n_frames = len(self.detail)
        detail = np.array(self.detail, np.float32)
        sharp = np.clip(detail / max(float(np.median(detail)), 1e-6), 0.2, 2.0) if n_frames else detail
        colours, seen = colour.average(self.samples[:n_frames], self.weights[:n_frames] * sharp[:, None])
        faces, n = self.body["faces"], len(self.seeds.face)
        mean = seed.interpolate(self.body["rest_vertices_m"], faces, self.seeds)
        normal = seed.interpolate(seed.normals(self.body["rest_vertices_m"], faces), faces, self.seeds)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        colours = colour.borrow(colours, seen, mean, *self._parts())
        width = WIDTH * self.seeds.spacing_m
        return {
            "mean_m": mean.astype(np.float32),
            "scale_m": np.tile(np.array([width, width, FLATNESS * width], np.float32), (n, 1)),
            "rotation_wxyz": seed.quaternions(normal),
            "opacity": np.full(n, OPACITY, np.float32),
            "sh": ((colours / 255 - 0.5) / SH0).astype(np.float32)[:, None, :],
            "skin_index": self.skin_index, "skin_weight": self.skin_weight, "seen": seen,
        }

    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        """For `colour.borrow`: the part of each splat (N,), and how distance counts in it (N, 3)."""
        names = np.array([name.removesuffix("_r").removesuffix("_l") for name in sk.JOINT_NAMES])
        groups = [next((k for k, group in enumerate(PARTS) if name in group), len(PARTS)) for name in names]
        part = np.array(groups)[self.skin_index[:, 0]]
        along = np.where(np.isin(part, ARM_PARTS)[:, None], (1.0, 0.2, 0.2), (0.5, 0.2, 1.0))
        head = names[self.skin_index[:, 0]] == "head"
        along[head] = 1.0
        if "region" in self.body:
            # Face and hair must not mix; clothes go by the part, because theirs is only a guess.
            part = np.where(head, 100 + self.body["region"][self.seeds.face].astype(int), part)
        return part, along
