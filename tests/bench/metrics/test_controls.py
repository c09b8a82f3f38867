"""Each control gets the score it must have, and a wrong score is seen; no collapsed model is crowned."""

import pytest
from accounting import accounted

from bench.evaluate.control_models import CONTROLS
from bench.losses import ReconstructionCost
from bench.reports.studies.control_scores import SCORES

COUNTS = {"n_test": 360, "n_validation": 359, "latent_dim": 4}


@pytest.fixture(scope="module", params=sorted(CONTROLS))
def scored(request, toolbox, every_metric, digits_split, digits_shared):
    """(control, metric → number or None) on digits; every value is accounted for, as of any other row."""
    model = CONTROLS[request.param](digits_split, COUNTS["latent_dim"], ReconstructionCost("squared"), 0)
    measured = toolbox.evaluate(model, digits_split, *every_metric, shared=digits_shared)
    accounted(measured)
    return request.param, {name: entry.value for name, entry in measured.items()}


def test_each_control_has_its_scores(scored):
    control, values = scored
    own = [score for score in SCORES if score.control == control]
    assert own
    for score in own:
        assert score.met(values, COUNTS) is True, (score.metric, score.text, values[score.metric])


def test_another_score_is_seen(scored):
    """A value beside the bound, a number where there must be none, and none where there must be one."""
    control, values = scored
    for score in (score for score in SCORES if score.control == control):
        if score.without:
            assert score.met({**values, score.metric: 0.0}, COUNTS) is False
            continue
        low, high = score.bound(values, COUNTS)
        slack = 1e-3 + 0.01 * abs(high)
        for wrong in (low - slack, high + slack, None):
            assert score.met({**values, score.metric: wrong}, COUNTS) is False, score.metric


def test_what_was_not_measured_is_neither_right_nor_wrong():
    for score in SCORES:
        assert score.met({}, COUNTS) is None


def test_every_score_is_of_a_metric_and_control_that_exist(every_metric):
    names = {value.name for metric in every_metric for value in metric.values}
    assert {score.metric for score in SCORES} <= names
    assert {score.control for score in SCORES} == set(CONTROLS)
