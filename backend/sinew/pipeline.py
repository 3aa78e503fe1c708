"""The main job: a video in, takes out. Stages in order, each cached; this module only connects them."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sinew import avatar, body, camera, flow, motion, people, prior, video
from sinew.cache import Cache, files_sha256, key
from sinew.motion.start import Start
from sinew.progress import Progress, StopRequest
from sinew.report import person_row
from sinew.video.series import find_series
from sinew_take import distance as distances
from sinew_take import events, free_body, measures, model_files, skeleton
from sinew_take import take as take_format
from sinew_take.errors import InputError, RequestError
from sinew_take.version import LAWS, TAKE_VERSION, VERSION

MIN_FRAMES = 2
MOST_SPLATS = 2_000_000
CACHED_TYPES = {t.__name__: t for t in (
    flow.VideoInfo, flow.Shot, flow.Track, flow.People, flow.Camera, flow.Points, flow.Motion, flow.PosePrior,
    video.Scan, Start)}


@dataclass(frozen=True)
class Request:
    """What `sinew reconstruct` was asked for. Times in seconds, half-open."""

    video: Path
    out: Path
    start_s: float | None = None
    end_s: float | None = None
    rate: str | None = None
    more_deg: int = 0
    """Clockwise turn of the pictures beyond what the file says: 0, 90, 180 or 270."""
    most_people: int | None = None
    camera: flow.CameraOptions = field(default_factory=flow.CameraOptions)
    body: str = "default"
    gender: str | None = None
    """Model of a body that has several; None takes what is there."""
    device: str = "auto"
    plate: bool = True
    splats: int | None = None
    models: Path | None = None
    """The user's folder of model files."""
    measures: dict[str, float] | None = None
    """Of the first person, as `sinew_take.measures` names them: the body is fixed by them."""
    distance: distances.Distance | None = None
    """Two points on the floor and the metres between them: the scale, where no height is given."""
    hsmr: str = "auto"
    """One of `prior.MODES`."""
    hsmr_flip: bool = False
    """HSMR also looks at mirrored crops."""
    detector: str = "auto"
    """One of `people.strong.MODES`."""
    wham: str = "off"
    """"on": WHAM's contacts are evidence for when feet stand."""


@dataclass(frozen=True)
class Result:
    takes: list[Path]
    report: dict


