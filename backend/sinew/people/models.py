"""The two pose models inside the pinned mediapipe wheel, run through the task graphs of its Tasks API; and beside them,
where there is one, a second landmark model with the same inputs and outputs (`strong`).

`vision.PoseLandmarker` is one graph made of two: a detector that looks at the whole picture at 224 px, and a landmark
model that looks at 256 px of one person. It offers no way to say where to look, so tiles and crops would each pay for
the detector again (15 ms of the 40 ms of a call) and would find whoever it likes. The same Tasks API registers both
halves as task graphs of their own; they are opened here with the same task runner, models and options, and give the
same numbers (tests/engine/test_people_real.py holds that).

Source: MediaPipe 0.10.21 (Apache-2.0), `mediapipe/tasks/cc/vision/{pose_detector,pose_landmarker}`; Bazarevsky et al.,
"BlazePose: On-device Real-time Body Pose tracking", 2020.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sinew_take.errors import SinewError

from .crops import INPUT_PX, Crop

DETECTOR_FILE = "modules/pose_detection/pose_detection.tflite"
LANDMARKS_FILE = "modules/pose_landmark/pose_landmark_full.tflite"
DETECTOR_NAME = "mediapipe.tasks.vision.pose_detector.PoseDetectorGraph"
LANDMARKS_NAME = "mediapipe.tasks.vision.pose_landmarker.SinglePoseLandmarksDetectorGraph"

LEAST_SCORE = 0.4
"""Of a detection. The landmark model has the last word, so this may be generous."""


@dataclass(frozen=True)
class Look:
    """What the landmark model says about one crop, in that crop's pixel indices and axes (not yet turned back)."""

    points_px: np.ndarray
    """(33, 2)."""
    confidence: np.ndarray
    """(33,): visibility times presence, 0..1."""
    landmarks_m: np.ndarray
    """(33, 3): x right, y down, z forward, hip-centred."""
    frame_px: np.ndarray
    """(2, 2): the hips' middle, and the point above the head that tells size and turn."""
    presence: float
    """0..1, that somebody is in the crop."""
    mask: np.ndarray
    """(256, 256) float32, 0..1."""


def _package() -> Path:
    try:
        return Path(importlib.import_module("mediapipe").__file__).parent
    except Exception as error:
        raise SinewError("mediapipe, which finds the people, cannot be loaded; run `make setup` in a clone, or Repair "
                         "in the add-on's panel.") from error


def strong_model(path: Path) -> bytes:
    """A second landmark model from a file (`strong.choose` says which), ready for the Tasks API.

    Raises:
        SinewError: mediapipe is missing or broken, or the file cannot be read.
    """
    _package()
    return _with_metadata(path, 0.0, 255.0)


def _with_metadata(path: Path, mean: float, deviation: float) -> bytes:
    """A model file with the input normalisation that the Tasks API insists on."""
    writer = importlib.import_module("mediapipe.tasks.python.metadata.metadata_writers.metadata_writer").MetadataWriter
    try:
        model = bytearray(path.read_bytes())
    except OSError as error:
        raise SinewError(f"mediapipe lacks its model {path.name}; run `make setup` in a clone, or Repair in the "
                         "add-on's panel.") from error
    populated, _ = writer.create(model).add_image_input([mean], [deviation]).populate()
    return bytes(populated)


@lru_cache(maxsize=1)
def model_files() -> tuple[bytes, bytes]:
    """The detector and the landmark model, ready for the Tasks API.

    Raises:
        SinewError: mediapipe or its models are missing or broken; the sentence says what to do.
    """
    package = _package()
    return _with_metadata(package / DETECTOR_FILE, 127.5, 127.5), _with_metadata(package / LANDMARKS_FILE, 0.0, 255.0)


def task_bundle() -> bytes:
    """Both models as the `.task` file that `vision.PoseLandmarker` opens (`model_asset_buffer`)."""
    detector, landmarks = model_files()
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as files:
        files.writestr("pose_detector.tflite", detector)
        files.writestr("pose_landmarks_detector.tflite", landmarks)
    return bundle.getvalue()


def _open(graph: str, options, inputs: list[str], outputs: list[str]):
    calculator = importlib.import_module("mediapipe.framework.calculator_pb2")
    runner = importlib.import_module("mediapipe.python._framework_bindings.task_runner").TaskRunner
    node = calculator.CalculatorGraphConfig.Node(calculator=graph, input_stream=inputs, output_stream=outputs)
    node.options.Extensions[options.ext].CopyFrom(options)
    graph_config = calculator.CalculatorGraphConfig(node=[node], input_stream=inputs, output_stream=outputs)
    return runner.create(graph_config, None)


