"""Audits of small models in another environment: ``python -m tests.provider_audits JSON``.

Run by a Python that holds another build of onnxruntime. With "stand_in" the provider of CUDA is
that one under CUDA's name, with tensors in the memory of its device, as on a graphics card.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import helper

import iaside_onnx as ia
from iaside_onnx.inference import providers


@cache
def copier(runtime_name, kind):
    """A session that copies a tensor to the device."""
    ends = [helper.make_tensor_value_info(name, kind, None) for name in "xy"]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "copy", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ort.InferenceSession(
        model.SerializeToString(),
        providers=[runtime_name, "CPUExecutionProvider"],
        enable_fallback=0,
    )


ALONE = threading.RLock()


def one_at_a_time(owner, name):
    """WebGPU takes work from one thread at a time, CUDA from several."""
    plain = getattr(owner, name)

    def alone(*arguments, **keywords):
        with ALONE:
            return plain(*arguments, **keywords)

    setattr(owner, name, alone)


def stand_in(name, device):
    """Put a provider in the place of CUDA's: its memory is reached by running a copy."""
    runtime_name = providers.PROVIDERS.pop(name).runtime_name
    providers.PROVIDERS["cuda"] = replace(
        providers.PROVIDERS["cuda"],
        runtime_name=runtime_name,
        options=lambda _: {},
        libraries=False,
        automatic=False,
    )
    one_at_a_time(ort.InferenceSession, "run")
    one_at_a_time(ort.InferenceSession, "run_with_iobinding")
    plain, inplace = ort.OrtValue.ortvalue_from_numpy, ort.OrtValue.update_inplace

    def copied(array, bind):
        with ALONE:
            session = copier(runtime_name, helper.np_dtype_to_tensor_dtype(array.dtype))
            binding = session.io_binding()
            binding.bind_cpu_input("x", np.ascontiguousarray(array))
            bind(binding)
            session.run_with_iobinding(binding)
        return binding

    def from_numpy(array, device_type="cpu", device_id=0, **_):
        if device_type == "cpu":
            return plain(array)
        assert (device_type, device_id) == ("cuda", 0)
        binding = copied(array, lambda each: each.bind_output("y", device))
        value = binding.get_outputs()[0]
        value.kept = binding
        return value

    def from_shape(shape, dtype, device_type="cpu", device_id=0, **_):
        return from_numpy(np.full(shape, 7, dtype), device_type, device_id)

    def update(self, data):
        if self.device_name() == "cpu":
            inplace(self, data)
        else:
            copied(data, lambda each: each.bind_ortvalue_output("y", self))

    ort.OrtValue.ortvalue_from_numpy = staticmethod(from_numpy)
    ort.OrtValue.ortvalue_from_shape_and_type = staticmethod(from_shape)
    ort.OrtValue.update_inplace = update


def audited(provider, model, images, options):
    # Other providers take no such order.
    exact = {"tf32": False} if provider == "cuda" else {}
    try:
        found = ia.analyze(model, images, provider=provider, **exact, **options)
    except ia.IasideError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "log_prob": found.log_prob.tolist(),
        "sid": found.sid.tolist(),
        "scores": dict(found.scores),
        "provider": found.provider,
        "execution": found.settings.get("execution"),
        "run": found.run,
    }


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked.get("stand_in"):
        stand_in(asked["provider"], asked["stand_in"])
    provider = "cuda" if asked.get("stand_in") else asked["provider"]
    done = {
        name: audited(provider, model, images, options)
        for name, (model, images, options) in asked["audits"].items()
    }
    Path(asked["answer"]).write_text(json.dumps(done))
