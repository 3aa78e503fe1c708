"""Clips with known truth: motion and retargeting in NumPy, a Cycles scene in Blender, an mp4 with its arrays beside it.

`cli` is the command line, `clip` puts a clip together, `gait` and `recorded` make motions, `feet` keeps planted feet
still, `cameras` places cameras, `looks` chooses clothes and colours, `scene` runs inside Blender, `encode` writes mp4.
"""
