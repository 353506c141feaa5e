"""How a page is made: self-contained, without external script, font or picture; every text from the data is escaped."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.atomic_files import replaced_file
from tenure.sources.staged_source import StagedSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def page_environment() -> Any:
    """Make the environment of the templates, with the formats of numbers that they share."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tenure.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "share": share}
    environment.globals |= {"with_ends": with_ends}
    return environment


def count(number: float | None, form: str = "{:,.0f}") -> str:
    """Write a number with thousands separators; a dash where it is unknown.

    >>> count(12345), count(None), count(float("nan"))
    ('12,345', '–', '–')
    """
    return "–" if number is None or number != number else form.format(number)


def share(number: float | None, digits: int = 0) -> str:
    """Write a share in percent; a dash where it is unknown.

    >>> share(0.256), share(0.256, 1), share(None)
    ('26%', '25.6%', '–')
    """
    return count(number, f"{{:.{digits}%}}")


def with_ends(value: float, low: float, high: float, form: str = "{:.3f}") -> str:
    """Write a value with its interval.

    >>> with_ends(0.75, 0.7, 0.8, "{:.2f}")
    '0.75 (0.70–0.80)'
    """
    return f"{form.format(value)} ({form.format(low)}–{form.format(high)})"


def render_page(template: str, staged: StagedSource, as_of: object, *, is_quick: bool = False, **shown: Any) -> str:
    """Render a page of a source; ``is_quick`` warns of its numbers."""
    source = staged.source
    common = {"source": source.name, "title": source.title or source.name, "currency": source.currency}
    page = page_environment().get_template(template)
    return str(page.render(**common, as_of=as_of, is_quick=is_quick, **shown))


def data_uri(svg: bytes) -> str:
    """Turn an SVG file into an address that holds all of it."""
    return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"


def picture(figure: Figure) -> str:
    """Turn a figure into an address that holds all of it."""
    from tenure.reporting.figures import as_svg

    return data_uri(as_svg(figure).encode())


def write_page(path: Path, page: str) -> Path:
    """Write a page, whole or not at all."""
    with replaced_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")
    return path
