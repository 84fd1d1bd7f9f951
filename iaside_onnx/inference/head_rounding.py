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


# Odds that move by more than exp(50) hold no probability, and exp of much more is no number.
_MOST_APART = 50.0


def rounding_of(
    head: Head, logits: NDArray[Any], expected: NDArray[np.float64], dtype: str, *, coarse: bool
) -> NDArray[np.float64]:
    """How far each probability of an output may be off from that of its logits.

    The head of a file need not get the very logits that a copy gives: a provider that computes in
    more digits than the type has rounds them only where they are read, each by half a step s of
    the largest logit, up or down, so that two of them move apart by s. A Softmax in the type itself
    rounds their distances from the highest, which may be twice as large: one s more. If two logits
    move apart by no more than d = 2 s, the odds of a class against all others change by a factor
    between exp(-d) and exp(d), and its probability by

        |p' - p| <= p (1 - p) (exp(d) - 1).

    Float16 has steps of 1/32 from 32 to 64, where p = 1/2 may move by 0.016; a temperature of 1.05
    moves two logits that are 2 apart by 0.095, and d is 0.0625. What Exp, sum, division and the
    rounding of p itself do comes on top. All of it follows from the type and the size of the
    numbers, so no choice of images makes the head of a file seem another one.

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
    apart = (_COARSE_STEPS if coarse else _STEPS[kind]) * step
    moved = np.expm1(np.minimum(apart, _MOST_APART))
    # Log-probabilities are not divided by their sum, by which errors cancel near 1.
    spread = expected if head.operator == "Exp" else expected * (1 - expected)
    least = (_NEAR_ONE if head.operator == "Sigmoid" else _LEAST)[kind]
    share = np.full_like(expected, np.inf) if coarse else _SHARE * expected
    return np.asarray(spread * moved + np.minimum(share, _MOST[kind]) + least)
