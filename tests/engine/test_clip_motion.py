"""Rendered clips, the parts without Blender: motions, planted feet, cameras, truth, and the bench that reads it."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from tools.render_clip import angles, cameras, cli, clip, encode, feet, gait, looks, recorded, steps

from sinew.bench import rendered
from sinew.flow import Camera
from sinew_take import free_body, laws
from sinew_take import skeleton as sk
from sinew_take.errors import InputError

RATE = 24


@pytest.fixture(scope="module")
def body():
    return free_body.load()


@pytest.fixture(scope="module")
def fig(body):
    shape = np.zeros(body.n_shape)
    return feet.figure(body.joints(shape), body.vertices(shape), body.skin_index, body.skin_weight)


@pytest.fixture(scope="module")
def short(body):
    """One second of the sample's walk, filmed by a camera that turns."""
    return clip.make(clip.Spec((clip.Person(body=2),), clip.Lens(kind="pan"), seconds=1.0, rate=Fraction(RATE)), body)


# --- coordinates -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("joint", [j.name for j in sk.JOINTS if len(j.dofs) == 3])
def test_coordinates_reproduce_the_rotation_they_came_from(joint):
    """Any rotation, also one outside the limits: the coordinates give it back to 1e-9."""
    rng = np.random.default_rng(3)
    D = angles.from_vector(rng.normal(0, 0.8, (200, 3)))
    j = sk.JOINTS[sk.JOINT_INDEX[joint]]
    q = np.zeros((200, 46))
    angles.put(q, joint, D)
    frame = sk.REST_FRAMES[j.index]
    back = frame @ laws.rotations(q)[:, j.index] @ frame.T
    assert np.abs(back - D).max() < 1e-9


def test_coordinates_inside_the_limits_are_found_again():
    """A smooth path inside the limits is returned as it is, to 1e-9 rad."""
    t = np.linspace(0, 2 * np.pi, 60)
    for j in sk.JOINTS:
        if len(j.dofs) != 3 or j.name == "pelvis":
            continue
        low, high = sk.LOW[list(j.dofs)], sk.HIGH[list(j.dofs)]
        low, high = np.maximum(low, -1.3), np.minimum(high, 1.3)
        q = np.zeros((60, 46))
        q[:, list(j.dofs)] = (low + high) / 2 + 0.45 * (high - low) * np.sin(t[:, None] + np.arange(3))
        frame = sk.REST_FRAMES[j.index]
        D = frame @ laws.rotations(q)[:, j.index] @ frame.T
        assert np.abs(angles.coordinates(j.name, D) - q[:, list(j.dofs)]).max() < 1e-9


@pytest.mark.parametrize("side", ["r", "l"])
def test_an_arm_goes_where_it_is_told(fig, side):
    """Hanging, forward and out to the side: the upper arm points there within 0.1 degrees, blade and all."""
    out = 1.0 if side == "l" else -1.0
    D = np.stack([np.eye(3), angles.turn(0, np.array(-np.pi / 2)), angles.turn(1, np.array(-out * np.pi / 2))])
    wanted = np.array([[0, 0, -1], [0, -1, 0], [out, 0, 0]])
    q = np.zeros((3, 46))
    angles.put_arm(q, side, D)
    T = feet.fk(q, np.zeros((3, 3)), fig)
    shoulder, elbow = sk.JOINT_INDEX[f"humerus_{side}"], sk.JOINT_INDEX[f"ulna_{side}"]
    along = T[:, elbow, :3, 3] - T[:, shoulder, :3, 3]
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    rest = fig.joints_m[elbow] - fig.joints_m[shoulder]
    tilt = np.degrees(np.arccos(abs(rest[0]) / np.linalg.norm(rest)))  # of this body's own arm from the side
    assert np.degrees(np.arccos(np.clip((along * wanted).sum(-1), -1, 1))).max() < tilt + 0.1


# --- gait ------------------------------------------------------------------------------------------------------------

def test_published_knots_lie_on_their_curves():
    for name, (percent, degrees) in gait.CURVES.items():
        at = np.asarray(percent) / 100
        assert np.allclose(np.degrees(gait.curve(name, at + 3)), degrees, atol=1e-9), name


