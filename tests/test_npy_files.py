"""Damaged .npy files: every reader refuses them in one line, and takes no memory for claims."""

from __future__ import annotations

import io

import numpy as np
import pytest

from iaside_onnx.errors import IasideError
from iaside_onnx.images.sample import open_images
from iaside_onnx.inference.class_head import digest_of_classes
from iaside_onnx.storage.npy_file import read_npy

from . import graphs


def content(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


SOUND = content(np.eye(4, 6, dtype=np.float32))
DAMAGED = {
    "a bracket is lost": SOUND.replace(b"(4, 6)", b"(4, 6 "),
    "a quote is lost": SOUND.replace(b"'shape'", b"'shape "),
    "claims more than there is": SOUND.replace(b"(4, 6)", b"(4, 9)"),
    "claims more than any memory": SOUND.replace(b"(4, 6), }          ", b"(9999999999, 6), }"),
    "a length that is true": SOUND.replace(b"(4, 6), }  ", b"(True,6), }"),
    "cut off": SOUND[:-5],
    "cut off in the header": SOUND[:40],
    "followed by another": SOUND * 2,
    "objects": content(np.array([{}, 1], object)),
    "no values": content(np.zeros(3, "V0")),
    "empty": b"",
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_damaged_arrays_are_refused_in_one_line(tmp_path, iaside, fault):
    path = tmp_path / "damaged.npy"
    path.write_bytes(DAMAGED[fault])
    with pytest.raises((ValueError, EOFError)):
        read_npy(path)
    for read in (
        lambda: digest_of_classes("class_embeddings", path),
        lambda: open_images(path, path),
    ):
        with pytest.raises(IasideError, match=path.name) as refused:
            read()
        assert "\n" not in str(refused.value)
    done = iaside("analyze", graphs.small_network(tmp_path / "m.onnx"), path, "--set", f"x={path}")
    assert (done.exit_code, done.stderr.count("Error:")) == (2, 1), done.stderr


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, order):
    values = np.asarray(np.arange(24).reshape(2, 3, 4) * 0.5, order=order)
    path = tmp_path / "a.npy"
    np.save(path, values)
    np.testing.assert_array_equal(read_npy(path), values)
    np.save(path, np.float32(3))
    assert read_npy(path).shape == ()
