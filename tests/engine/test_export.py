"""Every export read back by a reader of its own here, in the units that it claims."""

import re

import numpy as np
import pytest
import takes

from sinew import cli
from sinew.body.smpl_joints import I as SMPL
from sinew.body.smplx_motion import generic_rest, smpl_forward
from sinew.export import EXTENSIONS, export, plan, plot
from sinew.export.even import even
from sinew_take import skeleton as sk
from sinew_take.errors import RequestError, Stopped


@pytest.fixture(scope="module")
def take():
    return takes.make_take(40, n_subjects=2, motion="walk")


def read_mot(path) -> tuple[dict, list[str], np.ndarray]:
    """By OpenSim's manual: a name, key=value lines until "endheader", a line of labels, rows."""
    lines = path.read_text().split("\n")
    end = lines.index("endheader")
    header = dict(line.split("=") for line in lines[1:end])
    labels = lines[end + 1].split("\t")
    return header, labels, np.array([[float(v) for v in line.split("\t")] for line in lines[end + 2:] if line])


def test_mot_is_read_back_in_degrees(take, tmp_path):
    header, labels, rows = read_mot(export(take, tmp_path / "a.mot", "s2"))
    assert header == {"version": "1", "nRows": "40", "nColumns": "50", "inDegrees": "yes"}
    assert labels[:8] == ["time", "pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz",
                          "hip_flexion_r"]
    assert sorted(labels) == sorted(["time", "pelvis_tx", "pelvis_ty", "pelvis_tz", *sk.DOF_NAMES])
    motion = take.subjects[1].motion
    for dof in sk.DOFS:
        assert np.abs(rows[:, labels.index(dof.name)] - np.degrees(motion["q"][:, dof.index])).max() < 1e-3
    # Forward is our -y, up our z, right our -x (the person of the rest pose faces -y with its left at +x).
    x, y, z = motion["root_m"].T
    np.testing.assert_allclose(rows[:, 4:7], np.stack([-y, z, -x], 1), atol=2e-6)
    np.testing.assert_allclose(rows[:, 0], take.shot["time_s"], atol=1e-6)


def read_trc(path) -> tuple[list[str], list[str], np.ndarray]:
    lines = path.read_text().split("\n")
    names = [name for name in lines[3].split("\t")[2:] if name]
    return lines[2].split("\t"), names, np.array([[float(v) for v in line.split("\t")] for line in lines[6:] if line])


def test_trc_holds_the_joints_in_millimetres(take, tmp_path):
    head, names, rows = read_trc(export(take, tmp_path / "a.trc"))
    assert names == list(sk.JOINT_NAMES) and head[2:5] == ["40", "24", "mm"]
    x, y, z = np.moveaxis(take.subjects[0].motion["joints_m"], -1, 0) * 1000
    np.testing.assert_allclose(rows[:, 2:].reshape(40, 24, 3), np.stack([-y, z, -x], -1), atol=0.01)


def read_bvh(path) -> tuple[list[str], np.ndarray, float]:
    """Names, places (T, J, 3) and frame time: offsets, then channels in the order of the file, each times the next."""
    words = path.read_text().split()
    names, parents, offsets, channels, stack = [], [], [], [], []
    i = 0
    while words[i] != "MOTION":
        if words[i] in ("ROOT", "JOINT"):
            parents.append(stack[-1] if stack else -1)
            names.append(words[i + 1])
            stack.append(len(names) - 1)
            i += 3
        elif words[i] == "End":
            stack.append(-2)
            i += 3
        elif words[i] == "OFFSET":
            if stack[-1] >= 0:
                offsets.append([float(v) for v in words[i + 1:i + 4]])
            i += 4
        elif words[i] == "CHANNELS":
            n = int(words[i + 1])
            channels.append(words[i + 2:i + 2 + n])
            i += 2 + n
        elif words[i] == "}":
            stack.pop()
            i += 1
        else:
            i += 1
    n_frames, frame_time = int(words[i + 2]), float(words[i + 5])
    values = np.array([float(v) for v in words[i + 6:]]).reshape(n_frames, -1)
    out = np.zeros((n_frames, len(names), 3))
    turn = np.zeros((n_frames, len(names), 3, 3))
    for t, row in enumerate(values):
        at = 0
        for j, own in enumerate(channels):
            local, place = np.eye(3), np.array(offsets[j])
            for name in own:
                value = row[at]
                at += 1
                axis = "XYZ".index(name[0])
                if name.endswith("position"):
                    place[axis] = value
                    continue
                c, s = np.cos(np.radians(value)), np.sin(np.radians(value))
                one = np.eye(3)
                a, b = (axis + 1) % 3, (axis + 2) % 3
                one[a, a], one[a, b], one[b, a], one[b, b] = c, -s, s, c
                local = local @ one
            up = parents[j]
            turn[t, j] = local if up < 0 else turn[t, up] @ local
            out[t, j] = place if up < 0 else out[t, up] + turn[t, up] @ place
    return names, out, frame_time