def test_walking_is_symmetric_and_inside_the_limits():
    phase = np.linspace(0, 1, 101)
    q = gait.pose(phase)
    assert sk.within_limits(q, 0).all()
    assert np.abs(gait.pose(phase + 0.5) - sk.mirror_q(q)).max() < 1e-9


def test_stride_is_that_of_an_adult(fig):
    """A comfortable pace: 0.9 to 1.4 m/s and a stride of 1.0 to 1.5 m, from the joint angles alone."""
    style = gait.Style()
    forward, sway = feet.stride(fig, style)
    assert 1.0 < forward[-1] < 1.5
    assert 0.9 < forward[-1] / style.cycle_s < 1.4
    assert (np.diff(forward) > 0).all()
    assert np.abs(sway).max() <= 0.0201


@pytest.fixture(scope="module", params=["line", "loop"])
def walk(request, fig):
    style = gait.Style(phase=0.3)
    forward, sway = feet.stride(fig, style)
    time_s = np.arange(5 * RATE) / RATE
    path = clip.way(request.param, 20, 6.0)
    return request.param, feet.plant(gait.walk(time_s, path, None, style, forward, sway), fig, 1 / RATE), path


def test_planted_feet_stand_still(walk, fig):
    """While a foot touches the floor its joints move less than 6 mm from frame to frame (the heel's joint stands 34 mm
    above the sole and rolls over it at landing) and 1 mm on average."""
    _, planted, _ = walk
    assert planted.miss_m < 1e-3
    on = planted.contact[1:] & planted.contact[:-1]
    for k, name in enumerate(("calcn_l", "toes_l", "calcn_r", "toes_r")):
        step = np.linalg.norm(np.diff(planted.T_wj[:, sk.JOINT_INDEX[name], :3, 3], axis=0), axis=-1)
        assert on[:, k].sum() > 20
        assert step[on[:, k]].max() < 6e-3 and step[on[:, k]].mean() < 1e-3, name


def test_somebody_who_walks_always_stands_on_a_foot(walk):
    _, planted, _ = walk
    assert planted.contact.any(1).mean() > 0.97
    for foot in (planted.contact[:, :2], planted.contact[:, 2:]):
        assert 0.4 < foot.any(1).mean() < 0.75


def test_soles_stay_above_the_floor_and_limits_hold(walk, fig):
    _, planted, _ = walk
    assert sk.within_limits(planted.q, 0).all()
    assert feet.sole_points(planted.T_wj, fig)[..., 2].min() > -0.002
    again = feet.fk(planted.q, planted.root_m, fig)
    assert np.abs(again - planted.T_wj).max() < 1e-9


def test_somebody_walks_over_steps(body, fig):
    """Feet stand on the treads, never in them; the truth says how high; the blocks in the set are those steps."""
    spec = clip.Spec((clip.Person(path="steps", heading_deg=80, body=0),), clip.Lens(), "street", Fraction(24), 4.2)
    made = clip.make(spec, body)
    (a,) = made.actors
    assert a.planted.miss_m < 0.01  # m
    on = a.planted.contact
    heights = a.planted.ground_m
    assert set(np.unique(heights[on].round(6))) == {0.0, steps.RISE_M, 2 * steps.RISE_M}
    points = feet.sole_points(a.planted.T_wj, fig)
    above = points[..., 2] - a.steps.height(points)
    assert above.min() > -0.015 and np.abs(above[on]).max() < feet.HEEL_HEIGHT_M  # m
    still = on[1:] & on[:-1]
    assert np.linalg.norm(np.diff(points, axis=0), axis=-1)[still].max() < 0.01  # m a frame
    assert (on.any(1)).mean() > 0.9
    truth = clip.truth(made)
    assert np.allclose(truth["ground_m"], heights)
    job = json.loads(str(clip.job(made, body)["spec"]))
    assert [round(b["size_m"][2], 6) for b in job["blocks"]] == [0.15, 0.3, 0.15]
    for block in job["blocks"]:
        middle = np.array(block["middle_m"])
        assert a.steps.height(middle) == pytest.approx(2 * middle[2]) == pytest.approx(block["size_m"][2])
    # Whoever else is in the clip walks on the floor, and the truth of other clips has no such array.
    assert "ground_m" not in clip.truth(clip.make(clip.Spec(seconds=0.3), body))


