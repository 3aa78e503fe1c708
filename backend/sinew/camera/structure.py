"""A camera that moves: structure from motion over keyframes by COLMAP, the other frames registered against its points.

The corners followed through the clip are given to COLMAP as keypoints and matches: they are denser and finer than
features matched anew, and the people are already left out. A camera that hardly moves gives COLMAP no pair of pictures to
begin with; then the same points are solved from no movement and one distance for all (Yu and Gallup, 3D reconstruction from
accidental motion, 2014).

Sources: Schoenberger and Frahm, Structure-from-motion revisited (2016), through `pycolmap`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..geometry import rotations as rot
from . import bundle, turning
from .follow import Tracks

BEGIN_ANGLES_DEG = (10.0, 2.5)
"""Smallest angle between the rays of the first pair, tried one after the other."""
LEAST_PAIR = 20
"""Corners that two keyframes share to be matched."""
LEAST_KEYS_SHARE = 0.6
"""Of the keyframes: fewer registered is no solve."""
LEAST_POINTS = 40
WORTH_PAIRS = 0.1
"""COLMAP needs a pair of pictures seen from clearly different places, in which points shift against each other by the
smallest angle of `BEGIN_ANGLES_DEG`. A camera that only turns then misses one corner in ten by this share of that shift at
least: one that it misses by less hardly moved."""
SMALL_KEYS = 30
"""Keyframes of a camera that hardly moves, at least: only many of them together tell near from far."""
HOPELESS, FRUITLESS = 0.6, 0.8
"""Of the misfit of a camera that turns and zooms: one that moves and leaves more than the first of it will not win from
another start (`kinds.MOVE_GAIN_ZOOM`); only where more than the second is left is a zoom beside the move looked for anew."""
PROBE_ROUNDS, PROBE_GAIN = 8, 0.9
"""So many rounds with a zoom must take the misfit below this share, or none is looked for. Measured: 0.74 to 0.84 for zooms,
0.96 to 1.04 for others."""
DENSER_MISFIT = 1.25
"""A way through many more keyframes and points is kept up to so much more misfit than COLMAP's through its few."""
ASTRAY = 2.0
"""Spreads of the focal length's logarithm from the likeliest one, beyond which COLMAP's is doubted."""
NORMAL_DISTANCE = 5.0
"""Median distance of the points after a solve: about metres, until the people say more."""
SEED = 7
STEADY, STEADY_LOOKS = 1.0, 4.0
"""A corner that wanders by so many times what corners usually do is heard at 0.7. How far it wanders is told as if it had
been seen so many numbers (two a frame) more, with the usual error: of few frames little is known."""
STRAY_PX = 3.0
"""Followed pixels: observations further off than this are left out of the last adjustment."""
BENT_GAIN = 0.93
"""A distorted lens must take the mean error below this share."""
LENS_PX = 1.5
"""Pixels in the picture's corner: less distortion than this is not worth having."""


@dataclass
class Structure:
    """A way with points at finite distance, and the lens."""

    way: turning.Way
    k1: float
    parallax: float
    """Median over the points of the angle between the outermost rays to them, rad."""
    by: str
    """"colmap" or "small motion"."""
    depth_sigma: np.ndarray
    """(P,) spread of each point's distance over the distance."""


