"""Text tables: CSV, OpenSim motion (.mot) and OpenSim markers (.trc)."""

from __future__ import annotations

import numpy as np

from sinew_take import skeleton
from sinew_take.take import Subject, Take


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


def mot(take: Take, subject: Subject) -> str:
    """OpenSim motion: degrees; pelvis translation in metres in OpenSim's axes (X forward, Y up, Z right), in which our
    world's -Y is forward. Only frames in which the person is there, since OpenSim reads no gaps of NaN."""
    present = subject.motion["present"]
    angles = _angles(take, subject)[present]
    root = angles[:, -3:] @ skeleton.BODY  # rows times columns: components along OpenSim's axes
    names = ["time", *skeleton.DOF_NAMES, "pelvis_tx", "pelvis_ty", "pelvis_tz"]
    table = np.column_stack([angles[:, :-3], root])
    head = f"{take.meta['source']['name']}\nversion=1\nnRows={len(table)}\nnColumns={len(names)}\ninDegrees=yes\nendheader\n"
    return head + "\t".join(names) + "\n" + _rows(table, "\t") + "\n"


def trc(take: Take, subject: Subject) -> str:
    """OpenSim markers: the 24 joints in millimetres, OpenSim's axes; only frames in which the person is there."""
    present = subject.motion["present"]
    joints = subject.motion["joints_m"][present].astype(float) @ skeleton.BODY * 1000
    time_s = take.shot["time_s"][present]
    rate = take.meta["source"]["rate"]
    hz = rate[0] / rate[1]
    n, names = len(time_s), skeleton.JOINT_NAMES
    head = (f"PathFileType\t4\t(X/Y/Z)\t{take.meta['source']['name']}\n"
            "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
            f"{hz:.6f}\t{hz:.6f}\t{n}\t{len(names)}\tmm\t{hz:.6f}\t1\t{n}\n"
            "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\n"
            "\t\t" + "\t".join(f"{axis}{i}" for i in range(1, len(names) + 1) for axis in "XYZ") + "\n\n")
    lines = [f"{i}\t{t:.6f}\t" + "\t".join(f"{v:.4f}" for v in row) for i, (t, row)
             in enumerate(zip(time_s, joints.reshape(n, -1), strict=True), 1)]
    return head + "\n".join(lines) + "\n"
