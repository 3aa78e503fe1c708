"""Brings what the runner knows into Blender: a timer while something runs, and the picture of it for the panels.

The runner itself hangs on `bpy.types.WindowManager` from register to unregister, so that it outlives a loaded file.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import bpy

from ..backend.sinew_take import model_files
from ..backend.sinew_take.errors import SinewError
from . import media, words
from .jobs import install, look, takes
from .jobs.runner import Runner
from .jobs.state import Status
from .preferences import (
    backend_source,
    chosen_path,
    has_preferences,
    models_folder,
    preferences,
    private_place,
    takes_folder,
)

RUNNER = "sinew_runner"
PERIOD_S = 0.2
_BY_HAND = ("TRANSFORM_OT_", "POSE_OT_", "SCULPT_OT_", "PAINT_OT_", "MESH_OT_", "CURVE_OT_", "GPENCIL_OT_",
            "GREASE_PENCIL_OT_", "ACTION_OT_", "GRAPH_OT_")
"""Operators that an import would disturb while they run."""
DEADLINE_S = 0.02
"""Longest that one tick may keep Blender's main thread busy with events."""


def runner() -> Runner:
    """The runner of this Blender."""
    return getattr(bpy.types.WindowManager, RUNNER)


def register() -> None:
    """Begin with nothing running."""
    setattr(bpy.types.WindowManager, RUNNER, Runner())
    bpy.app.handlers.load_post.append(after_load)
    # Preferences and window manager are not to be touched while Blender still registers.
    bpy.app.timers.register(_first_look, first_interval=0.0, persistent=True)


def unregister() -> None:
    """End what runs and leave nothing behind."""
    runner().close()
    for timer in (tick, _first_look):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    bpy.app.handlers.load_post.remove(after_load)
    delattr(bpy.types.WindowManager, RUNNER)


@bpy.app.handlers.persistent
def after_load(*_) -> None:
    """A file was loaded: the job goes on; its picture is drawn anew. The file's video is not opened unasked."""
    wm = bpy.context.window_manager
    forget_video(wm)
    job, shown = runner().job, media.takes_shown()
    _fill(wm.sinew.imported, [] if job is None else [str(t) for t in job.state.takes if Path(t).resolve() in shown])
    wm.sinew.said.clear()
    if has_preferences():  # registered by a script, the extension has none, and so no folders to look at
        refresh(wm)


def _first_look() -> None:
    after_load()


def watch() -> None:
    """Follow what runs until it has ended."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=PERIOD_S, persistent=True)


def tick() -> float | None:
    """One turn of the timer. Returns the time until the next, None when nothing runs any more."""
    state = bpy.context.window_manager.sinew
    was_alive = state.is_alive
    if runner().poll(DEADLINE_S):
        mirror(bpy.context.window_manager)
        if was_alive and not state.is_alive:
            refresh(bpy.context.window_manager)
            _import_results()
        redraw()
    elif runner().to_import is not None and not state.is_alive:
        _import_results()  # it had to wait
    return None if runner().is_idle and runner().to_import is None else PERIOD_S


def _import_results() -> None:
    """Import what was asked for as an import, if its job has ended well; else the panel's button is there.

    It waits while the artist moves something or paints: an import would end that. What runs all the time (an add-on that
    shows keys) keeps nothing waiting.
    """
    windows = bpy.context.window_manager.windows
    at_work = [one.bl_idname for window in windows for one in getattr(window, "modal_operators", ())]
    if any(name.startswith(_BY_HAND) for name in at_work):
        return
    done, runner().to_import = runner().to_import, None
    if done is None or done is not runner().job or done.state.status is not Status.FINISHED or not windows:
        return
    window, is_solve = windows[0], getattr(done, "purpose", "") == "SOLVE"
    if is_solve:
        # Only where it was asked for: another scene, or another file's of that name, has the shot for itself or not at all.
        window = next((window for window in windows if window.scene.name == done.scene and any(
            item.get("sinew_shot_id") == done.shot and item.library is None for item in window.scene.objects)), None)
        if window is None:
            return
    with bpy.context.temp_override(window=window):
        if is_solve:
            for folder in done.state.takes:
                bpy.ops.sinew.take_in_solved("EXEC_DEFAULT", True, directory=str(folder))
        elif bpy.ops.sinew.import_take.poll():
            for folder in done.state.takes:
                bpy.ops.sinew.import_take("INVOKE_DEFAULT", True, directory=str(folder))


def settle() -> None:
    """Bring the picture up to date after a blocking wait."""
    mirror(bpy.context.window_manager)
    refresh(bpy.context.window_manager)
    redraw()


def redraw() -> None:
    """Draw the sidebars of all 3D views again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def backend() -> install.Backend:
    """The backend as it stands now."""
    return install.inspect(private_place(), backend_source(), chosen_path(preferences().backend_python))


