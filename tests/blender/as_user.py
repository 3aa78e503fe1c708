"""Runs in a Blender of its own, with a user folder of its own: installs the zip as a user does, then one scenario.

    python as_user.py ZIP SCENARIO [ARGUMENT …]        prints one JSON object as its last line

A session can import bpy only once, and its user folder is fixed by then: hence a process for each scenario.
"""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import bpy

PACKAGE = "bl_ext.user_default.sinew"


def install(path: str) -> None:
    bpy.ops.extensions.package_install_files(repo="user_default", filepath=path, enable_on_install=True)


def modules():
    import importlib

    return importlib.import_module(f"{PACKAGE}.addon.monitor"), importlib.import_module(f"{PACKAGE}.addon.preferences")


def preferences():
    return bpy.context.preferences.addons[PACKAGE].preferences


def traces() -> dict:
    """Everything of ours that Blender holds."""
    handlers = [f"{name}: {handler.__module__}" for name in dir(bpy.app.handlers)
                if isinstance(getattr(bpy.app.handlers, name), list)
                for handler in getattr(bpy.app.handlers, name) if "sinew" in getattr(handler, "__module__", "")]
    owners = (bpy.types.Scene, bpy.types.WindowManager, bpy.types.Object)
    # Looking operators up by name would make empty entries: classes tell what is registered.
    return {
        "classes": sorted({cls.__name__ for base in (bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup,
                                                     bpy.types.UIList, bpy.types.AddonPreferences)
                           for cls in base.__subclasses__() if getattr(cls, "is_registered", False)
                           and cls.__name__.startswith("SINEW")}),
        "properties": sorted(name for owner in owners for name in dir(owner) if "sinew" in name.lower()),
        "handlers": handlers,
        "threads": sorted(thread.name for thread in threading.enumerate() if "sinew" in thread.name),
    }


def timers(monitor) -> list[str]:
    return [timer.__name__ for timer in (monitor.tick, monitor._first_look) if bpy.app.timers.is_registered(timer)]


def enable_twice() -> dict:
    """Disable and enable twice; what is left each time."""
    import addon_utils

    on, off = [traces()], []
    for _ in range(2):
        monitor, _ = modules()
        monitor.watch()
        addon_utils.disable(PACKAGE)
        off.append({**traces(), "timers": timers(monitor)})
        addon_utils.enable(PACKAGE)
        on.append(traces())
    addon_utils.disable(PACKAGE)
    return {"on": on, "off": off, "last": traces()}