def solve(tracks: Tracks, size_px: tuple[int, int], time_s: np.ndarray, turn: turning.Way, focal_px: float,
          focal_known: bool, tick=None, begin: Structure | None = None) -> Structure | None:
    """Where the camera went, up to scale, and points of the background.

    Args:
        tracks: The background.
        size_px: Of the upright picture.
        time_s: (T,)
        turn: The same tracks solved as a camera that only turns.
        focal_px: Known, or the likeliest.
        focal_known: Hold it.
        tick: Called without argument each iteration.
        begin: An earlier solve of the same tracks, to go on from with another focal length.

    Returns:
        None where there is no solve.
    """
    log_f0 = float(np.log(focal_px / tracks.scale))
    flat = np.full(tracks.n_frames, log_f0)
    if begin is not None:
        log_f = begin.way.cameras.log_f - begin.way.cameras.log_f.mean() + log_f0 if begin.way.zooms else flat
        return _adjusted(tracks, size_px, time_s, turn, _again(begin, log_f), focal_px, focal_known, begin.way.zooms, tick)
    found = _from_nothing(tracks, size_px, time_s, turn, flat, focal_px, focal_known, tick)
    begins = [found] if found is not None and _may_zoom(tracks, size_px, found, log_f0, focal_known, tick) else []
    if turn.zooms and (found is None or found.way.misfit_px > FRUITLESS * turn.misfit_px):
        # The change of size that a camera that only turns must take for a zoom, which part of it may be.
        shape = turn.cameras.log_f - turn.cameras.log_f.mean() + log_f0
        begins.append(_from_nothing(tracks, size_px, time_s, turn, shape, focal_px, focal_known, tick))
    most = np.inf if found is None else turning.ZOOM_GAIN * found.way.misfit_px
    for one in begins:
        zoomed = None if one is None else _adjusted(tracks, size_px, time_s, turn, _again(one), focal_px, focal_known, True,
                                                    tick)
        if (zoomed is not None and zoomed.way.misfit_px < most
                and np.ptp(zoomed.way.cameras.log_f) >= turning.ZOOM_LEAST):
            found, most = zoomed, zoomed.way.misfit_px
    return found


def _may_zoom(tracks: Tracks, size_px: tuple[int, int], found: Structure, log_f0: float, focal_known: bool, tick) -> bool:
    """Whether a focal length for every keyframe begins to take the misfit away: a few rounds tell."""
    way = found.way
    px = _straight(tracks, size_px, found.k1, way.cameras.log_f)
    sight = turning.sight_of(tracks, px, way.keys, way.point_of_track)
    rules = turning.zoom_rules(True, log_f0, focal_known)
    out = bundle.adjust(sight, _again(found).cameras, way.cloud, rules, PROBE_ROUNDS, 1e-5, tick)
    return turning.misfit_of(sight, out.residual_px, 3, 7) < PROBE_GAIN * way.misfit_px


def _straight(tracks: Tracks, size_px: tuple[int, int], k1: float, log_f: np.ndarray) -> np.ndarray:
    """Centred pixels of all observations, as the ideal camera would see them."""
    px = turning.centred(tracks, np.asarray(size_px, dtype=float) / 2)
    return straighten(px, k1, float(np.exp(log_f.mean()))) if k1 else px


def _again(begin: Structure, log_f: np.ndarray | None = None) -> _Begun:
    """An earlier solve to go on from. log_f: (T,) other logarithms of the focal length than its own."""
    way = begin.way
    log_f = way.cameras.log_f if log_f is None else log_f
    cameras = bundle.Cameras(way.cameras.R[way.keys], way.cameras.c[way.keys], log_f[way.keys])
    return _Begun(begin.by, way.keys, cameras, way.cloud, way.point_of_track, begin.k1)


