"""Every link and every image of the built site leads somewhere within it: `links.py FOLDER`.

Links to other sites are counted, not followed: a check must not depend on the network. And the
equation map leads both ways: from an equation to each of its functions, and from there back.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "_extensions"))

import cited


@dataclass
class Page(HTMLParser):
    """The anchors of a page, and what it leads to."""

    anchors: set[str] = field(default_factory=set)
    targets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, links and sources."""
        for name, value in attrs:
            if value is None:
                continue
            if name == "id":
                self.anchors.add(value)
            elif name in ("href", "src"):
                self.targets.append(value)


def read(site: Path) -> dict[Path, Page]:
    """All pages."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        page = pages[path.resolve()] = Page()
        page.feed(path.read_text(encoding="utf-8"))
    return pages


def broken(site: Path, pages: dict[Path, Page]) -> tuple[list[str], int]:
    """What leads nowhere, and how many links lead out of the site."""
    faults, outside = [], 0
    for path, page in pages.items():
        here = path.relative_to(site.resolve())
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                outside += 1
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not file.exists():
                faults.append(f"{here}: {target}: no such file")
            elif file in pages and unquote(parts.fragment) not in {"", *pages[file].anchors}:
                faults.append(f"{here}: {target}: no such anchor")
    return faults, outside


def one_way(site: Path, pages: dict[Path, Page]) -> list[str]:
    """Functions and equations of which one does not lead to the other."""
    where = {anchor: path for path, page in pages.items() for anchor in page.anchors}
    faults = []

    def leads(start: Path, anchor: str) -> bool:
        file = where[anchor].name
        ends = (
            (f"{file}#{anchor}", f"#{anchor}") if start == where[anchor] else (f"{file}#{anchor}",)
        )
        return any(target.endswith(ends) for target in pages[start].targets)

    for number, functions in cited.by_equation().items():
        equation = anchor_of(number)
        for function in functions:
            if equation not in where or function.name not in where:
                faults.append(f"{number} or {function.name} is on no page")
                continue
            if not leads(where[equation], function.name):
                faults.append(f"{number} does not lead to {function.name}")
            # A range is written by its ends: one of its numbers leads to its page.
            cites = [n for n in cited.NUMBERS if f":eq:`{n}`" in function.doc]
            if not any(leads(where[function.name], anchor_of(n)) for n in cites):
                faults.append(f"{function.name} does not lead to {number}")
    return faults


def anchor_of(number: str) -> str:
    """The anchor of an equation."""
    return f"equation-{number.lower().replace('.', '-')}"


def main() -> int:
    """Check, and say what was found."""
    site = Path(sys.argv[1])
    pages = read(site)
    faults, outside = broken(site, pages)
    faults += one_way(site, pages)
    links = sum(len(page.targets) for page in pages.values())
    print(*faults, sep="\n")
    print(f"{len(pages)} pages, {links} links, {outside} out of the site, {len(faults)} faults")
    return 1 if faults or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