def import_take(folder: str, blend: str) -> dict:
    """Import by the operator, save, load, look; and import what is no take."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    install_again = PACKAGE not in bpy.context.preferences.addons
    if install_again:  # factory settings disable add-ons
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    out = {"imported": sorted(bpy.ops.sinew.import_take(directory=folder, scene_rate="TAKE"))}
    out["rate"] = [bpy.context.scene.render.fps, round(bpy.context.scene.render.fps_base, 6)]
    names = [o.name for o in bpy.data.objects if o.get("sinew_role") == "armature"]
    out["people"] = len(names)
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    try:
        bpy.ops.sinew.import_take(directory=str(Path(folder).parent))
        out["refusal"] = ""
    except RuntimeError as error:
        out["refusal"] = str(error)
    bpy.ops.wm.open_mainfile(filepath=blend)
    out["people after load"] = len([o for o in bpy.data.objects if o.get("sinew_role") == "armature"])
    armature = next(o for o in bpy.data.objects if o.get("sinew_role") == "armature")
    bpy.context.view_layer.objects.active = armature
    out["clamped"] = sorted(bpy.ops.sinew.clamp_keys())
    bpy.ops.sinew.set_limits(is_on=False)
    out["limits"] = bool(armature["sinew_limits"])
    bpy.ops.sinew.splat_settings()
    if hasattr(bpy.context.scene, "cycles"):
        out["bounces"] = bpy.context.scene.cycles.transparent_max_bounces
    return out


def take_list(folder: str, blend: str) -> dict:
    """The list, removal refused while the open file shows the take's plate, then done."""
    monitor, _ = modules()
    preferences().takes_folder = folder
    state = bpy.context.window_manager.sinew
    out = {"listed": [[row.run, row.people, bool(row.error)] for row in state.takes]}
    take = next(row.folder for row in state.takes if not row.error)
    image = bpy.data.images.new("Plate", 4, 4)
    image.source, image.filepath = "FILE", str(Path(take) / "plate" / "000000.jpg")
    try:
        bpy.ops.sinew.remove_take(directory=take)
        out["refusal"] = ""
    except RuntimeError as error:
        out["refusal"] = str(error)
    out["still there"] = Path(take).exists()
    bpy.data.images.remove(image)
    root = bpy.data.objects.new("Take", None)
    root["sinew_role"], root["sinew_base_folder"], root["sinew_take_folder"] = "root", take, take + " solved again"
    bpy.context.scene.collection.objects.link(root)
    try:
        bpy.ops.sinew.remove_take(directory=take)
        out["base"] = ""
    except RuntimeError as error:
        out["base"] = str(error)
    bpy.data.objects.remove(root)
    # The selection is a take and no place in the list: a newer one comes in above it.
    state.take_index = [row.folder for row in state.takes].index(take)
    os.utime(shutil.copytree(take, Path(folder) / "0009" / "take") / "take.json")
    monitor.refresh(bpy.context.window_manager)
    out["chosen"] = state.takes[state.take_index].folder == take and state.takes[0].run == "0009"
    shutil.rmtree(Path(folder) / "0009")
    out["removed"] = sorted(bpy.ops.sinew.remove_take(directory=take))
    out["gone"] = not Path(take).exists()
    out["left"] = [row.run for row in state.takes]
    return out


def model_files(folder: str) -> dict:
    """The list of model files without and with a folder, and what a request makes of it."""
    monitor, _ = modules()
    import importlib

    settings = importlib.import_module(f"{PACKAGE}.addon.settings")
    state, chosen = bpy.context.window_manager.sinew, bpy.context.scene.sinew
    names = ("is_ready", "adds", "page", "licence", "missing", "sentence")
    monitor.refresh(bpy.context.window_manager)

    def listed():
        return {row.name: {name: getattr(row, name) for name in names} for row in state.models}

    out = {"none": listed()}
    bpy.ops.sinew.pick_models(directory=folder)
    out["folder"], out["some"] = state.models_folder, listed()
    chosen.video, chosen.body = "clip.mp4", "skel"
    asked = settings.request(chosen, state.facts, "cpu", Path(state.models_folder))
    out["asked"] = [asked.body, str(asked.models)]
    out["networks"] = [[asked.hsmr, asked.wham]]
    out["detector"] = [asked.detector]
    chosen.use_heavy = False
    chosen.turn = "90"
    asked = settings.request(chosen, state.facts, "cpu", Path(state.models_folder))
    out["detector"].append(asked.detector)
    out["turn"] = asked.turn_deg
    chosen.use_hsmr, chosen.use_wham = False, True
    for name in ("hsmr.ckpt", "wham_vit_w_3dpw.pth.tar", "J_regressor_wham.npy", "J_regressor_feet.npy", "SMPL_NEUTRAL.pkl"):
        asked = settings.request(chosen, state.facts, "cpu", Path(folder))
        out["networks"].append([asked.hsmr, asked.wham])
        (Path(folder) / name).touch()
    asked = settings.request(chosen, state.facts, "cpu", Path(folder))
    out["networks"].append([asked.hsmr, asked.wham])
    chosen.body = "smplx"
    try:
        settings.request(chosen, state.facts, "cpu", Path(state.models_folder))
        out["refusal"] = ""
    except Exception as error:  # the extension's RequestError
        out["refusal"] = str(error)
    return out


