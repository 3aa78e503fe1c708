"""Drivers that Blender evaluates without Python, so that files work where scripts are not allowed."""

from __future__ import annotations

import bpy


def drive(block: bpy.types.ID, path: str, index: int, variables: dict[str, tuple[bpy.types.ID, str]],
          expression: str | None = None) -> bpy.types.FCurve | None:
    """Give a property a driver, or bring ours up to date.

    Args:
        block: Owner of the property.
        path: Its data path.
        index: Array index, -1 for a single property.
        variables: Name -> (datablock, data path) that it reads.
        expression: None: the sum of the variables.

    Returns:
        The driver's F-curve; None where an artist's own driver stands (one with other variables), which is kept.
    """
    data = block.animation_data
    curve = None if data is None else data.drivers.find(path, index=max(index, 0))
    if curve is not None:
        own = curve.driver
        if {v.name for v in own.variables} != set(variables):
            return None
        for variable in own.variables:
            if variable.targets[0].id is None:  # what it read was deleted, and made anew
                variable.targets[0].id = variables[variable.name][0]
        if expression is not None and own.expression != expression:
            own.expression = expression
        return curve
    curve = block.driver_add(path) if index < 0 else block.driver_add(path, index)
    # Blender 5 lays two keys under a new driver, and what it evaluates within 1e-4 of a key becomes that key: 0.1 mm of
    # a joint's way. Bare curves pass the value on.
    curve.keyframe_points.clear()
    for modifier in list(curve.modifiers):
        curve.modifiers.remove(modifier)
    driver = curve.driver
    for name, (source, source_path) in variables.items():
        variable = driver.variables.new()
        variable.name = name
        variable.type = "SINGLE_PROP"
        target = variable.targets[0]
        target.id = source
        target.data_path = source_path
    if expression is None:
        driver.type = "SUM"
    else:
        driver.type = "SCRIPTED"
        driver.expression = expression
    return curve
