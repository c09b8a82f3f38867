"""The Pareto front against its definition, and labels that stay readable."""

import numpy as np

from bench.analysis.pareto import place_labels, undominated


def test_the_front_is_who_nobody_betters_in_both():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, size=(30, 2)).astype(float)
    competes = rng.uniform(size=30) < 0.8
    for n, found in enumerate(undominated(values, competes)):
        better = [
            m for m in range(30)
            if competes[m] and (values[m] <= values[n]).all() and (values[m] < values[n]).any()
        ]  # fmt: skip
        assert found == (competes[n] and not better)


def test_forty_labels_cover_neither_each_other_nor_a_point_and_stay_inside():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 1, size=(40, 2)) * [700, 450]
    widths = rng.uniform(40, 150, size=40)
    places = place_labels(points, widths, 14.0, (700, 450))
    assert sum(place is not None for place in places) >= 38
    boxes = [(x, y, x + w, y + 14) for (x, y), w in ((p, w) for p, w in zip(places, widths, strict=True) if p)]
    boxes += [(x, y, x, y) for x, y in points]
    for n, one in enumerate(boxes):
        assert one[0] >= 0 and one[1] >= 0 and one[2] <= 700 and one[3] <= 450
        for other in boxes[n + 1 :]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_a_label_without_room_is_left_to_hovering():
    points = np.array([[5.0, 5.0], [5.0, 5.0]])
    assert place_labels(points, [90.0, 90.0], 14.0, (60, 10)) == [None, None]