def convert(python: str, result: str, takes_folder: str) -> dict:
    """Another system's result by the operator: what is refused, and a run folder without a take."""
    chosen = preferences()
    chosen.backend_python, chosen.takes_folder = python, takes_folder
    out = {"poll": bpy.ops.sinew.convert_result.poll()}
    for key, path in (("missing", result + ".npz"), ("unknown", result)):
        try:
            bpy.ops.sinew.convert_result(filepath=path)
            out[key] = ""
        except RuntimeError as error:
            out[key] = str(error)
    out["runs"] = sorted(str(path.relative_to(takes_folder)) for path in Path(takes_folder).rglob("*"))
    out["people"] = len([o for o in bpy.data.objects if o.get("sinew_role") == "armature"])
    return out


def no_backend() -> dict:
    """What is said where nothing is set up and Blender is offline."""
    monitor, _ = modules()
    monitor.refresh(bpy.context.window_manager)
    out = {"state": bpy.context.window_manager.sinew.backend, "poll": bpy.ops.sinew.reconstruct.poll()}
    try:
        bpy.ops.sinew.set_up_backend()
        out["refusal"] = ""
    except RuntimeError as error:
        out["refusal"] = str(error)
    return out


def fetch_models(python: str) -> dict:
    """The heavy landmark model by its operator: offline, then with a backend that fetches."""
    monitor, _ = modules()
    preferences().backend_python = python
    state, out = bpy.context.window_manager.sinew, {"poll": bpy.ops.sinew.fetch_models.poll()}
    bpy.context.preferences.system.use_online_access = False
    try:
        bpy.ops.sinew.fetch_models()
        out["offline"] = ""
    except RuntimeError as error:
        out["offline"] = str(error)
    bpy.context.preferences.system.use_online_access = True
    monitor.refresh(bpy.context.window_manager)
    out["before"] = state.models["heavy"].is_ready
    try:
        out["fetched"] = sorted(bpy.ops.sinew.fetch_models())
    except RuntimeError as error:
        out["fetched"] = str(error)
    monitor.refresh(bpy.context.window_manager)
    out["after"], out["status"] = state.models["heavy"].is_ready, state.status
    return out


def ended_run(folder: str, blend: str, failed: str, other: str) -> dict:
    """What the panel still says of a run that is over: put away, its take imported and the file loaded again, and
    another video picked."""
    import importlib
    from types import SimpleNamespace

    monitor, _ = modules()
    jobs = importlib.import_module(f"{PACKAGE}.addon.jobs.state")
    wm, runner = bpy.context.window_manager, monitor.runner()

    def end(status: str, **known) -> None:
        state = jobs.JobState("clip.mp4", Path("log.txt"), jobs.Status[status], notes=["A note."], **known)
        runner.job = SimpleNamespace(state=state, purpose="RUN", poll=lambda deadline_s: False, cancel=lambda: None,
                                     close=lambda: None)
        monitor.mirror(wm)

    def said() -> list:
        state = bpy.context.window_manager.sinew
        return [state.status, len(state.notes), len(state.results), len(state.imported), state.error]

    out = {}
    end("FINISHED", takes=[Path(folder)])
    out["finished"] = said()
    bpy.ops.sinew.import_take(directory=folder, scene_rate="TAKE")
    out["imported"] = said()
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    bpy.ops.wm.read_homefile(use_empty=True)
    out["another file"] = said()
    bpy.ops.wm.open_mainfile(filepath=blend)
    out["opened again"] = said()
    bpy.ops.sinew.dismiss()
    out["put away"] = said()
    wm = bpy.context.window_manager
    for status in ("FAILED", "CANCELLED", "FINISHED"):
        bpy.context.scene.sinew.video = failed
        end(status, error="clip.mp4 is no video." if status == "FAILED" else "", takes=[Path(folder)])
        bpy.context.scene.sinew.rate = "25"
        out[f"{status} there"] = said()
        bpy.context.scene.sinew.video = other
        out[f"{status} and another video"] = said()
    return out


