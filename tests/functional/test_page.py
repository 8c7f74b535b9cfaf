"""The HTML report in a real browser: it opens from disk, sorts, filters and copies."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from layerlens.render import render
from layerlens.report.from_json import report_from_dict

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "reports"
NAMES = ("steps", "different", "hostile", "matrix", "build_error", "three_models")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a headless Chromium; without one, skip the tests, or fail them in CI."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        reason = "chromium and chromedriver are not installed (Debian: chromium, chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true promises a whole run, but {reason}")
        pytest.skip(reason)
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is in the extra `test`")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=programs[1]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    reports = [
        report_from_dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        for name in NAMES
    ]
    scenarios = tuple(scenario for report in reports for scenario in report.scenarios)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(replace(reports[0], scenarios=scenarios), "html"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    """Return the page, freshly opened; afterwards its console must be empty."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.get(address)
    yield Page(browser)
    assert browser.get_log("browser") == []


class Page:
    """The page as a test uses and reads it."""

    def __init__(self, browser):
        self.browser = browser

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def press(self, *keys):
        self.run("return document.activeElement").send_keys(*keys)

    def focused(self, attribute="textContent"):
        return self.run("return document.activeElement[arguments[0]]", attribute)

    def column(self, number):
        """Return the texts of a column of the overview, in the visible rows."""
        cells = f"#overview tbody tr:not([hidden]) > :nth-child({number})"
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(c => c.textContent.trim())",
            cells,
        )

    def sections(self):
        return self.run(
            "return [...document.querySelectorAll('section')].filter(s => !s.hidden).map(s => s.id)"
        )

    def sorter(self, words):
        (found,) = [b for b in self.all("#overview thead button") if b.text.startswith(words)]
        return found


def emulate(browser, media="", **features):
    named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": named})


def test_the_page_loads_nothing_but_itself(page):
    assert page.one("h1").text == page.browser.title.split(" · ")[0]
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    verdicts, first = page.all("#overview, section")[:2]
    assert verdicts.location["y"] < first.location["y"], "verdicts stand at the top"
    assert len(page.all("#scenario-1 figure svg")) == 6


def test_an_error_on_the_page_is_noticed(browser, address):
    browser.get(address)
    browser.execute_script("console.error('seen')")
    browser.execute_async_script(
        "const [done] = arguments; const image = new Image();"
        "image.onerror = done; image.src = 'https://127.0.0.1:1/x.png'; document.body.append(image)"
    )
    told = [entry["message"] for entry in browser.get_log("browser")]
    assert any("seen" in message for message in told)
    assert any("Content Security Policy" in message for message in told)


def test_markup_in_a_title_is_shown_as_text(page):
    assert page.run("return document.scripts.length") == 1
    assert any("<script>alert(1)</script>" in text for text in page.column(1))
    assert page.run("return document.querySelectorAll('img, iframe, object').length") == 0


def test_columns_sort_up_down_and_back(page):
    before = page.column(6)
    button = page.sorter("max abs")
    header = page.one("#overview th:nth-child(6)")

    def measured():
        numbers = [text.replace(",", "") for text in page.column(6)]
        return [float(number) for number in numbers if number not in ("–", "")]

    assert sorted(measured()) != measured(), "else sorting would show nothing"
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert measured() == sorted(measured())
    assert page.column(6)[-1] in ("–", ""), "what was not measured comes last"
    button.click()
    assert header.get_attribute("aria-sort") == "descending"
    assert measured() == sorted(measured(), reverse=True)
    button.click()
    assert header.get_attribute("aria-sort") == "none"
    assert page.column(6) == before


def test_every_table_sorts_whole_rows(page):
    script = """
        const table = document.querySelector('table.layers');
        const params = () => [...table.tBodies[0].rows].map(r => Number(r.cells[2].textContent));
        const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent);
        const before = names();
        table.tHead.querySelectorAll('button')[2].click();
        return [params(), before, names()];
    """
    params, before, after = page.run(script)
    assert params == sorted(params)
    assert sorted(before) == sorted(after)


def test_words_and_verdicts_filter_rows_and_their_details(page):
    everything, rows = page.sections(), len(page.column(1))
    box = page.one("#filter")
    box.send_keys("sees WHICH wrapped")
    assert page.sections() == ["scenario-1"]
    assert page.column(2) == ["wrapped against forwards"]
    assert page.one("#shown").text == f"1 of {len(everything)} scenarios"
    box.clear()
    box.send_keys("nobody")
    assert page.sections() == []
    assert page.one("#nothing").is_displayed()
    box.send_keys("\ue00c")  # Escape
    assert page.sections() == everything
    assert len(page.column(1)) == rows
    (choice,) = [o for o in page.all("#outcome option") if o.text == "build error"]
    choice.click()
    assert set(page.column(4)) == {"build error"}
    assert 0 < len(page.sections()) < len(everything)