def reconstruct(request: Request, cache_folder: Path, emit: Callable[[events.Event], None], stop: StopRequest) -> Result:
    """Reconstruct everybody in a video, one take per shot.

    Args:
        request: What to do.
        cache_folder: Where finished stages are kept.
        emit: Receives events as they happen.
        stop: Asked between steps; raises `Stopped` from inside.

    Returns:
        Folders of the takes and the report of the run (also inside each `take.json`).

    Raises:
        RequestError, InputError, Stopped: One sentence each; nothing stands at `out` then.
    """
    _check_request(request)
    # An unusable video is said before anything heavy is loaded.
    info = video.probe(request.video, request.rate, request.more_deg)
    device_notes = _device_notes(request.device, _hsmr_checkpoint(request) is not None)
    detector = people.choose_detector(request.detector, request.models)
    emit(events.Started(VERSION, list(events.STAGES)))
    progress = Progress(emit, stop)
    cache = Cache(cache_folder, CACHED_TYPES)

    def cached(stage: str, entry: str, make: Callable, extra: bool = False) -> object:
        value, hit = progress.run(stage, lambda report: cache.through(stage, entry, lambda: make(report)), extra)
        if hit and not extra:
            progress.skipped(stage)
        return value

    files = list(find_series(request.video).files) if info.is_sequence else [request.video]
    sha256 = files_sha256(files, stop.check)
    scan_key = key("video", sha256, str(request.video.resolve()), request.start_s, request.end_s, request.rate,
                   request.more_deg)
    scan = cached("video", scan_key, lambda report: video.find_shots(
        request.video, request.start_s, request.end_s, request.rate, report, request.more_deg))
    notes = [*device_notes, *detector.notes, *scan.notes]
    shots = [s for s in scan.shots if s.n_frames >= MIN_FRAMES]
    if not shots:
        raise InputError(f"{request.video.name} has only a single frame in the range; choose a video or a longer range.")
    progress.set_shots(len(shots))
    if request.distance is not None:
        distances.check_in(request.distance, info.size_px, [(int(s.frame[0]), int(s.frame[-1])) for s in shots])

    if request.camera.file is not None:
        camera.examine(Path(request.camera.file), shots)

    for number in range(len(shots)):
        take_format.check_free(_out(request, number))
    # A shot without people must not cost the others their takes: it is said, and the rest goes on.
    takes, reports, empty = [], [], []
    try:
        for number, shot in enumerate(shots):
            with _Output(_out(request, len(takes)), shot, request.plate) as output:
                try:
                    take = _solve_shot(request, shot, detector, notes, sha256, scan_key, progress, cached, stop, output.begin)
                except InputError as error:
                    output.drop(error)
                    empty.append(str(error))
                    if len(shots) == 1:
                        raise
                    emit(events.Note(f"Shot {number + 1}: {error}"))
                    continue
                for note in take.meta["notes"]:
                    emit(events.Note(note))
                progress.run("write", lambda report, t=take, o=output: o.finish(t, report))
            takes.append(output.folder)
            reports.append(take.meta["report"])
    except BaseException:
        # The same command must work again; what was solved is in the cache.
        for out in takes:
            shutil.rmtree(out, ignore_errors=True)
        raise
    if not takes:
        raise InputError(empty[0])
    report = {"shots": reports, "seconds": {k: round(v, 2) for k, v in progress.seconds.items()},
              "notes": empty}
    emit(events.Finished([str(t.resolve()) for t in takes], report))
    return Result(takes, report)


def _out(request: Request, number: int) -> Path:
    return request.out if number == 0 else request.out.with_name(f"{request.out.name}-{number + 1}")


class _Output:
    """One shot's take on its way to the disk. The plate needs no more than the camera, so it is written from then on."""

    def __init__(self, folder: Path, shot: flow.Shot, plate: bool) -> None:
        self.folder = folder
        self._shot, self._has_plate = shot, plate
        self._open = ExitStack()

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *error) -> None:
        self._open.__exit__(*error)

    def begin(self, solved: flow.Camera) -> None:
        """Make the folder and start writing the plate. solved: its path may still change, its lens not."""
        self._partial = self._open.enter_context(take_format.making(self.folder))
        if self._has_plate:
            self._plate = self._open.enter_context(video.plate_beside(
                self._shot, self._partial, solved.K.astype(np.float32), solved.distortion.astype(np.float32)))

    def drop(self, error: Exception) -> None:
        """Take away what is there of it, for the sake of an error that goes no further."""
        self._open.__exit__(type(error), error, error.__traceback__)

    def finish(self, take: take_format.Take, report: flow.Report) -> None:
        if self._has_plate:
            take.meta["plate"] = self._plate.finished(report)
        take_format.write(take, self.folder, partial=self._partial)