def run_backend(python: str, text_file: str, clip: str, takes_folder: str) -> dict:
    """The real backend under the operators: a refusal, a run over a loaded file, a second press, cancel, disable."""
    monitor, _ = modules()
    chosen = preferences()
    chosen.backend_python, chosen.takes_folder = python, takes_folder
    wm, out = bpy.context.window_manager, {}
    out["state"] = wm.sinew.backend
    bpy.context.scene.sinew.video = text_file
    try:
        bpy.ops.sinew.reconstruct()
        out["refusal"] = ""
    except RuntimeError as error:
        out["refusal"] = str(error)
    out["status"] = wm.sinew.status
    out["run"] = sorted(path.name for path in (Path(takes_folder) / "0001").iterdir())

    bpy.context.scene.sinew.video = clip
    bpy.ops.sinew.reconstruct(wait=False)
    job = monitor.runner().job
    while not job.state.stage and job.state.is_alive:
        monitor.tick()
        time.sleep(0.05)
    out["second"] = bpy.ops.sinew.reconstruct.poll()
    bpy.ops.wm.read_homefile(use_empty=True)
    monitor.tick()
    out["after load"] = [bpy.context.window_manager.sinew.is_alive, bpy.context.window_manager.sinew.status]
    out["alive"] = job.state.is_alive
    begin = time.monotonic()
    bpy.ops.sinew.cancel_job()
    while job.state.is_alive:
        monitor.tick()
        time.sleep(0.02)
    out["cancel_s"] = time.monotonic() - begin
    out["cancelled"] = bpy.context.window_manager.sinew.status
    out["gone"] = not exists(job.pid)

    bpy.context.scene.sinew.video = clip
    bpy.ops.sinew.reconstruct(wait=False)
    job = monitor.runner().job
    import addon_utils

    begin = time.monotonic()
    addon_utils.disable(PACKAGE)
    out["disable_s"] = time.monotonic() - begin
    out["gone after disable"] = not exists(job.pid)
    return out