def _from_nothing(tracks: Tracks, size_px: tuple[int, int], time_s: np.ndarray, turn: turning.Way, log_f: np.ndarray,
                  focal_px: float, focal_known: bool, tick) -> Structure | None:
    """COLMAP for a camera that moves much, small motion for one that hardly does; the other where that finds nothing.

    Args as of `solve`; log_f: (T,) a first guess of the focal length's logarithm, whose changes are held.
    """
    shift_px = np.radians(BEGIN_ANGLES_DEG[-1]) * focal_px / tracks.scale
    moves_much = turn.far_off_px > WORTH_PAIRS * shift_px
    best = None
    for begins in (_begin_far, _begin_small) if moves_much else (_begin_small, _begin_far):
        found = None
        for begun in begins(tracks, size_px, turn, log_f, focal_px, focal_known, tick):
            one = _adjusted(tracks, size_px, time_s, turn, begun, focal_px, focal_known, False, tick)
            if one is not None and (found is None or one.way.misfit_px < found.way.misfit_px):
                found = one
        if found is None:
            continue
        is_small = np.degrees(found.parallax) < BEGIN_ANGLES_DEG[-1]
        if found.by == "colmap" and is_small:
            # A few keyframes tell near from far no better than COLMAP did; many do.
            begun = _denser(tracks, size_px, turn, found)
            denser = None if begun is None else _adjusted(tracks, size_px, time_s, turn, begun, focal_px, focal_known, False,
                                                          tick)
            found = denser if denser is not None and denser.way.misfit_px < DENSER_MISFIT * found.way.misfit_px else found
        if best is None or found.way.misfit_px < best.way.misfit_px:
            best = found
        # What was begun as a small motion and became a large one may have gone astray.
        if found.by == "colmap" or is_small or (turn.zooms and found.way.misfit_px > HOPELESS * turn.misfit_px):
            break
    return best


@dataclass
class _Begun:
    """Where the last adjustments begin."""

    by: str
    keys: np.ndarray
    cameras: bundle.Cameras
    cloud: bundle.Cloud
    point_of_track: np.ndarray
    k1: float = 0.0


def _begin_far(tracks: Tracks, size_px: tuple[int, int], turn: turning.Way, log_f: np.ndarray, focal_px: float,
               focal_known: bool, tick) -> list[_Begun]:
    """From COLMAP; nothing where it finds too little.

    A camera that goes ahead hardly shows its focal length, and COLMAP, which knows of no likely one, may end at five times
    the true one: then it is begun with the likeliest held, too.
    """
    change = log_f - log_f.mean()
    middle = np.asarray(size_px, dtype=float) / 2
    # COLMAP sees the pictures as they would be without the zoom.
    even = replace(tracks, px=middle + (tracks.px - middle) * np.exp(-change)[tracks.frame, None])
    out = []
    for held in (True,) if focal_known else (False, True):
        found = _colmap(even, size_px, turn.keys, focal_px, held, tick)
        if found is None or len(found[2].d) < LEAST_POINTS:
            break
        keys, cameras, cloud, point_of_track, k1 = found
        focal = float(np.exp(cameras.log_f[0]) * tracks.scale)
        corner = np.linalg.norm(middle) / focal
        if abs(k1) * corner**3 * focal < LENS_PX:
            k1 = 0.0
        out.append(_Begun("colmap", keys, replace(cameras, log_f=cameras.log_f + change[keys]), cloud, point_of_track, k1))
        if abs(np.log(focal / focal_px)) < ASTRAY * bundle.Rules(True).log_f_sigma:
            break
    return out


def _begin_small(tracks: Tracks, size_px: tuple[int, int], turn: turning.Way, log_f: np.ndarray, focal_px: float,
                 focal_known: bool, tick) -> list[_Begun]:
    """From rest and one distance for all points; nothing where too few corners are seen for long.

    Turning and moving a little are alike, and the adjustment may end in what it began with: where the focal length is not
    known it is begun from that of the turning camera, and from the likeliest one.
    """
    px = turning.centred(tracks, np.asarray(size_px, dtype=float) / 2)
    keys = _small_keys(tracks, turn.keys)
    sight, point_of_track = turning.select(tracks, px, keys, least=3)
    n = int(point_of_track.max(initial=-1)) + 1
    if n < LEAST_POINTS:
        return []
    rules = bundle.Rules(True, "fixed", float(np.log(focal_px / tracks.scale)))
    out = []
    for own in (log_f,) if focal_known or turn.zooms else (turn.cameras.log_f, log_f):
        # What the corners moved by is a smaller turn at a longer focal length.
        first = turn.cameras.R[0]
        turned = rot.log(first.T @ turn.cameras.R[keys]) * np.exp(turn.cameras.log_f - own)[keys, None]
        cameras = bundle.Cameras(first @ rot.exp(turned), np.zeros((len(keys), 3)), own[keys])
        cloud = bundle.Cloud(turning.directions(sight, cameras, n), np.full(n, 1 / NORMAL_DISTANCE))
        # The first pushes: how far each point moves against the others tells near from far.
        pushed = bundle.adjust(sight, cameras, cloud, rules, 25, tick=tick)
        out.append(_Begun("small motion", keys, pushed.cameras, pushed.cloud, point_of_track))
    return out


