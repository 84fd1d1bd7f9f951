"""Corruption errors against a baseline model.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019, section 4; method, section 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def corruption_errors(errors: NDArray[Any], baseline: NDArray[Any]) -> NDArray[np.float64]:
    """CE: ``sum over severities of the model's error / the same sum of the baseline``.

    From shares of wrong answers, shape (..., P, S), to shape (..., P), whose mean is the mCE. 1 is
    as the baseline; infinite, or not a number, where the baseline makes no error.

    Examples
    --------
    >>> corruption_errors([[0.25, 0.5]], [[0.5, 1.0]]).tolist()
    [0.5]
    """
    return relative_corruption_errors(errors, 0.0, baseline, 0.0)


def relative_corruption_errors(
    errors: NDArray[Any], clean: Any, baseline: NDArray[Any], baseline_clean: Any
) -> NDArray[np.float64]:
    """Relative CE: as CE, with the clean error subtracted above and below.

    ``sum_s (E_s - E_clean) / sum_s (B_s - B_clean)``: how much more a model errs than on clean
    images, against how much more the baseline does.

    The errors on clean images have the shape (...); see `corruption_errors` for the others. The
    result is negative where one of the two gains by a corruption.

    Examples
    --------
    >>> relative_corruption_errors([[0.25, 0.5]], 0.125, [[0.5, 1.0]], 0.25).tolist()
    [0.5]
    """
    above, below = (
        (np.asarray(part, np.float64) - np.asarray(level, np.float64)[..., None, None]).sum(-1)
        for part, level in ((errors, clean), (baseline, baseline_clean))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below)