def correct(python: str, folder: str, takes_folder: str, file: str) -> dict:
    """Pin, flip, mark wrong, take one back, solve again, export; undo of it all."""
    chosen = preferences()
    chosen.backend_python, chosen.takes_folder = python, takes_folder
    bpy.ops.sinew.import_take(directory=folder, scene_rate="TAKE")
    import importlib

    listed = importlib.import_module(f"{PACKAGE}.addon.properties").corrections_of
    out = {}

    def found(role):
        return next(o for o in bpy.data.objects if o.get("sinew_role") == role)

    root = found("root")

    def rows():
        return [row.label for row in listed(root, "s1")]

    try:
        bpy.ops.sinew.solve_again()
    except RuntimeError as error:
        out["nothing"] = str(error)
    bpy.context.scene.frame_set(10)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.sinew.pin_joint(keypoint="wrist_l")
    pin = bpy.context.view_layer.objects.active
    out["mode"] = [bpy.context.mode, pin.get("sinew_role")]
    pin.location.x += 0.2
    bpy.ops.sinew.flip_limb(limb="arm_r", first=14, last=18)
    bpy.ops.sinew.mark_wrong(first=3, last=3)
    out["rows"] = rows()
    bpy.ops.sinew.remove_correction(number=0)
    out["after removal"] = rows()
    try:
        bpy.ops.sinew.mark_wrong(first=300, last=301)
    except RuntimeError as error:
        out["outside"] = str(error)
    before = root["sinew_take_folder"]
    bpy.ops.ed.undo_push(message="before")
    out["solved"] = sorted(bpy.ops.sinew.solve_again())
    out["moved on"] = root["sinew_take_folder"] != before
    bpy.ops.ed.undo()
    out["undone"] = found("root")["sinew_take_folder"] == before
    bpy.ops.ed.redo()
    root, pin = found("root"), found("pin")
    out["redone"] = root["sinew_take_folder"] != before
    out["base"] = root["sinew_base_folder"] == before
    edits = json.loads((Path(root["sinew_take_folder"]) / "take.json").read_text())["producer"]["edits"]["edits"]
    out["edits"] = [edit["kind"] for edit in edits]
    # Without corrections the take before them comes back.
    bpy.ops.sinew.remove_correction(pin=pin.name)
    bpy.ops.sinew.remove_correction(number=0)
    bpy.ops.sinew.solve_again()
    out["back"] = root["sinew_take_folder"] == before
    out["active"] = bpy.context.view_layer.objects.active == found("armature")
    try:
        bpy.ops.sinew.mark_wrong(first=-1000, last=1000)
    except RuntimeError as error:
        out["all wrong"] = str(error)
    # The take without corrections is lost from the disk.
    bpy.ops.sinew.flip_limb(limb="arm_r", first=14, last=18)
    bpy.ops.sinew.solve_again()
    bpy.ops.sinew.remove_correction(number=0)
    os.rename(before, before + " lost")
    try:
        bpy.ops.sinew.solve_again()
    except RuntimeError as error:
        out["lost"] = str(error)
    os.rename(before + " lost", before)
    bpy.ops.sinew.solve_again()
    out["found again"] = root["sinew_take_folder"] == before
    out["exported"] = sorted(bpy.ops.sinew.export_motion(filepath=file))
    try:
        bpy.ops.sinew.export_motion(filepath=file)
    except RuntimeError as error:
        out["there"] = str(error)
    return out


def leave_out(python: str, folder: str, takes_folder: str) -> dict:
    """Leave the selected person out and solve again: who is there and active then."""
    chosen = preferences()
    chosen.backend_python, chosen.takes_folder = python, takes_folder
    bpy.ops.sinew.import_take(directory=folder, scene_rate="TAKE")
    people = {o["sinew_subject"]: o for o in bpy.data.objects if o.get("sinew_role") == "armature"}
    bpy.ops.sinew.select_person(name=people["s2"].name)
    bpy.ops.sinew.skip_person()
    root = next(o for o in bpy.data.objects if o.get("sinew_role") == "root")
    bpy.context.view_layer.objects.active = root
    out = {"from the root": bpy.ops.sinew.solve_people.poll()}
    bpy.ops.sinew.select_person(name=people["s2"].name)
    out["solved"] = sorted(bpy.ops.sinew.solve_people())
    active = bpy.context.view_layer.objects.active
    out["active"] = None if active is None else active.get("sinew_subject")
    out["people"] = sorted(o["sinew_subject"] for o in bpy.data.objects if o.get("sinew_role") == "armature")
    out["said"] = [line.text for line in bpy.context.window_manager.sinew.said]
    out["waiting"] = "sinew_people_edits" in root
    return out


def die_with_blender(python: str, clip: str, takes_folder: str) -> None:
    """Start a run and end without a word, as a crashed Blender does. Prints the run's process id before."""
    monitor, _ = modules()
    chosen = preferences()
    chosen.backend_python, chosen.takes_folder = python, takes_folder
    bpy.context.scene.sinew.video = clip
    bpy.ops.sinew.reconstruct(wait=False)
    job = monitor.runner().job
    time.sleep(1.0)  # the backend is still loading its libraries then
    monitor.tick()
    print(json.dumps({"pid": job.pid, "alive": job.state.is_alive}), flush=True)
    os._exit(1)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


if __name__ == "__main__":
    install(sys.argv[1])
    result = globals()[sys.argv[2]](*sys.argv[3:])
    sys.stdout.flush()
    print("\n" + json.dumps(result), flush=True)