def test_the_body_follows_the_path(walk):
    kind, planted, path = walk
    off = np.linalg.norm(planted.root_m[:, None, :2] - path[None], axis=-1).min(1)
    assert off.max() < 0.05
    heading = planted.q[:, sk.DOF_INDEX["pelvis_rotation"]]
    turned = np.degrees(heading[-1] - heading[0])
    assert abs(turned) < 15 if kind == "line" else 150 < turned < 240


# --- recorded motions ------------------------------------------------------------------------------------------------

def _write(path, rows, loop="none"):
    path.write_text(json.dumps({"Loop": loop, "Frames": rows}))
    return path


def _row(duration=0.1, root=(0, 0.83, 0), **turns):
    values = [duration, *root]
    for name, n in recorded._LAYOUT:
        values += list(turns.get(name, (1, 0, 0, 0) if n == 4 else (0.0,)))
    return values


def _about(axis, degrees):
    half = np.radians(degrees) / 2
    return [np.cos(half), *(np.sin(half) * np.eye(3)["xyz".index(axis)])]


def test_a_recording_becomes_the_same_angles(tmp_path, fig):
    """Known turns of single joints arrive as the coordinates of the same meaning, to 0.01 degrees."""
    row = _row(hip_r=_about("z", 30), knee_r=[-0.7], ankle_l=_about("z", 12), elbow_l=[0.9], hip_l=_about("x", 10),
               neck=_about("y", 20))
    r = recorded.read(_write(tmp_path / "a.json", [row, row, row]))
    raw = recorded.retarget(recorded.at_times(r, np.array([0, 0.1, 0.2])), fig, 0.1)
    q = np.degrees(raw.q[1])
    d = sk.DOF_INDEX
    assert q[d["hip_flexion_r"]] == pytest.approx(30, abs=0.01)
    assert q[d["knee_angle_r"]] == pytest.approx(np.degrees(0.7), abs=0.01)
    assert q[d["ankle_angle_l"]] == pytest.approx(12, abs=0.01)
    assert q[d["elbow_flexion_l"]] == pytest.approx(np.degrees(0.9), abs=0.01)
    assert abs(q[d["hip_adduction_l"]]) == pytest.approx(10, abs=0.01)
    assert abs(q[d["head_twist"]]) == pytest.approx(20, abs=0.01)


def test_rounds_of_a_cyclic_recording_go_on(tmp_path):
    rows = [_row(0.1, (0.2 * i, 0.8, 0)) for i in range(4)]
    r = recorded.repeat(recorded.read(_write(tmp_path / "a.json", rows, "wrap")), 3)
    assert np.allclose(np.diff(r.root_m[:, 0]), 0.2)
    assert np.allclose(np.diff(r.time_s), 0.1)


def test_something_else_is_no_recording(tmp_path):
    with pytest.raises(ValueError, match="44"):
        recorded.read(_write(tmp_path / "a.json", [[0.1, 1, 2]]))


