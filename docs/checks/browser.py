"""Opens the built site as a reader does, in Chromium, from its files: `browser.py FOLDER PICTURES`.

There is no network: whatever a page asks for outside its folder is refused and is a fault, and so
are an error of a script, mathematics that is not rendered, and what is cut off on a phone. The
pictures are to be looked at.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

# What is pictured: a name, a page, and where on it.
PICTURES = {
    "landing": "index.html",
    "map": "equations/index.html",
    "equation": "equations/backward.html#equation-10-21",
    "figure": "patterns.html#figure-10-6",
    "function": "reference/generated/cybptt.reference.grad_hidden.html",
    "gallery": "gallery/index.html",
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENS = {"wide": (1400, 900), "phone": (375, 812)}

SCROLL = """id => scrollTo({  // below the bar that a phone has at its top
    top: document.getElementById(id).getBoundingClientRect().top + scrollY - 80,
    behavior: 'instant',
})"""

# The formulas that are wider than their place; a table may be moved sideways.
CUT = """() => [...document.querySelectorAll('.math')].filter(e =>
    e.scrollWidth > e.clientWidth + 1 && e.tagName == 'DIV'
    || e.getBoundingClientRect().right > innerWidth && !e.closest('.table-wrapper')
).map(e => e.textContent)"""


def chromium() -> str:
    """The browser of this machine."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    sys.exit("no Chromium here: apt-get install chromium, or name it in the variable CHROMIUM")


def listen(page: Page, faults: list[str]) -> None:
    """Gather what goes wrong in a page, and let nothing out of the machine."""

    def fault(kind: str, words: object) -> None:
        faults.append(f"{page.url}: {kind}: {words}")

    page.on("console", lambda m: fault("console", m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: fault("script", error))
    page.on("requestfailed", lambda request: fault("request", request.url))
    page.route(lambda url: not url.startswith(("file:", "data:")), lambda route: route.abort())


def wait_for_mathematics(page: Page) -> int:
    """Wait until each formula of the page is drawn; how many there are."""
    formulas = page.locator(".math").count()
    if formulas:
        page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        page.evaluate("MathJax.startup.promise")
    return formulas


def visit(browser: Browser, site: Path, faults: list[str]) -> None:
    """Every page once: no error, no formula left as TeX or marked as wrong, nothing cut off."""
    page = browser.new_page()
    listen(page, faults)
    width, height = SCREENS["phone"]
    page.set_viewport_size({"width": width, "height": height})
    pages, formulas = 0, 0
    for path in sorted(site.rglob("*.html")):
        if path.is_relative_to(site / "_modules"):
            continue  # source alone
        page.goto(path.as_uri())
        here = wait_for_mathematics(page)
        drawn = page.locator(".math mjx-container svg").count()
        wrong = page.locator("[data-mjx-error], mjx-merror").count()
        if drawn < here or wrong:
            faults.append(f"{path}: {drawn} of {here} formulas are drawn, {wrong} are wrong")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{path} is wider than {width} px")
        for formula in page.evaluate(CUT):
            faults.append(f"{path}: on a phone a formula is cut: {formula}")
        pages, formulas = pages + 1, formulas + here
    print(f"{pages} pages without a script error, {formulas} formulas drawn, no network")
    page.close()


def search(browser: Browser, site: Path, faults: list[str]) -> None:
    """The search finds a function and an equation, without a server."""
    page = browser.new_page()
    listen(page, faults)
    for words, wanted in (("grad_hidden", "grad_hidden"), ("teacher forcing", "patterns")):
        page.goto(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
        page.wait_for_selector("#search-results li a")
        found = [a.get_attribute("href") or "" for a in page.locator("#search-results li a").all()]
        if not any(wanted in href for href in found):
            faults.append(f"the search for {words!r} finds {found[:5]}")
        print(f"the search for {words!r} finds {len(found)} places")
    page.close()


def picture(browser: Browser, site: Path, folder: Path, faults: list[str]) -> None:
    """Pictures in light and dark, wide and on a phone."""
    for scheme in SCHEMES:
        page = browser.new_page(color_scheme=scheme)
        listen(page, faults)
        for name, address in PICTURES.items():
            file, _, anchor = address.partition("#")
            if not (site / file).exists():
                print(f"no {file} yet")
                continue
            page.goto((site / file).as_uri())
            wait_for_mathematics(page)
            for screen, (width, height) in SCREENS.items():
                page.set_viewport_size({"width": width, "height": height})
                if anchor:  # not in the address: the theme would be scrolling for a second
                    page.evaluate(SCROLL, anchor)
                    page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{name}-{screen}-{scheme}.png")
        page.close()


def main() -> int:
    """Look at all of it, and say what was found."""
    site, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with sync_playwright() as playwright:
        # Its sandbox does not go with root, which a container often is.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        visit(browser, site, faults)
        search(browser, site, faults)
        picture(browser, site, folder, faults)
        browser.close()
    print(*faults, sep="\n")
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
