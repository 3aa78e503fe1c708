"""Bundle adjustment and registration of cameras against points of the background.

A point is a direction d (unit) from the path's origin and an inverse distance r along it, so that a camera that only turns
(r = 0, all centres in the origin), one that hardly moves and one that moves are the same problem: a camera at c turned by R
(camera to path) sees the point along R^T (d - r c). Inverse distances keep far points harmless (Civera et al., Inverse
depth parametrization for monocular SLAM, 2008). Points are eliminated by the Schur complement (Triggs et al., Bundle
adjustment, a modern synthesis, 2000); the loss of a residual is Cauchy's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import solveh_banded

from ..geometry import rotations as rot

ROBUST_PX = 1.0
"""Scale of the loss, in pixels of the picture in which corners were followed."""
_LEAST_DEPTH = 1e-3
MOST_DENSE = 3_000_000
"""Numbers (8 bytes each) up to which the link of cameras and points is kept as a whole."""


@dataclass(frozen=True)
class Sight:
    """Observations: corner `point` in camera `view` at `px`; each pair of them at most once."""

    view: np.ndarray
    """(N,)"""
    point: np.ndarray
    """(N,)"""
    px: np.ndarray
    """(N, 2) from the principal point, in followed pixels."""
    weight: np.ndarray
    """(N,) 0..1: a residual counts by this, so that unsure corners only help where there is nothing else."""


@dataclass(frozen=True)
class Cameras:
    """The unknowns of the cameras."""

    R: np.ndarray
    """(V, 3, 3) camera to path."""
    c: np.ndarray
    """(V, 3) centres in the path."""
    log_f: np.ndarray
    """(V,) logarithm of the focal length in followed pixels."""


@dataclass(frozen=True)
class Cloud:
    """The unknowns of the points."""

    d: np.ndarray
    """(P, 3) unit directions from the origin of the path."""
    r: np.ndarray
    """(P,) inverse distance; 0 is infinitely far."""


@dataclass(frozen=True)
class Rules:
    """What may change, and what is known beforehand."""

    moves: bool
    """Centres and inverse distances are solved; without, all cameras stand in the origin."""
    focal: str = "shared"
    """"fixed", "shared" or "zoom" (one per view)."""
    log_f_prior: float | None = None
    log_f_sigma: float = 0.22
    zoom_sigma: float = 0.05
    """Spread of the logarithm of the focal length from one view to the next, with "zoom"."""


@dataclass
class Outcome:
    cameras: Cameras
    cloud: Cloud
    residual_px: np.ndarray
    """(N,) length of each residual; inf where the point lies behind the camera."""
    log_f_sigma: float
    """Spread of the (mean) focal length's logarithm if every observation were off by one followed pixel."""