@pytest.mark.parametrize("name", ["kick", "dance_a", "walk"])
def test_recorded_limbs_point_as_in_the_recording(shared, fig, name):
    """Thighs and upper arms against the recording's own kinematics, the body's own slant taken off: 3 degrees."""
    r = recorded.read(shared / "motions" / f"{name}.json")
    time_s = np.arange(0, r.time_s[-1], 1 / 30)
    moved = recorded.at_times(r, time_s)
    raw = recorded.retarget(moved, fig, 1 / 30)
    q, _ = angles.clamp(raw.q)
    T = feet.fk(q, raw.root_m, fig)
    R = {k: angles.from_opensim(angles.from_quaternion(v)) for k, v in moved.turns.items() if v.ndim == 2}
    turn = T[0, 0, :3, :3] @ sk.REST_FRAMES[0].T @ R["root"][0].T
    for side in "rl":
        for first, second, chain in (("femur", "tibia", ("root", f"hip_{side}")),
                                     ("humerus", "ulna", ("root", "chest", f"shoulder_{side}"))):
            a, b = sk.JOINT_INDEX[f"{first}_{side}"], sk.JOINT_INDEX[f"{second}_{side}"]
            along = T[:, b, :3, 3] - T[:, a, :3, 3]
            rest = fig.joints_m[b] - fig.joints_m[a]
            hang = np.array([0, 0, -1.0]) if first == "humerus" else rest / np.linalg.norm(rest)
            want = np.broadcast_to(hang, along.shape)
            for joint in reversed(chain):
                want = np.einsum("tij,tj->ti", R[joint], want)
            want = want @ turn.T
            cosine = (along * want).sum(-1) / np.linalg.norm(along, axis=-1)
            off = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
            assert np.median(off) < 3, (first, side)


@pytest.mark.parametrize("name", ["jump", "spin"])
def test_hard_recordings_keep_limits_and_floor(shared, fig, name):
    r = recorded.read(shared / "motions" / f"{name}.json")
    time_s = np.arange(0, r.time_s[-1], 1 / 30)
    planted = feet.plant(recorded.retarget(recorded.at_times(r, time_s), fig, 1 / 30), fig, 1 / 30,
                         far_m=recorded.FAR_M)
    assert sk.within_limits(planted.q, 0).all()
    assert feet.sole_points(planted.T_wj, fig)[..., 2].min() > -0.02
    on = planted.contact[1:] & planted.contact[:-1]
    step = np.linalg.norm(np.diff(feet.sole_points(planted.T_wj, fig), axis=0), axis=-1)
    assert on.any() and step[on].max() < 0.012


# --- cameras ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", cameras.KINDS)
def test_cameras_are_rigid_and_see_their_target(kind):
    time_s = np.arange(20) / 10
    eye, target = np.array([0.3, -4.0, 1.5]), np.array([0.0, 0.2, 0.9])
    T = cameras.path(kind, time_s, eye, target, seed=5)
    R = T[:, :3, :3]
    assert np.abs(np.swapaxes(R, 1, 2) @ R - np.eye(3)).max() < 1e-12
    assert np.allclose(np.linalg.det(R), 1)
    px = cameras.project(np.broadcast_to(target, (20, 1, 3)), T, cameras.intrinsics((640, 360), 35))
    assert np.abs(px - [320, 180]).max() < (0.001 if kind in ("static", "crane", "orbit") else 320)
    assert (np.ptp(T, axis=0).max() < 1e-12) == (kind == "static")
    way = T[-1, :3, 3] - T[0, :3, 3]
    if kind == "push":
        assert way[2] == 0 and way @ (target - eye) / np.linalg.norm((target - eye)[:2]) == pytest.approx(1, abs=1e-9)  # m
    if kind == "crane":
        assert way == pytest.approx([0, 0, 0.6], abs=1e-9)
    if kind == "orbit":
        assert np.ptp(np.linalg.norm(T[:, :3, 3] - target, axis=-1)) < 1e-9
        assert np.degrees(np.arccos(np.clip(R[0, :2, 2] @ R[-1, :2, 2] / np.prod(
            [np.linalg.norm(R[i, :2, 2]) for i in (0, -1)]), -1, 1))) == pytest.approx(40, abs=0.01)


def test_focal_length_means_a_36_mm_frame():
    K = cameras.intrinsics((1920, 1080), 36.0)
    assert K[0, 0] == K[1, 1] == 1920 and K[0, 2] == 960 and K[1, 2] == 540


# --- clips and their truth -------------------------------------------------------------------------------------------

