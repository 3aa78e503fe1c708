"""A measured distance as text: in and out, and every distance that cannot be."""

import pytest

from sinew_take import distance
from sinew_take.errors import RequestError


def test_in_and_out():
    found = distance.parse("12:210,331.25:402.5,328:2.5")
    assert found == distance.Distance(12, (210.0, 331.25), (402.5, 328.0), 2.5)
    assert distance.parse(found.as_text()) == found


@pytest.mark.parametrize(("text", "sentence"), [
    ("2.5", "is no measured distance; write it as FRAME:X1,Y1:X2,Y2:METRES"),
    ("a:1,2:30,4:2", "is no measured distance"),
    ("0:1,2,3:30,4:2", "is no measured distance"),
    ("0:1,2:30,4:0", "0 m is no distance that can be measured beside people in a picture; give 0.05 to 200 m."),
    ("0:1,2:30,4:900", "900 m is no distance"),
    ("0:1,2:30,4:nan", "nan m is no distance"),
    ("0:1,2:30,4:-3", "-3 m is no distance"),
    ("-1:1,2:30,4:2", "are not in the picture; give a frame from 0 on"),
    ("0:-1,2:30,4:2", "are not in the picture"),
    ("0:inf,2:30,4:2", "are not in the picture"),
    ("0:30,4:31,4:2", "The two points of the measured distance are the same; choose points that are farther apart."),
])
def test_what_cannot_be_is_one_sentence(text, sentence):
    with pytest.raises(RequestError) as error:
        distance.parse(text)
    assert sentence in str(error.value)


def test_a_distance_of_another_clip():
    given = distance.parse("40:600,300:900,310:2")
    distance.check_in(given, (1280, 720), [(0, 20), (21, 90)])
    with pytest.raises(RequestError, match="The point 900,310 of the measured distance is not in the picture, which has 640"):
        distance.check_in(given, (640, 360), [(0, 90)])
    with pytest.raises(RequestError, match="measured in frame 40, and frames 0 to 20 and 60 to 90 are reconstructed"):
        distance.check_in(given, (1280, 720), [(0, 20), (60, 90)])
