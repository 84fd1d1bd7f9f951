"""The page in a real browser: quiet, still, usable by mouse, keyboard and in the dark."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from iaside_onnx.page.page import page
from iaside_onnx.results.class_rows import shown_estimate

try:
    from selenium import webdriver
except ImportError:
    webdriver = None

from .damage_reports import made_damage
from .pages import BREAKOUT, HOSTILE, SCRIPT, hostile_report, made_report
from .test_page_first import measured
from .test_page_perturbations import audits

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--hide-scrollbars",
)  # fmt: skip
PROGRAMS = {
    "browser": ("chromium", "chromium-browser", "google-chrome"),
    "driver": ("chromedriver",),
}
ENTER, TAB, RIGHT, DOWN, HOME, ESCAPE = "\ue007", "\ue004", "\ue014", "\ue015", "\ue011", "\ue00c"
BLANK = "about:blank"
WHITE = "rgb(255, 255, 255)"
PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A headless Chromium that nothing but the tests talks to."""
    if webdriver is None:
        pytest.skip("selenium is not installed")
    paths = {
        kind: next(filter(None, map(shutil.which, names)), None) for kind, names in PROGRAMS.items()
    }
    for kind, path in paths.items():
        if path is None:
            pytest.skip(f"no {kind} here (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    # In place of the browser's own start page, which goes on loading (4: these pages).
    start = {"session.restore_on_startup": 4, "session.startup_urls": [BLANK]}
    options.add_experimental_option("prefs", start)
    options.binary_location = paths["browser"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths["driver"]))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": PROBE})
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, tmp_path):
    """Opens reports as a page of a given width; checks at the end that it was quiet."""

    class Browser:
        driver = chromium

        def open(self, *reports, names=None, width=1400, dark=False, **measured):
            target = tmp_path / "page.html"
            target.write_text(page(reports, names, **measured), encoding="utf-8")
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            chromium.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"media": "", "features": [scheme]}
            )
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            chromium.get(target.as_uri())

        def run(self, code, *arguments):
            return chromium.execute_script(f"return {code}", *arguments)

        def ask(self, question, *arguments):
            return self.run(f"probe.{question}(...arguments)", *arguments)

        def press(self, *keys):
            webdriver.ActionChains(chromium).send_keys(*keys).perform()

        def focus(self, selector):
            self.run("document.querySelector(arguments[0]).focus()", selector)

        def click(self, selector):
            element = chromium.find_element("css selector", selector)
            place = "{block: 'center', behavior: 'instant'}"
            self.run(f"arguments[0].scrollIntoView({place})", element)
            element.click()

    chromium.get(BLANK)  # ends what an earlier page may still be doing
    for log in ("browser", "performance"):
        chromium.get_log(log)
    yield Browser()
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    opened = asked.index((tmp_path / "page.html").as_uri())  # what came before is not the page's
    assert all(url.startswith(("file:", "data:")) for url in asked[opened:]), asked
    assert chromium.execute_script("return window.alerts") == 0


def test_hostile_names_are_shown_as_they_are(browser):
    other = replace(made_report(), model={**made_report().model, "sha256": "1" * 64})
    browser.open(hostile_report(), other, names=[SCRIPT, BREAKOUT])
    assert browser.run("document.scripts.length") == 1
    assert browser.ask("seen", "[onload], [onerror], [src=x]") == 0
    assert browser.run("document.querySelector('h1').innerText") == f"{SCRIPT}, {BREAKOUT}"
    assert set(browser.ask("column", 0)) == set(HOSTILE)
    picker = browser.driver.find_element("id", "class-pick")
    picker.find_elements("css selector", "option[value='1']")[0].click()
    assert browser.ask("texts", "#profile-status")[0].startswith(
        f"Class {BREAKOUT}: {SCRIPT}: 3 images"
    )
    for width in (1400, 390):
        browser.open(hostile_report(), made_report(), names=[SCRIPT, "y" * 200], width=width)
        assert browser.run("document.documentElement.scrollWidth") <= width


def test_classes_sort_and_search(browser):
    report = made_report(classes=12)
    browser.open(report)
    scores = sorted(row["srs_signed_shrunk"] for row in report.per_class())
    head = "table.classes thead th:nth-child({}) button"

    def shown(column):
        return [float(text) for text in browser.ask("column", column)]

    np.testing.assert_allclose(shown(3), scores, atol=5e-4)
    browser.click(head.format(4))
    np.testing.assert_allclose(shown(3), scores[::-1], atol=5e-4)
    browser.click(head.format(5))
    assert shown(4) == sorted(shown(4))
    assert browser.ask("texts", "thead [aria-sort=ascending]") == ["Band 0"]
    assert browser.ask("texts", "#class-status") == ["Sorted by Band 0, ascending"]
    browser.focus(head.format(1))
    browser.press(ENTER)
    assert browser.ask("column", 0) == [f"class {number}" for number in range(12)]
    browser.focus("#class-search")
    browser.press("CLASS 1")
    assert browser.ask("column", 0) == ["class 1", "class 10", "class 11"]
    assert browser.ask("texts", "#class-status") == ["3 of 12 rows"]


def test_of_a_thousand_classes_a_hundred_are_shown_until_asked(browser):
    browser.open(made_report(classes=1000, each=1))
    every = "document.querySelectorAll('table.classes tbody tr').length"
    assert browser.run(every) == 1000
    scores = browser.ask("column", 3)
    assert len(scores) == 100
    assert browser.ask("texts", "#class-status") == ["1000 rows"]
    browser.click("table.classes thead th:nth-child(4) button")
    highest = [float(text) for text in browser.ask("column", 3)]
    assert len(highest) == 100
    assert min(highest) > max(map(float, scores))
    browser.focus("#class-search")
    browser.press("class 99")
    assert len(browser.ask("column", 0)) == 11
    browser.press(*["\ue003"] * 8)  # backspace
    browser.click("#class-more")
    assert len(browser.ask("column", 0)) == 1000
    assert browser.ask("seen", "#class-more") == 0


