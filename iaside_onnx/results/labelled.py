"""Results as xarray datasets, whose dimensions are those of the schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    from xarray import Dataset


def dataset(result: Any) -> Dataset:
    """See `Result.to_xarray`."""
    try:
        import xarray
    except ModuleNotFoundError as error:
        raise UsageError("to_xarray needs xarray: pip install 'iaside-onnx[notebook]'") from error
    renamed = result.axis_names
    values, coordinates = dict(result.variables()), dict(result.coordinates())
    for each in result.SCHEMA.fields:
        value = getattr(result, each.name, None)
        if value is None or not (each.coordinate or each in result.SCHEMA.rows):
            continue
        if any(isinstance(dim, int) for dim in each.dims) or not np.size(value):
            continue  # bytes of digests, and what was not measured
        dims = [renamed.get(str(dim), dim) for dim in each.dims]
        if each.coordinate:
            coordinates[each.coordinate] = (dims, np.asarray(value))
        else:
            values[each.name] = (dims, np.asarray(value), {"long_name": each.meaning})
    made: Dataset = xarray.Dataset(values, coordinates, _attributes(result))
    return made


def _attributes(result: Any) -> dict[str, Any]:
    model = {
        key: str(value)
        for key, value in (
            ("model", result.model.get("path")),
            ("model_sha256", result.model.get("sha256")),
            ("provider", result.provider or None),
        )
        if value is not None
    }
    return {
        **model,
        "data": str(result.data["source"]),
        "data_digest": str(result.data["digest"]),
        "created": result.created,
        "iaside_version": result.iaside_version,
        "settings": json.dumps(result.settings),
        **result.scores,
    }
