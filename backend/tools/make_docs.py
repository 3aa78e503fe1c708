"""Write the pages that follow from the contract's tables: docs/take_format.md and docs/skeleton.md.

    python backend/tools/make_docs.py            write them
    python backend/tools/make_docs.py --check    exit 1 if they are not what the tables say
"""

from __future__ import annotations

import sys
from math import degrees, isinf
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from sinew_take import arrays, skeleton  # noqa: E402
from sinew_take.version import LAWS, TAKE_VERSION  # noqa: E402

TAKE_HEAD = f"""# The take format, version {TAKE_VERSION[0]}.{TAKE_VERSION[1]}

Written by `backend/tools/make_docs.py` from `backend/sinew_take/arrays.py`; a test compares.

A take is a folder, immutable once written: `take.json`, `.npz` files (read with `allow_pickle=False`) and, unless
`--no-plate` was given, the upright frames of the shot as `plate/000000.jpg` …, numbered by the frame of the take. A
reader refuses another major version and ignores what it does not know in a newer minor one. A run writes beside its
place (`NAME.partial`), checks what it wrote by reading it, and renames it.

## Conventions

- World: right-handed, Z up, metres, the floor at z = 0; the origin is the floor under the first subject's pelvis at its
  first frame, and the first frame's camera looks towards +Y. `T_ab` maps points of b into a. Quaternions are wxyz.
- Cameras: OpenCV (x right, y down, z forward). Pixels: the upright picture (rotation applied), square pixels, origin at
  the outer corner of the first pixel. `keypoints_px` are in the picture as filmed (distorted).
- Rest pose (q = 0): upright, arms out to the sides with palms down, facing -Y, soles at z = 0.
  `rest_T = [joint_frames | rest_joints_m]`; skinning uses `T_wj · rest_T⁻¹`. `q` and `root_m` are authoritative, `T_wj`
  and `joints_m` follow from them by the joint laws that `take.json` names (`"laws": "{LAWS}"`, see docs/skeleton.md).
- Angles in radians; pelvis angles are unwrapped over time and have no limits. A missing value is NaN with a mask: where
  `present` is false, motion arrays are NaN.
- Splats: opacity and scale linear, `sh` as in 3D Gaussian Splatting (colour = 0.5 + 0.2821 · sh0, display-encoded sRGB).

Letters: T frames, K keypoints, V vertices, F faces, M and A joints per vertex or splat, B shape coefficients, N splats,
S harmonics, P points, T1 = T + 1, Z bytes, E extra bones, X expressions, C correctives, U and G vertices and faces of
the bone surfaces, M2 joints per vertex there.

## take.json

| key | meaning |
|---|---|
| `format`, `version` | `"sinew-take"`, [major, minor] |
| `laws` | version of the joint laws |
| `id`, `shot_id` | identity of this result (UUID); of the shot it solves (the same for a later take of it) |
| `source` | `name`, `sha256`, `size_px`, `rate` as a fraction, `rotation_deg`, `variable_rate` |
| `producer` | `version`, `providers` of each stage, `device` (`cuda` where HSMR ran on a GPU, else `cpu`), `settings` |
| `camera` | `kind`, `focal_px` and `focal_source` (`user`, `metadata`, `file`, `background`, `lines`, `people` or \
`assumed`), `scale_source` (`height`, `distance`, `file` or `assumed`) |
| `subjects` | list of `id`, `name`, `body`, `height_m`, `joint_names`, `dof_names`, `keypoint_names`, `extra` |
| `plate` | `pattern`, `size_px`, where the frames were written |
| `report` | people, frames, pixel errors, limit violations, seconds per stage |
| `notes` | sentences: what failed, what was assumed, what is doubtful |
"""


