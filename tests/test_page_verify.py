"""A page says what it was made from, and is compared with that: what was edited is found."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.page.page import page, save_audit_page, save_page
from iaside_onnx.page.same_pictures import alike
from iaside_onnx.page.verification import held_against, verify_page
from iaside_onnx.results.content import content_digest

from .damage_reports import made_damage
from .pages import HOSTILE, SCRIPT, Markup, made_report
from .test_audit_answer import folder
from .test_page_perturbations import measured, noise_report, sha


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page, and the files that it is of."""
    folder = tmp_path_factory.mktemp("made")
    reports = [
        replace(
            made_report(seed=number),
            model={**made_report().model, "path": f"m{number}.onnx", "sha256": sha(number)},
        ).view(beta=0.5, value="prob")
        for number in range(2)
    ]
    results = [*reports, measured(0), measured(1, 0.2), noise_report(), made_damage()]
    files = [folder / f"{number}.h5" for number in range(len(results))]
    for file, result in zip(files, results, strict=True):
        result.save(file)
    target = folder / "page.html"
    save_page(
        reports, ["m0", "m1"], target, robustness=results[2:4], baseline=results[2],
        snr=results[4], damages=results[5:],
    )  # fmt: skip
    return target, files, results


def found(made, text=None, files=None):
    """What a page of this text comes to: each question with its answer."""
    target = made[0].with_name("edited.html")
    target.write_text(made[0].read_text() if text is None else text)
    verification = verify_page(target, made[1] if files is None else files)
    return verification, {check.name: (check.holds, check.text) for check in verification.checks}


def test_a_digest_names_what_is_held_in_memory_and_in_a_file_whatever_the_view(made):
    _, files, results = made
    for file, result in zip(files, results, strict=True):
        loaded = ia.load(file)
        assert content_digest(loaded) == content_digest(result)
        assert content_digest(loaded.view(confidence=0.5)) == content_digest(result)
        altered = replace(result, settings={**result.settings, "seed": 7})
        assert content_digest(altered) != content_digest(result)
    assert len({content_digest(result) for result in results}) == len(results)
    wrong = results[0].log_prob.copy()
    wrong[0, 0] -= 1e-6
    assert content_digest(replace(results[0], log_prob=wrong)) != content_digest(results[0])


def test_the_page_of_these_files_holds_in_any_order_and_with_other_line_ends(made):
    text = made[0].read_text()
    assert found(made, text.replace("\n", "\r\n"), made[1][::-1])[0].holds
    for result in made[2]:
        assert content_digest(result) in Markup(text).text


@pytest.mark.parametrize(
    ("old", "new", "says", "gives"),
    [
        (r'id="accuracy">|clean accuracy (0\.\d+)', None, None, None),
        (r"Right answers, n = 40", "Right answers, n = 900", "n = 900", "n = 40"),
        (r'<p class="verdict"', r'<script>x()</script><p class="verdict"', "<script >", "<p "),
        (r'(<path class="reach" d="M)[\d.]+', r"\g<1>1.5", "M1.5 ", "M"),
        (r"<b class=\"score\">", "<b hidden class=\"score\">", "hidden", "<b "),
        (r"</main>", "<!-- x --></main>", "<!-- x -->", "</main>"),
        (r"<td class", "<td  class", "", ""),
    ],
)  # fmt: skip
def test_what_was_edited_is_found_and_said(made, old, new, says, gives):
    text = made[0].read_text()
    if new is None:
        value = re.search(old, text)[1]
        old, new, says, gives = f"accuracy {value}", "accuracy 0.999", "0.999", value
    edited, count = re.subn(old, new, text, count=1)
    assert count == 1
    assert edited != text
    check = held_against(edited, text)
    assert check.holds is False
    if says:
        before, _, after = check.text.partition(" where the reports give ")
        assert says in before
        assert gives in after


