"""The two pose models inside the pinned mediapipe wheel; and beside them, where there is one, a second landmark model with
the same inputs and outputs (`strong`).

`vision.PoseLandmarker` is one graph made of two: a detector that looks at the whole picture at 224 px, and a landmark
model that looks at 256 px of one person. It offers no way to say where to look, so tiles and crops would each pay for
the detector again (15 ms of the 40 ms of a call) and would find whoever it likes. The same Tasks API registers both
halves as task graphs of their own. The detector's is opened here with the same task runner, model and options; the
landmark models are run without a graph (`landmarks`).

Source: MediaPipe 0.10.21 (Apache-2.0), `mediapipe/tasks/cc/vision/{pose_detector,pose_landmarker}`; Bazarevsky et al.,
"BlazePose: On-device Real-time Body Pose tracking", 2020.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from sinew_take.errors import SinewError

from .crops import Crop
from .landmarks import LandmarkModel, Look

DETECTOR_FILE = "modules/pose_detection/pose_detection.tflite"
LANDMARKS_FILE = "modules/pose_landmark/pose_landmark_full.tflite"
DETECTOR_NAME = "mediapipe.tasks.vision.pose_detector.PoseDetectorGraph"

LEAST_SCORE = 0.4
"""Of a detection. The landmark model has the last word, so this may be generous."""


def _package() -> Path:
    try:
        return Path(importlib.import_module("mediapipe").__file__).parent
    except Exception as error:
        raise SinewError("mediapipe, which finds the people, cannot be loaded; run `make setup` in a clone, or Repair "
                         "in the add-on's panel.") from error


def model_file(path: Path) -> bytes:
    """A model as it is.

    Raises:
        SinewError: mediapipe is missing or broken, or the file cannot be read.
    """
    _package()
    try:
        return path.read_bytes()
    except OSError as error:
        raise SinewError(f"mediapipe lacks its model {path.name}; run `make setup` in a clone, or Repair in the "
                         "add-on's panel.") from error


def _with_metadata(model: bytes, mean: float, deviation: float) -> bytes:
    """A model with the input normalisation that the Tasks API insists on."""
    writer = importlib.import_module("mediapipe.tasks.python.metadata.metadata_writers.metadata_writer").MetadataWriter
    populated, _ = writer.create(bytearray(model)).add_image_input([mean], [deviation]).populate()
    return bytes(populated)


@lru_cache(maxsize=1)
def model_files() -> tuple[bytes, bytes]:
    """The detector, ready for the Tasks API, and the landmark model as it is.

    Raises:
        SinewError: mediapipe or its models are missing or broken; the sentence says what to do.
    """
    package = _package()
    return _with_metadata(model_file(package / DETECTOR_FILE), 127.5, 127.5), model_file(package / LANDMARKS_FILE)


def task_bundle() -> bytes:
    """Both models as the `.task` file that `vision.PoseLandmarker` opens (`model_asset_buffer`)."""
    detector, landmarks = model_files()
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as files:
        files.writestr("pose_detector.tflite", detector)
        files.writestr("pose_landmarks_detector.tflite", _with_metadata(landmarks, 0.0, 255.0))
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
        strong: A second landmark model; None where there is none.

    Raises:
        SinewError: On opening: mediapipe, or the runtime of its landmark models, is missing or broken.
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
            model = base()
            model.model_asset.file_content = detector
            model.acceleration.tflite.SetInParent()
            self._whole = self._create.create_proto(rect(x_center=0.5, y_center=0.5, width=1.0, height=1.0))
            self._detector = _open(
                DETECTOR_NAME,
                detecting.PoseDetectorGraphOptions(base_options=model, min_detection_confidence=LEAST_SCORE,
                                                   min_suppression_threshold=0.5, num_poses=16),
                ["IMAGE:image", "NORM_RECT:rect"], ["EXPANDED_POSE_RECTS:rects"])
            self._landmarks = {masked: LandmarkModel(landmarks, masked) for masked in (False, True)}
            self._strong = None if strong is None else LandmarkModel(strong, masked=False)
        except Exception as error:
            raise SinewError("mediapipe's pose models do not start; run `make setup` in a clone, or Repair in the "
                             "add-on's panel.") from error

    def detect(self, picture: np.ndarray) -> list[Crop]:
        """Where people seem to be, as crops of this picture, best first. picture: (H, W, 3) uint8 RGB."""
        image = self._image(image_format=self._srgb, data=np.ascontiguousarray(picture))
        out = self._detector.process({"image": self._create.create_image(image), "rect": self._whole})["rects"]
        if out.is_empty():
            return []
        height, width = picture.shape[:2]
        return [Crop(r.x_center * width, r.y_center * height, r.width * width, r.rotation)
                for r in self._get.get_proto_list(out)]

    def look(self, crop: np.ndarray, strong: bool = False, masked: bool = True) -> Look:
        """What a landmark model says about a crop.

        Args:
            crop: (256, 256, 3) uint8 RGB.
            strong: By the second landmark model where there is one. It makes no masks.
            masked: With a mask; without, the plain model takes two thirds of the time.
        """
        return (self._strong if strong and self._strong is not None else self._landmarks[masked]).look(crop)
