"""Text tables: CSV, OpenSim motion (.mot) and OpenSim markers (.trc)."""

from __future__ import annotations

import numpy as np

from sinew_take import laws, skeleton
from sinew_take.take import Subject, Take

from .even import even


def _rows(values: np.ndarray, separator: str) -> str:
    def cell(v: float) -> str:
        return "" if np.isnan(v) and separator == "," else "nan" if np.isnan(v) else f"{v:.6f}"

    return "\n".join(separator.join(cell(v) for v in row) for row in values)


def _angles(take: Take, subject: Subject) -> np.ndarray:
    q = np.degrees(subject.motion["q"].astype(float))
    return np.column_stack([take.shot["time_s"], q, subject.motion["root_m"].astype(float)])


def csv(take: Take, subject: Subject) -> str:
    """Joint angles in degrees and the pelvis in metres (world, Z up); empty cells where the person is not there."""
    names = ["time_s", *(f"{n}_deg" for n in skeleton.DOF_NAMES), "root_x_m", "root_y_m", "root_z_m"]
    return ",".join(names) + "\n" + _rows(_angles(take, subject), ",") + "\n"


def _line(text: str) -> str:
    """A name for OpenSim's lists, on the first line: a line break or tab there would end the header or a field early."""
    return " ".join(text.split())


def mot(take: Take, subject: Subject) -> str:
    """OpenSim motion: degrees; the pelvis' place in metres in OpenSim's axes (X forward, Y up, Z right), in which our
    world's -Y is forward. Columns in the order of OpenSim's full-body models: the pelvis' turns, its place, the rest by
    SKEL's names (hips, knees and ankles are Rajagopal's own).

    Rows are evenly spaced, as OpenSim's manual asks of a .mot; only frames in which the person is there, since OpenSim
    reads no NaN.
    """
    rows = even(take, subject)
    degrees = np.degrees(rows.q)
    root = rows.root_m @ skeleton.BODY  # rows times columns: components along OpenSim's axes
    names = ["time", *skeleton.DOF_NAMES[:3], "pelvis_tx", "pelvis_ty", "pelvis_tz", *skeleton.DOF_NAMES[3:]]
    table = np.column_stack([rows.time_s, degrees[:, :3], root, degrees[:, 3:]])[rows.present]
    title = _line(f"{take.meta['source']['name']} {subject.info.get('name', subject.id)}")
    head = f"{title}\nversion=1\nnRows={len(table)}\nnColumns={len(names)}\ninDegrees=yes\nendheader\n"
    return head + "\t".join(names) + "\n" + _rows(table, "\t") + "\n"


def trc(take: Take, subject: Subject) -> str:
    """OpenSim markers: the 24 joints in millimetres, OpenSim's axes; only frames in which the person is there."""
    rows = even(take, subject)
    body = subject.body
    T_wj = laws.forward_kinematics(rows.q[rows.present], rows.root_m[rows.present], body["rest_joints_m"].astype(float),
                                   body["joint_frames"].astype(float))
    joints = T_wj[:, :, :3, 3] @ skeleton.BODY * 1000
    time_s, hz = rows.time_s[rows.present], rows.rate_hz
    n, names = len(time_s), skeleton.JOINT_NAMES
    head = (f"PathFileType\t4\t(X/Y/Z)\t{_line(take.meta['source']['name'])}\n"
            "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
            f"{hz:.6f}\t{hz:.6f}\t{n}\t{len(names)}\tmm\t{hz:.6f}\t1\t{n}\n"
            "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\n"
            "\t\t" + "\t".join(f"{axis}{i}" for i in range(1, len(names) + 1) for axis in "XYZ") + "\n\n")
    lines = [f"{i}\t{t:.6f}\t" + "\t".join(f"{v:.4f}" for v in row) for i, (t, row)
             in enumerate(zip(time_s, joints.reshape(n, -1), strict=True), 1)]
    return head + "\n".join(lines) + "\n"