@pytest.mark.parametrize("motion", ["walk", "random"])
def test_bvh_places_every_joint(tmp_path, motion):
    take = takes.make_take(25, motion=motion, tilt_frames_deg=8.0)
    path = export(take, tmp_path / "a.bvh")
    names, places, frame_time = read_bvh(path)
    assert sorted(names) == sorted(sk.JOINT_NAMES) and names[0] == "pelvis"
    assert frame_time == pytest.approx(1001 / 30000, abs=1e-8)
    wanted = take.subjects[0].motion["joints_m"][:, [sk.JOINT_INDEX[n] for n in names]]
    x, y, z = np.moveaxis(wanted, -1, 0)
    assert np.linalg.norm(places / 100 - np.stack([x, z, -y], -1), axis=-1).max() < 5e-4, "m"
    text = path.read_text()
    assert text.count("CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation") == 6
    assert text.count("CHANNELS 3 Zrotation Xrotation Yrotation") == 18 and text.count("End Site") == 5
    angles = np.array([[float(v) for v in line.split()] for line in text.split("Frame Time")[1].split("\n")[1:] if line])
    if motion == "walk":
        assert np.abs(np.diff(angles, axis=0)).max() < 60, "degrees from frame to frame: no jumps"


def test_npz_is_smplx_in_the_layout_of_amass(take, tmp_path):
    path = export(take, tmp_path / "a.npz")
    with np.load(path, allow_pickle=False) as data:
        found = {name: data[name] for name in data.files}
    assert found["poses"].shape == (40, 165) and found["trans"].shape == (40, 3) and found["betas"].shape == (16,)
    assert str(found["surface_model_type"]) == "smplx" and str(found["gender"]) == "neutral"
    assert float(found["mocap_frame_rate"]) == pytest.approx(30000 / 1001)
    np.testing.assert_array_equal(np.concatenate([found[n] for n in ("root_orient", "pose_body", "pose_jaw", "pose_eye",
                                                                     "pose_hand")], 1), found["poses"])
    # SMPL's own kinematics on our rest pose put the limbs where ours are, against the pelvis.
    from sinew.geometry import rotations as rot

    subject = take.subjects[0]
    rest = generic_rest(subject.body["rest_joints_m"])
    local = rot.exp(found["poses"].reshape(40, 55, 3)[:, :22].astype(float))
    place = smpl_forward(local, np.zeros((40, 3)), rest)[1]
    joints = subject.motion["joints_m"]
    for theirs, ours in (("knee_l", "tibia_l"), ("ankle_r", "talus_r")):
        hip = theirs.replace("knee", "hip").replace("ankle", "hip")
        femur = "femur" + ours[-2:]
        a = place[:, SMPL[theirs]] - place[:, SMPL[hip]]
        b = joints[:, sk.JOINT_INDEX[ours]] - joints[:, sk.JOINT_INDEX[femur]]
        assert np.linalg.norm(a - b, axis=1).max() < 0.02, "m"


