"""Curve plans -> one action per person on an NLA strip, with a layer above that is ready to key.

Blender 4.4 put slots and layers between an action and its curves, 5.0 took the flat way out; both are told apart here
and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..plan.curves import ABSENT_PROPERTY, CurvePlan
from . import tags

ACTION_ROLE = "action"
LAYER_ROLE = "tweak"
_INTERPOLATION = {"CONSTANT": 0, "LINEAR": 1}
_HANDLE_AUTO_CLAMPED = 4
HAS_SLOTS = "slots" in bpy.types.Action.bl_rna.properties


def write_action(action: bpy.types.Action, armature: bpy.types.Object, plans: Sequence[CurvePlan]) -> None:
    """Fill an action with the plans' curves, in bulk; curves that are there already keep their modifiers and colours."""
    known = {(c.data_path, c.array_index): c for c in curves_of(action, armature, ensure=True)}
    holder = _holder(action, armature, ensure=True)
    groups = {group.name: group for group in holder.groups}
    for plan in plans:
        curve = known.get((plan.path, plan.index))
        if curve is None:
            curve = holder.fcurves.new(plan.path, index=plan.index)
            if plan.group not in groups:
                groups[plan.group] = holder.groups.new(plan.group)
            curve.group = groups[plan.group]
        else:
            curve.keyframe_points.clear()
        _write_keys(curve, plan)
    wanted = {(plan.path, plan.index) for plan in plans}
    stale = (f'["{ABSENT_PROPERTY}"]', 0)
    if stale in known and stale not in wanted:
        holder.fcurves.remove(known[stale])


def _write_keys(curve: bpy.types.FCurve, plan: CurvePlan) -> None:
    n = len(plan.frames)
    points = curve.keyframe_points
    points.add(n)
    co = np.empty((n, 2), np.float32)
    co[:, 0], co[:, 1] = plan.frames, plan.values
    points.foreach_set("co", co.ravel())
    points.foreach_set("interpolation", np.where(plan.is_held, _INTERPOLATION["CONSTANT"],
                                                 _INTERPOLATION["LINEAR"]).astype(np.int32))
    # New keys have the handles of the user's preferences; of this kind, `update` places them (others stay at 0, 0).
    kind = np.full(n, _HANDLE_AUTO_CLAMPED, np.int32)
    points.foreach_set("handle_left_type", kind)
    points.foreach_set("handle_right_type", kind)
    curve.update()


def _slot(action: bpy.types.Action, armature: bpy.types.Object, ensure: bool) -> bpy.types.ActionSlot | None:
    slot = _played_slot(action, armature) or next(
        (s for s in action.slots if s.target_id_type in (armature.id_type, "UNSPECIFIED")), None)
    if slot is None and ensure:
        slot = action.slots.new(armature.id_type, armature.name)
    return slot


def _played_slot(action: bpy.types.Action, block: bpy.types.ID) -> bpy.types.ActionSlot | None:
    """The slot that a datablock plays of an action, which may hold several people."""
    data = block.animation_data
    if data is None:
        return None
    players = ([data] if data.action == action else []) + _strips(data, action)
    return next((player.action_slot for player in players if player.action_slot is not None), None)


def _holder(action: bpy.types.Action, armature: bpy.types.Object, ensure: bool):
    """What has `.fcurves` and `.groups`: the slot's channelbag, or the action itself before 4.4; None if missing."""
    if not HAS_SLOTS:
        return action
    slot = _slot(action, armature, ensure)
    if slot is None:
        return None
    if not action.layers:
        if not ensure:
            return None
        action.layers.new("Layer")
    layer = action.layers[0]
    if not layer.strips:
        if not ensure:
            return None
        layer.strips.new(type="KEYFRAME")
    return layer.strips[0].channelbag(slot, ensure=ensure)


def curves_of(action: bpy.types.Action | None, armature: bpy.types.Object, ensure: bool = False
              ) -> list[bpy.types.FCurve]:
    """All F-curves of an action for this armature."""
    holder = None if action is None else _holder(action, armature, ensure)
    return [] if holder is None else list(holder.fcurves)


def find_curve(action: bpy.types.Action | None, armature: bpy.types.Object, path: str, index: int
               ) -> bpy.types.FCurve | None:
    """One F-curve of an action, or None."""
    holder = None if action is None else _holder(action, armature, False)
    return None if holder is None else holder.fcurves.find(path, index=index)


def read_keys(curve: bpy.types.FCurve) -> tuple[np.ndarray, np.ndarray]:
    """Frames and values of a curve's keys, (N,) each."""
    co = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", co)
    return co[0::2].astype(float), co[1::2].astype(float)


def shift_keys(curve: bpy.types.FCurve, by: np.ndarray) -> None:
    """Move keys and their handles up or down. by: (N,), in the curve's unit."""
    points = curve.keyframe_points
    for part in ("co", "handle_left", "handle_right"):
        co = np.empty(2 * len(points), np.float32)
        points.foreach_get(part, co)
        co[1::2] += by
        points.foreach_set(part, co)
    curve.update()


def base_action(armature: bpy.types.Object) -> bpy.types.Action | None:
    """The action that holds the take's keys, wherever the artist has put it."""
    return find_action(armature, ACTION_ROLE)


