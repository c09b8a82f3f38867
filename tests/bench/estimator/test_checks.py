"""scikit-learn's own checks of what an estimator, a transformer and an outlier detector must do."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import bench

#: Three steps of a small network: the checks fit some sixty times.
QUICK = {"steps": 3, "network": "mlp[hidden=[16]]"}


@pytest.mark.filterwarnings("ignore:X. :UserWarning")  # columns that are constant or count the rows
@parametrize_with_checks([bench.Autoencoder(contamination=0.1, **QUICK)])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)