def encoded(picture, kind="png", **options):
    """A picture as a file, in base64."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return base64.b64encode(stream.getvalue()).decode()


def with_piece(picture, name, data):
    """A PNG with one piece more, behind its header."""
    content = base64.b64decode(picture)
    piece = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return base64.b64encode(content[:33] + piece + content[33:]).decode()


def test_pictures_are_held_by_all_that_is_drawn_of_them(made):
    text = made[0].read_text()
    whole = re.search(r"data:image/png;base64,([^\"]+)", text)[1]
    drawn = Image.open(io.BytesIO(base64.b64decode(whole)))
    again = encoded(drawn, compress_level=1)
    assert again != whole
    assert held_against(text.replace(whole, again, 1), text).holds
    clear, red = drawn.convert("RGBA"), Image.new(drawn.mode, drawn.size, 200)
    clear.putalpha(0)
    faint = Image.fromarray(np.asarray(drawn) ^ np.uint8(1))
    turned = Image.Exif()
    turned[0x0112] = 3
    for other in (
        "AAAA",
        encoded(clear),
        encoded(faint),
        encoded(drawn, save_all=True, append_images=[red], duration=[1, 9]),
        encoded(red, save_all=True, append_images=[drawn], duration=[9, 1], default_image=True),
        encoded(drawn, exif=turned),
        encoded(drawn, "gif"),
        encoded(drawn, "jpeg"),
        with_piece(whole, b"gAMA", struct.pack(">I", 10000)),
        base64.b64encode(base64.b64decode(whole) + b"more").decode(),
        whole + "AAAA",
        again[:-20] + whole[-20:],
    ):
        check = held_against(text.replace(whole, other, 1), text)
        assert check.holds is False
        assert "1 picture" in check.text
    assert held_against(text.replace("image/png", "image/jpeg", 1), text).holds is False


def test_of_jpeg_few_levels_may_differ_and_nothing_else():
    levels = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    drawn = Image.fromarray(np.stack([levels] * 3, axis=2))
    own = encoded(drawn, "jpeg", quality=82, subsampling=0)
    assert alike(encoded(drawn, "jpeg", quality=82, subsampling=0, optimize=True), own)
    turned = Image.Exif()
    turned[0x0112] = 3
    written = drawn.copy()
    written.paste((200, 0, 0), (5, 5, 20, 20))
    for options in ({"exif": turned}, {"comment": b"x"}, {"progressive": True}):
        assert not alike(encoded(drawn, "jpeg", quality=82, subsampling=0, **options), own)
    assert not alike(encoded(written, "jpeg", quality=82, subsampling=0), own)
    two = base64.b64encode(2 * base64.b64decode(own)).decode()
    assert not alike(two, own)
    assert not alike(encoded(drawn.convert("L"), "jpeg"), own)


def test_other_reports_and_other_names_are_said(made, tmp_path):
    other = tmp_path / "other.h5"
    made_report(seed=5).save(other)
    for files, words in (
        ([other, *made[1][1:]], "other.h5 is not what the page was made from"),
        (made[1][1:], "the report of m0 with content SHA-256"),
        ([*made[1], other], "other.h5 is not what"),
    ):
        verification, checks = found(made, files=files)
        assert not verification.holds
        assert words in checks["reports"][1]
        assert "page" not in checks
    renamed = page(made[2][:1], ["better"])
    verification, checks = found(made, renamed, made[1][:1])
    assert not verification.holds
    assert checks["names"] == (False, "the page calls m0 'better', which no report says")
    for names in (["m1", "m1 (2)"], ["m0, the best", "m1"], ["m0\u202e", "m1"]):
        verification, _ = found(made, page(made[2][:2], names), made[1][:2])
        assert [check.holds for check in verification.checks] == [True, True, False]
    text = made[0].read_text()
    for edited, error in (
        (text.replace('name="iaside-made-from"', 'name="x"'), "does not say which reports"),
        (re.sub(r'"version|&#34;version', "&#34;v", text), "does not say which version"),
        (text.replace(f"version&#34;: &#34;{ia.__version__}", "version&#34;: &#34;0.0"), "0.0"),
    ):
        assert edited != text
        with pytest.raises(ReportError, match=error):
            found(made, edited)
    with pytest.raises(UsageError, match="give the reports"):
        found(made, files=[])


def test_models_of_one_name_are_called_by_their_files(made, iaside, tmp_path):
    report = replace(made[2][0], model={**made[2][0].model, "sha256": sha(9)})
    files = [tmp_path / "one.h5", tmp_path / "two.h5"]
    for file, each in zip(files, (made[2][0], report), strict=True):
        each.save(file)
    target = tmp_path / "p.html"
    assert iaside("html", *files, "-o", target).exit_code == 0
    assert verify_page(target, files[::-1]).holds
    target.write_text(report.to_html(beside=[made[2][0]]))
    assert verify_page(target, files).holds
    target.write_text(page([made[2][0], report], ["m0 (two)", "m0 (one)"]))
    assert not verify_page(target, files).holds


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.update(names=["m0"]), "does not name each of its models once"),
        (lambda r: r["names"].append("m2"), "does not name each of its models once"),
        (lambda r: r["reports"].append(r["reports"][0]), "does not name each of its models once"),
        (lambda r: r["reports"][2].update(part="snr"), "a RobustnessReport as the snr of a page"),
        (lambda r: r["reports"][0].update(view={"foo": 1}), "a view of a report that"),
        (lambda r: r["reports"][0].update(view={"beta": [1]}), ""),
        (lambda r: r["reports"][5].update(part="robustness"), "a SnrReport as the robustness"),
    ],
)  # fmt: skip
def test_a_record_that_was_edited_is_answered_in_one_line(made, iaside, tmp_path, change, says):
    text = made[0].read_text()
    old = re.search(r'made-from" content="([^"]*)"', text)[1]
    record = json.loads(html.unescape(old))
    change(record)
    target = tmp_path / "p.html"
    target.write_text(text.replace(old, html.escape(json.dumps(record))))
    done = iaside("verify", target, *made[1])
    assert done.exit_code in (1, 2)
    assert "unexpected" not in done.output
    assert says in done.output


def test_a_page_with_much_added_is_answered_at_once(made):
    text = made[0].read_text()
    begun = time.process_time()
    for junk in ("<b>" * 2_000_000, "<!--" * 50_000, '<a b="' * 50_000):
        assert held_against(text + junk, text).holds is False
        assert held_against(text[:3000] + junk, text).holds is False
    assert time.process_time() - begun < 5


def test_hostile_names_stay_in_the_record(tmp_path):
    report = replace(made_report(names=HOSTILE), image_ids=[SCRIPT] * 18)
    report = replace(report, model={**report.model, "path": SCRIPT})
    report.save(tmp_path / "r.h5")
    text = page([report], [SCRIPT])
    assert len(Markup(text).all("script")) == 1
    (tmp_path / "p.html").write_text(text)
    assert verify_page(tmp_path / "p.html", [tmp_path / "r.h5"]).checks[1].holds


def test_the_command(iaside, made, tmp_path):
    _, files, results = made
    target = tmp_path / "p.htm"
    save_page(results[:1], ["m0"], target)
    done = iaside("verify", target, files[0])
    assert done.exit_code == 0, done.stderr
    assert "page:      holds: every figure" in done.stdout
    target.write_text(target.read_text().replace("robust?", "bad?", 1))
    done = iaside("verify", target, files[0], "--json")
    assert done.exit_code == 1
    assert '"holds": false' in done.stdout
    for words, message in (
        (["verify", target, "--redo", 3], "--redo does not apply to a page"),
        (["verify", files[0], target], "a page is given first"),
        (["verify", tmp_path / "none.html", files[0]], "no such file"),
        (["verify", target], "give the reports"),
    ):
        failed = iaside(*words)
        assert (failed.exit_code, failed.stderr.count("\n")) == (2, 1)
        assert message in failed.stderr
    assert content_digest(results[0]) in iaside("verify", files[0]).stdout


def test_the_page_of_an_audit_is_held_against_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = folder(Path("net-audit"))
    target = save_audit_page(ia.load(place))
    monkeypatch.chdir(place)  # the commands on it are those of where it was made
    checks = verify_page(Path(target.name)).checks
    assert [check.holds for check in checks] == [True, True, True]
    assert "summary.json, which is not asked" in checks[0].text
    for view in ({"foo": 1}, {"confidence": "x"}):
        edited = re.sub(r"(view&#34;: )\{[^}]*\}", rf"\1{html.escape(json.dumps(view))}",
                        Path(target.name).read_text())  # fmt: skip
        Path("edited.html").write_text(edited)
        assert not verify_page(Path("edited.html")).holds
    elsewhere = tmp_path / "moved.html"
    elsewhere.write_text(Path(target.name).read_text())
    with pytest.raises(UsageError, match="is the page of an audit; give the folder"):
        verify_page(elsewhere)
    about = Path("audit.json")
    about.write_text(about.read_text().replace("100", "101"))
    assert "has changed" in verify_page(Path(target.name)).checks[0].text
    with pytest.raises(UsageError, match="give the folder"):
        verify_page(Path(target.name), [Path("robustness.h5")])