def _table(title: str, specs: tuple[arrays.ArraySpec, ...]) -> list[str]:
    lines = [f"## {title}", "", "| array | shape | type | unit | meaning |", "|---|---|---|---|---|"]
    for s in specs:
        shape = " × ".join(map(str, s.dims))
        optional = "" if s.required else " (optional)"
        lines.append(f"| `{s.name}` | {shape} | {s.dtype} | {s.unit} | {s.meaning}{optional} |")
    return [*lines, ""]


def take_format() -> str:
    lines = [TAKE_HEAD]
    lines += _table("shot.npz", arrays.SHOT)
    for name, specs in arrays.SUBJECT_FILES.items():
        lines += _table(f"subjects/&lt;id&gt;/{name}.npz", specs)
    lines += ["`subjects/<id>/extra.npz` holds what a body has beyond the 24 joints: fingers, jaw, eyes, expression, bone",
              "surfaces. The subject's `extra` in `take.json` names them: `bone_names`, `parents` (a joint or an earlier",
              "extra bone each), `expression_names`. The free body has none.", ""]
    lines += _table("scene/points.npz", arrays.POINTS)
    return "\n".join(lines)


def skeleton_page() -> str:
    lines = ["# The skeleton", "",
             "Written by `backend/tools/make_docs.py` from `backend/sinew_take/skeleton.py`; a test compares.", "",
             "24 joints and 46 degrees of freedom with SKEL's names, order and axes. Each degree of freedom turns about a",
             "positive axis of its joint frame, in the order of the table, the first one innermost; Blender's rotation mode",
             "of the bone is the joint's order, so that a channel holds the coordinate itself. The pelvis has no limits.",
             "Lumbar, thorax and head also travel along arcs of constant curvature, the scapulae slide on an ellipsoid",
             f"(`backend/sinew_take/laws.py`, laws \"{LAWS}\"). Positive on the left mirrors the right where the last column",
             "says +, and is its negative where it says −.", "",
             "The column *axis* gives the letter of the joint frame's axis and, in brackets, the axis as published: in",
             "OpenSim's axes of the joint (forward, up, right; for forearm and hand in the pose with the arm hanging),",
             "with the published sign. Axes, order and tree: SKEL (Keller et al. 2023), which takes ankle, subtalar,",
             "toe, elbow and forearm axes from OpenSim's full-body model (Rajagopal et al. 2016), and the scapula's",
             "ellipsoid from Seth et al. 2016. Left axes are the mirror image of the right ones. SKEL's own left ankle",
             "is not (it repeats the right one's axis, 23° apart): a take on the SKEL body has SKEL's axis there,",
             "every other body the mirrored one.", "",
             "| joint | parent | moves | degree of freedom | order | axis | low (°) | high (°) | mirror | source of limits |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    moves = {"turn": "turns", "arc": "arc", "ellipsoid": "ellipsoid"}
    for dof in skeleton.DOFS:
        joint = skeleton.JOINTS[dof.joint]
        low, high = ("" if isinf(v) else f"{degrees(v):.1f}" for v in (dof.low, dof.high))
        parent = "" if joint.parent < 0 else skeleton.JOINTS[joint.parent].name
        published = " ".join(f"{v + 0:.3g}" for v in skeleton.PUBLISHED_AXES[joint.index][:, dof.axis].round(4))
        lines.append(f"| {joint.name} | {parent} | {moves[joint.law]} | {dof.name} | {joint.order} | "
                     f"{'XYZ'[dof.axis]} ({published}) | {low} | {high} | "
                     f"{'+' if dof.mirror_sign > 0 else '−'} | {dof.source} |")
    return "\n".join(lines) + "\n"


PAGES = {"take_format.md": take_format, "skeleton.md": skeleton_page}


def main() -> int:
    stale = [n for n, page in PAGES.items() if not (ROOT / "docs" / n).exists()
             or (ROOT / "docs" / n).read_text(encoding="utf-8") != page()]
    if "--check" in sys.argv:
        for name in stale:
            print(f"docs/{name} is not what the tables say; run backend/tools/make_docs.py.", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / "docs" / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
