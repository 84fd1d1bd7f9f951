"""Networks of the ImageNet study that are put together from files of weights, against NumPy."""

from __future__ import annotations

import numpy as np
import onnxruntime
from scipy.io import savemat
from scipy.special import erf

from tools.studies.imagenet import dlib_resnet, vision_transformer


def answers(proto, images):
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(None, {"data": images})[0]


def windows(images, side, stride):
    found = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(2, 3))
    return found[:, :, ::stride, ::stride]


def number(value):
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "little")


def layer(name, values, sizes=()):
    shape = (*values.shape, 1, 1, 1)[:4]
    told = b"".join(map(number, (*sizes, 2, *shape)))
    return bytes([1, len(name)]) + name.encode() + told + values.astype("<f4").tobytes()


def test_a_file_of_dlib_is_read_layer_by_layer(monkeypatch):
    """A block that keeps the size, then one that halves it and has one channel more."""
    for name, value in {"_LEVELS": ((2, 1), (3, 1)), "_CLASSES": 2, "_SIDE": 27}.items():
        monkeypatch.setattr(dlib_resnet, name, value)
    rng = np.random.default_rng(0)
    held, drawn = [b"\x01\x01 what comes before"], []
    for given, made, side in ((3, 2, 7), (2, 2, 3), (2, 2, 3), (2, 3, 3), (3, 3, 3)):
        kernel, scale = rng.normal(size=(made, given, side, side)), rng.normal(1, 0.2, made)
        bias, shift = rng.normal(size=(2, made))
        held += [
            layer("con_4", np.concatenate([kernel.ravel(), bias])),
            layer("affine_", np.concatenate([scale, shift])),
        ]
        drawn.append((kernel, bias, scale, shift))
    last = rng.normal(size=(4, 2))
    held += [layer("fc_2", last, sizes=(2, 3)), b"\x01\x00", number(2)]
    held += [bytes([1, len(name)]) + name for name in (b"hen", b"cock")]
    proto, names = dlib_resnet.network(b"".join(held))
    assert names == ["hen", "cock"]

    def conv(images, at, stride=1, pad=0):
        kernel, bias, scale, shift = (part[..., None, None] for part in drawn[at])
        images = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        cut = windows(images, kernel.shape[2], stride)
        return scale * (np.einsum("nchwij,kcij->nkhw", cut, kernel[..., 0, 0]) + bias) + shift

    images = rng.normal(size=(2, 3, 27, 27)).astype(np.float32)
    inner = windows(np.maximum(conv(images, 0, stride=2), 0), 3, 2).max(axis=(4, 5))
    bent = conv(np.maximum(conv(inner, 1, pad=1), 0), 2, pad=1)
    inner = np.maximum(bent + inner, 0)
    bent = conv(np.maximum(conv(inner, 3, stride=2), 0), 4, pad=1)
    less = windows(inner, 2, 2).mean(axis=(4, 5))
    inner = np.maximum(bent + np.pad(less, ((0, 0), (0, 1), (0, 0), (0, 0))), 0)
    wanted = inner.mean(axis=(2, 3)) @ last[:3] + last[3]
    np.testing.assert_allclose(answers(proto, images), wanted, rtol=1e-4, atol=1e-4)


def softmax(values):
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def test_a_transformer_is_put_together_from_either_kind_of_files(monkeypatch, tmp_path):
    sizes = {"_BLOCKS": 1, "_HEADS": 2, "_WIDTH": 6, "_PATCH": 2, "_SIDE": 4, "_CLASSES": 3}
    for name, value in sizes.items():
        monkeypatch.setattr(vision_transformer, name, value)
    rng = np.random.default_rng(0)
    shapes = {
        "patch_embed_proj": (6, 3, 2, 2),
        "blocks_0_attn_qkv": (18, 6), "blocks_0_attn_proj": (6, 6),
        "blocks_0_mlp_fc1": (24, 6), "blocks_0_mlp_fc2": (6, 24), "head": (3, 6),
        "blocks_0_norm1": (6,), "blocks_0_norm2": (6,), "norm": (6,),
    }  # fmt: skip
    held = {f"{name}_weight": shape for name, shape in shapes.items()}
    held |= {f"{name}_bias": shape[:1] for name, shape in shapes.items()}
    held |= {"cls_token": (1, 1, 6), "pos_embed": (1, 5, 6)}
    w = {name: rng.normal(size=shape).astype(np.float32) for name, shape in held.items()}
    plain, matlab = tmp_path / "plain", tmp_path / "matlab"
    plain.mkdir()
    (matlab / "block_0").mkdir(parents=True)
    renamed = {"cls_token": "p_cls_token_expand_B_neg1_neg1", "pos_embed": "p_pos_embed_cpu"}
    renamed |= {f"blocks_0_norm{at}_{part}": f"cpu_p_qudq_{at - 1}_LN_{part}_fl_6"
                for at in (1, 2) for part in ("weight", "bias")}  # fmt: skip
    renamed |= {f"norm_{part}": f"cpu_p_qudq_2_LN_{part}_fl_5" for part in ("weight", "bias")}
    for name, values in w.items():
        told = np.array(values.shape, "<i4").tobytes() + values.tobytes()
        (plain / f"{name}.bin").write_bytes(told)
        savemat(matlab / "block_0" / f"{renamed.get(name, name + '_fl_8')}.mat", {"data": values})

    def linear(x, name):
        return x @ w[f"{name}_weight"].T + w[f"{name}_bias"]

    def norm(x, name):
        apart = x - x.mean(axis=-1, keepdims=True)
        apart /= np.sqrt((apart**2).mean(axis=-1, keepdims=True) + 1e-6)
        return apart * w[f"{name}_weight"] + w[f"{name}_bias"]

    images = rng.normal(size=(2, 3, 4, 4)).astype(np.float32)
    cut = windows(images, 2, 2)
    patches = np.einsum("nchwij,kcij->nhwk", cut, w["patch_embed_proj_weight"]).reshape(2, 4, 6)
    tokens = np.repeat(w["cls_token"], 2, axis=0)
    x = np.concatenate([tokens, patches + w["patch_embed_proj_bias"]], axis=1) + w["pos_embed"]
    wide = linear(norm(x, "blocks_0_norm1"), "blocks_0_attn_qkv").reshape(2, 5, 3, 2, 3)
    query, key, value = wide.transpose(2, 0, 3, 1, 4)
    seen = softmax(query @ key.transpose(0, 1, 3, 2) / np.sqrt(3)) @ value
    x = x + linear(seen.transpose(0, 2, 1, 3).reshape(2, 5, 6), "blocks_0_attn_proj")
    hidden = linear(norm(x, "blocks_0_norm2"), "blocks_0_mlp_fc1")
    x = x + linear(hidden * (1 + erf(hidden / np.sqrt(2))) / 2, "blocks_0_mlp_fc2")
    wanted = linear(norm(x, "norm")[:, 0], "head")
    for folder in (plain, matlab):
        found = answers(vision_transformer.network(folder), images)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
