"""The area under the ROC curve by hand; the tests of the downstream metrics hold it against scikit-learn."""

import numpy as np

from scripts.lib.core.auroc import auroc


def test_auroc_by_hand():
    # Pairs of a true (3, 2) and a false (2, 1): 3 > 2, 3 > 1, 2 = 2 (half), 2 > 1.
    assert auroc(np.array([True, True, False, False]), np.array([3, 2, 2, 1])) == 3.5 / 4
    assert np.isnan(auroc(np.array([True, True]), np.array([1.0, 2.0])))
