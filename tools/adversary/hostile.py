"""Files that mean harm: reports sealed again, ONNX files, pictures and sets of them."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from image_sets import add, encoded, write_set
from PIL import Image
from scene import HANGS, INTERRUPTED, ROOT, Case, Scene, picture

_FUZZ = ROOT / "tools" / "fuzz"
# How a finished file begins (docs/format.md): a block that names the checksum of what follows it.
_SEAL_BYTES = 512
_HDF5 = b"\x89HDF\r\n\x1a\n"
_INPUT = 2
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")


def reports(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """A report or a measurement that was altered and sealed again, given to a command."""
    module = ("report_files", "measurement_files")[number % 3 == 2]
    path, recipe = _fuzzed(scene, module, rng)
    _seal(path)
    target = scene.out / "p.png"
    page = [path, "--overwrite", "-o", scene.out / "p.html"]
    ways: list[list[Any]] = [
        ["show", path], ["show", path, "--json", "--per-class"], ["verify", path],
        ["gate", path, "--min-score", "-0.5"], ["plot", path, "-o", target, "--overwrite"],
        ["html", *page], ["compare", path, scene.files["analyze"]],
        ["compare", path, path, "--per-class"],
    ]  # fmt: skip
    if module == "measurement_files":
        ways = [
            ["show", path], ["show", path, "--json"], ["verify", path],
            ["plot", path, "-o", target, "--overwrite"],
            ["html", scene.files["analyze"], *page],
            ["predict", scene.files["bands"], "--snr", path],
            ["show", scene.files["robustness"], "--baseline", path],
            ["show", scene.files["analyze"], "--robustness", path],
        ]  # fmt: skip
    words = ways[int(rng.integers(len(ways)))]
    done = scene.run(*words)
    problem = done.problem()
    return Case(done.word, f"{problem} [{recipe}]" if problem else None)


def models(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """An ONNX file that was altered, or made to do harm, given to a command."""
    path, recipe = _fuzzed(scene, "onnx_files", rng)
    scene.clear()
    target = ["-o", scene.out / "k.h5", "--samples", "6", "--threads", "1"]
    ways: list[list[Any]] = [
        ["inspect", path], ["inspect", path, "--json"],
        ["inspect", path, "--data", scene.images, "--samples", "4"],
        ["analyze", path, scene.images, "--bands", "3", *target],
        ["robustness", path, scene.images, "--corruption", "fog", "--severity", "1",
         "--queries", "10", *target],
        ["heatmap", path, scene.images, "--bands", "2", *target],
        ["verify", scene.files["analyze"], "--model", path, "--images", scene.images,
         "--redo", "1"],
    ]  # fmt: skip
    done = scene.run(*ways[number % len(ways)])
    if done.code == INTERRUPTED:  # a model is a program, and this one runs for ever
        return Case("endless, interrupted")
    if done.code == HANGS:
        return Case("hangs", f"does not heed an interrupt: {done.words} [{recipe}]")
    problem = done.problem()
    return Case(done.word, f"{problem} [{recipe}]" if problem else None)


def libraries(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """A damaged library of a provider or of operators, given to a command."""
    path, recipe = _fuzzed(scene, "library_files", rng)
    scene.clear()
    option = ("--ep-library", "--ort-extension")[number % 2]
    ways: list[list[Any]] = [
        ["inspect", scene.model, option, path],
        ["inspect", "--providers", option, path],
        ["analyze", scene.model, scene.images, option, path, "--samples", "4", "--bands", "2",
         "-o", scene.out / "k.h5"],
    ]  # fmt: skip
    done = scene.run(*ways[int(rng.integers(len(ways)))])
    problem = done.problem()
    return Case(done.word, f"{recipe}: {problem}" if problem else None)


def images(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """A picture among sound ones, or a set, that means harm."""
    folder = scene.root / "hostile"
    _cleared(folder)
    names = list(_SETS)
    name = names[number % len(names)]
    source, further = _SETS[name](rng, folder, scene)
    scene.clear()
    skip = ["--skip-bad"] if rng.random() < 0.5 else []
    on = ["--samples", "0", *further]
    out = ["-o", scene.out / "k.h5", "--threads", "1"]
    ways: list[list[Any]] = [
        ["analyze", scene.model, source, "--bands", "3", *on, *skip, *out],
        ["inspect", scene.model, "--data", source, *on],
        ["heatmap", scene.model, source, "--bands", "2", *on, *skip, *out],
        ["snr", source, "--corruption", "fog", "--severity", "1", "--bands", "2", *on, *skip,
         *out[:2]],
    ]  # fmt: skip
    done = scene.run(*ways[int(rng.integers(len(ways)))])
    problem = done.problem()
    if problem is None and done.code == 0 and done.words[0] != "inspect":
        # What was measured has to be whole, and nothing else may lie there.
        problem = scene.run("verify", scene.out / "k.h5").problem(0) or scene.left("k.h5")
    return Case(done.word, f"{name}: {problem}" if problem else None)


def _fuzzed(scene: Scene, module: str, rng: np.random.Generator) -> tuple[Path, str]:
    """A file as tools/fuzz makes them, and what was done to it."""
    if str(_FUZZ) not in sys.path:
        sys.path.append(str(_FUZZ))
    kind = import_module(module)
    folder = scene.root / module
    if module not in scene.memory:
        folder.mkdir()
        scene.memory[module] = kind.material(folder)
    path, recipe, _ = kind.make(rng, scene.memory[module], folder)
    return path, recipe


def _seal(path: Path) -> None:
    """Write the block that a sound file begins with, as anyone can."""
    content = path.read_bytes()
    body = content if content.startswith(_HDF5) else content[_SEAL_BYTES:]
    digest = hashlib.sha256(body).hexdigest()
    text = f"iaside-report\nsha256 of what follows the first {_SEAL_BYTES} bytes: {digest}\n"
    path.write_bytes(text.encode().ljust(_SEAL_BYTES, b"\0") + body)


def _cleared(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


# Of a hostile set: where it lies, and further words for the command.
_Set = tuple[Path, list[Any]]
_Maker = Callable[[np.random.Generator, Path, Scene], _Set]


def _among(content: Callable[[np.random.Generator], bytes], ending: str = "png") -> _Maker:
    """One file with such content among sound pictures."""

    def made(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
        source = write_set("folder", folder, scene.images)
        (source / f"class{int(rng.integers(4))}" / f"x.{ending}").write_bytes(content(rng))
        return source, []

    return made


def _damaged_picture(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
    """Any format with a few bytes changed, under the ending of any."""
    form, name = (_FORMATS[int(rng.integers(len(_FORMATS)))] for _ in range(2))
    content = bytearray(encoded(picture(int(rng.integers(99))), form))
    for _ in range(int(rng.integers(1, 9))):
        content[int(rng.integers(len(content)))] = int(rng.integers(256))
    end = len(content) if rng.random() < 0.5 else int(rng.integers(len(content)))
    return _among(lambda _: bytes(content[:end]), name.lower())(rng, folder, scene)


def _bomb(rng: np.random.Generator) -> bytes:
    """A PNG of one bit a pixel that claims hundreds of megapixels, truly or not."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    width, height = int(rng.integers(10_000, 60_000)), int(rng.integers(9_000, 12_000))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + -(-width // 8)) * (height if rng.random() < 0.5 else 9)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def _no_picture(rng: np.random.Generator) -> bytes:
    texts = (b"", b"\0", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n",
             b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n", b"\xff\xd8",
             b"GIF89a" + b"\xff" * 9, b"<html>404 Not Found</html>", b"version https://git-lfs",
             rng.bytes(4000))  # fmt: skip
    return texts[int(rng.integers(len(texts)))]