def test_truth_follows_from_its_own_coordinates(short, body):
    """q and root_m give T_wj and joints_m by the laws; the world is the take's: 1e-4 m, first look towards +Y."""
    t = clip.truth(short)
    T = laws.forward_kinematics(t["q"].astype(float), t["root_m"].astype(float), t["rest_joints_m"], sk.REST_FRAMES)
    assert np.abs(T - t["T_wj"]).max() < 1e-4
    assert np.abs(t["joints_m"] - t["T_wj"][..., :3, 3]).max() == 0
    assert np.abs(t["root_m"][0, :2]).max() < 1e-5
    ahead = t["T_wc"][0, :3, 2]
    assert abs(ahead[0]) < 1e-5 and ahead[1] > 0
    assert not np.allclose(short.T_ws[:2, :2], np.eye(2), atol=0.01), "the pan should turn the world"
    px = cameras.project(t["keypoints_m"].astype(float), t["T_wc"].astype(float), t["K"].astype(float))
    assert np.abs(px - t["keypoints_px"]).max() < 0.02
    assert (t["keypoints_px"] > 0).all() and (t["keypoints_px"] < t["size_px"]).all()
    assert np.allclose(t["rest_joints_m"], body.joints(t["shape"]), atol=1e-6)


def test_the_same_options_give_the_same_arrays(short, body):
    again = clip.truth(clip.make(short.spec, body))
    assert all(np.array_equal(v, again[k]) for k, v in clip.truth(short).items())


def test_a_frame_of_another_job_is_never_mixed_in(short, body, tmp_path, capsys):
    """One bit of one vertex makes another job; the command refuses a folder that holds another job's frames."""
    arrays = clip.job(short, body)
    own = clip.digest(arrays)
    assert clip.digest(dict(reversed(arrays.items()))) == own
    changed = arrays["vertices_0"].copy()
    changed[0, 0, 0] = np.nextafter(changed[0, 0, 0], np.float32(9))
    assert clip.digest(arrays | {"vertices_0": changed}) != own
    (tmp_path / "job.sha256").write_text(own)
    argv = ["--out", str(tmp_path / "x"), "--frames", str(tmp_path), "--seconds", "0.2", "--blender", "unused"]
    assert cli.main(argv) == 2 and "another clip's" in capsys.readouterr().err
    assert not (tmp_path / "x.npz").exists()


def test_clothes_hang_off_the_body_and_shoes_stand_on_the_floor(body):
    shape = np.zeros(body.n_shape)
    skin = body.vertices(shape)
    worn = clip.dress(body, skin, looks.outfit(13), 13)
    moved = np.linalg.norm(worn - skin, axis=-1)
    covered = np.isin(body.region, [i for i, r in enumerate(body.region_names) if r in ("top", "trousers")])
    inner = np.setdiff1d(body.faces[covered].ravel(), body.faces[~covered].ravel())
    assert 0.004 < np.median(moved[inner]) < 0.02
    face = np.setdiff1d(body.faces[[str(body.region_names[r]) == "eyes" for r in body.region]].ravel(),
                        body.faces[covered].ravel())
    assert moved[face].max() < 1e-9
    assert worn[:, 2].min() > -0.003


def test_boxes_hold_the_people_and_compose_leaves_the_rest(body):
    spec = clip.Spec((clip.Person(body=2, path="line", heading_deg=80),), seconds=0.25)
    made = clip.make(spec, body)
    boxes = clip.boxes(made)
    for box, vertices, T in zip(boxes, made.actors[0].vertices_m, made.T_sc, strict=True):
        px = cameras.project(vertices[None].astype(float), T[None], made.K)[0]
        assert (px > box[:2] + 8).all() and (px < box[2:] - 8).all()
    plate, part = np.full((360, 640, 3), 10, np.uint8), np.full((360, 640, 3), 200, np.uint8)
    whole = encode.compose(plate, part, np.array([100, 50, 300, 360]))
    assert (whole[:50] == 10).all() and (whole[:, :100] == 10).all() and (whole[:, 300:] == 10).all()
    assert (whole[80:, 130:270] == 200).all(), "a side on the picture's edge does not fade"


def test_people_are_read_from_words():
    p = cli.person("motion=walk,path=line,heading=-20,x=0.5,body=3,shape=1:0.5")
    assert p == clip.Person("walk", "line", -20.0, 0.5, body=3, shape=(1.0, 0.5))
    with pytest.raises(cli.argparse.ArgumentTypeError, match="no 'hat'"):
        cli.person("hat=red")