def _check_request(request: Request) -> None:
    if request.models is not None and not request.models.is_dir():
        raise RequestError(f"There is no folder of model files at {request.models}; choose the folder that holds them, or "
                           "leave it out.")
    # What is wrong with the user's own files is said before an hour of detection, not after it.
    body.examine(request.body, body.require(request.body, request.models, request.gender), request.gender)
    if request.measures:
        if request.camera.height_m is not None:
            raise RequestError("--height-m and --measures both fix the body; give the height among the measures.")
        measures.shape_for(free_body.load(), request.measures)  # measures that nobody has are said before anything runs
    if request.distance is not None:
        distances.check(request.distance)
    checkpoint = _hsmr_checkpoint(request)
    if checkpoint is not None:
        prior.examine(checkpoint, request.device)  # before an hour of detection, not after it
    if request.wham == "on":
        prior.examine_wham(request.models)
    take_format.check_free(request.out)
    if not request.video.name:
        raise RequestError("No video was named; give the path of a video file or image sequence.")
    parent = request.out.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        probe = parent / f".sinew-{uuid.uuid4().hex[:8]}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"Nothing can be written to {parent} ({error.strerror or error}); choose another --out."
                           ) from None
    camera.check_options(request.camera)
    if request.splats is not None and not 1 <= request.splats <= MOST_SPLATS:
        raise RequestError(f"--splats {request.splats} is no number of Gaussians for a person; give 1 to {MOST_SPLATS}.")
    if request.most_people is not None and request.most_people < 1:
        raise RequestError(f"--people {request.most_people} keeps nobody; give 1 or more.")


def _hsmr_checkpoint(request: Request) -> Path | None:
    return prior.checked_file(request.hsmr, model_files.look(request.models)["hsmr"], request.models)


def _device_notes(wanted: str, has_network: bool) -> list[str]:
    """What to say of the device asked for. No stage of the default path runs on a GPU yet, and it says so."""
    if wanted != "cuda":
        return []  # PyTorch takes seconds to load, so it is only asked where somebody asks for a GPU
    import torch

    if not torch.cuda.is_available():
        raise RequestError("No CUDA device was found; use --device cpu or install the CUDA build of PyTorch.")
    return ["Only HSMR ran on the GPU; no stage of the default path does yet."] if has_network else [
        "No stage of the default path runs on a GPU yet; everything was computed on the processor."]


def _solve_shot(request: Request, shot: flow.Shot, detector: people.Detector, notes: list[str], sha256: str, scan_key: str,
                progress: Progress, cached: Callable, stop: StopRequest, begin_output: Callable[[flow.Camera], None]
                ) -> take_format.Take:
    asset = free_body.load()
    options = request.camera
    people_key = key("people", scan_key, int(shot.frame[0]), int(shot.frame[-1]), request.most_people, detector.name)
    found: flow.People = cached("people", people_key, lambda report: people.find_people(
        shot, request.most_people, report, landmarks=detector.strong))
    if not found.tracks:
        reason = f" ({'; '.join(note.rstrip('.') for note in found.notes)})" if found.notes else ""
        raise InputError(f"Nobody was found in {request.video.name}{reason}; choose a range in which a person is seen "
                         "from the chest up at least and larger than a tenth of the picture's height.")
    people_key, said = prior.attach_poses(shot, found, asset, _hsmr_checkpoint(request), people_key, request.device,
                                          request.hsmr, request.hsmr_flip, cached)
    own_camera = None if options.file is None else camera.digest(Path(options.file))
    camera_key = key("camera", people_key, dataclasses.asdict(options), own_camera)
    first, starts = cached("camera", camera_key, lambda report: list(camera.solve_camera(
        shot, found, asset, options, report=report)))
    camera_key, heard = prior.attach_standing(shot, found, first, asset, request.models, request.wham, camera_key, cached)
    if not request.measures:  # else the camera is solved once more
        begin_output(first)
    notes = notes + said + heard
    motion_key = key("motion", camera_key)
    solved: flow.Camera
    motions: list[flow.Motion]
    solved, motions = cached("motion", motion_key, lambda report: list(motion.solve_motion(
        shot, found, first, asset, report, starts=starts, height_m=options.height_m)))
    if request.measures:
        # What the picture says of the rest of the body is the prior; then everything is solved about the measured body.
        given = measures.shape_for(asset, request.measures, prior_shape=motions[0].shape)
        options = dataclasses.replace(options, height_m=given.reached["height"])
        shapes = [given.shape if t.id == motions[0].track.id else None for t in found.tracks]
        camera_key = key("camera", camera_key, request.measures)
        first, starts = cached("camera", camera_key, lambda report: list(camera.solve_camera(
            shot, found, asset, options, report=report)), extra=True)
        begin_output(first)
        motion_key = key("motion", camera_key)
        solved, motions = cached("motion", motion_key, lambda report: list(motion.solve_motion(
            shot, found, first, asset, report, starts=starts, height_m=options.height_m, shapes=shapes)), extra=True)
        said = ", ".join(f"{n} {given.reached[n]:.2f} {measures.BY_NAME[n].unit}" for n in measures.NAMES)
        notes = [*notes, f"{found.tracks[0].id} has the measures given; with them the body's are: {said}."]
    if request.distance is not None and request.distance.frame in shot.frame:
        motion_key = key("distance", motion_key, request.distance.as_text())
        solved, motions, said = cached("motion", motion_key, lambda report: list(motion.to_measure(
            request.distance, shot, solved, motions, asset, report)), extra=True)
        notes = [*notes, *said]
    elif request.distance is not None:
        notes = [*notes, "The measured distance is in another shot and says nothing of this one's scale."]
    files = body.require(request.body, request.models, request.gender)
    built = progress.run("body", lambda report: [body.build(request.body, asset, m, files, request.gender)
                                                          for m in motions])
    motions = [dataclasses.replace(m, arrays=b.motion, notes=m.notes + b.notes)
               for m, b in zip(motions, built, strict=True)]
    own_files = "" if files is None else files_sha256(sorted(files.paths.values()), stop.check)
    avatar_key = key("avatar", motion_key, request.splats, request.body, own_files, request.gender)
    more = {} if request.splats is None else {"n_splats": request.splats}
    avatars = cached("avatar", avatar_key, lambda report: avatar.build_avatars(
        shot, solved, motions, [body.fold_extra_bones(b) for b in built], report, **more))
    return _assemble(request, shot, detector, notes + found.notes, sha256, solved, motions, built, avatars, progress)