def _small_keys(tracks: Tracks, keys: np.ndarray) -> np.ndarray:
    if len(keys) >= SMALL_KEYS:
        return keys
    return np.union1d(keys, np.linspace(0, tracks.n_frames - 1, SMALL_KEYS).astype(int))


def _denser(tracks: Tracks, size_px: tuple[int, int], turn: turning.Way, found: Structure) -> _Begun | None:
    """The same way to go on from with the keyframes and points of a small motion; points it lacks begin at a usual depth."""
    way = found.way
    px = _straight(tracks, size_px, found.k1, way.cameras.log_f)
    keys = _small_keys(tracks, turn.keys)
    sight, point_of_track = turning.select(tracks, px, keys, least=3)
    n = int(point_of_track.max(initial=-1)) + 1
    if n < LEAST_POINTS:
        return None
    cameras = bundle.Cameras(way.cameras.R[keys], way.cameras.c[keys], way.cameras.log_f[keys])
    d, r = turning.directions(sight, cameras, n), np.full(n, float(np.median(way.cloud.r)))
    both = np.flatnonzero((point_of_track >= 0) & (way.point_of_track >= 0))
    d[point_of_track[both]] = way.cloud.d[way.point_of_track[both]]
    r[point_of_track[both]] = way.cloud.r[way.point_of_track[both]]
    return _Begun(found.by, keys, cameras, bundle.Cloud(d, r), point_of_track, found.k1)


def _adjusted(tracks: Tracks, size_px: tuple[int, int], time_s: np.ndarray, turn: turning.Way, begun: _Begun,
              focal_px: float, focal_known: bool, zooms: bool, tick) -> Structure | None:
    """The last adjustments, without strays, and every frame; None where too little is left. zooms: the focal length is
    free in every keyframe; else only as a whole."""
    keys, cameras, cloud, point_of_track = begun.keys, begun.cameras, begun.cloud, begun.point_of_track
    px = _straight(tracks, size_px, begun.k1, cameras.log_f[:1])
    sight = turning.sight_of(tracks, px, keys, point_of_track)
    log_f0 = float(np.log(focal_px / tracks.scale))
    rules = bundle.Rules(True, "fixed" if focal_known else "shared", log_f0)
    if zooms:
        rules = turning.zoom_rules(True, log_f0, focal_known)
    out = bundle.adjust(sight, cameras, cloud, rules, 25, 1e-5, tick)
    good = out.residual_px < STRAY_PX
    count = np.bincount(sight.point[good], minlength=len(cloud.d))
    keep_point = (count >= 2) & (out.cloud.r > 1e-4)
    if keep_point.sum() < LEAST_POINTS:
        return None
    number = np.where(keep_point, np.cumsum(keep_point) - 1, -1)
    kept = good & keep_point[sight.point]
    sight = bundle.Sight(sight.view[kept], number[sight.point[kept]], sight.px[kept], sight.weight[kept])
    point_of_track = np.where(point_of_track >= 0, number[point_of_track], -1)
    cloud = bundle.Cloud(out.cloud.d[keep_point], out.cloud.r[keep_point])
    held = steadiness(sight.point, out.residual_px[kept], len(cloud.d))
    steady = replace(sight, weight=sight.weight * held[sight.point])
    out = bundle.adjust(steady, out.cameras, cloud, rules, 25, 1e-5, tick)
    if (out.cloud.r > 1e-9).sum() < LEAST_POINTS:
        return None
    out = _sized(out)
    misfit = turning.misfit_of(sight, out.residual_px, 3, 7 if zooms else 6)
    way = turning.Way(out.cameras, out.cloud, point_of_track, keys, misfit, out.log_f_sigma, zooms, np.zeros(0))
    # One frame alone needs all of its corners, more than it needs the best of them.
    way.cameras, way.registered = turning.all_frames(tracks, px, keys, out, point_of_track, turn.cameras.R, True, zooms,
                                                     np.asarray(time_s, dtype=float))
    angle = _parallax(sight, out.cameras, out.cloud)
    sigma = turning.PIXEL_SIGMA / np.maximum(held * np.exp(out.cameras.log_f.mean()) * angle, 1e-9)
    return Structure(way, begun.k1, float(np.median(angle)), begun.by, sigma)