def layer_action(armature: bpy.types.Object) -> bpy.types.Action | None:
    """The action being edited above the take's, if there is one."""
    data = armature.animation_data
    action = None if data is None else data.action
    return None if action is None or action == base_action(armature) else action


def find_action(block: bpy.types.ID, role: str) -> bpy.types.Action | None:
    """The action with a role among those that a datablock plays, on whichever track; None where it plays none.

    Tracks come first: an action above them may be the artist's copy, which has the role too.
    """
    data = block.animation_data
    if data is None:
        return None
    own = [strip.action for track in data.nla_tracks for strip in track.strips] + [data.action]
    return next((a for a in own if a is not None and a.get(tags.ROLE) == role), None)


def build_action(armature: bpy.types.Object, plans: Sequence[CurvePlan], owner: tags.Owner, name: str) -> list[str]:
    """Key a person's motion.

    A new armature gets the action on a strip of an NLA track and an empty action above it that adds to it. On one that
    an earlier import made, only the keys of the take's action change; the artist's layers, tracks and strips stay.

    Args:
        armature: The person's.
        plans: Of `plan.curves.plan_curves`.
        owner: Take, shot and subject.
        name: For new actions; never used to find them.

    Returns:
        Sentences for the user.
    """
    data = armature.animation_data or armature.animation_data_create()
    action = base_action(armature)
    is_new = action is None
    if is_new:
        action = bpy.data.actions.new(name)
    before = tuple(action.frame_range)
    tags.mark(action, ACTION_ROLE, owner)
    write_action(action, armature, plans)
    keyed = [plan for plan in plans if len(plan.frames)]
    first = min((float(plan.frames[0]) for plan in keyed), default=1.0)
    last = max((float(plan.frames[-1]) for plan in keyed), default=first)
    if not is_new:
        for strip in _strips(data, action):
            _fit_strip(strip, before, first, last)
        return []
    # The artist has replaced the take's action, by a bake for instance: what plays now keeps playing.
    is_replaced = data.action is not None or any(track.strips for track in data.nla_tracks)
    track = _push_down(data, action, armature, first, last)
    if is_replaced:
        track.mute = True
        return [f"{armature.name} no longer had the take's action, so the new motion lies on a muted NLA track; "
                "unmute it to see it."]
    layer = bpy.data.actions.new(f"{name} tweak")
    tags.mark(layer, LAYER_ROLE, owner)
    assign(data, layer, armature)
    data.action_blend_type = "COMBINE"
    return []


def _strips(data: bpy.types.AnimData, action: bpy.types.Action) -> list[bpy.types.NlaStrip]:
    return [strip for track in data.nla_tracks for strip in track.strips if strip.action == action]


def _push_down(data: bpy.types.AnimData, action: bpy.types.Action, armature: bpy.types.Object, first: float,
               last: float) -> bpy.types.NlaTrack:
    track = data.nla_tracks.new()
    track.name = "Take"
    strip = track.strips.new(action.name, int(np.floor(first)), action)
    if HAS_SLOTS:
        strip.action_slot = _slot(action, armature, True)
    strip.extrapolation = "HOLD"
    strip.blend_type = "REPLACE"
    strip.use_sync_length = False
    _set_strip(strip, first, last, 0.0)
    return track


def _fit_strip(strip: bpy.types.NlaStrip, before: tuple[float, float], first: float, last: float) -> None:
    """A strip that the artist has moved stays moved by as much; one that was cut, scaled or repeated is left alone."""
    is_whole = (abs(strip.scale - 1) < 1e-4 and abs(strip.repeat - 1) < 1e-4
                and abs(strip.action_frame_start - before[0]) < 1e-2
                and abs(strip.action_frame_end - max(before[1], before[0] + 1.0)) < 1e-2)
    if is_whole:
        _set_strip(strip, first, last, strip.frame_start - strip.action_frame_start)


def _set_strip(strip: bpy.types.NlaStrip, first: float, last: float, moved: float) -> None:
    last = max(last, first + 1.0)
    strip.action_frame_start, strip.action_frame_end = first, last
    strip.frame_start_raw, strip.frame_end_raw = first + moved, last + moved
    strip.scale, strip.repeat = 1.0, 1.0


def remove_curve(action: bpy.types.Action, armature: bpy.types.Object, curve: bpy.types.FCurve) -> None:
    """Take one of `curves_of` out of its action."""
    _holder(action, armature, True).fcurves.remove(curve)


def assign(data: bpy.types.AnimData, action: bpy.types.Action, armature: bpy.types.Object) -> None:
    """Make an action the one that is played and edited, with its slot for this datablock."""
    data.action = action
    if HAS_SLOTS:
        _holder(action, armature, True)
        data.action_slot = _slot(action, armature, True)


def offset_strip(armature: bpy.types.Object, frames: float) -> None:
    """Move a person's take against the rest of the scene, from where the take was keyed. frames: scene frames."""
    for strip in _strips(armature.animation_data, base_action(armature)):
        _set_strip(strip, strip.action_frame_start, strip.action_frame_end, frames)


def strip_offset(armature: bpy.types.Object) -> float:
    """Scene frames by which the take's action plays later than it was keyed."""
    strips = _strips(armature.animation_data, base_action(armature))
    return strips[0].frame_start - strips[0].action_frame_start if strips else 0.0