# --- the bench -------------------------------------------------------------------------------------------------------

def _values(rows):
    return {r["name"].partition(": ")[2]: r["value"] for r in rows}


def test_a_perfect_solve_scores_zero(short):
    t = clip.truth(short)
    camera = Camera(t["T_wc"], t["K"], t["distortion"], "static", "user", "height")
    own = rendered.people_of(t)[0]
    motion = {"joints_m": own["joints_m"], "q": own["q"], "contact": own["contact"].astype(np.float32)}
    v = _values(rendered.compare(camera, motion, t, own, "x") + rendered.compare_camera(camera, t, "x"))
    assert v["PA-MPJPE"] < 1e-2 and v["pixel error of the limb joints"] < 1e-3
    assert v["MPJPE in the world, one similarity"] < 1e-2 and v["planted feet, mean per frame"] < 2
    assert v["contacts right"] == 100 and v["frames solved"] == 100 and v["frames with a limit violated"] == 0
    assert v["focal length over the true one"] == pytest.approx(1) and v["up direction off by"] < 0.05


def test_known_errors_score_what_they_are(short):
    """10 % too large: PA 0, world 0, legs 1.1. One knee 60 mm off: 5 mm over twelve joints at most."""
    t = clip.truth(short)
    camera = Camera(t["T_wc"], t["K"], t["distortion"], "static", "user", "height")
    own = rendered.people_of(t)[0]
    motion = {"joints_m": 1.1 * own["joints_m"], "q": own["q"] + 0.1, "contact": 1.0 - own["contact"]}
    v = _values(rendered.compare(camera, motion, t, own, "x"))
    assert v["PA-MPJPE"] < 1e-2 and v["leg length over the true one"] == pytest.approx(1.1, abs=1e-4)
    assert v["knee_angle"] == pytest.approx(np.degrees(0.1), abs=1e-3) and v["contacts right"] == 0
    motion["joints_m"] = own["joints_m"].copy()
    motion["joints_m"][:, sk.JOINT_INDEX["tibia_r"], 2] += 0.06
    v = _values(rendered.compare(camera, motion, t, own, "x"))
    assert 3 < v["PA-MPJPE"] < 10
    assert 0.05 < v["pixel error of the limb joints"] < 100 * 0.06 / 1.5 / 12


def test_people_are_paired_by_nearness():
    a, b = np.zeros((5, 12, 2)), np.full((5, 12, 2), 100.0)
    assert rendered.pair([b + 3, a + 1], [a, b]) == [1, 0]
    assert rendered.pair([b], [a, b]) == [None, 0]
    assert rendered.pair([], [a]) == [None]


def test_what_is_no_truth_is_said(tmp_path):
    np.savez(tmp_path / "a.npz", q=np.zeros(3))
    with pytest.raises(InputError, match="lacks"):
        rendered.read_truth(tmp_path / "a.npz")
    with pytest.raises(InputError, match="not the truth"):
        rendered.read_truth(tmp_path / "b.npz")


# --- the clip that is shipped ----------------------------------------------------------------------------------------

def test_the_sample_and_its_truth_belong_together():
    """Frames, times and size of docs/sample/walk.mp4 are those of its arrays; its coordinates give its joints."""
    import av

    from sinew.bench import SAMPLE

    t = rendered.read_truth(SAMPLE.with_suffix(".npz"))
    assert SAMPLE.stat().st_size < 1_000_000
    with av.open(str(SAMPLE)) as file:
        stream = file.streams.video[0]
        times = [float(f.pts * f.time_base) for f in file.decode(stream)]
        assert (stream.width, stream.height) == tuple(t["size_px"])
        assert stream.average_rate == Fraction(24)
    assert np.abs(np.array(times) - t["time_s"]).max() < 1e-6
    T = laws.forward_kinematics(t["q"].astype(float), t["root_m"].astype(float), t["rest_joints_m"], sk.REST_FRAMES)
    assert np.abs(T - t["T_wj"]).max() < 1e-4
    assert sk.within_limits(t["q"]).all() and t["contact"].any(1).mean() > 0.95