def refresh(wm: bpy.types.WindowManager) -> None:
    """Look at the backend and the takes again."""
    state, python = wm.sinew, None
    try:
        found = backend()
        python = found.python
        state.backend, state.backend_text = found.status.name, found.text
        state.backend_size = words.size(found.size) if found.size else ""
    except SinewError as error:
        state.backend, state.backend_text, state.backend_size = "BROKEN", str(error), ""
    folder = takes_folder()
    state.takes_folder = str(folder)
    rows = takes.list_takes(folder)
    chosen = state.takes[state.take_index].folder if 0 <= state.take_index < len(state.takes) else ""
    state.takes.clear()
    for row in rows:
        mirror_take(state.takes.add(), row)
    # The same take as before, wherever it stands now: its button removes it from the disk.
    state.take_index = next((k for k, row in enumerate(rows) if str(row.folder) == chosen), 0)
    _mirror_models(state, python)
    mirror(wm)


def mirror_take(item, row: takes.TakeRow) -> None:
    """Fill a row of the panel's list of takes."""
    item.name, item.folder, item.run, item.people = row.name, str(row.folder), row.run, row.people
    item.date = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.modified))
    item.size, item.error, item.origin = words.size(row.size), row.error, row.origin
    item.length, item.camera = row.said.length, words.in_panel(row.said.camera)
    _fill(item.notes, [words.in_panel(note) for note in row.said.notes])


def _mirror_models(state, python: Path | None) -> None:
    fetched = None if python is None else model_files.fetched_folder(install.environment_prefix(python))
    folder = models_folder()
    state.models_folder = str(folder or "")
    state.models.clear()
    for key, found in model_files.look(folder, fetched=fetched).items():
        item = state.models.add()
        item.name, item.title, item.adds = key, found.set.title, words.in_panel(found.set.adds.partition(", --")[0])
        item.page, item.licence, item.is_ready = found.set.page, found.set.licence, found.is_ready
        item.missing = "" if found.is_ready else (" or " if found.set.any_of else ", ").join(found.missing)
        item.sentence = "" if found.is_ready else found.sentence()


def mirror(wm: bpy.types.WindowManager) -> None:
    """Copy the runner's state into the properties that panels draw."""
    state, job = wm.sinew, runner().job
    if job is None:
        state.status, state.is_alive, state.shot = "NONE", False, ""
        for told in (state.notes, state.results, state.imported, state.said):
            told.clear()
    else:
        known = job.state
        state.kind = "SETUP" if isinstance(job, install.Installation) else job.purpose
        state.status, state.is_alive, state.title = known.status.name, known.is_alive, known.title
        state.shot = getattr(job, "shot", "")
        names = install.STEP_TEXT if state.kind == "SETUP" else words.STAGES
        state.stage = names.get(known.stage, known.stage or "Starting")
        # A solve counts shares, not frames.
        state.detail = ("".join(known.notes[:1]) if state.kind == "SETUP" else
                        "" if state.kind == "SOLVE" else words.count(known.done, known.total))
        state.left = words.time_left(known.left_s)
        put = getattr(job, "put", str)
        state.fraction, state.error, state.log = known.fraction, words.in_panel(put(known.error)), str(known.log)
        _fill(state.notes, [words.in_panel(put(note)) for note in known.notes] if state.kind != "SETUP" else [])
        _fill(state.results, [str(take) for take in known.takes] if known.status is Status.FINISHED else [])
        if not known.takes:
            state.imported.clear()
            state.said.clear()
    _mirror_look(state.facts)