def test_a_counterexample_is_copied_whole(page):
    from selenium.webdriver.common.keys import Keys

    whole, its_input = page.all("button[data-copy]")[:2]
    for button, attribute in ((whole, "whole"), (its_input, "input")):
        button.click()
        told = button.find_element("xpath", "../span[@role='status']")
        page.browser.execute_async_script(
            "const [told, done] = arguments;"
            "const wait = () => told.textContent ? done() : setTimeout(wait, 20); wait()",
            told,
        )
        assert told.text == "copied"
        assert page.focused() == button.text, "focus stays where it was"
        box = page.one("#filter")
        box.clear()
        box.send_keys(Keys.CONTROL, "v")
        copied = json.loads(box.get_property("value"))
        box.send_keys(Keys.CONTROL, Keys.NULL, Keys.ESCAPE)
        stored = json.loads((FOLDER / "different.json").read_text())["scenarios"][0]["pairs"][0]
        expected = stored["counterexample"] | {"simplified": False}  # stored by an older version
        assert copied == (expected if attribute == "whole" else expected["input"])
        page.run("arguments[0].textContent = ''", told)


def test_the_page_can_be_used_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    page.press(Keys.TAB)
    assert page.focused() == "Skip to the verdicts"
    page.press(Keys.ENTER)
    assert page.focused("id") == "verdicts"
    page.press(Keys.TAB)
    assert page.focused("id") == "filter"
    page.run("document.activeElement.blur()")
    page.press("/")
    assert page.focused("id") == "filter"
    assert page.one("#filter").get_property("value") == "", "the key is not typed"
    for _ in range(3):  # the choice of a verdict, the scrolling table, its first column
        page.press(Keys.TAB)
    assert page.focused().startswith("scenario")
    page.press(Keys.ENTER)
    assert page.one("#overview th").get_attribute("aria-sort") == "ascending"
    assert page.column(1)[0] == min(page.column(1), key=str.lower)
    page.run("document.querySelector('details > summary').focus()")
    page.press(Keys.ENTER)
    assert page.one("details").get_attribute("open") is not None


def test_elements_have_roles_and_labels_for_screen_readers(page):
    named = page.run(
        "return [...document.querySelectorAll('button, input, select, svg, [role=region], pre')]"
        ".filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length ||"
        " document.getElementById(e.getAttribute('aria-labelledby')))).map(e => e.outerHTML)"
    )
    assert named == []
    assert page.run("return document.querySelectorAll('svg:not([role=img])').length") == 0
    assert page.run("return document.documentElement.lang") == "en"
    ids = page.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    headings = page.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(e => e.tagName)")
    levels = [int(tag[1]) for tag in headings]
    assert levels[0] == 1
    assert all(lower - upper <= 1 for upper, lower in pairwise(levels))


CONTRAST = """
    const light = (text) => {
      const [r, g, b] = text.match(/\\d+/g).map(Number)
        .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const root = document.querySelector('.layerlens');
    const probe = document.createElement('i');
    root.append(probe);
    const value = (name) => { probe.style.color = `var(--${name})`;
                              return light(getComputedStyle(probe).color); };
    const found = {};
    for (const name of ['ink', 'soft', 'good', 'bad', 'warn', 'accent'])
      for (const paper of ['paper', 'shade']) {
        const [a, b] = [value(name), value(paper)].sort((x, y) => y - x);
        found[`${name} on ${paper}`] = (a + 0.05) / (b + 0.05);
      }
    probe.remove();
    return [getComputedStyle(root).backgroundColor, found];
"""


def test_light_and_dark_are_both_readable(page):
    papers = []
    for scheme in ("light", "dark"):
        emulate(page.browser, prefers_color_scheme=scheme)
        paper, contrast = page.run(CONTRAST)
        papers.append(paper)
        faint = {name: ratio for name, ratio in contrast.items() if ratio < 4.5}
        assert faint == {}, scheme
    assert papers[0] != papers[1]


def test_a_narrow_window_scrolls_tables_and_not_the_page(page):
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        wide = page.run("return document.documentElement.scrollWidth")
        assert wide <= page.run("return innerWidth") == 360
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_printing_opens_everything_and_hides_the_controls(page):
    emulate(page.browser, media="print")
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert not page.one(".tools").is_displayed()
    assert page.run("return [...document.querySelectorAll('details')].every(d => d.open)")
    pdf = page.browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(pdf) > 10_000


def test_two_hundred_scenarios_stay_fast(browser, tmp_path):
    reports = [
        report_from_dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        for name in NAMES[1:]
    ]
    few = [scenario for report in reports for scenario in report.scenarios if not scenario.fit]
    many = tuple(few[n % len(few)] for n in range(200))
    path = tmp_path / "many.html"
    path.write_text(render(replace(reports[0], scenarios=many), "html"), encoding="utf-8")
    browser.get(path.as_uri())
    page = Page(browser)
    assert len(page.sections()) == 200
    assert "On a page of more than 50 scenarios" in page.one("header").text
    took = page.run(
        "const start = performance.now();"
        "const box = document.getElementById('filter');"
        "box.value = 'relu'; box.dispatchEvent(new Event('input'));"
        "document.querySelector('#overview thead button').click();"
        "document.body.offsetHeight; return performance.now() - start"
    )
    assert took < 1000, "milliseconds to filter and sort"
    assert 0 < len(page.sections()) < 200