def predict(sight: Sight, cameras: Cameras, cloud: Cloud) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals (N, 2), points in camera axes (N, 3) up to their distance, and which lie ahead (N,)."""
    away = cloud.d[sight.point] - cloud.r[sight.point, None] * cameras.c[sight.view]
    p = np.einsum("nji,nj->ni", cameras.R[sight.view], away)
    ahead = p[:, 2] > _LEAST_DEPTH
    z = np.where(ahead, p[:, 2], 1.0)
    f = np.exp(cameras.log_f[sight.view])
    return f[:, None] * p[:, :2] / z[:, None] - sight.px, p, ahead


def _cauchy(square: np.ndarray) -> tuple[float, np.ndarray]:
    c2 = ROBUST_PX**2
    return float((c2 * np.log1p(square / c2)).sum()), 1 / (1 + square / c2)


def _root(sight: Sight, r: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """(N,) what residuals are multiplied by: their weight and the root of the robust one."""
    _, robust = _cauchy((r**2).sum(1) * sight.weight**2)
    return np.sqrt(np.where(ahead, robust, 0.0)) * sight.weight


def _tangents(d: np.ndarray) -> np.ndarray:
    """(P, 3, 2) two directions across each d."""
    other = np.where(np.abs(d[:, :1]) < 0.6, [[1.0, 0, 0]], [[0, 1.0, 0]])
    a = np.cross(d, other)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    return np.stack([a, np.cross(d, a)], -1)


def _jacobian(sight: Sight, cameras: Cameras, p: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """(N, 2, 3): derivative of the pixel by the point in camera axes."""
    z = np.where(ahead, p[:, 2], 1.0)
    f = np.exp(cameras.log_f[sight.view])
    out = np.zeros((len(p), 2, 3))
    out[:, 0, 0] = out[:, 1, 1] = f / z
    out[:, :, 2] = -(f / z**2)[:, None] * p[:, :2]
    return out


def adjust(sight: Sight, cameras: Cameras, cloud: Cloud, rules: Rules, rounds: int = 30, tolerance: float = 1e-4,
           tick=None) -> Outcome:
    """Levenberg-Marquardt over all views and points. The first view stays where it is.

    Args:
        sight: Observations; every point should be seen at least twice.
        cameras, cloud: Where to begin.
        rules: What may change.
        rounds: Most iterations.
        tolerance: Stop when an iteration gains less than this share.
        tick: Called without argument each iteration.
    """
    v, n_points = len(cameras.R), len(cloud.d)
    width = 6 if rules.moves else 3
    per_point = 3 if rules.moves else 2
    damping = 1e-4
    cost, _ = _total(sight, cameras, cloud, rules)
    for _ in range(rounds):
        U, g, W, V, h, tangents = _normal(sight, cameras, cloud, rules)
        improved = False
        for _ in range(6):
            Vd = V + damping * np.einsum("pii->pi", V)[..., None] * np.eye(per_point)
            if rules.moves:
                # Where nothing has moved yet an inverse distance is not seen at all.
                Vd[:, 2, 2] += 1e-6
            try:
                S, inverse, Y = _reduced(U, W, Vd)
                h_across = np.einsum("pij,pj->pi", inverse, h)
                S += damping * np.diag(np.diag(U))
                right = -(g - Y @ h_across.T.ravel())
                _hold(S, width)
                right[:width] = 0
                step = np.linalg.solve(S, right)
            except np.linalg.LinAlgError:
                damping = damping * 10 + 1e-9
                continue
            back = -np.einsum("pji,pj->pi", inverse, h_across + (Y.T @ step).reshape(per_point, n_points).T)
            new_cameras, new_cloud = _moved(cameras, cloud, step, back, tangents, rules, width)
            new_cost, _ = _total(sight, new_cameras, new_cloud, rules)
            if np.isfinite(new_cost) and new_cost < cost:
                improved = True
                break
            damping = damping * 8 + 1e-9
        if tick is not None:
            tick()
        if not improved:
            break
        gain = (cost - new_cost) / max(cost, 1e-12)
        cameras, cloud, cost = new_cameras, new_cloud, new_cost
        damping = max(damping / 5, 1e-8)
        if gain < tolerance:
            break
    sigma = np.inf
    if rules.focal != "fixed" and len(sight.view):
        U, _, W, V, _, _ = _normal(sight, cameras, cloud, rules)
        S, _, _ = _reduced(U, W, V)
        _hold(S, width)
        spread = np.linalg.pinv(S, rcond=1e-13, hermitian=True)[v * width:, v * width:]
        sigma = float(np.sqrt(max(spread.mean(), 0.0)))
    r, _, ahead = predict(sight, cameras, cloud)
    return Outcome(cameras, cloud, np.where(ahead, np.linalg.norm(r, axis=1), np.inf), sigma)


def _normal(sight: Sight, cameras: Cameras, cloud: Cloud, rules: Rules) -> tuple:
    """Gauss-Newton blocks: cameras (C, C) and gradient, cameras by points (C, k * P: all points' first coordinate, then
    their second), points (P, k, k) and gradient (P, k), tangents."""
    v, n_points = len(cameras.R), len(cloud.d)
    width, per_point = (6, 3) if rules.moves else (3, 2)
    n_focal = {"fixed": 0, "shared": 1, "zoom": v}[rules.focal]
    n_cameras = v * width + n_focal
    r, p, ahead = predict(sight, cameras, cloud)
    root = _root(sight, r, ahead)
    r = r * root[:, None]
    JR = (_jacobian(sight, cameras, p, ahead) * root[:, None, None]) @ np.swapaxes(cameras.R[sight.view], 1, 2)
    away = cloud.d[sight.point] - cloud.r[sight.point, None] * cameras.c[sight.view]
    by_camera = JR @ rot.cross_matrix(away)
    tangents = _tangents(cloud.d)
    by_point = JR @ tangents[sight.point]
    if rules.moves:
        by_camera = np.concatenate([by_camera, -cloud.r[sight.point, None, None] * JR], -1)
        by_point = np.concatenate([by_point, -(JR @ cameras.c[sight.view][..., None])], -1)
    n_whole, view, point = v * width, sight.view, sight.point
    across = np.swapaxes(by_point, 1, 2)
    flipped = np.swapaxes(by_camera, 1, 2)
    U, g = np.zeros((n_cameras, n_cameras)), np.zeros(n_cameras)
    own = _sums(view, flipped @ by_camera, v)
    blocks = np.arange(n_whole).reshape(v, width)
    U[blocks[:, :, None], blocks[:, None]] = own
    g[:n_whole] = _sums(view, (flipped @ r[..., None])[..., 0], v).ravel()
    columns = np.arange(n_points * per_point).reshape(per_point, n_points).T
    links = [_entries(blocks[view][:, :, None], columns[point][:, None], flipped @ by_point)]
    if n_focal:
        z = np.where(ahead, p[:, 2], 1.0)
        by_focal = (np.exp(cameras.log_f[view]) * root / z)[:, None] * p[:, :2]
        group = view if n_focal > 1 else np.zeros(len(r), dtype=int)
        at = n_whole + np.arange(n_focal)
        U[at, at] = _sums(group, (by_focal**2).sum(1), n_focal)
        g[at] = _sums(group, (by_focal * r).sum(1), n_focal)
        with_camera = _sums(view, (flipped @ by_focal[..., None])[..., 0], v)
        column = n_whole + (np.arange(v) if n_focal > 1 else np.zeros(v, dtype=int))
        U[blocks, column[:, None]] = with_camera
        U[column[:, None], blocks] = with_camera
        with_point = (across @ by_focal[..., None])[..., 0]
        if n_focal > 1:
            links.append(_entries((n_whole + view)[:, None], columns[point], with_point))
        else:
            links.append(_entries(np.array(n_whole), columns, _sums(point, with_point, n_points)))
    prior, prior_g = _prior(cameras, rules, v, width, n_cameras)
    V = _sums(point, across @ by_point, n_points) + 1e-9 * np.eye(per_point)
    W = _linked(links, (n_cameras, n_points * per_point))
    return U + prior, g + prior_g, W, V, _sums(point, (across @ r[..., None])[..., 0], n_points), tangents


def _sums(index: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    """Sums (n, ...) of the values (N, ...) of each index (N,)."""
    flat = value.reshape(len(value), -1)
    out = np.stack([np.bincount(index, column, n) for column in flat.T], -1)
    return out.reshape(n, *value.shape[1:])


def _entries(rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.broadcast_to(rows, values.shape).ravel(), np.broadcast_to(columns, values.shape).ravel(), values.ravel()


def _linked(links: list[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, int]) -> np.ndarray | sparse.csr_matrix:
    """A matrix of entries (rows, columns, values), each place at most once: dense where that is small and quick, sparse
    where a long way has many points that few of its keyframes see."""
    rows, columns, values = (np.concatenate(part) for part in zip(*links, strict=True))
    if shape[0] * shape[1] > MOST_DENSE:
        return sparse.csr_matrix((values, (rows, columns)), shape=shape)
    out = np.zeros(shape)
    out[rows, columns] = values
    return out


def _reduced(U: np.ndarray, W: np.ndarray | sparse.csr_matrix, V: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray | sparse.csr_matrix]:
    """Cameras' matrix with the points eliminated; the points' inverse factors L^-1 (P, k, k), V = L L^T; and W L^-T
    (C, k * P), of which W V^-1 W^T is the square: half the work of a product of two."""
    n, k = len(V), V.shape[1]
    # Rounding must not make a block indefinite of a point that hardly anything tells the distance of.
    V = V + 1e-12 * np.einsum("pii->p", V)[:, None, None] * np.eye(k)
    inverse = np.linalg.inv(np.linalg.cholesky(V))
    part = [slice(i * n, (i + 1) * n) for i in range(k)]
    if sparse.issparse(W):
        p, i, j = np.meshgrid(np.arange(n), np.arange(k), np.arange(k), indexing="ij")
        across = (inverse[p, j, i].ravel(), ((i * n + p).ravel(), (j * n + p).ravel()))
        Y = W @ sparse.csr_matrix(across, shape=(n * k, n * k))
        gone = (Y @ Y.T).toarray()
    else:
        Y = np.empty_like(W)
        for j in range(k):
            Y[:, part[j]] = sum(W[:, part[i]] * inverse[:, j, i] for i in range(j + 1))
        gone = Y @ Y.T
    return U - gone + 1e-9 * np.eye(len(U)), inverse, Y


def _hold(S: np.ndarray, width: int) -> None:
    """The first view stays."""
    S[:width], S[:, :width] = 0, 0
    S[np.arange(width), np.arange(width)] = 1


def _total(sight: Sight, cameras: Cameras, cloud: Cloud, rules: Rules) -> tuple[float, np.ndarray]:
    r, _, ahead = predict(sight, cameras, cloud)
    square = np.where(ahead, (r**2).sum(1) * sight.weight**2, 1e6)
    cost, weight = _cauchy(square)
    if rules.focal != "fixed" and rules.log_f_prior is not None:
        cost += ((cameras.log_f.mean() - rules.log_f_prior) / rules.log_f_sigma) ** 2
    if rules.focal == "zoom":
        cost += float((np.diff(cameras.log_f) ** 2).sum() / rules.zoom_sigma**2)
    return cost, weight


def _prior(cameras: Cameras, rules: Rules, v: int, width: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    H, g = np.zeros((n, n)), np.zeros(n)
    at = v * width
    if rules.focal == "fixed":
        return H, g
    if rules.log_f_prior is not None:
        row = np.zeros(n)
        row[at:] = 1 / (n - at) / rules.log_f_sigma
        H += np.outer(row, row)
        g += row * (cameras.log_f.mean() - rules.log_f_prior) / rules.log_f_sigma
    if rules.focal == "zoom":
        D = (np.eye(v, k=1) - np.eye(v))[:-1] / rules.zoom_sigma
        H[at:, at:] += D.T @ D
        g[at:] += D.T @ (D @ cameras.log_f)
    return H, g


def _moved(cameras: Cameras, cloud: Cloud, step: np.ndarray, back: np.ndarray, tangents: np.ndarray, rules: Rules,
           width: int) -> tuple[Cameras, Cloud]:
    v = len(cameras.R)
    own = step[:v * width].reshape(v, width)
    log_f = cameras.log_f
    if rules.focal != "fixed":
        log_f = log_f + np.clip(step[v * width:], -0.3, 0.3)
    new = Cameras(rot.exp(own[:, :3]) @ cameras.R, cameras.c + own[:, 3:] if rules.moves else cameras.c, log_f)
    d = cloud.d + np.einsum("pij,pj->pi", tangents, back[:, :2])
    return new, Cloud(d / np.linalg.norm(d, axis=1, keepdims=True), cloud.r + back[:, 2] if rules.moves else cloud.r)


def register(sight: Sight, cameras: Cameras, cloud: Cloud, moves: bool, zooms: bool, rounds: int = 12
             ) -> tuple[Cameras, np.ndarray]:
    """Every view on its own against points that stay.

    Returns:
        The cameras, and per view the normal matrix (V, 7, 7) of turn, centre and focal length (what it knows, per
        followed pixel squared).
    """
    free = np.array([True] * 3 + [moves] * 3 + [zooms])
    v = len(cameras.R)
    size = 7
    for last in range(rounds):
        r, p, ahead = predict(sight, cameras, cloud)
        root = _root(sight, r, ahead)
        away = cloud.d[sight.point] - cloud.r[sight.point, None] * cameras.c[sight.view]
        JR = (_jacobian(sight, cameras, p, ahead) * root[:, None, None]) @ np.swapaxes(cameras.R[sight.view], 1, 2)
        z = np.where(ahead, p[:, 2], 1.0)
        by_focal = (np.exp(cameras.log_f[sight.view]) * root / z)[:, None] * p[:, :2]
        J = np.concatenate([JR @ rot.cross_matrix(away), -cloud.r[sight.point, None, None] * JR, by_focal[..., None]], -1)
        J = J * free
        across = np.swapaxes(J, 1, 2)
        H = _sums(sight.view, across @ J, v)
        g = _sums(sight.view, (across @ (r * root[:, None])[..., None])[..., 0], v)
        if last == rounds - 1:
            break
        scale = np.einsum("vii->vi", H)
        step = -np.linalg.solve(H + (1e-4 * scale + 1e-9)[..., None] * np.eye(size) + np.diag((~free).astype(float)),
                                g[..., None])[..., 0]
        limit = np.linalg.norm(step[:, :3], axis=1)
        step *= np.minimum(1.0, 0.2 / np.maximum(limit, 1e-12))[:, None]
        cameras = Cameras(rot.exp(step[:, :3]) @ cameras.R, cameras.c + step[:, 3:6],
                          cameras.log_f + np.clip(step[:, 6], -0.1, 0.1))
        if np.abs(step).max() < 1e-7:
            break
    return cameras, H


def smooth(cameras: Cameras, known: np.ndarray, time_s: np.ndarray, sigma: np.ndarray, pixel_sigma: float) -> Cameras:
    """Frames that know little about themselves follow from their neighbours.

    The least of what each frame's registration knows and of accelerations with given spreads. A sharp frame hardly
    moves: it knows itself to a hundredth of a pixel.

    Args:
        cameras: (T) registered, every frame with some first guess.
        known: (T, 7, 7) of `register`.
        time_s: (T,)
        sigma: (7,) spread of the acceleration of turn (rad/s²), centre (units/s²) and log focal length; 0 holds it still.
        pixel_sigma: Spread of an observation, followed pixels; more than the noise, because neighbours err alike.
    """
    n = len(time_s)
    if n < 3:
        return cameras
    step = np.maximum(np.diff(time_s), 1e-6)
    h1, h2 = step[:-1], step[1:]
    coefficient = np.stack([2 / (h1 * (h1 + h2)), -2 / (h1 * h2), 2 / (h2 * (h1 + h2))])
    turn = rot.log(cameras.R[1:] @ np.swapaxes(cameras.R[:-1], 1, 2)) / step[:, None]
    base = np.concatenate([cameras.c, cameras.log_f[:, None]], 1)
    speed = np.diff(base, axis=0) / step[:, None]
    speed = np.concatenate([turn, speed], 1)
    accel = np.diff(speed, axis=0) / ((h1 + h2) / 2)[:, None]
    inverse = np.where(sigma > 0, 1 / np.maximum(sigma, 1e-12), 0.0)
    size = 7
    band = 3 * size
    ab = np.zeros((band, n * size))
    right = np.zeros(n * size)
    H = known / pixel_sigma**2
    # Held unknowns keep a place in the equations.
    H = H + np.diag(np.where(sigma > 0, 1e-6, 1.0))
    for i in range(size):
        for j in range(i + 1):
            ab[i - j, np.arange(n) * size + j] += H[:, i, j]
    for k in range(size):
        w = inverse[k] ** 2
        for a in range(3):
            rows = (np.arange(n - 2) + a) * size + k
            np.add.at(right, rows, -w * coefficient[a] * accel[:, k])
            for b in range(a + 1):
                columns = (np.arange(n - 2) + b) * size + k
                np.add.at(ab[(a - b) * size], columns, w * coefficient[a] * coefficient[b])
    x = solveh_banded(ab, right, lower=True, check_finite=False).reshape(n, size)
    return replace(cameras, R=rot.exp(x[:, :3]) @ cameras.R, c=cameras.c + x[:, 3:6], log_f=cameras.log_f + x[:, 6])
