"""report.html in a real browser: it renders, sorts, filters, works from the keyboard, and asks for nothing."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from synthetic import FakeCell, make_run

from bench.reports import write_report
from bench.reports.model import load_report
from bench.reports.of_table import known_metrics
from bench.reports.views.html import html
from bench.store.frames import run_data
from bench.store.run_store import RunStore

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with chromedriver on this machine"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars")  # fmt: skip


#: WCAG contrast of text with what lies behind it, by selector.
CONTRAST = """
  const rgb = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = (c) => rgb(c).reduce((sum, v, i) => sum + linear(v) * [0.2126, 0.7152, 0.0722][i], 0);
  const clear = (e) => getComputedStyle(e).backgroundColor === "rgba(0, 0, 0, 0)";
  const behind = (e) => (clear(e) ? behind(e.parentElement) : getComputedStyle(e).backgroundColor);
  const names = ["h1", ".headline", ".certainty", ".badge", ".warning", "td", "tr.out td", "figcaption", "a[href]"];
  return names.map((name) => {
    const element = document.querySelector(name);
    const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    return [name, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
  });
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    failures = {FakeCell("vae", "digits", 1): {"status": "oom", "reason": "<b>more than 4 GB</b>"}}
    run = make_run(tmp_path_factory.mktemp("browser") / "run", seeds=range(4), failures=failures)
    write_report(run, ["html"])
    return (run / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def view(browser, page, width=1280, height=900, scheme="light"):
    """Opens the page; the logs of what came before are dropped."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    wanted = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wanted.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page)
    return browser


def first_column(browser):
    rows = browser.find_elements(By.CSS_SELECTOR, "#t1 tbody tr")
    return [
        row.find_element(By.TAG_NAME, "th").text.replace("⚠ collapsed", "").replace("✓ chosen", "").strip()
        for row in rows
        if row.is_displayed()
    ]


def header(browser, name):
    buttons = browser.find_elements(By.CSS_SELECTOR, "#t1 thead button")
    return next(button for button in buttons if button.text.startswith(name))


def test_it_renders_without_errors_and_no_request_leaves_the_file(browser, page):
    view(browser, page)
    assert browser.find_element(By.TAG_NAME, "h1").text == "synthetic"
    assert len(browser.find_elements(By.CSS_SELECTOR, ".verdict")) == 2  # the primary metrics of the planted run
    sizes = browser.execute_script(
        "const width = i => { i.loading = 'eager'; return i.decode().then(() => i.naturalWidth); };"
        "return Array.from(document.images, width)"
        ".reduce((all, one) => all.then(list => one.then(w => [...list, w])), Promise.resolve([]))"
    )
    assert len(sizes) == 11 and min(sizes) > 100
    assert browser.get_log("browser") == []
    requests = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {r["params"]["request"]["url"] for r in requests if r["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} == {page}


def test_the_policy_blocks_requests_and_foreign_scripts(browser, page):
    view(browser, page)
    blocked = browser.execute_async_script(
        "const done = arguments[0]; const seen = [];"
        "document.addEventListener('securitypolicyviolation', e => seen.push(e.effectiveDirective));"
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);"
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);"
        "setTimeout(() => done([seen, window.hacked === undefined]), 300);"
    )
    assert blocked[1] and {d.split("-")[0] for d in blocked[0]} == {"script", "img"}


def test_columns_sort_both_ways_with_missing_values_last(browser, page):
    view(browser, page)
    before = first_column(browser)
    header(browser, "test_mse").click()
    values = [
        float(cell.get_attribute("data-value"))
        for cell in browser.find_elements(By.CSS_SELECTOR, '#t1 td[data-metric="test_mse"]')
    ]
    assert values == sorted(values) and first_column(browser) != before
    header(browser, "test_mse").click()
    assert first_column(browser)[0] == "vae[beta=5]"
    assert header(browser, "test_mse").find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    header(browser, "λ").click()
    assert set(first_column(browser)[-2:]) == {"ae", "stochastic-ae"}
    header(browser, "λ").click()
    assert set(first_column(browser)[-2:]) == {"ae", "stochastic-ae"}
    header(browser, "Variant").click()
    assert first_column(browser) == ["ae", "stochastic-ae", "vae", "vae[beta=0.2]", "vae[beta=5]"]


def test_everything_works_from_the_keyboard(browser, page):
    view(browser, page)
    search = browser.find_element(By.ID, "t1-filter")
    active = browser.switch_to.active_element
    for _ in range(30):
        active.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        if active == search:
            break
    assert active == search
    search.send_keys("beta")
    assert first_column(browser) == ["vae[beta=0.2]", "vae[beta=5]"]
    assert browser.find_element(By.ID, "t1-filter-count").text == "2 of 5 rows"
    search.send_keys(Keys.ESCAPE)
    assert len(first_column(browser)) == 5
    button = header(browser, "test_mse")
    button.send_keys(Keys.ENTER)
    assert first_column(browser)[0] == "vae[beta=0.2]"
    button.send_keys(Keys.SPACE)
    assert first_column(browser)[0] == "vae[beta=5]"
    summary = browser.find_elements(By.TAG_NAME, "summary")[-1]
    details = summary.find_element(By.XPATH, "..")
    summary.send_keys(Keys.ENTER)
    assert details.get_attribute("open")


def test_markup_in_reasons_is_shown_as_text(browser, page):
    view(browser, page)
    cells = browser.find_elements(By.CSS_SELECTOR, "#failures td")
    assert "<b>more than 4 GB</b>" in [cell.text for cell in cells]


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_and_text_has_contrast(browser, page, width, scheme):
    view(browser, page, width, 800, scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    lightness = browser.execute_script(CONTRAST)
    low = {name: round(ratio, 2) for name, ratio in lightness if ratio < 4.5}
    assert not low
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    assert dark == (scheme == "dark")


def test_it_prints_with_everything_open(browser, page):
    view(browser, page)
    opened = browser.execute_script(
        "window.dispatchEvent(new Event('beforeprint'));"
        "const n = document.querySelectorAll('details:not([open])').length;"
        "window.dispatchEvent(new Event('afterprint'));"
        "return [n, document.querySelectorAll('details:not([open])').length];"
    )
    assert opened[0] == 0 and opened[1] > 0
    assert len(browser.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 50_000


def many(folder, n_variants, n_datasets, seeds=2):
    """The page of so many rows, without figures from files."""
    rng = np.random.default_rng(0)
    names = ("test_mse", "energy_fit", "interp_excess", "val_mse")
    index = pd.MultiIndex.from_product(
        [range(n_datasets), range(n_variants), range(seeds), names], names=["dataset", "variant", "seed", "metric"]
    )
    frame = index.to_frame(index=False)
    level = 1 + 0.01 * ((frame["variant"] * 7 + 5 * frame["metric"].map(names.index)) % n_variants)
    frame["value"] = level * (1 + 0.02 * rng.normal(size=len(frame)))
    frame["variant"] = frame["variant"].map("a-variant-{}".format)
    frame["dataset"] = frame["dataset"].map("data-{}".format)
    report = load_report(RunStore.holding(folder, {"name": "many"}, run_data(frame, known_metrics())))
    (folder / "report.html").write_text(html(report, []), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    sizes = {40: (40, 1), 200: (200, 5)}
    return {n: many(tmp_path_factory.mktemp("many"), *size) for n, size in sizes.items()}


@pytest.mark.parametrize(("n", "width", "scheme"), [(40, 1280, "dark"), (40, 390, "light"), (200, 390, "dark")])
def test_a_report_of_many_rows_is_small_and_fits_a_phone(browser, pages, n, width, scheme):
    assert pages[n].stat().st_size < 5_000_000
    view(browser, pages[n].as_uri(), width, 800, scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return document.getElementById('answer-title').getBoundingClientRect().top") < 400
    assert browser.get_log("browser") == []
    key = "b1" if n == 40 else "over"
    rows = browser.find_elements(By.CSS_SELECTOR, f"#{key} tbody tr")
    assert len(rows) == n
    means = [float(cell.get_attribute("data-value")) for cell in
             browser.find_elements(By.CSS_SELECTOR, f"#{key} tbody td:nth-child(3)")]  # fmt: skip
    assert means == sorted(means)


def test_labels_of_forty_points_do_not_cover_each_other_and_hovering_names_each(browser, pages):
    view(browser, pages[40].as_uri())
    covered, labels, titles = browser.execute_script(
        "const boxes = Array.from(document.querySelectorAll('.pareto .name'), e => e.getBoundingClientRect());"
        "const hit = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && "
        "b.top < a.bottom - 3;"
        "const n = boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => hit(a, b))).length;"
        "return [n, boxes.length, document.querySelectorAll('.pareto circle title').length];"
    )
    assert covered == 0 and labels >= 30 and titles == 40


def test_a_leaderboard_collapses_to_the_best_of_each_family(browser, pages):
    view(browser, pages[40].as_uri())
    browser.find_element(By.CSS_SELECTOR, ".best-only").click()
    shown = [row for row in browser.find_elements(By.CSS_SELECTOR, "#b1 tbody tr") if row.is_displayed()]
    assert len(shown) == 1 and "more" not in (shown[0].get_attribute("class") or "")
