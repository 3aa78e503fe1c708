"""A user's own camera: what is read, and one sentence for what cannot be."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sinew.camera import given
from sinew.flow import Shot, VideoInfo
from sinew.geometry import rotations as rot
from sinew_take.errors import InputError

SIZE = (640, 360)


def shot(n: int = 6, first: int = 2) -> Shot:
    info = VideoInfo(Path("clip.mp4"), SIZE, SIZE, Fraction(24), 20, 1.0, 0, Fraction(1), False, None)
    return Shot(info, np.arange(first, first + n, dtype=np.int32), np.arange(n) / 24)


def camera(frames=range(2, 8), **more) -> dict:
    T = np.tile(np.eye(4), (len(frames), 1, 1))
    T[:, :3, :3] = rot.exp(np.array([[0, 0.02 * k, 0] for k in frames]))
    T[:, 0, 3] = 0.1 * np.array(frames)
    K = np.tile([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]], (len(frames), 1, 1))
    return {"format": "sinew-camera", "version": [1, 0], "size_px": [1280, 720], "frame": list(frames),
            "T_wc": T.tolist(), "K": K.tolist(), **more}


def written(folder: Path, data: dict) -> Path:
    path = folder / "camera.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_json_of_a_proxy_and_of_missing_frames(tmp_path):
    data = camera(unit_m=0.01, distortion=[0.1, 0.02])
    read = given.read_camera(written(tmp_path, data), shot())
    assert read.K[0, 0, 0] == 500 and read.K[0, 0, 2] == 320
    assert read.unit_m == 0.01 and read.distortion.tolist() == [0.1, 0.02, 0, 0, 0]
    np.testing.assert_allclose(read.T_wc[:, 0, 3], 0.1 * np.arange(2, 8))
    every_other = given.read_camera(written(tmp_path, camera(range(2, 9, 2))), shot())
    np.testing.assert_allclose(every_other.T_wc, read.T_wc, atol=1e-9)


def test_colmap_text_and_binary(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    model = pycolmap.Reconstruction()
    own = pycolmap.Camera(model="SIMPLE_RADIAL", width=640, height=360, params=[500, 320, 180, 0.05], camera_id=1)
    model.add_camera_with_trivial_rig(own)
    R = rot.exp(np.array([[0, 0.02 * k, 0] for k in range(2, 8)]))
    for k in range(6):
        image = pycolmap.Image(name=f"frame_{k + 3:04d}.png", camera_id=1, image_id=k + 1)
        c = np.array([0.1 * (k + 2), 0, 0])
        pose = pycolmap.Rigid3d(np.concatenate([R[k].T, (-R[k].T @ c)[:, None]], 1))
        model.add_image_with_trivial_frame(image, pose)
    for kind in ("text", "binary"):
        folder = tmp_path / kind
        folder.mkdir()
        (model.write_text if kind == "text" else model.write_binary)(str(folder))
        # Named from 3: 0-based numbers of the source, one later than the shot's first.
        read = given.read_camera(folder, shot(6, 3))
        np.testing.assert_allclose(read.T_wc[:, :3, :3], R, atol=1e-9)
        np.testing.assert_allclose(read.T_wc[:, 0, 3], 0.1 * np.arange(2, 8), atol=1e-9)
        assert read.distortion[0] == 0.05 and read.K[0, 0, 0] == 500


def k(values: list, row: int = 0) -> list:
    """Six K of which one row is another one."""
    K = [[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]
    return [[*K[:row], values, *K[row + 1:]]] * 6


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("change", "said"), [
    ({"format": "other"}, "is no sinew-camera file"),
    ({"version": [2, 0]}, "newer version"),
    ({"size_px": [1000, 1000]}, "1000x1000 picture"),
    ({"frame": [100, 101, 102, 103, 104, 105]}, "0 of the 6 frames"),
    ({"frame": [2, 3]}, "as many T_wc"),
    ({"frame": [2, 2, 3, 4, 5, 6]}, "as many T_wc"),
    ({"T_wc": [np.diag([2.0, 1, 1, 1]).tolist()] * 6}, "no camera's"),
    ({"K": [np.diag([-5.0, 5, 1]).tolist()] * 6}, "focal length"),
    ({"K": [[[1, 0, 640], [0, 1, 360], [0, 0, 1]]] * 6}, "focal length of 1 px for a picture 1280 px wide, which no lens"),
    ({"K": [[[1e6, 0, 640], [0, 1e6, 360], [0, 0, 1]]] * 6}, r"focal length of 1e\+06 px for a picture 1280 px wide"),
    ({"unit_m": -3}, "units of -3 m"),
    ({"T_wc": "x"}, "is no sinew-camera file"),
    ({"version": None}, r'says no version of sinew-camera; write "version": \[1, 0\]'),
    ({"version": ["1"]}, "says no version"),
    ({"size_px": [float("inf"), 360]}, "has no size_px of two whole numbers"),
    ({"size_px": [10**400, 360]}, r"is no sinew-camera file \(OverflowError"),
    ({"size_px": [10**30, 10**30]}, "has no size_px of two whole numbers"),
    ({"size_px": [1280.5, 720]}, "has no size_px of two whole numbers"),
    ({"size_px": [0, 0]}, "has no size_px of two whole numbers"),
    ({"frame": [10**30, 3, 4, 5, 6, 7]}, r"holds the frame 1e\+30, and frames are whole numbers"),
    ({"frame": [2.5, 3.5, 4.5, 5.5, 6.5, 7.5]}, r"holds the frame 2\.5, and frames are whole numbers"),
    ({"unit_m": 10**400}, r"is no sinew-camera file \(OverflowError"),
    ({"K": k([0, 0, 0], row=2)}, "holds a K whose last row is not exactly 0 0 1"),
    ({"K": k([0, 0, 2], row=2)}, "holds a K whose last row is not exactly 0 0 1"),
    ({"K": [[[1000, 0, 0], [0, 1000, 0], [640, 360, 1]]] * 6}, r"not exactly 0 0 1 \(transposed, perhaps\)"),
    ({"K": k([1000, 50, 640])}, "holds a K with skew .* is not supported; solve the camera without skew"),
    ({"K": k([1000, 0, -5000])}, "holds a principal point of -5000, 360 px, far outside its picture of 1280x720 px"),
    ({"K": k([0, 1e6, 360], row=1)}, r"holds focal lengths of 1000 px across and 1e\+06 px down, which no lens has"),
    ({"K": k([1e-320, 0, 640])}, "for a picture 1280 px wide, which no lens has"),
    ({"K": k([float("nan"), 0, 640])}, "holds numbers that are not finite"),
    ({"T_wc": [np.eye(4).tolist()[:3] + [[0.1, 0, 0, 1]]] * 6}, "holds a T_wc whose last row is not 0 0 0 1"),
    ({"T_wc": [[[1, 0, 0, 1e200], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]] * 6}, r"farther than 1e\+12 units away"),
    ({"T_wc": [np.diag([1e200, 1, 1, 1]).tolist()] * 6}, "no camera's"),
    ({"distortion": [1e9, 0, 0, 0, 0]}, r"holds a distortion \(1e\+09, 0, 0, 0, 0\) that no lens has"),
    ({"distortion": [1e9] * 5}, "holds a distortion"),
    ({"distortion": [-1e300, 1e300]}, "holds a distortion"),
    ({"distortion": [-0.6, 0, 0, 0, 0]}, "folds the picture over; give OpenCV's k1, k2, p1, p2, k3 in this order"),
])
def test_a_camera_that_cannot_be_is_one_sentence(tmp_path, change, said):
    with pytest.raises(InputError, match=said) as error:
        given.read_camera(written(tmp_path, camera() | change), shot())
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "said", "change"), [
    ("frame_{}", r"a principal point of -5000, 180 px.*; solve it again with COLMAP", {"params": [500, -5000, 180, 0.0]}),
    ("frame_{}", "holds a distortion .* folds the picture over", {"params": [500, 320, 180, -2.0]}),
    ("frame_{}", "is of a picture of 0x0 px, which cannot be", {"width": 0, "height": 0}),
    ("frame_" + "9" * 30 + "{}", "has an image numbered 9{30}.*, which is no frame's number; name the images by frame", {})])
def test_a_colmap_camera_that_cannot_be_is_one_sentence(tmp_path, name, said, change):
    pycolmap = pytest.importorskip("pycolmap")
    model = pycolmap.Reconstruction()
    values = {"model": "SIMPLE_RADIAL", "width": 640, "height": 360, "params": [500, 320, 180, 0.0], "camera_id": 1} | change
    model.add_camera_with_trivial_rig(pycolmap.Camera(**values))
    for number in range(2, 8):
        model.add_image_with_trivial_frame(pycolmap.Image(name=name.format(number) + ".png", camera_id=1, image_id=number),
                                           pycolmap.Rigid3d(np.eye(4)[:3]))
    model.write_text(str(tmp_path))
    with pytest.raises(InputError, match=said) as error:
        given.read_camera(tmp_path, shot())
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("change", [
    {"frame": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]}, {"K": k([1000, 2, 640])}, {"K": k([1000, 0, -600])},
    {"K": k([0, 500, 360], 1)}, {"distortion": [0.4, 0, 0, 0, 0]}, {"distortion": [-0.3, 0.1, 1e-3, 1e-3, 0]}])
def test_an_odd_camera_that_can_be_is_read(tmp_path, change):
    assert given.read_camera(written(tmp_path, camera() | change), shot()).K.shape == (6, 3, 3)


def test_a_file_that_goes_on_after_the_clip_is_said(tmp_path):
    assert given.read_camera(written(tmp_path, camera(range(20))), shot()).notes == []
    notes = given.read_camera(written(tmp_path, camera(range(30))), shot()).notes
    assert notes == ["camera.json goes on to frame 29, and clip.mp4 ends at frame 19: the file may be another clip's."]


def test_one_shot_s_camera_is_enough_and_none_is_said_at_once(tmp_path):
    path = written(tmp_path, camera())
    given.examine(path, [shot(6, 100), shot(6, 2)])
    with pytest.raises(InputError, match="holds a camera for 0 of the 6 frames"):
        given.examine(path, [shot(6, 100), shot(6, 200)])


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(InputError, match="There is no camera file"):
        given.read_camera(tmp_path / "nothing.json", shot())
    (tmp_path / "a.json").write_bytes(b"\x00\xff\x00")
    with pytest.raises(InputError, match="not JSON text"):
        given.read_camera(tmp_path / "a.json", shot())
    with pytest.raises(InputError, match="is no COLMAP model"):
        given.read_camera(tmp_path, shot())
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("cameras.bin", "images.bin", "points3D.bin"):
        (broken / name).write_bytes(b"\x01\x02\x03")
    with pytest.raises(InputError, match="cannot be read"):
        given.read_camera(broken, shot())
