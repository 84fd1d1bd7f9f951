"""How far a head's probabilities may be off by rounding alone, from the logits before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..onnx_file.heads import Head

# Fraction bits of the numbers as they are read: float64 too as float32.
_BITS = {"float16": 10, "float32": 23, "float64": 23}
# How many steps of the largest logit two logits may move apart by, see `rounding_of`: of float32
# some for another order of its sums, of `coarse` providers for other kernels.
_STEPS = {"float16": 2, "float32": 64, "float64": 2}
_COARSE_STEPS = 4
# Smaller logits are sums of larger terms, whose steps count.
_LEAST_SIZE = 8.0
# What Exp, sum and division make of a probability: a share of it, and no more than so much.
_SHARE = 1e-2
_MOST = {"float16": 4e-3, "float32": 1e-5, "float64": 1e-6}
# A step of the least probabilities, and of 1 - p where p is near 1.
_LEAST = {"float16": 2.0**-24, "float32": 2e-7, "float64": 2e-7}
_NEAR_ONE = {"float16": 2.0**-11, "float32": 2e-7, "float64": 2e-7}


def rounding_of(
    head: Head, logits: NDArray[Any], expected: NDArray[np.float64], dtype: str, *, coarse: bool
) -> NDArray[np.float64]:
    """How far each probability of an output may be off from that of its logits.

    The head of a file need not get the logits that a copy gives. A provider that computes in more
    digits than the type has hands on what is rounded only where it is read: half a step s of the
    largest logit, up or down. A Softmax in the type itself rounds z - max z, which is up to twice
    as large, by a step more. So the odds of a class against all others move by a factor between
    exp(-d) and exp(d), where d is the most that two logits move apart by: one step for the rounding
    of both as they are read, and one for that of their differences, d = 2 s. The probability moves
    by no more than p (1 - p) (exp(d) - 1).

    Float16 has steps of 1/32 at 32 to 64, so p = 1/2 may move by 0.016. A temperature of 1.05
    moves two logits that are 2 apart by 0.095, where d is 0.0625. Exp, sum, division and the
    rounding of p itself come on top. All of it follows from the number's type and size, so no
    choice of images makes an output that is what its head makes of the logits seem another.

    Parameters
    ----------
    logits : ndarray, shape (n, columns)
    expected : ndarray, shape (n, columns) or (n, 2 columns)
        The probabilities that `head` makes of them.
    dtype : {"float16", "float32", "float64"}
        The coarsest type of logits and probabilities.
    coarse : bool
        The file and its copy may run other kernels, which round to 10 bits or more.
    """
    kind = "float16" if coarse else dtype
    size = np.abs(logits.astype(np.float64))
    if head.operator == "Softmax":
        size = size.max(axis=1, keepdims=True)
    if size.shape[1] not in (1, expected.shape[1]):
        size = np.hstack([size, size])
    _, exponent = np.frexp(np.maximum(size, _LEAST_SIZE))
    step = np.ldexp(1.0, exponent - 1 - _BITS[kind])
    moved = np.expm1((_COARSE_STEPS if coarse else _STEPS[kind]) * step)
    # Log-probabilities are not divided by their sum, by which errors cancel near 1.
    spread = expected if head.operator == "Exp" else expected * (1 - expected)
    least = (_NEAR_ONE if head.operator == "Sigmoid" else _LEAST)[kind]
    share = np.full_like(expected, np.inf) if coarse else _SHARE * expected
    return np.asarray(spread * moved + np.minimum(share, _MOST[kind]) + least)