def test_a_plot_has_a_page_for_each_person(take, tmp_path):
    path = export(take, tmp_path / "a.pdf")
    assert len(re.findall(rb"/Type /Page\b", path.read_bytes())) == 3, "two people and the world"
    assert export(take, tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_a_plot_shows_every_angle_in_degrees_with_its_limits(take):
    one = takes.make_take(40, motion="walk")
    subject = one.subjects[0]
    subject.motion["source"][10:14, sk.JOINT_INDEX["tibia_r"]] = 1
    figure = plot.page(one, subject)
    axes = {axis.get_title(): axis for axis in figure.axes}
    shown = plot.panels()
    assert sorted(d for _, *both in shown for d in both if d is not None) == list(range(46)), "each coordinate once"
    knee = axes["knee angle"]
    right, left = knee.lines
    np.testing.assert_allclose(right.get_ydata(), np.degrees(subject.motion["q"][:, sk.DOF_INDEX["knee_angle_r"]]),
                               atol=1e-4)
    np.testing.assert_allclose(left.get_ydata(), np.degrees(subject.motion["q"][:, sk.DOF_INDEX["knee_angle_l"]]),
                               atol=1e-4)
    assert (right.get_linestyle(), left.get_linestyle()) == ("-", "--")
    boxes = [p.get_window_extent().transformed(knee.transData.inverted()) for p in knee.patches]
    assert any(abs(b.y1) < 1e-6 and b.y0 < 0 for b in boxes), "below 0 degrees is shaded: the knee's limit"
    step = 1001 / 30000
    assert any(abs(b.x0 - 9.5 * step) < 1e-3 and abs(b.x1 - 13.5 * step) < 1e-3 for b in boxes), "filled frames"
    shoulder = axes["shoulder x"].lines[1].get_ydata()
    sign = sk.DOFS[sk.DOF_INDEX["shoulder_l_x"]].mirror_sign
    np.testing.assert_allclose(shoulder, sign * np.degrees(subject.motion["q"][:, sk.DOF_INDEX["shoulder_l_x"]]),
                               atol=1e-4)


def test_the_last_page_shows_the_world_from_above():
    one = takes.make_take(40, motion="walk", absent=(20, 30))
    subject = one.subjects[0]
    subject.info["name"] = "Ada"
    above, heights = plan.page(one, [subject]).axes
    way = next(line for line in above.lines if line.get_label() == "Ada")
    np.testing.assert_allclose(np.c_[way.get_xdata(), way.get_ydata()], subject.motion["root_m"][:, :2], atol=1e-6)
    camera = next(line for line in above.lines if line.get_label() == "camera")
    np.testing.assert_allclose(np.c_[camera.get_xdata(), camera.get_ydata()], one.shot["T_wc"][:, :2, 3], atol=1e-6)
    pelvis = next(line for line in heights.lines if line.get_label() == "Ada: pelvis")
    np.testing.assert_allclose(pelvis.get_ydata(), subject.motion["root_m"][:, 2], atol=1e-6)


def test_uneven_times_are_resampled_and_gaps_kept(tmp_path):
    take = takes.make_take(60, motion="walk", is_variable_rate=True, absent=(20, 30))
    header, labels, rows = read_mot(export(take, tmp_path / "a.mot"))
    time, motion = take.shot["time_s"], take.subjects[0].motion
    step = np.diff(rows[:, 0])
    regular = np.isclose(step, 1001 / 30000, atol=2e-6)
    assert (~regular).sum() == 1 and step.max() > 9 / 30, "even but for the gap"
    for name in ("knee_angle_r", "pelvis_rotation"):
        wanted = np.degrees(motion["q"][:, sk.DOF_INDEX[name]].astype(float))
        for part in (slice(0, 20), slice(30, 60)):
            inside = (rows[:, 0] >= time[part][0]) & (rows[:, 0] <= time[part][-1])
            assert inside.sum() > 15
            got = rows[inside][:, labels.index(name)]
            assert np.abs(got - np.interp(rows[inside, 0], time[part], wanted[part])).max() < 1e-3
    # BVH has no gaps: the pose is held.
    _, places, _ = read_bvh(export(take, tmp_path / "a.bvh"))
    assert np.isfinite(places).all()
    with np.load(export(take, tmp_path / "a.npz"), allow_pickle=False) as data:
        assert np.isfinite(data["poses"]).all() and 5 < data["is_filled"].sum() < 15


def test_csv_has_empty_cells_where_nobody_is(tmp_path):
    take = takes.make_take(10, absent=(3, 5))
    lines = export(take, tmp_path / "a.csv").read_text().strip().split("\n")
    assert lines[0].split(",")[:2] == ["time_s", "pelvis_tilt_deg"] and len(lines) == 11
    assert set(lines[4].split(",")[1:]) == {""} and "" not in lines[6].split(",")


@pytest.mark.parametrize(("name", "subject", "sentence"), [
    ("a.xyz", None, r"a.xyz has no extension that Sinew can write; use one of .csv, .mot, .trc, .bvh, .npz, .pdf"),
    ("a.bvh", "s9", r"The take holds no subject 's9'; it has s1, s2"),
    ("no/where/a.csv", None, r"cannot be written .*choose another place"),
    ("no/where/a.npz", None, r"cannot be written .*choose another place"),
    ("no/where/a.pdf", None, r"cannot be written .*choose another place"),
    ("there.mot", None, r"there.mot already exists; choose another name"),
])
def test_what_cannot_be_written_is_one_sentence(take, tmp_path, name, subject, sentence):
    (tmp_path / "there.mot").write_text("mine")
    with pytest.raises(RequestError, match=sentence) as caught:
        export(take, tmp_path / name, subject)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["there.mot"] and (tmp_path / "there.mot").read_text() == "mine"


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_a_person_in_no_frame_is_said(tmp_path, kind):
    take = takes.make_take(6, absent=(0, 6))
    with pytest.raises(RequestError, match="s1 is in no frame of the take; choose another person"):
        export(take, tmp_path / f"a{kind}")
    assert not list(tmp_path.iterdir())


def test_times_at_another_rate_than_the_clips_are_resampled():
    take = takes.make_take(90, motion="walk")
    time_s = take.shot["time_s"]
    take.shot["time_s"] = time_s * 1.03  # each step within a tenth, all of them 2.7 frames
    rows = even(take, take.subjects[0])
    assert rows.is_resampled and len(rows.time_s) == 92
    np.testing.assert_allclose(np.diff(rows.time_s), 1001 / 30000, atol=1e-9)
    take.shot["time_s"] = np.round(time_s, 3)  # as Matroska has them
    assert not even(take, take.subjects[0]).is_resampled


@pytest.mark.parametrize(("info", "gender"), [
    ({"body": "smplx", "model": {"gender": "female"}}, "female"), ({"body": "smplx"}, "neutral"),
    ({"body": "smplx", "model": {"gender": "neutral"}}, "neutral"),
    ({"body": "skel", "model": {"gender": "male"}}, "neutral")])
def test_npz_names_the_gender_of_the_persons_own_model(tmp_path, info, gender):
    take = takes.make_take(6)
    take.subjects[0].info.update(info)
    with np.load(export(take, tmp_path / "a.npz"), allow_pickle=False) as data:
        assert str(data["gender"]) == gender


def test_names_are_drawn_as_they_are(take, tmp_path):
    one = takes.make_take(6)
    one.meta["source"]["name"] = "a$\\frac$b_$5_and_$6.mp4"
    one.subjects[0].info["name"] = "_$\\frac$"
    assert export(one, tmp_path / "a.pdf").stat().st_size and export(one, tmp_path / "a.svg").stat().st_size
    above, heights = plan.page(one, one.subjects).axes
    assert [t.get_text().strip() for t in above.get_legend().get_texts()] == ["camera", "_$\\frac$"]
    assert "_$\\frac$: pelvis" in [t.get_text().strip() for t in heights.get_legend().get_texts()]


def test_a_source_named_over_several_lines_stays_on_one(tmp_path):
    take = takes.make_take(6)
    take.meta["source"]["name"] = "a\nb\tc.mp4"
    lines = export(take, tmp_path / "a.trc").read_text().split("\n")
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\ta b c.mp4" and lines[1].startswith("DataRate")
    assert export(take, tmp_path / "a.mot").read_text().startswith("a b c.mp4 ")


def test_a_name_as_long_as_names_can_be(take, tmp_path):
    name = "n" * 251 + ".csv"
    assert export(take, tmp_path / name).name == name
    with pytest.raises(RequestError, match="cannot be written .*choose another place"):
        export(take, tmp_path / f"n{name}")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("kind", "looks"), [(".csv", 1), (".pdf", 3)])
def test_an_export_that_is_stopped_leaves_nothing(take, tmp_path, kind, looks):
    asked = []

    def check():
        asked.append([p.name for p in tmp_path.iterdir()])
        if len(asked) == looks:
            raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        export(take, tmp_path / f"a{kind}", check=check)
    assert len(asked) == looks and len(asked[-1]) == 1, "it was being written"
    assert not list(tmp_path.iterdir())


def test_the_command_asks_whether_to_stop(tmp_path, monkeypatch, capfd):
    def asked(self):
        raise Stopped("Stopped.")

    monkeypatch.setattr("sinew.progress.StopRequest.check", asked)
    folder = takes.write_take(tmp_path / "take")
    assert cli.main(["export", str(folder), "--to", str(tmp_path / "a.csv")]) == 4
    assert capfd.readouterr().err == "sinew: Stopped.\n" and [p.name for p in tmp_path.iterdir()] == ["take"]