def _assemble(request: Request, shot: flow.Shot, detector: people.Detector, notes: list[str], sha256: str,
              solved: flow.Camera, motions: list[flow.Motion], built: list[body.Built], avatars: list[dict],
              progress: Progress) -> take_format.Take:
    subjects = []
    for number, (m, own, cloud) in enumerate(zip(motions, built, avatars, strict=True), 1):
        info = {"id": f"s{number}", "name": f"Person {number}", "body": request.body,
                "joint_names": list(skeleton.JOINT_NAMES), "dof_names": list(skeleton.DOF_NAMES),
                "keypoint_names": list(skeleton.MEDIAPIPE_KEYPOINTS),
                "height_m": round(float(np.ptp(own.body["rest_vertices_m"][:, 2])), 3), **own.info}
        arrays = {**m.arrays, "pixel_error": m.pixel_error.astype(np.float32)}
        subjects.append(take_format.Subject(info, arrays, own.body, cloud, m.track.masks, _detections(m.track),
                                            own.extra))
    rate = shot.info.rate
    hiding, said = people.compared([m.track for m in motions], np.asarray(solved.T_wc, float)[:, :3, 3],
                                   [m.arrays["root_m"] for m in motions], shot.info.size_px)
    if solved.scale_source == "assumed":  # said here because the motion stage still changes it
        said = [f"No height was given: the first person is taken to be {subjects[0].info['height_m']:.2f} m tall; give "
                "--height-m or --distance for true scale.", *said]
    notes = _named(notes + solved.notes + [note for m in motions for note in m.notes] + said, motions)
    first = int(shot.frame[0])
    meta = {
        "format": take_format.FORMAT, "version": list(TAKE_VERSION), "laws": LAWS,
        "id": str(uuid.uuid4()),
        "shot_id": hashlib.sha256(f"{sha256}:{first}".encode()).hexdigest()[:32],
        "source": {"name": shot.info.path.name, "sha256": sha256, "size_px": list(shot.info.size_px),
                   "rate": [rate.numerator, rate.denominator], "rotation_deg": shot.info.rotation_deg,
                   "variable_rate": shot.info.is_variable_rate},
        "producer": {"version": VERSION, "device": _device(motions),
                     "providers": {"people": detector.name, "camera": "sinew", "motion": "sinew", "body": request.body,
                                   "avatar": "sinew", "pose_start": _pose_start(motions),
                                   "contact": "sinew" if request.wham == "off" else "sinew, wham"},
                     "settings": {"start_s": request.start_s, "end_s": request.end_s, "turn_deg": request.more_deg,
                                  "people": request.most_people,
                                  "distance": None if request.distance is None else request.distance.as_text(),
                                  **dataclasses.asdict(request.camera),
                                  "file": None if request.camera.file is None else Path(request.camera.file).name}},
        "camera": {"kind": solved.kind, "reason": solved.reason, "focal_source": solved.focal_source,
                   "scale_source": solved.scale_source,
                   "focal_px": round(float(solved.K[0, 0, 0]), 2),
                   **({} if solved.given is None else {"T_given_take": solved.given.tolist()})},
        "subjects": [s.info for s in subjects],
        "report": {"detector": detector.name, **_report(shot, motions, subjects, progress),
                   "hiding": _by_id(hiding, subjects)},
        "notes": list(dict.fromkeys(notes)),
    }
    shot_arrays = {"time_s": shot.time_s.astype(np.float64), "frame": shot.frame.astype(np.int32),
                   "T_wc": solved.T_wc.astype(np.float32), "K": solved.K.astype(np.float32),
                   "distortion": solved.distortion.astype(np.float32)}
    points = None
    if solved.points is not None:
        points = {"position_m": solved.points.position_m.astype(np.float32),
                  "color": solved.points.color.astype(np.float32),
                  "confidence": solved.points.confidence.astype(np.float32)}
    return take_format.Take(meta, shot_arrays, subjects, points)


