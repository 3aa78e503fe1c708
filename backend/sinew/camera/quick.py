"""A quick fit of the people at sampled frames, about a camera that may turn: what the camera stage asks them.

The people stand about the camera's centre and in the axes of its first frame, so that a camera that turns or moves does
not make them turn; how far a camera has moved is not known yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..flow import CameraOptions, Shot, Track
from ..geometry.ground import LOOK_S
from ..motion import fit
from ..motion.frames import Frames
from ..motion.model import Model
from ..motion.start import first_state, observations

FOCAL_PRIOR_SIGMA = 0.22
"""Spread of the logarithm of the focal length: 45 to 69 degrees are one spread away."""
PEOPLE_LEAST_SIGMA = 0.15
"""People never tell it better than this: the body's own proportions are not known."""
FOCAL_FACTORS = (0.7, 0.84, 1.0, 1.19, 1.42)
SAMPLE_S = 1 / 10
MOST_SAMPLES = 60
BURSTS, BURST = 30, 3
"""Of a take so long that single samples would lie too far apart to say what stands still: so many times so many."""
JOINED_S = 2.5 * SAMPLE_S


@dataclass(frozen=True)
class Lens:
    """How the camera turns and zooms over the shot."""

    R: np.ndarray
    """(T, 3, 3) camera to the first camera's axes."""
    K: np.ndarray
    """(T, 3, 3) with focal lengths over that of the shot."""
    distortion: np.ndarray
    """(5,)"""

    def intrinsics(self, focal: float) -> np.ndarray:
        """(T, 3, 3) px for a focal length of the shot."""
        K = self.K.copy()
        K[:, :2, :2] *= focal
        return K

    def view(self, focal: float, index: np.ndarray) -> fit.View:
        return fit.View(self.intrinsics(focal)[index], np.swapaxes(self.R[index], 1, 2), np.zeros((len(index), 3)))


@dataclass
class Sample:
    """One person at sampled frames."""

    frames: Frames
    track: Track
    state: fit.State
    seen: fit.Observations
    cost: float = 0.0


def sampled(shot: Shot, frames: Frames) -> Frames:
    """At most ten a second and sixty, or thirty times three, spread over the take; detected ones only."""
    seen = np.nonzero(frames.seen)[0]
    time = np.asarray(shot.time_s, dtype=float)[frames.index[seen]]
    step = max(SAMPLE_S, np.ptp(time) / MOST_SAMPLES)
    if step < JOINED_S:
        slot = np.floor((time - time[0]) / step + 1e-6)
    else:
        slot = np.floor((time - time[0]) / SAMPLE_S + 1e-6)
        within = slot % np.ceil(np.ptp(time) / SAMPLE_S / BURSTS) < BURST
        seen, slot = seen[within], slot[within]
    which = seen[np.unique(slot, return_index=True)[1]]
    index = frames.index[which]
    joined = np.r_[False, np.diff(np.asarray(shot.time_s, dtype=float)[index]) < JOINED_S]
    return Frames(index, np.ones(len(index), dtype=bool), joined)


def weights(options: CameraOptions, track: int) -> fit.Weights:
    """Weights of a track's fit: the first one's height may be given."""
    return fit.Weights(stature_m=options.height_m if track == 0 else None)


def first_fit(shot: Shot, track: Track, frames: Frames, focal: float, lens: Lens, model: Model, how: fit.Weights
              ) -> Sample:
    """Fit one person from the detector's landmarks."""
    view = lens.view(focal, frames.index)
    distortion = np.tile(lens.distortion, (len(frames.index), 1))
    state = first_state(track, frames.index, shot.time_s[frames.index], view, model, np.zeros(model.n_shape), distortion)
    depth = np.einsum("nj,nj->n", view.R_cw[:, 2], state.root_m)
    seen = observations(shot, track, frames.index, view.K, distortion, model, depth, frames.joined)
    for stage, rounds in ((replace(how, depth_sigma_m=0.05), 12), (how, 12)):
        outcome = fit.minimise(fit.Problem(model, seen, view, stage), state, rounds, 1e-3)
        state = outcome.state
    return Sample(frames, track, state, seen, outcome.cost)


def refit(sample: Sample, model: Model, focal: float, lens: Lens, how: fit.Weights) -> Sample:
    """The same sample under another focal length, begun at the distance that keeps its size in the picture."""
    view = lens.view(focal, sample.frames.index)
    outcome = fit.minimise(fit.Problem(model, sample.seen, view, how), sample.state, 10, 1e-4)
    return replace(sample, state=outcome.state, cost=outcome.cost)


def _moved(sample: Sample, lens: Lens, factor: float) -> Sample:
    state = sample.state
    ahead = lens.R[sample.frames.index][:, :, 2]
    depth = np.einsum("nj,nj->n", ahead, state.root_m)
    return replace(sample, state=replace(state, root_m=state.root_m + ((factor - 1) * depth)[:, None] * ahead))


def estimate_focal(samples: dict[int, Sample], model: Model, prior: float, lens: Lens, options: CameraOptions
                   ) -> tuple[float, float, str]:
    """The focal length at the least of prior and the fit's cost, the spread of its logarithm, and "people" where the cost
    narrowed the prior down, else "assumed". samples: by the number of the person's track."""
    evidence = np.zeros(len(FOCAL_FACTORS))
    for number, sample in samples.items():
        # What the detector shows is wrong in the same way for a while: count looks, not frames.
        view = lens.view(prior, sample.frames.index)
        counted = fit.Problem(model, sample.seen, view, fit.Weights()).share.sum()
        looks = np.ptp(sample.seen.time_s) / LOOK_S + 1
        for i, factor in enumerate(FOCAL_FACTORS):
            tried = refit(_moved(sample, lens, factor), model, prior * factor, lens, weights(options, number))
            evidence[i] += tried.cost / counted * looks
    x = np.log(FOCAL_FACTORS)
    posterior = evidence + (x / FOCAL_PRIOR_SIGMA) ** 2
    curve = np.polyfit(x, posterior, 2)
    best = -curve[1] / (2 * curve[0]) if curve[0] > 0 else x[np.argmin(posterior)]
    best = float(np.clip(best, x[0], x[-1]))
    narrowed = curve[0] > 2 / FOCAL_PRIOR_SIGMA**2
    sigma = 1 / np.sqrt(curve[0]) if narrowed else FOCAL_PRIOR_SIGMA
    return float(prior * np.exp(best)), float(max(sigma, PEOPLE_LEAST_SIGMA)), "people" if narrowed else "assumed"
