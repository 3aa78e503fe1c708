"""Sentences on edits in the panels' words: names of people, limbs and joints, frames of the scene."""

import pytest
from bl_ext.test.sinew.addon.plan.sentences import in_scene

NAMES = {"s1": "Anna", "s2": "Person 2"}


@pytest.mark.parametrize("told, put", [
    ("Edit 3 (flip): arm_l of s1 is flipped over some of the same frames by edit 1; two flips undo each other, keep one of "
     "them.",
     "Left arm of Anna is flipped over some of the same frames already; two flips undo each other, keep one of them."),
    ("Frames 0 to 9 of s1 are all marked wrong, which leaves nothing.",
     "Frames 100 to 109 of Anna are all marked wrong, which leaves nothing."),
    ("Frames 0 to 9 of s1 are all marked wrong, which leaves nothing to fill them from; leave some of them, or skip the "
     "person.",
     "Frames 100 to 109 of Anna are all marked wrong, which leaves nothing to fill them from; leave some of them, or leave "
     "the person out under People."),
    ("Anna: the pinned wrist_l of frame 4 is missed by 12 px; the limits do not let it get there.",
     "Anna: the pinned left wrist of frame 104 is missed by 12 px; the limits do not let it get there."),
    ("Anna: leg_r in frames 4 to 7 went 30% of the way to the other side only; flip other frames, or pin its joints.",
     "Anna: right leg in frames 104 to 107 went 30% of the way to the other side only; flip other frames, or pin its "
     "joints."),
    ("Person 2: 12 frame(s) without a detection were filled from their neighbours.",
     "Person 2: 12 frame(s) without a detection were filled from their neighbours."),
    ("foot_index_r of 's2' at frame 3 is pinned at another place by edit 2; keep one of them.",
     "Right big toe of Person 2 at frame 103 is pinned at another place already; keep one of them."),
])
def test_a_sentence_names_what_the_panels_show(told, put):
    assert in_scene(told, NAMES, lambda index: 100 + index) == put
