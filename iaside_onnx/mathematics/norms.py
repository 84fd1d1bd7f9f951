"""Norms that make a radius of two axis frequencies, and how many bands there may be.

Apart from `bands`, so that reading a report loads no scipy.
"""

from __future__ import annotations

from typing import Literal, get_args

Norm = Literal["linf", "l2", "l1"]
NORMS: tuple[str, ...] = get_args(Norm)
# Also of rings. No picture, table or estimate has a use for more.
MOST_BANDS = 512