def steadiness(point: np.ndarray, residual_px: np.ndarray, n_points: int) -> np.ndarray:
    """How much each corner is heard, by how far it wanders against the others.

    A corner on a stripe's edge or a bare wall slides along it for all of its life: its errors are no accidents of single
    frames, and a loss that judges these one by one believes it. So a corner is judged as a whole, by Cauchy's weight.

    Args:
        point: (N,) of each observation.
        residual_px: (N,)
        n_points: P.

    Returns:
        (P,) 0..1, what its residuals are multiplied by.
    """
    count = np.bincount(point, minlength=n_points)
    square = np.bincount(point, residual_px**2, n_points)
    freedom = np.maximum(2.0 * count - 3.0, 0.0)
    usual = float(np.median(residual_px)) ** 2 + 1e-12
    variance = (square + STEADY_LOOKS * usual) / (freedom + STEADY_LOOKS)
    return 1 / np.sqrt(1 + variance / (STEADY**2 * usual))


def straighten(px: np.ndarray, k1: float, focal: float) -> np.ndarray:
    """Centred pixels as filmed -> of the ideal camera."""
    wanted = px / focal
    ideal = wanted.copy()
    for _ in range(15):
        ideal = wanted / (1 + k1 * (ideal**2).sum(1, keepdims=True))
    return ideal * focal


def _sized(out: bundle.Outcome) -> bundle.Outcome:
    far = out.cloud.r > 1e-9
    factor = NORMAL_DISTANCE * float(np.median(out.cloud.r[far]))
    return replace(out, cameras=replace(out.cameras, c=out.cameras.c * factor),
                   cloud=bundle.Cloud(out.cloud.d, np.maximum(out.cloud.r, 0.0) / factor))


def _parallax(sight: bundle.Sight, cameras: bundle.Cameras, cloud: bundle.Cloud) -> np.ndarray:
    """(P,) angle between the outermost rays of each point, rad, by the spread of its cameras over its distance."""
    n = len(cloud.d)
    away = cloud.d[sight.point] - cloud.r[sight.point, None] * cameras.c[sight.view]
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    low, high = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
    np.minimum.at(low, sight.point, away)
    np.maximum.at(high, sight.point, away)
    spread = np.linalg.norm(high - low, axis=1)
    return np.where(np.isfinite(spread), spread, 0.0)


TICK_S, PAIRS_AT_ONCE = 0.1, 12
"""How often a run may be stopped within COLMAP."""


def stoppable(run: Callable, tick: Callable[[], None] | None):
    """Result of a long call into COLMAP; what `tick` raises meanwhile cancels it and is raised.

    Args:
        run: Called in a thread with a token that COLMAP looks at.
        tick: Called ten times a second.
    """
    import pycolmap

    token = pycolmap.CancellationToken()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, token)
        try:
            while not wait([running], TICK_S).done:
                if tick is not None:
                    tick()
        except BaseException:
            token.cancel()
            raise
        return running.result()


