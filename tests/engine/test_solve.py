"""Solving again by hand on takes of known motion: what is corrected gets right, everything else stays."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import takes

from sinew import solving
from sinew.motion import fit
from sinew.progress import StopRequest
from sinew.solving import local
from sinew.solving.evidence import gather
from sinew.solving.flip import mirrored, other_side
from sinew.solving.notes import after_people, missed
from sinew.solving.rebuild import pelvis_angles, person_of
from sinew.solving.solve import apply, edits_of, failed_flips
from sinew_take import edits, events, laws
from sinew_take import skeleton as sk
from sinew_take import take as take_format
from sinew_take.errors import RequestError, Stopped

KEY = {name: i for i, name in enumerate(sk.MEDIAPIPE_KEYPOINTS)}
RANGE = range(40, 50)


def nothing(done, total):
    pass


def truth(n_frames: int = 90, **options):
    return takes.make_take(n_frames, motion="walk", size_px=(1280, 720), **options)


def pose_of(take, subject: int, q: np.ndarray) -> None:
    """Give a person other coordinates; what follows from them follows."""
    s = take.subjects[subject]
    s.motion["q"] = q.astype(np.float32)
    s.motion["T_wj"] = laws.forward_kinematics(
        q, s.motion["root_m"].astype(float), s.body["rest_joints_m"].astype(float),
        s.body["joint_frames"].astype(float)).astype(np.float32)
    s.motion["joints_m"] = s.motion["T_wj"][:, :, :3, 3].copy()


def error_mm(take, wanted, frames, joint: str | None = None) -> np.ndarray:
    d = np.linalg.norm(take.subjects[0].motion["joints_m"] - wanted.subjects[0].motion["joints_m"], axis=-1) * 1e3
    return (d if joint is None else d[:, [sk.JOINT_INDEX[joint]]])[frames].max(-1)


def flipped(limb: str):
    """A take whose limb points the other way in depth over `RANGE`, and the take that is right."""
    right = truth()
    wrong = truth()
    person = person_of(wrong, wrong.subjects[0])
    pose_of(wrong, 0, mirrored(person.model, person.view, person.state, limb, np.array(RANGE)).q)
    return wrong, right


def test_the_other_crossing_of_a_line_of_sight():
    # Seen from the origin along y: a segment of 5 whose end is 4 deep and 3 across has its twin 4 in front.
    start, end = np.array([[0.0, 10.0, 0.0]]), np.array([[3.0, 14.0, 0.0]])
    eye = np.array([[3.0, -1e9, 0.0]])
    np.testing.assert_allclose(other_side(start, end, eye, end), [[3.0, 6.0, 0.0]], atol=1e-5)
    # A line that passes at 8 misses a segment of 5: the nearest point of the sphere.
    far = other_side(start, start + [[0.0, 3.0, 4.0]], np.array([[8.0, -1e9, 0.0]]), np.array([[8.0, 0.0, 0.0]]))
    np.testing.assert_allclose(far, [[5.0, 10.0, 0.0]], atol=1e-5)


@pytest.mark.parametrize("limb", ["arm_l", "arm_r"])
def test_a_flip_keeps_the_picture_and_turns_the_depth(limb):
    take = truth(60)
    person = person_of(take, take.subjects[0])
    rows = np.arange(10, 50)
    new = mirrored(person.model, person.view, person.state, limb, rows)
    before, after = (fit.pose(person.model.skeleton, s.shape, s.pelvis, s.q, s.root_m).centre
                     for s in (person.state, new))
    j, e = (sk.JOINT_INDEX[name + limb[-2:]] for name in ("ulna", "hand"))
    eye = take.shot["T_wc"][0, :3, 3].astype(float)

    def px(x):
        return takes.project(x[rows], {k: v[rows] for k, v in take.shot.items()})

    held = np.linalg.norm(px(after)[:, [j, e]] - px(before)[:, [j, e]], axis=-1)
    assert np.median(held) < 2.0, "px of 1280: the flipped arm looks the same, but for the limits"
    deeper = np.linalg.norm(after[rows, e] - eye, axis=-1) - np.linalg.norm(before[rows, e] - eye, axis=-1)
    assert np.median(np.abs(deeper)) > 0.1, "m"
    np.testing.assert_array_equal(new.q[:10], person.state.q[:10])
    assert ((new.q[:, 3:] >= sk.LOW[3:]) & (new.q[:, 3:] <= sk.HIGH[3:])).all()


def test_the_cost_has_the_gradient_it_says():
    take = truth(12)
    person = person_of(take, take.subjects[0])
    rng = np.random.default_rng(3)
    state = person.state
    moved = fit.State(state.pelvis, state.q + rng.normal(0, 0.02, state.q.shape), state.root_m + 0.01, state.shape)
    pins = [(2, KEY["wrist_l"], np.array([640.0, 300.0])), (5, KEY["knee_r"], np.array([640.0, 500.0]))]
    problem = local.Corrected(pins, 1.4, state, np.linspace(0, 5, 12), rng.normal(0, 3, (12, 49)), model=person.model,
                              seen=person.seen, view=person.view, weights=fit.Weights(),
                              ground=fit.Ground(np.full((12, 4), 0.3)))
    gradient = problem.normal(moved).gradient
    for t, c in ((2, 0), (2, 2), (2, 1), (2, sk.DOF_INDEX["elbow_flexion_l"]), (5, sk.DOF_INDEX["hip_flexion_r"]),
                 (8, 47), (11, sk.DOF_INDEX["lumbar_twist"])):
        step = np.zeros((12, 49))
        step[t, c] = 1e-6
        up, down = (problem.cost(fit._move(moved, sign * step, np.zeros(0)))[0] for sign in (1, -1))
        assert (up - down) / 4e-6 == pytest.approx(gradient[t, c], rel=2e-4, abs=1e-2)


def test_a_pin_moves_the_limb_and_nothing_far():
    right = truth(n_subjects=2)
    take = truth(n_subjects=2)
    place = right.subjects[0].motion["keypoints_px"][45, KEY["wrist_l"], :2] + [40.0, -30.0]
    new, notes, changed = apply(take, [edits.Pin("s1", 45, "wrist_l", *map(float, place))], nothing)
    assert changed == {"s1"} and not notes
    person = person_of(new, new.subjects[0])
    p = fit.pose(person.model.skeleton, person.state.shape, person.state.pelvis, person.state.q, person.state.root_m)
    wrist = person.model.keypoints.positions(p, person.state.shape)[:, [KEY["wrist_l"]]]
    assert np.linalg.norm(takes.project(wrist, new.shot)[45, 0] - place) < 3.0, "px"
    moved = error_mm(new, right, slice(None))
    assert moved[45] > 60 and 5 < moved[43] < moved[45] and 5 < moved[47] < moved[45]
    far = np.abs(np.arange(90) - 45) / 29.97 > 0.75 + 0.2
    assert moved[np.abs(np.arange(90) - 45) > 15].max() < 1.0, "mm: half a second away nothing moves"
    for name, value in take.subjects[0].motion.items():
        np.testing.assert_array_equal(value[far], new.subjects[0].motion[name][far])
    assert new.subjects[1] is take.subjects[1] and new.shot is take.shot
    assert sk.within_limits(new.subjects[0].motion["q"]).all()
    s = new.subjects[0]
    np.testing.assert_allclose(laws.forward_kinematics(
        s.motion["q"].astype(float), s.motion["root_m"].astype(float), s.body["rest_joints_m"].astype(float),
        s.body["joint_frames"].astype(float)), s.motion["T_wj"], atol=1e-5)


def test_pins_put_right_what_was_detected_wrong():
    right, take = truth(), truth()
    take.subjects[0].motion["keypoints_px"][36:56, KEY["wrist_r"], 0] += 60
    take.subjects[0].motion["keypoints_px"][36:56, KEY["elbow_r"], 0] += 30
    # What a solve makes of it, so that the take stands where its detections are.
    person = person_of(take, take.subjects[0])
    believed = fit.minimise(fit.Problem(person.model, person.seen, person.view, fit.Weights(), solve_shape=False),
                            person.state, 20, 1e-4).state
    q = believed.q.copy()
    q[:, :3] = pelvis_angles(person.model, believed.pelvis, q[:, :3])
    take.subjects[0].motion["root_m"] = believed.root_m.astype(np.float32)
    pose_of(take, 0, q)
    before = error_mm(take, right, slice(36, 56), "hand_r").mean()
    where = right.subjects[0].motion["keypoints_px"]
    pins = [edits.Pin("s1", t, f"{name}_r", *map(float, where[t, KEY[f"{name}_r"], :2]))
            for t in (36, 45, 55) for name in ("wrist", "elbow")]
    new, _, _ = apply(take, pins, nothing)
    after = error_mm(new, right, slice(36, 56), "hand_r").mean()
    assert before > 60 and after < 0.55 * before, f"{before:.0f} -> {after:.0f} mm with three pinned frames of twenty"


@pytest.mark.parametrize("limb", ["arm_l", "arm_r"])
def test_flipping_a_flipped_arm_puts_it_right(limb):
    take, right = flipped(limb)
    hand = f"hand{limb[-2:]}"
    before = error_mm(take, right, RANGE, hand)
    new, notes, _ = apply(take, [edits.Flip("s1", limb, RANGE.start, RANGE.stop)], nothing)
    after = error_mm(new, right, RANGE, hand)
    assert not notes and before.max() > 150 and after.mean() < 0.35 * before.mean(), f"{before} -> {after} mm"
    assert error_mm(new, right, np.r_[0:25, 65:90]).max() < 1.0


def test_a_limb_that_did_not_flip_is_said():
    take = truth(12)
    person = person_of(take, take.subjects[0])
    assert failed_flips(person, person.state, [edits.Flip("s1", "leg_l", 4, 8)]) == [
        "Person 1: the other side of leg_l in frames 4 to 7 is where it already is, or the limits do not let it get "
        "there; nothing was flipped."]


def test_a_limb_that_went_back_halfway_is_said():
    wrong, _ = flipped("arm_l")
    person = person_of(wrong, wrong.subjects[0])
    flip = edits.Flip("s1", "arm_l", RANGE.start, RANGE.stop)
    there = mirrored(person.model, person.view, person.state, "arm_l", np.array(RANGE))

    def part_of_the_way(share):
        return replace(person.state, q=(1 - share) * person.state.q + share * there.q)

    assert failed_flips(person, part_of_the_way(1.0), [flip]) == []
    (said,) = failed_flips(person, part_of_the_way(0.25), [flip])
    assert re.fullmatch(r"Person 1: arm_l in frames 40 to 49 went \d+% of the way to the other side only; flip other "
                        r"frames, or pin its joints\.", said)


def test_wrong_frames_are_filled_by_time():
    right, take = truth(), truth()
    q = take.subjects[0].motion["q"].astype(float)
    rng = np.random.default_rng(0)
    q[40:45, 3:] += rng.normal(0, 0.5, (5, 43))
    pose_of(take, 0, np.clip(q, sk.LOW, sk.HIGH))
    take.subjects[0].motion["keypoints_px"][40:45, :, :2] += rng.normal(0, 60, (5, 33, 2)).astype(np.float32)
    before = error_mm(take, right, slice(40, 45))
    new, _, _ = apply(take, [edits.Wrong("s1", 40, 45)], nothing)
    after = error_mm(new, right, slice(40, 45))
    assert before.max() > 200 and after.max() < 60, f"{before} -> {after} mm"
    motion = new.subjects[0].motion
    assert (motion["source"][40:45] == 1).all() and (motion["confidence"][40:45] == 0).all()
    assert (motion["source"][:40] == 0).all() and (motion["source"][45:] == 0).all()
    at_the_end, _, _ = apply(truth(), [edits.Wrong("s1", 85, 90)], nothing)
    assert (at_the_end.subjects[0].motion["source"][85:] == 2).all(), "nothing follows: a guess"


def test_edits_add_up_and_the_same_edit_counts_once():
    take = truth()
    first = [edits.Flip("s1", "arm_l", 60, 70)]
    one, _, _ = apply(take, first, nothing)
    pin = edits.Pin("s1", 20, "wrist_r", 700.0, 300.0)
    two, _, changed = apply(one, [*first, pin], nothing)
    assert edits_of(two) == [*first, pin] and changed == {"s1"}
    assert two.meta["producer"]["solved_from"] == one.id and two.shot_id == take.shot_id and two.id != one.id
    np.testing.assert_array_equal(two.subjects[0].motion["q"][60:70], one.subjects[0].motion["q"][60:70])
    three, notes, changed = apply(two, [pin], nothing)
    assert not changed and notes == ["The take already follows these edits; its motion is as it was."]


def test_an_out_of_reach_pin_is_said_and_breaks_nothing():
    take = truth()
    # Farther apart than any arm is long: one wrist beyond the picture's left edge, its elbow beyond the right one.
    pins = [edits.Pin("s1", 45, "wrist_l", -600.0, -300.0), edits.Pin("s1", 45, "elbow_l", 1800.0, 900.0)]
    new, notes, _ = apply(take, pins, nothing)
    assert any("Person 1: the pinned wrist_l of frame 45 is missed by" in n for n in notes)
    motion = new.subjects[0].motion
    assert np.isfinite(motion["q"]).all() and sk.within_limits(motion["q"]).all()
    assert error_mm(new, take, np.r_[0:22, 68:90]).max() < 1.0


def test_a_pin_that_takes_the_whole_person_along_is_said_until_it_is_put_right():
    take = truth()
    place = take.subjects[0].motion["keypoints_px"][45, KEY["ankle_r"], :2]
    take.meta["notes"] = ["No height was given."]
    bad, notes, _ = apply(take, [edits.Pin("s1", 45, "ankle_r", 1270.0, 10.0)], nothing)
    moved = np.linalg.norm(bad.subjects[0].motion["root_m"] - take.subjects[0].motion["root_m"], axis=1).max()
    said = (f"Person 1: the pins of frame 45 moved the whole body by {moved:.1f} m; check that they are on the right joint "
            "and person.")
    assert moved > 0.3 and notes == [said]
    far, _, _ = apply(bad, [edits.Wrong("s1", 2, 3)], nothing)
    assert far.meta["notes"] == ["No height was given.", said], "the pin is still in force"
    far.meta["notes"].append(missed("Person 1", "ankle_r", 45, 497.0))
    good, notes, _ = apply(far, [edits.Pin("s1", 45, "ankle_r", *map(float, place))], nothing)
    assert not notes and good.meta["notes"] == ["No height was given."]


def test_a_pin_that_asks_for_a_jump_is_reached():
    """An elbow 72 px away for one frame: a fifth of a metre there and back in two thirtieths of a second."""
    take = truth()
    place = take.subjects[0].motion["keypoints_px"][45, KEY["elbow_l"], :2] + [60, 40]
    _, notes, _ = apply(take, [edits.Pin("s1", 45, "elbow_l", *map(float, place))], nothing)
    assert notes == []


def test_that_a_take_follows_its_edits_is_said_of_it_alone():
    wrong, other = edits.Wrong("s1", 30, 32), edits.Wrong("s1", 60, 62)
    one, _, _ = apply(truth(), [wrong], nothing)
    same, notes, _ = apply(one, [wrong], nothing)
    assert notes and same.meta["notes"] == notes
    more, _, _ = apply(same, [other], nothing)
    assert more.meta["notes"] == []


def test_an_earlier_flip_is_said_to_be_in_the_take_and_not_in_the_file():
    take = truth(12)
    take.meta["producer"] = {"edits": edits.as_data([edits.Flip("s1", "arm_l", 4, 8)])}
    new = edits.parse({"format": edits.FORMAT, "version": [1, 0], "edits": [
        {"kind": "rename", "subject": "s1", "name": "Anna"},
        {"kind": "flip", "subject": "s1", "limb": "arm_l", "start": 6, "end": 10}]})
    with pytest.raises(RequestError, match=r"^Edit 2 \(flip\): arm_l of s1 is flipped in the take already, in frames 4 to 7"):
        apply(take, new, nothing)


def test_a_frame_without_the_person_has_no_row():
    take = truth(absent=(50, 60))
    person = person_of(take, take.subjects[0])
    assert person.frames[person.row(60)] == 60
    for frame in (-1, 50, 59, 90):
        with pytest.raises(ValueError, match=f"s1 is not present in frame {frame}"):
            person.row(frame)


def test_notes_on_people_who_are_gone_go():
    said = ["No height was given.", "Anna: hardly a planted foot was seen.", "Anna Lena: seen in only 3 frame(s).",
            "Anna hides Bo in 9 frames and was solved farther away in 80% of them.",
            "Bo hides Anna Lena in 9 frames and was solved farther away in 80% of them.", "Bo: filled.", "Bo has measures."]
    before = {"s1": "Anna", "s2": "Anna Lena", "s3": "Bo"}
    assert after_people(said, before, before, set()) == said
    assert after_people(said, before, {"s2": "Eve", "s3": "Bo"}, set()) == [
        said[0], "Eve: seen in only 3 frame(s).", said[4].replace("Anna Lena", "Eve"), *said[5:]]
    assert after_people(said, before, {"s1": "Anna", "s3": "Ida"}, {"s3"}) == [
        said[0], said[1], said[3].replace("Bo", "Ida"), "Ida has measures."]


def test_the_camera_moves_the_lens_bends_and_people_come_and_go():
    take = truth(moving_camera=True, distortion=(-0.1, 0.02, 1e-3, -1e-3, 0.0), absent=(50, 70))
    place = take.subjects[0].motion["keypoints_px"][45, KEY["ankle_r"], :2] + [15.0, 5.0]
    new, _, _ = apply(take, [edits.Pin("s1", 45, "ankle_r", *map(float, place))], nothing)
    person = person_of(new, new.subjects[0])
    p = fit.pose(person.model.skeleton, person.state.shape, person.state.pelvis, person.state.q, person.state.root_m)
    x = person.model.keypoints.positions(p, person.state.shape)
    shot = {k: v[person.frames] for k, v in new.shot.items()}
    assert np.linalg.norm(takes.project(x, shot)[45, KEY["ankle_r"]] - place) < 3.0
    assert np.isnan(new.subjects[0].motion["q"][50:70]).all()
    np.testing.assert_array_equal(new.subjects[0].motion["q"][70:], take.subjects[0].motion["q"][70:])


def test_windows_reach_as_far_as_they_say_and_stay_in_their_run():
    take = truth(absent=(50, 60))
    person = person_of(take, take.subjects[0])
    own = [edits.Pin("s1", 5, "nose", 640.0, 100.0), edits.Wrong("s1", 47, 49)]
    found = local.windows(person, gather(person, own, own, (1280, 720), 0.4).core)
    assert [(person.frames[w.rows[0]], person.frames[w.rows[-1]]) for w in found] == [(0, 49)], "not past the gap"
    own = [edits.Wrong("s1", 70, 71)]
    (one,) = local.windows(person, gather(person, own, own, (1280, 720), 0.4).core)
    assert person.frames[one.rows[~one.frozen]].tolist() == list(range(60, 90))
    take = truth()
    person = person_of(take, take.subjects[0])
    (one,) = local.windows(person, gather(person, own, own, (1280, 720), 0.4).core)
    solved = person.seen.time_s[one.rows[~one.frozen]] - person.seen.time_s[70]
    assert -0.75 <= solved[0] < -0.7 and one.frozen.tolist()[:3] == [True, True, False]


def test_a_body_that_is_not_the_free_one_is_corrected_on_its_own_bones():
    take = truth(body="box", tilt_frames_deg=4.0)
    assert take.subjects[0].info["body"] == "box"
    k = KEY["wrist_l"]
    person = person_of(take, take.subjects[0])
    p = fit.pose(person.model.skeleton, person.state.shape, person.state.pelvis, person.state.q, person.state.root_m)
    np.testing.assert_allclose(p.centre, take.subjects[0].motion["joints_m"], atol=1e-5)
    before = takes.project(person.model.keypoints.positions(p, person.state.shape), take.shot)[45, k]
    new, notes, _ = apply(take, [edits.Pin("s1", 45, "wrist_l", *map(float, before + [30.0, -20.0]))], nothing)
    person = person_of(new, new.subjects[0])
    p = fit.pose(person.model.skeleton, person.state.shape, person.state.pelvis, person.state.q, person.state.root_m)
    after = takes.project(person.model.keypoints.positions(p, person.state.shape), new.shot)[45, k]
    assert not notes and np.linalg.norm(after - before - [30.0, -20.0]) < 3.0, "px"
    take.subjects[0].extra = {"corrective_weight": np.zeros((90, 2), np.float32)}
    _, notes, _ = apply(take, [edits.Wrong("s1", 45, 46)], nothing)
    assert notes == ["Person 1: the body's pose correctives are those of before in the frames that were solved again; "
                     "they need the model files of a reconstruction."]
    np.testing.assert_array_equal(new.subjects[0].body["joint_frames"], take.subjects[0].body["joint_frames"])


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_take_stands_beside_the_old(tmp_path):
    old = takes.take.write(truth(n_subjects=2, n_splats=50), tmp_path / "old")
    before = files_of(old)
    path = edits.write([edits.Pin("s2", 45, "wrist_l", 900.0, 300.0)], tmp_path / "e.json")
    told = []
    result = solving.solve(solving.Request(old, path, tmp_path / "new"), told.append, StopRequest())
    after = files_of(result.take)
    assert files_of(old) == before
    assert {k for k in before if before[k] != after[k]} == {"take.json", "subjects/s2/motion.npz"}
    assert set(after) == set(before)
    new = take_format.read(result.take)
    assert edits_of(new) == edits.read(path) and new.id != json.loads(before["take.json"])["id"]
    assert isinstance(told[0], events.Started) and isinstance(told[-1], events.Finished)
    shares = [e.fraction for e in told if isinstance(e, events.Progress)]
    assert shares == sorted(shares) and shares[-1] == 1.0
    with pytest.raises(RequestError, match="already exists; choose another --out, takes are never overwritten"):
        solving.solve(solving.Request(old, path, tmp_path / "new"), told.append, StopRequest())


def test_no_take_is_written_into_the_take_it_comes_from(tmp_path):
    old = takes.take.write(truth(12), tmp_path / "old")
    before = files_of(old)
    path = edits.write([edits.Wrong("s1", 3, 4)], tmp_path / "e.json")
    for out in (old / "inner", old / "subjects" / "inner", tmp_path / "other" / ".." / "old" / "inner"):
        with pytest.raises(RequestError, match="lies inside the take, and takes are never changed; choose another --out"):
            solving.solve(solving.Request(old, path, out), [].append, StopRequest())
    assert files_of(old) == before


def test_old_takes_and_edits_that_leave_nothing_are_one_sentence(tmp_path):
    take = truth()
    take.subjects[0].track = None
    with pytest.raises(RequestError, match="did not keep what it had detected; reconstruct the clip again"):
        apply(take, [edits.Wrong("s1", 3, 4)], nothing)
    with pytest.raises(RequestError, match="Frames 0 to 89 of s1 are all marked wrong, which leaves nothing"):
        apply(truth(), [edits.Wrong("s1", 0, 90)], nothing)


def test_a_stop_leaves_nothing(tmp_path):
    old = takes.take.write(truth(), tmp_path / "old")
    path = edits.write([edits.Wrong("s1", 30, 40)], tmp_path / "e.json")

    def report(event):
        if isinstance(event, events.Progress) and event.done > 0:
            raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        solving.solve(solving.Request(old, path, tmp_path / "new"), report, StopRequest())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.json", "old"]