def _odd_mode(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
    """A sound picture of a mode or a size that few have."""
    mode = ("1", "P", "LA", "PA", "I;16", "I", "F", "CMYK", "RGBA", "La", "YCbCr", "LAB")[
        int(rng.integers(12))
    ]
    size = ((1, 1), (1, 3000), (3000, 1), (16, 16))[int(rng.integers(4))]
    try:
        content = encoded(Image.new(mode, size), "PNG" if mode in ("1", "P", "LA") else "TIFF")
    except (OSError, ValueError, KeyError):
        content = encoded(Image.new("RGBA", size), "WEBP" if size != (3000, 1) else "PNG")
    ending = "png" if content.startswith(b"\x89PNG") else "tiff"
    return _among(lambda _: content, ending)(rng, folder, scene)


def _no_file(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
    """A link, a pipe, a socket or a folder where a picture is expected."""
    source = write_set("folder", folder, scene.images)
    place = source / "class1" / "x.png"
    targets = ("/etc/passwd", "/dev/zero", "x.png", "none.png", "..", str(scene.model), "1.png")
    match int(rng.integers(5)):
        case 0:
            os.mkfifo(place)
        case 1:
            place.mkdir()
        case 2:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(os.path.relpath(place))
            listening.close()
        case 3:
            (source / "class1" / "loop").symlink_to(source)
        case _:
            place.symlink_to(targets[int(rng.integers(len(targets)))])
    return source, []


def _odd_name(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
    """Names of files and classes that terminals, shells and tables stumble over."""
    names = ("a\nb", "\x1b[2J", "-o", "x" * 240, " ", "%s{0}", "[bold]x[/]", "\u202egnp", "a,b",
             'a"b', "\\", os.fsdecode(b"\xff\xfe"), "é", "e\u0301", "con", "*", "#x")  # fmt: skip
    source = write_set("folder", folder, scene.images)
    name = names[int(rng.integers(len(names)))]
    content = encoded(picture(7))
    if rng.random() < 0.5:
        (source / "class2" / f"{name}.png").write_bytes(content)
    else:
        (source / "class3").rename(source / name)
    return source, []


def _npz_claims(rng: np.random.Generator, folder: Path, _: Scene) -> _Set:
    """An array file whose headers claim what its members do not hold."""
    path = folder / "set.npz"
    shapes = ("(16, 16, 16, 3)", "(9999999999, 16, 16, 3)", "(-1, 16, 16, 3)", "(16,)", "()",
              "(1152921504606846976, 16, 16, 3)", "(0, 16, 16, 3)", "(2, 0, 0, 3)")  # fmt: skip
    kinds = ("|u1", "<f4", "|O", "<M8[s]", "|S10", "[('a', '<f4')]", ">f8", "<c8", "|V7")
    shape, kind = shapes[int(rng.integers(len(shapes)))], kinds[int(rng.integers(len(kinds)))]
    quoted = kind if kind.startswith("[") else f"'{kind}'"
    text = f"{{'descr': {quoted}, 'fortran_order': {rng.random() < 0.3}, 'shape': {shape}, }}"
    header = text.encode().ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", content + bytes(int(rng.choice([0, 100, 12288, 1 << 24]))))
        stream = io.BytesIO()
        np.save(stream, np.arange(16) % 4)
        archive.writestr("labels.npy", stream.getvalue())
    return path, []


def _odd_labels(rng: np.random.Generator, folder: Path, _: Scene) -> _Set:
    """Sound pixels with labels or values that are none."""
    pixels: Any = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    odd: tuple[Any, ...] = (
        np.full(8, np.nan), np.full(8, np.inf), np.arange(8) - 4, np.arange(7), np.zeros((8, 2)),
        np.arange(8) * 10**18, np.array(["x"] * 8), np.array([b"\xff"] * 8), np.zeros(0),
        np.ones(8, bool), np.arange(8).astype("M8[s]"), np.array(3), np.arange(8) + 0.5,
        np.arange(8, dtype=np.float16), np.full(8, 2**63, np.uint64),
    )  # fmt: skip
    labels = odd[int(rng.integers(len(odd)))]
    if rng.random() < 0.3:
        value = (np.nan, np.inf, -1.0, 300.0, 1e30)[int(rng.integers(5))]
        pixels = np.where(rng.random(pixels.shape) < 0.01, value, pixels / 255).astype(np.float32)
        labels = np.arange(8) % 4
    np.savez(folder / "set.npz", images=pixels, labels=labels)
    return folder / "set.npz", []


def _h5_claims(rng: np.random.Generator, folder: Path, _: Scene) -> _Set:
    """An HDF5 set that lies elsewhere, claims more than it holds, or unpacks for ever."""
    path = folder / "set.h5"
    labels: Any = np.arange(16) % 4
    with h5py.File(path, "w") as file:
        match int(rng.integers(6)):
            case 0:
                file.create_dataset("images", (16, 16, 16, 3), "u1",
                                    external=[("/etc/passwd", 0, 12288)])  # fmt: skip
            case 1:
                file.create_dataset("images", (1 << 40, 16, 16, 3), "u1", chunks=(1, 16, 16, 3))
                labels = np.zeros(16)
            case 2:
                file.create_dataset("images", (16, 16, 16, 3), "u1", chunks=True,
                                    compression="gzip")  # fmt: skip
            case 3:
                layout = h5py.VirtualLayout((16, 16, 16, 3), "u1")
                layout[:] = h5py.VirtualSource("/etc/none.h5", "x", (16, 16, 16, 3))
                file.create_virtual_dataset("images", layout)
            case 4:
                file["images"] = h5py.ExternalLink("/etc/none.h5", "/x")
            case _:
                file["images"] = h5py.SoftLink("/images")
        if rng.random() < 0.8:
            file["labels"] = labels
    return path, []


def _damaged_set(form: str) -> _Maker:
    """A set with a few bytes changed, or cut short."""

    def made(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
        path = write_set(form, folder, scene.images)
        content = bytearray(path.read_bytes())
        for _ in range(int(rng.integers(1, 9))):
            near = int(rng.choice(np.flatnonzero(np.frombuffer(bytes(content), np.uint8))))
            content[near] = int(rng.integers(256))
        end = len(content) if rng.random() < 0.7 else int(rng.integers(len(content)))
        path.write_bytes(content[:end])
        return path, []

    return made


def _hostile_tar(rng: np.random.Generator, folder: Path, _: Scene) -> _Set:
    """Members that lie elsewhere, are links or devices, or have sizes that nobody has."""
    path = folder / "set.tar"
    content = encoded(picture(3))
    with tarfile.open(path, "w") as archive:
        for number in range(4):
            add(archive, f"{number}.png", content)
            add(archive, f"{number}.cls", b"%d" % number)
        for _more in range(int(rng.integers(1, 4))):
            name = ("/etc/x.png", "../x.png", "5.png", "a/" * 60 + "x.png", "5.cls", "\x1b[2J.png",
                    "5" * 200 + ".png", "", "5.json", "0.png")[int(rng.integers(10))]  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.REGTYPE,
                           tarfile.FIFOTYPE, tarfile.DIRTYPE)[int(rng.integers(6))]  # fmt: skip
            member.linkname = ("/etc/passwd", "0.png", "5.png")[int(rng.integers(3))]
            member.size = int(rng.choice([0, 9, 1 << 33, (1 << 62) + 5]))
            archive.addfile(member)
    return path, []


def _odd_label_file(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
    """A label file that is damaged, or says what cannot be."""
    source = write_set("folder", folder, scene.images)
    names = [str(file.relative_to(source)) for file in sorted(source.rglob("*.png"))]
    rows = [f"{name},{number % 4}" for number, name in enumerate(names)]
    extra = ("../../etc/passwd,1", "/etc/passwd,1", "none.png,0", names[0] + ",3", names[1] + ",",
             names[2] + ",-1", names[3] + ",1e400", names[4] + "," + "9" * 400, ",,,,", '"',
             names[5] + ",2,2", "\x1b[2J,1", names[6] + ",nan", "x" * 200_000)  # fmt: skip
    rows.insert(int(rng.integers(len(rows))), extra[int(rng.integers(len(extra)))])
    text = "file,label\n" + "\n".join(rows) + "\n"
    content = (text.encode(), text.encode("utf-16"), b"\0" * 100, text.encode() + b"\xff\xfe",
               b"", text.replace("\n", "\r").encode(), rng.bytes(3000))[
                   int(rng.choice(7, p=[0.6, 0.1, 0.06, 0.06, 0.06, 0.06, 0.06]))
    ]  # fmt: skip
    labels = folder / "labels.csv"
    labels.write_bytes(content)
    return source, ["--labels", labels]


def _parquet(rng: np.random.Generator, folder: Path, scene: Scene) -> _Set:
    form = "parquet" if find_spec("pyarrow") else "npz"
    return _damaged_set(form)(rng, folder, scene)


_SETS: dict[str, _Maker] = {
    "damaged picture": _damaged_picture,
    "bomb": _among(_bomb),
    "no picture": _among(_no_picture),
    "odd mode": _odd_mode,
    "no file": _no_file,
    "odd name": _odd_name,
    "claims of npz": _npz_claims,
    "odd labels": _odd_labels,
    "claims of HDF5": _h5_claims,
    "damaged npz": _damaged_set("npz"),
    "damaged HDF5": _damaged_set("h5"),
    "damaged tar": _damaged_set("tar"),
    "damaged Parquet": _parquet,
    "hostile tar": _hostile_tar,
    "label file": _odd_label_file,
}