def _fill(collection, texts: list[str]) -> None:
    if [item.text for item in collection] != texts:
        collection.clear()
        for text in texts:
            collection.add().text = text


def _mirror_look(facts) -> None:
    job = runner().look
    if job is None:
        return
    facts.looking = job.state.is_alive
    if job.state.is_alive:
        return
    found = look.read_facts(job.output)
    if found is None:
        if job.state.status is not Status.CANCELLED:
            facts.error, facts.is_known = words.in_panel(job.state.error), False
        return
    facts.error, facts.is_known, facts.n_frames = "", True, found.n_frames
    facts.rate = found.rate.numerator, found.rate.denominator
    facts.size_px = found.size_px
    facts.picture, facts.length = words.picture(found), words.length(found)
    facts.cuts = words.cuts(found)
    _fill(facts.warnings, words.warnings(found))
    if found.cuts_s is None:
        # The quick answer came first; now the whole video is read for its cuts.
        _start_look(facts, cuts=True)


def forget_video(wm: bpy.types.WindowManager) -> None:
    """Drop the facts, and whoever is still looking for them."""
    facts = wm.sinew.facts
    runner().drop_look()
    facts.is_known, facts.is_sequence, facts.error, facts.looking = False, False, "", False
    facts.video = facts.picture = facts.length = facts.cuts = ""
    facts.warnings.clear()


def forget_failure(wm: bpy.types.WindowManager) -> None:
    """Put away what a run that failed or was stopped has left to say: another video is picked."""
    job = runner().job
    if getattr(job, "purpose", "") == "RUN" and job.state.status in (Status.FAILED, Status.CANCELLED):
        runner().job = None
        mirror(wm)


def look_at_video(scene: bpy.types.Scene, wm: bpy.types.WindowManager) -> None:
    """Find the facts of the scene's video, if there is one and a backend to look with."""
    facts = wm.sinew.facts
    path = chosen_path(scene.sinew.video)
    forget_video(wm)
    facts.video = str(path or "")
    if path is None:
        return
    if not path.exists() and "%" not in path.name and "*" not in path.name:
        facts.error = f"{path.name} is not there; pick another video."
        return
    facts.is_sequence = not path.is_file()
    if wm.sinew.backend == "READY":
        _start_look(facts, cuts=False)


def _start_look(facts, cuts: bool) -> None:
    found, place = backend(), private_place()
    if found.python is None:
        return
    asked = bpy.context.scene.sinew
    rate = asked.rate if facts.is_sequence else None
    try:
        job = look.start_look(found.python, Path(facts.video), rate, int(asked.turn), cuts, place.root / "look.txt",
                              install.backend_environment(backend_source(), place.cache, os.environ))
    except (SinewError, OSError) as error:
        facts.error = str(error)
        return
    runner().start_look(job)
    facts.looking = True
    watch()


def wait_for_look(longest_s: float = 600.0) -> None:
    """Block until the video's facts are known (for scripts)."""
    end = time.monotonic() + longest_s
    state = bpy.context.window_manager.sinew
    while state.facts.looking and time.monotonic() < end:
        runner().poll(PERIOD_S)
        mirror(bpy.context.window_manager)
        time.sleep(0.05)


def note_import(directory: str, notes: Iterable[str] = ()) -> None:
    """Remember for the panel that a take of the last run is in the scene.

    notes: What there was to say. Blender keeps to the console what an operator reports that a timer has called.
    """
    state = bpy.context.window_manager.sinew
    if directory not in [item.text for item in state.imported]:
        state.imported.add().text = directory
    _fill(state.said, list(notes))
    redraw()
