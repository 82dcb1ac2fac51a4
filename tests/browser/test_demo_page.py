from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from hansa.cli.demo.page import SECTIONS, page
from hansa.cli.demo.story import tell
from hansa.cli.league import open_league

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

sync_api = pytest.importorskip("playwright.sync_api")

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("demo") / "index.html"
    file.write_text(page(tell(open_league("heart"), lambda _: None)), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"], headless=True)
        yield launched
        launched.close()


def opened(browser: Browser, address: str, width: int, scheme: Literal["light", "dark"] = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(address)
    return tab


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_loads_without_errors_or_requests(browser: Browser, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    assert said == []
    assert asked == [address]
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_reaches_beyond_the_window_even_with_all_opened(browser: Browser, address: str, width: int) -> None:
    tab = opened(browser, address, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_contents_lead_to_each_section_and_stay_in_view(browser: Browser, address: str, width: int) -> None:
    tab = opened(browser, address, width)
    bar = tab.locator("nav").evaluate("nav => nav.getBoundingClientRect().height")
    for anchor, name in SECTIONS[:-1]:  # the last section may be too short to reach the top
        tab.locator("nav").get_by_role("link", name=name, exact=True).click()
        top = tab.locator(f"#{anchor}").evaluate("section => section.getBoundingClientRect().top")
        assert bar - 2 <= top <= bar + 60
        assert tab.locator("nav").evaluate("nav => Math.abs(nav.getBoundingClientRect().top)") <= 1
    tab.context.close()


def test_a_decision_opens_by_keyboard(browser: Browser, address: str) -> None:
    tab = opened(browser, address, 1280)
    decision = tab.locator("#decision-1")
    decision.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert decision.locator(".findings li").first.is_visible()
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_enough(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text, against the nearest ground that is not transparent."""
    tab = opened(browser, address, 1280, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    worst = tab.evaluate(
        """() => {
            const parts = colour => colour.match(/[\\d.]+/g).map(Number);
            const light = colour => parts(colour).slice(0, 3).map(value => value / 255)
                .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
                .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
            const ground = one => {
                for (; one; one = one.parentElement) {
                    const colour = getComputedStyle(one).backgroundColor;
                    if (parts(colour)[3] !== 0) return colour;
                }
                return 'rgb(255, 255, 255)';
            };
            const ratios = [...document.querySelectorAll('body *:not(svg *)')]
                .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
                .map(one => [light(getComputedStyle(one).color), light(ground(one))])
                .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
            return Math.min(...ratios);
        }"""
    )
    assert worst >= 4.5
    tab.context.close()