def _by_id(hiding: list[dict], subjects: list[take_format.Subject]) -> list[dict]:
    return [{**row, "front": subjects[row["front"]].id, "back": subjects[row["back"]].id} for row in hiding]


def _detections(track: flow.Track) -> dict[str, np.ndarray]:
    """Arrays of `arrays.TRACK`: with them a take can be solved again without its video."""
    detected = np.asarray(track.present, bool)

    def own(values: np.ndarray) -> np.ndarray:
        out = np.array(values, np.float32)
        out[~detected] = np.nan
        return out

    return {"landmarks_m": own(track.landmarks_m), "spread_px": own(track.spread_px), "box_px": own(track.box_px),
            "detected": detected}


def _pose_start(motions: list[flow.Motion]) -> str:
    """What the poses were begun from."""
    return next((m.track.prior.source for m in motions if m.track.prior is not None), "mediapipe")


def _device(motions: list[flow.Motion]) -> str:
    """Where the networks of the user's own ran; everything else is computed on the processor."""
    return next((m.track.prior.device for m in motions if m.track.prior is not None), "cpu")


def _named(notes: list[str], motions: list[flow.Motion]) -> list[str]:
    """Notes speak of tracks; the take's reader knows subjects. Tracks that became nobody keep their number."""
    names = {m.track.id: f"Person {n}" for n, m in enumerate(motions, 1)}
    # Not inside the name of a file.
    track = re.compile(r"(?<![\w.-])person_(\d+)(?![\w-]|\.\w)")
    return [track.sub(lambda found: names.get(found[0], f"Track {found[1]}"), note) for note in notes]


def _report(shot: flow.Shot, motions: list[flow.Motion], subjects: list[take_format.Subject], progress: Progress) -> dict:
    rows = [person_row(subject.id, m.arrays, m.pixel_error, m.track.box_px[m.arrays["present"]], subject.info["height_m"])
            for m, subject in zip(motions, subjects, strict=True)]
    return {"people": rows, "frames": shot.n_frames,
            "seconds": {k: round(v, 2) for k, v in progress.seconds.items()}}
