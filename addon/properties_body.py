"""The body's sliders: views of one property of the armature, so that files keep working where Sinew is not installed."""

import bpy
import numpy as np

from .plan import shape


def body_problem(armature: bpy.types.Object) -> str:
    """Why a person's body cannot be changed here, or an empty string."""
    if shape.SHAPE not in armature:
        return "The sliders are for Sinew's own body; another body's shape comes with its take."
    if armature.library is not None or armature.override_library is not None:
        return "This person is linked from another file; change the body there."
    return ""


BONE_SLIDERS = tuple(f"bone_{bone.key}" for bone in shape.BONES)
FLESH_SLIDERS = tuple(f"flesh_{k}" for k in range(shape.N_FLESH))
N_NAMED = shape.N_NAMED
"""The first flesh sliders have a meaning that people know; the others are details."""
PROBLEM = "sinew_shape_problem"
"""On the armature: why the last slider could not be followed."""


def _held(group) -> np.ndarray:
    return np.array(group.id_data[shape.SHAPE], float)


def _change(group, wanted: np.ndarray) -> None:
    from ..backend.sinew_take.errors import SinewError
    from .scene.reshape import give_shape

    if body_problem(group.id_data):
        return
    try:
        give_shape(bpy.context, group.id_data, wanted)
        group.id_data.pop(PROBLEM, None)
    except SinewError as error:  # a slider has no other way to say it: the panel shows it
        group.id_data[PROBLEM] = str(error)


def _bone(index: int) -> bpy.props.FloatProperty:
    bone = shape.BONES[index]

    def read(self):
        return float(shape.bone_lengths(_held(self))[index]) if shape.SHAPE in self.id_data else bone.mean_m

    def write(self, value):
        if shape.SHAPE in self.id_data:
            _change(self, shape.with_bone(_held(self), index, value))

    return bpy.props.FloatProperty(
        name=bone.title, subtype="DISTANCE", unit="LENGTH", precision=3, step=0.5, get=read, set=write, options=set(),
        min=0.4 * bone.mean_m, max=1.7 * bone.mean_m, soft_min=0.75 * bone.mean_m, soft_max=1.25 * bone.mean_m,
        description="Length between the joints; the other bones and the flesh stay as they are")


def _flesh(index: int) -> bpy.props.FloatProperty:
    def read(self):
        return float(shape.flesh(_held(self))[index]) if shape.SHAPE in self.id_data else 0.0

    def write(self, value):
        if shape.SHAPE in self.id_data:
            _change(self, shape.with_flesh(_held(self), index, value))

    return bpy.props.FloatProperty(
        name=shape.FLESH[index][0], precision=2, step=5, get=read, set=write, options=set(), min=-5, max=5,
        soft_min=-3, soft_max=3,
        description="In standard deviations among people; every bone keeps its length")


class SINEW_PG_body(bpy.types.PropertyGroup):
    """Bone lengths and flesh of one person, of the armature's own shape."""

    __annotations__ = {**{name: _bone(k) for k, name in enumerate(BONE_SLIDERS)},
                       **{name: _flesh(k) for k, name in enumerate(FLESH_SLIDERS)}}


CLASSES = (SINEW_PG_body,)


def register() -> None:
    """Hang the sliders on objects."""
    bpy.types.Object.sinew_body = bpy.props.PointerProperty(type=SINEW_PG_body, options=set())


def unregister() -> None:
    """Take them off again."""
    del bpy.types.Object.sinew_body
