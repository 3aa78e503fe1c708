"""Bodies of the SMPL family under our laws: skeleton matched by bones, rotations fitted, everybody put on the floor."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from sinew import flow
from sinew.body import Built, build_body
from sinew.body.carry import place_motion
from sinew.body.smpl_files import SmplModel, load
from sinew.body.smpl_joints import BODY, I
from sinew.body.smplx_body import assemble as assemble_body
from sinew.body.smplx_body import make
from sinew.body.smplx_motion import CORRESPONDING, MEAN_PELVIS_M, smplx_to_q
from sinew.geometry.projection import fov_deg_of, intrinsics
from sinew.motion import contact
from sinew.progress import Progress
from sinew_take import laws, measures, model_files
from sinew_take import skeleton as sk
from sinew_take import take as take_format
from sinew_take.free_body import FreeBody

from . import assemble, fitted
from .place import Placed, place
from .result import Body, Result

FLOOR_SHARE = 0.05
"""Share of the frames whose lowest sole may be under the floor."""


@dataclass
class _Skeleton:
    """What one person stands on."""

    model: SmplModel | None
    betas: np.ndarray
    shape: np.ndarray
    smpl_rest_m: np.ndarray | None
    rested: object | None
    rest_m: np.ndarray
    notes: list[str]


def take_of(request, result: Result, shot: flow.Shot, frames: np.ndarray, free: FreeBody, progress: Progress
            ) -> take_format.Take:
    """Convert people of the SMPL family.

    Raises:
        InputError: A model file of the user's is damaged.
    """
    result.people = sorted(result.people, key=lambda p: -len(p.frames))[: request.most_people]
    found = model_files.look(request.models)[result.family]
    skeletons = [_skeleton(p, result, found, free) for p in result.people]
    mean = np.array(MEAN_PELVIS_M[result.people[0].local.shape[1]] if result.people[0].local.shape[1] in MEAN_PELVIS_M
                    else MEAN_PELVIS_M[55])
    rests = [mean if s.smpl_rest_m is None else s.smpl_rest_m[0] for s in skeletons]
    placed = progress.run("camera", lambda report: place(result, rests, frames))
    moved = progress.run("motion", lambda report: _solve(result, placed, skeletons, shot, frames, free, report))
    floor = min(m["floor"] for m in moved)
    placed.T_wc[:, 2, 3] -= floor
    for m in moved:
        m["root"] = m["root"] - np.array([0, 0, floor])
    notes = list(result.notes)
    if abs(floor) > 0.005:
        notes.append(f"Everybody was moved {'up' if floor < 0 else 'down'} by {100 * abs(floor):.0f} cm so that soles stand "
                     "on the floor.")
    notes += [note for s in skeletons for note in s.notes]
    for person, m in zip(result.people, moved, strict=True):
        notes.append(f"{person.name}: limb joints lie {1e3 * m['error'].mean():.1f} mm (at most "
                     f"{1e3 * m['error'].max():.0f} mm) from where {result.system} has them on bones of this length, because "
                     "our joints turn about anatomical axes and within their limits.")
    notes.append(f"{result.system} does not say how sure it is or where feet stand: confidence is not known, contacts were "
                 "read from the soles' speed and height.")
    camera = _camera(result, request, placed, shot)
    built = progress.run("body", lambda report: [
        _build(p, s, m, shot, free) for p, s, m in zip(result.people, skeletons, moved, strict=True)])
    names = [f"Person {n}" for n in range(1, len(built) + 1)]
    body_names = ["default" if s.model is None else result.family for s in skeletons]
    for person, name in zip(result.people, names, strict=True):
        notes = [n.replace(f"{person.name}:", f"{name}:") for n in notes]
    return assemble.take_of(result.system, shot, camera, built, body_names, names, None, notes + camera.notes,
                            {"format": request.format, **asdict(request.camera)})


def _skeleton(person: Body, result: Result, found: model_files.Found, free: FreeBody) -> _Skeleton:
    if not found.is_ready:
        shape = np.zeros(free.n_shape, np.float32)
        height = measures.measure(free, shape)["height"]
        note = (f"{person.name}: without the {found.set.title} model the body is our own of {height:.2f} m, the bones of "
                f"{result.system}'s shape are not known, and the height over the ground is good to some centimetres; "
                f"{found.sentence()}")
        return _Skeleton(None, person.betas, shape, None, None, free.joints(shape).astype(float), [note])
    model = load(result.family, found, person.gender)
    notes = []
    if person.gender in ("male", "female") and model.gender != person.gender:
        notes.append(f"{person.name}: the result is of the {person.gender} {found.set.title} model, which is not among the "
                     f"model files; the {model.gender} one was used, so the shape is not quite right.")
    joints = model.joints(person.betas)
    at = {ours: joints[I[smpl]] for smpl, ours in CORRESPONDING.items()}
    lengths = np.array([np.linalg.norm(at[a] - at[b]) for a, b in measures.SEGMENTS])
    trunk = float(np.mean([at[f"humerus_{s}"][1] - at[f"femur_{s}"][1] for s in "lr"]))
    shape, off = measures.shape_for_bones(free, lengths, trunk)
    rested = make(model, person.betas, free, free.joints(shape).astype(float))
    notes.append(f"{person.name}: the body is {result.system}'s own shape on the {found.set.title} model "
                 f"({model.gender}); the free body that guides its rest pose matches its bones to {1e3 * off:.0f} mm.")
    return _Skeleton(model, person.betas, shape, joints, rested, rested.joints_m, notes)


def _solve(result: Result, placed: Placed, skeletons: list[_Skeleton], shot: flow.Shot, frames: np.ndarray, free: FreeBody,
           report: flow.Report) -> list[dict]:
    out = []
    for number, (person, own) in enumerate(zip(result.people, skeletons, strict=True)):
        report(number, len(skeletons))
        slot = {int(f): i for i, f in enumerate(person.frames)}
        which = np.array([slot.get(int(f), -1) for f in frames])
        present = which >= 0
        used, back = np.unique(which[present], return_inverse=True)
        local = person.local[used].copy()
        local[:, 0] = placed.root[number][used]
        q, root, error = smplx_to_q(local, placed.pelvis_m[number][used], own.rest_m, free.joint_frames, own.smpl_rest_m)
        T_wj = laws.forward_kinematics(q, root, own.rest_m, np.asarray(free.joint_frames, float))
        soles = soles_of(T_wj, own.rest_m, free.joint_frames)
        lowest = soles[..., 2].min(1)
        out.append({"present": present, "which": which[present], "q": q[back], "root": root[back], "error": error,
                    "soles": soles[back], "floor": float(np.quantile(lowest, FLOOR_SHARE))})
    report(len(skeletons), len(skeletons))
    return out


def soles_of(T_wj: np.ndarray, rest_m: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(T, 4, 3): under heel and toes of the left, then of the right foot, in the order of the take's contacts."""
    out = []
    for j in sk.CONTACT_JOINTS:
        below = np.array([0.0, 0.0, -rest_m[j, 2]])
        turn = T_wj[:, j, :3, :3] @ np.asarray(frames[j], float).T
        out.append(T_wj[:, j, :3, 3] + turn @ below)
    return np.stack(out, 1)