class Models:
    """One set of the models. Not for two threads at once; open one per thread.

    Args:
        strong: A second landmark model, of `strong_model`; None where there is none.

    Raises:
        SinewError: On opening: mediapipe is missing or broken.
    """

    def __init__(self, strong: bytes | None = None) -> None:
        detector, landmarks = model_files()
        try:
            self._image = importlib.import_module("mediapipe").Image
            self._srgb = importlib.import_module("mediapipe").ImageFormat.SRGB
            self._create = importlib.import_module("mediapipe.python.packet_creator")
            self._get = importlib.import_module("mediapipe.python.packet_getter")
            rect = importlib.import_module("mediapipe.framework.formats.rect_pb2").NormalizedRect
            base = importlib.import_module("mediapipe.tasks.cc.core.proto.base_options_pb2").BaseOptions
            proto = "mediapipe.tasks.cc.vision"
            detecting = importlib.import_module(f"{proto}.pose_detector.proto.pose_detector_graph_options_pb2")
            marking = importlib.import_module(
                f"{proto}.pose_landmarker.proto.pose_landmarks_detector_graph_options_pb2")

            def options(model: bytes):
                made = base()
                made.model_asset.file_content = model
                made.acceleration.tflite.SetInParent()
                return made

            self._whole = self._create.create_proto(rect(x_center=0.5, y_center=0.5, width=1.0, height=1.0))
            self._detector = _open(
                DETECTOR_NAME,
                detecting.PoseDetectorGraphOptions(base_options=options(detector), min_detection_confidence=LEAST_SCORE,
                                                   min_suppression_threshold=0.5, num_poses=16),
                ["IMAGE:image", "NORM_RECT:rect"], ["EXPANDED_POSE_RECTS:rects"])

            def marker(model: bytes):
                # A threshold of zero: how sure is sure enough is decided here, with the track in view.
                return _open(
                    LANDMARKS_NAME,
                    marking.PoseLandmarksDetectorGraphOptions(base_options=options(model), min_detection_confidence=0.0),
                    ["IMAGE:image", "NORM_RECT:rect"],
                    ["LANDMARKS:points", "WORLD_LANDMARKS:world", "AUXILIARY_LANDMARKS:frame",
                     "PRESENCE_SCORE:presence", "SEGMENTATION_MASK:mask"])

            self._landmarks = marker(landmarks)
            self._strong = self._landmarks if strong is None else marker(strong)
        except Exception as error:
            raise SinewError("mediapipe's pose models do not start; run `make setup` in a clone, or Repair in the "
                             "add-on's panel.") from error

    def _run(self, runner, picture: np.ndarray):
        image = self._image(image_format=self._srgb, data=np.ascontiguousarray(picture))
        return runner.process({"image": self._create.create_image(image), "rect": self._whole})

    def detect(self, picture: np.ndarray) -> list[Crop]:
        """Where people seem to be, as crops of this picture, best first. picture: (H, W, 3) uint8 RGB."""
        out = self._run(self._detector, picture)["rects"]
        if out.is_empty():
            return []
        height, width = picture.shape[:2]
        return [Crop(r.x_center * width, r.y_center * height, r.width * width, r.rotation)
                for r in self._get.get_proto_list(out)]

    def look(self, crop: np.ndarray, strong: bool = False) -> Look | None:
        """Landmarks of the person in a crop; None where the model gives none.

        Args:
            crop: (256, 256, 3) uint8 RGB.
            strong: By the second landmark model where there is one.
        """
        out = self._run(self._strong if strong else self._landmarks, crop)
        if out["points"].is_empty():
            return None
        points = np.array([(p.x, p.y, p.visibility * p.presence)
                           for p in self._get.get_proto(out["points"]).landmark], np.float64)
        world = np.array([(p.x, p.y, p.z) for p in self._get.get_proto(out["world"]).landmark], np.float64)
        frame = np.array([(p.x, p.y) for p in self._get.get_proto(out["frame"]).landmark], np.float64)
        mask = self._get.get_image(out["mask"]).numpy_view()
        return Look(points[:, :2] * INPUT_PX, np.clip(points[:, 2], 0, 1), world, frame * INPUT_PX,
                    float(self._get.get_float(out["presence"])), np.array(mask, np.float32).reshape(INPUT_PX, INPUT_PX))