def test_classes_with_few_images_can_be_hidden(browser):
    report = made_report(classes=3, each=30)
    report.labels[:15] = 1  # leaves 15 of class 0
    browser.open(report)
    browser.click("#class-few")
    assert sorted(browser.ask("column", 0)) == ["class 1", "class 2"]


def test_a_class_that_is_picked_shows_its_profile(browser):
    reports = [made_report(), made_report(seed=1, classes=5)]
    browser.open(*reports)
    browser.click("table.classes tr[data-class='2']")
    wanted = [share for report in reports for share in shown_estimate(report.per_class()[2])["sid"]]
    np.testing.assert_allclose(browser.ask("bars", "profile"), wanted, atol=6e-4)
    browser.click("table.classes tr[data-class='5']")
    assert "no image of this class" in browser.ask("texts", "#profile-status")[0]
    assert browser.ask("seen", ".profile .mark") == 4


def test_models_can_be_left_out(browser):
    browser.open(made_report(), made_report(seed=1), names=["one", "two"])
    parts = (".chart.sid .mark", "table.classes", ".chart.from-lowest polyline")
    assert [browser.ask("seen", part) for part in parts] == [8, 2, 2]
    browser.click("input[name=model][value='0']")
    assert [browser.ask("seen", part) for part in parts] == [4, 1, 1]
    assert set(browser.ask("tabStops")) == {1}


def test_keyboard_reaches_charts_and_reads_every_value(browser):
    report = made_report()
    browser.open(report)
    for _ in range(40):
        browser.press(TAB)
        if browser.ask("chart") == "sid":
            break
    read = [browser.ask("focused")]
    for _ in range(3):
        browser.press(RIGHT)
        read.append(browser.ask("focused"))
        assert browser.ask("texts", "#tip") == read[-1:]
        assert browser.ask("seen", "#tip") == 1
    for band, spoken in enumerate(read):
        assert f"band {band}: share {report.sid[band]:.3f}" in spoken
    browser.press(HOME)
    assert browser.ask("focused") == read[0]
    browser.press(ESCAPE)
    assert browser.ask("seen", "#tip") == 0
    browser.press(TAB)
    assert browser.ask("chart") == "shapley"


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_the_contrast_of_wcag_aa(browser, dark):
    browser.open(made_report(), made_report(seed=1), dark=dark)
    for details in browser.driver.find_elements("css selector", "details:not([open]) summary"):
        browser.run("arguments[0].click()", details)
    found = browser.ask("contrasts")
    assert len(found) > 200
    assert [item for item in found if item[0] < 4.5] == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == WHITE) is not dark


def test_headings_landmarks_and_names_for_screen_readers(browser):
    browser.open(made_report(), made_report(seed=1))
    levels = browser.ask("headings")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert browser.ask("seen", landmark) == 1
    assert browser.ask("unnamed") == []
    assert browser.ask("repeatedIds") == []


def test_paper_is_light_unfolded_and_bounded(browser):
    browser.open(made_report(classes=80, each=1), dark=True)
    folded = "document.querySelectorAll('details:not([open])').length"
    browser.run(f"addEventListener('beforeprint', () => {{ window.left = {folded}; }})")
    browser.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert browser.run("window.left") == 0
    assert browser.run(folded) > 0
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": "print", "features": [dark]}
    )
    assert browser.run("getComputedStyle(document.body).backgroundColor") == WHITE
    assert browser.ask("seen", ".classes tbody tr") == 50
    assert browser.ask("seen", "nav") == 0
    # A short table is not cut from its caption at the end of a sheet.
    tables = "[...document.querySelectorAll('table:not(.classes)')]"
    kept = browser.run(f"{tables}.map((each) => getComputedStyle(each).breakInside)")
    assert set(kept) == {"avoid"}


@pytest.mark.parametrize("dark", [False, True])
def test_a_page_of_damage_alone_is_quiet_and_fits_and_its_rows_are_reached_by_keys(browser, dark):
    reports = [made_damage(), made_damage(model="n" * 60), made_damage(split=True, model=SCRIPT)]
    browser.open(damages=reports, width=390, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.focus(".chart .mark")
    browser.press(DOWN)
    said = browser.run("document.activeElement.getAttribute('aria-label')")
    rows = browser.run("[...document.querySelectorAll('.mark')].map((m) => m.ariaLabel)")
    assert said == rows[1]
    assert browser.run("document.querySelector('#tip').textContent") == said


@pytest.mark.parametrize("width", [375, 500])
def test_narrow_tables_scroll_and_say_so(browser, width):
    reports, costs = audits(2), [measured(0), measured(1)]
    browser.open(*reports, robustness=costs, width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    told = "getComputedStyle(document.querySelector('.scroll.more'), '::before').content"
    assert "Scroll sideways" in browser.run(told)
    wide = (
        "[...document.querySelectorAll('.scroll')].filter((b) => b.scrollWidth > b.clientWidth + 1)"
    )
    assert browser.run(
        f"{wide}.every((box) => box.classList.contains('more') && box.tabIndex === 0)"
    )
    name = "document.querySelector('.answer .audited tbody th').getBoundingClientRect().left"
    before = browser.run(name)
    browser.run("document.querySelector('.answer .scroll').scrollLeft = 150")
    assert browser.run(name) == pytest.approx(before, abs=1)
    browser.open(*reports, robustness=costs)
    assert browser.run("document.querySelectorAll('.answer .scroll.more').length") == 0