def _build(person: Body, own: _Skeleton, m: dict, shot: flow.Shot, free: FreeBody) -> Built:
    present = m["present"]
    n = len(present)
    soles = m["soles"].copy()
    soles[..., 2] -= m["floor"]
    times = shot.time_s[present]
    joined = np.r_[False, np.diff(np.nonzero(present)[0]) == 1]
    far = np.full((len(times), 3), 1e4)  # no line of sight: every direction counts alike
    chance = contact.planted(contact.sole_speed(soles, times, joined, far), soles[..., 2])
    contacts = np.full((n, 4), np.nan, np.float32)
    contacts[present] = chance
    source = np.full((n, 24), 2, np.uint8)
    source[present] = 0
    keypoints = np.full((n, len(sk.MEDIAPIPE_KEYPOINTS), 3), np.nan, np.float32)
    arrays = {"present": present, "confidence": np.full((n, 24), np.nan, np.float32), "source": source,
              "contact": contacts, "keypoints_px": keypoints}
    arrays = place_motion(arrays, m["q"], m["root"], own.rest_m, free.joint_frames)
    if own.model is None:
        return Built(build_body(free, own.shape), arrays)
    fingers = expression = None
    if person.local.shape[1] > 24 and person.local.shape[1] == len(own.model.parents):
        fingers = np.tile(np.eye(3), (n, person.local.shape[1] - len(BODY), 1, 1))
        fingers[present] = person.local[m["which"]][:, len(BODY):]
    if person.expression is not None:
        expression = np.zeros((n, person.expression.shape[1]))
        expression[present] = person.expression[m["which"]]
    return assemble_body(own.model, person.betas[:10], own.rested, free, arrays, fingers, expression)


def _camera(result: Result, request, placed: Placed, shot: flow.Shot) -> flow.Camera:
    size = shot.info.size_px
    focal, source, notes = result.focal_px, result.system, []
    if request.camera.fov_deg is not None or request.camera.focal_mm is not None:
        focal, source = fitted.focal_px(request.camera, size), "user"
    elif focal is None:
        focal, source = fitted.focal_px(request.camera, size), "assumed"
    elif result.size_px is not None and result.size_px != size:
        focal *= size[0] / result.size_px[0]
    if source == "assumed":
        notes.append(f"The lens is not known: {fov_deg_of(focal, size[0]):.0f} degrees across were "
                     "assumed; give --focal-mm or --fov-deg if you know it.")
    if not placed.camera_known:
        notes.append(f"{result.system}'s result has no camera: one was put where it sees everybody's whole way.")
    n = shot.n_frames
    K = np.tile(intrinsics(focal, size), (n, 1, 1))
    if source == result.system and result.centre_px is not None and result.size_px == size:
        K[:, :2, 2] = result.centre_px
    return flow.Camera(placed.T_wc, K, np.zeros((n, 5)), "moving" if placed.moves else "static", source, result.system,
                       notes, f"As {result.system} solved it." if placed.camera_known else "Not in the result.")