def _colmap(tracks: Tracks, size_px: tuple[int, int], keys: np.ndarray, focal_px: float, focal_known: bool, tick=None
            ) -> tuple[np.ndarray, bundle.Cameras, bundle.Cloud, np.ndarray, float] | None:
    """Keyframes, their cameras and points by incremental mapping; None where it finds no beginning or too little."""
    import pycolmap

    pycolmap.logging.minloglevel = 3
    pycolmap.logging.stderrthreshold = 3
    view = np.full(tracks.n_frames, -1)
    view[keys] = np.arange(len(keys))
    _, point_of_track = turning.select(tracks, tracks.px, keys, least=3)
    tracks = tracks.only((view[tracks.frame] >= 0) & (point_of_track[tracks.track] >= 0))
    starts = np.searchsorted(tracks.frame, np.arange(tracks.n_frames + 1))
    rows = [slice(starts[k], starts[k + 1]) for k in keys]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        pairs = _write_database(pycolmap, path, tracks, size_px, keys, rows, focal_px, focal_known)
        if not pairs:
            return None
        pycolmap.set_random_seed(SEED)
        verify = pycolmap.TwoViewGeometryOptions()
        verify.ransac.max_error = 2.0 * tracks.scale
        verify.ransac.random_seed = SEED
        verify.detect_watermark = False
        _verify(pycolmap, path, verify, tick)
        best = None
        for angle in BEGIN_ANGLES_DEG:
            options = pycolmap.IncrementalPipelineOptions()
            options.multiple_models = False
            options.min_model_size = 3
            options.init_num_trials = 60
            options.extract_colors = False
            options.random_seed = SEED
            # With two threads a clip may get another way when it is solved again, and it was not done sooner.
            options.num_threads = 1
            options.ba_refine_focal_length = not focal_known
            options.ba_refine_extra_params = False
            options.mapper.abs_pose_refine_focal_length = False
            options.mapper.abs_pose_refine_extra_params = False
            options.mapper.init_min_tri_angle = angle
            options.mapper.init_min_num_inliers = LEAST_POINTS
            options.mapper.random_seed = SEED
            options.mapper.num_threads = 1
            options.mapper.filter_min_tri_angle = min(1.0, angle / 4)
            options.triangulation.min_angle = min(1.0, angle / 4)
            options.triangulation.random_seed = SEED
            options.ba_global_max_num_iterations = 30
            options.ba_global_max_refinements = 2
            options.ba_local_max_num_iterations = 15
            out = path / f"out_{angle:g}"
            out.mkdir()
            models = stoppable(lambda token, options=options, out=out: pycolmap.incremental_mapping(
                path / "database.db", path, out, options, cancellation_token=token), tick)
            best = max(models.values(), key=lambda m: m.num_reg_images(), default=None)
            if best is not None and best.num_reg_images() >= max(LEAST_KEYS_SHARE * len(keys), 3):
                _bend(pycolmap, best, focal_known)
                return _read(best, tracks, keys, rows)
    return None


def _verify(pycolmap, path: Path, options, tick: Callable[[], None] | None) -> None:
    """Check the matches of all pairs; a few at a time, since COLMAP ends the pairs that it was given before it stops."""
    lines = (path / "pairs.txt").read_text(encoding="utf-8").splitlines()
    few = path / "few.txt"
    for a in range(0, len(lines), PAIRS_AT_ONCE):
        few.write_text("\n".join(lines[a:a + PAIRS_AT_ONCE]) + "\n", encoding="utf-8")
        stoppable(lambda token: pycolmap.verify_matches(path / "database.db", few, options, token), tick)


def _bend(pycolmap, model, focal_known: bool) -> None:
    """Let the lens distort, and keep that only where it explains the pictures clearly better."""
    straight = model.compute_mean_reprojection_error()
    bent = pycolmap.Reconstruction(model)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = not focal_known
    options.refine_extra_params = True
    options.print_summary = False
    options.ceres.solver_options.max_num_iterations = 40
    _adjust_all(pycolmap, bent, options)
    bent.update_point_3d_errors()
    if bent.compute_mean_reprojection_error() < BENT_GAIN * straight:
        _adjust_all(pycolmap, model, options)


def _adjust_all(pycolmap, model, options) -> None:
    """Adjust all cameras and points. (`pycolmap.bundle_adjustment` does the same and writes to the user's terminal.)"""
    config = pycolmap.BundleAdjustmentConfig()
    for image in model.images.values():
        if image.has_pose:
            config.add_image(image.image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()


def _write_database(pycolmap, path: Path, tracks: Tracks, size_px: tuple[int, int], keys: np.ndarray, rows: list[slice],
                    focal_px: float, focal_known: bool) -> int:
    """Keyframes, their corners and shared ones as COLMAP's database and list of pairs; returns the number of pairs."""
    width, height = size_px
    lines = []
    with pycolmap.Database.open(path / "database.db") as base:
        camera = pycolmap.Camera(model="SIMPLE_RADIAL", width=width, height=height,
                                 params=[focal_px, width / 2, height / 2, 0.0], camera_id=1)
        camera.has_prior_focal_length = focal_known
        base.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=1)
        rig.add_ref_sensor(camera.sensor_id)
        base.write_rig(rig, use_rig_id=True)
        for number, (key, own) in enumerate(zip(keys, rows, strict=True), 1):
            image = pycolmap.Image(name=f"{key:06d}", camera_id=1, image_id=number)
            base.write_image(image, use_image_id=True)
            frame = pycolmap.Frame(frame_id=number, rig_id=1)
            frame.add_data_id(image.data_id)
            base.write_frame(frame, use_frame_id=True)
            base.write_keypoints(number, tracks.px[own].astype(np.float32))
        for i in range(len(keys)):
            for j in range(i + 1, len(keys)):
                _, a, b = np.intersect1d(tracks.track[rows[i]], tracks.track[rows[j]], assume_unique=True,
                                         return_indices=True)
                if len(a) < LEAST_PAIR:
                    # Corners are lost for good: later keyframes share no more of them.
                    break
                base.write_matches(i + 1, j + 1, np.stack([a, b], 1).astype(np.uint32))
                lines.append(f"{keys[i]:06d} {keys[j]:06d}")
    (path / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def _read(model, tracks: Tracks, keys: np.ndarray, rows: list[slice]
          ) -> tuple[np.ndarray, bundle.Cameras, bundle.Cloud, np.ndarray, float]:
    """COLMAP's model in the axes of its first registered keyframe."""
    images = sorted((i.image_id, i) for i in model.images.values() if i.has_pose)
    own_keys = keys[[number - 1 for number, _ in images]]
    T = [image.cam_from_world().matrix() for _, image in images]
    R_cw, t_cw = np.array([m[:, :3] for m in T]), np.array([m[:, 3] for m in T])
    R = np.swapaxes(R_cw, 1, 2)
    c = -np.einsum("nij,nj->ni", R, t_cw)
    points, owner = [], np.full(len(tracks.color), -1)
    for point in model.points3D.values():
        element = point.track.elements[0]
        track = tracks.track[rows[element.image_id - 1]][element.point2D_idx]
        if owner[track] < 0:
            owner[track] = len(points)
            points.append(point.xyz)
    X = (np.array(points).reshape(-1, 3) - c[0]) @ R[0]
    c, R = (c - c[0]) @ R[0], R[0].T @ R
    distance = np.maximum(np.linalg.norm(X, axis=1), 1e-9)
    camera = next(iter(model.cameras.values()))
    log_f = np.full(len(R), np.log(camera.params[0] / tracks.scale))
    return own_keys, bundle.Cameras(R, c, log_f), bundle.Cloud(X / distance[:, None], 1 / distance), owner, \
        float(camera.params[3])
