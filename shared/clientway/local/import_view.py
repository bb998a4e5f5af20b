"""How an import looks on a terminal: what a commit would do and why, what the columns are held for, the first rows, the outcome."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

OUTCOMES: Final = ("created", "updated", "skipped", "failed")
_COLOURS: Final = {"created": "green", "updated": "cyan", "skipped": "yellow", "failed": "red"}
# The columns that a person recognises a business by come first where there is no room for all.
_TELLING: Final = (
    "organization.legal_name", "organization.dba_name", "contact.full_name", "contact.last_name", "contact.first_name", "location.city",
    "location.phone", "contact.phone", "contact.email", "location.address_line1", "location.website_url", "location.state", "location.zip",
    "organization.source_id", "organization.tags",
)  # fmt: skip
# Without one of these, no row can become anything.
_NAMING: Final = {
    "organization.legal_name",
    "organization.dba_name",
    "contact.full_name",
    "contact.first_name",
    "contact.last_name",
    "contact.email",
}
_GAP = 3
_NARROWEST_CUT = 14
_WIDEST_CELL = 28
_WIDEST_REASON = 36
_WIDE = 100
_EXAMPLE_WIDTHS = (18, 30)
_KILO = 1000


def clean(text: object) -> str:
    """Foreign text as one line that cannot steer the terminal: no escape sequences, no line breaks, no reversed writing."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())


def escaped(text: object) -> str:
    """Foreign text in the middle of markup: it stays what it is, line breaks too."""
    return escape("\n".join("".join(letter if letter.isprintable() else " " for letter in line) for line in str(text).splitlines()))


def number(count: int) -> str:
    """6359 as 6,359."""
    return f"{count:,}"


def of_rows(count: int) -> str:
    """“1 row”, “6,359 rows”."""
    return f"{number(count)} {'row' if count == 1 else 'rows'}"


def size(count: int) -> str:
    """Bytes as a file manager says them."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB"):
        if value >= _KILO:
            value, unit = value / _KILO, larger
    return f"{value:.1f} {unit}" if unit == "MB" else f"{value:.0f} {unit}"


def plan(preview: Mapping[str, Any]) -> RenderableType:
    """What a commit would do: rows by outcome, each with its reasons, how often and where first."""
    table = _table("What a commit would do")
    table.add_column("outcome", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("why", ratio=1)
    table.add_column("times", justify="right", no_wrap=True, style="dim")
    table.add_column("first row", justify="right", no_wrap=True, style="dim")
    for outcome in OUTCOMES:
        count = preview[outcome]
        style = _COLOURS[outcome] if count else "dim"
        label = [Text(outcome, style), Text(number(count), style)]
        reasons = [one for one in preview["why"] if one["outcome"] == outcome]
        if len(reasons) > 1:
            # “new” says no more than “created”; what else there was of the new ones does.
            reasons = [one for one in reasons if one["reason"] != "new"]
        for why in reasons or [None]:
            said = ("", "", "") if why is None else (clean(why["reason"]), number(why["count"]), number(why["first_row"]))
            table.add_row(*label, *map(Text, said))
            label = [Text(), Text()]
    table.add_section()
    table.add_row(Text("rows in", "bold"), Text(number(preview["total"]), "bold"), Text(), Text(), Text())
    if preview["tried"] == preview["total"]:
        return table
    return Group(table, Text(f"So long a list is tried out in part: the counts are of the first {of_rows(preview['tried'])}.\n", "yellow"))


def columns(found: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    """What each column is held for, with an example and the reason; those left out in one line."""
    table = _table("What the columns are")
    table.add_column("column", overflow="ellipsis", no_wrap=True, max_width=_WIDEST_CELL)
    table.add_column("for example", style="dim", overflow="ellipsis", no_wrap=True, max_width=_EXAMPLE_WIDTHS[width >= _WIDE])
    table.add_column("becomes", no_wrap=True)
    table.add_column("because", ratio=1, style="dim")
    for place, column in enumerate(found):
        if column["target"]:
            example = next((cell for row in rows if (cell := clean(row["cells"][place]))), "")
            table.add_row(Text(clean(column["name"])), Text(example), Text(column["target"], "green"), Text(clean(column["reason"])))
    told = Text()
    if all(column["name"] == f"column_{place}" for place, column in enumerate(found, start=1)):
        told.append("The file has no header: its columns are numbered.\n", "yellow")
    if not _NAMING & {column["target"] for column in found}:
        told.append("No column gives a name. Say which one does: --map COLUMN=organization.legal_name\n", "red")
    if left_out := [clean(column["name"]) for column in found if not column["target"]]:
        told.append("Left out: ", "yellow").append(", ".join(left_out), "dim").append("\n--map COLUMN=FIELD takes one in.\n", "dim")
    return Group(table, told)


def rows(preview: Mapping[str, Any], found: Sequence[Mapping[str, Any]], count: int, width: int) -> RenderableType:
    """The first rows with what each would become; as many columns as there is room for."""
    shown = preview["rows"][:count]
    reasons = ["" if row["reason"] == "new" else clean(row["reason"] or "") for row in shown]
    reason_width = min(max(map(cell_len, reasons), default=0), _WIDEST_REASON)
    # Edges, the numbers, the outcome and the reason; the rest is for cells.
    room = (
        width
        - 2
        - max(len("row"), len(number(shown[-1]["row_number"])))
        - len("outcome")
        - reason_width
        - (_GAP if reason_width else 0)
        - _GAP
    )
    table = _table(f"The first {number(len(shown))} of {of_rows(preview['total'])}" if len(shown) < preview["total"] else "The rows")
    table.add_column("row", justify="right", no_wrap=True, style="dim")
    table.add_column("outcome", no_wrap=True)
    chosen = _that_fit(found, shown, room)
    for place, wide in chosen:
        header = Text(clean(found[place]["name"])).append("\n" + _field(found[place]), "dim")
        table.add_column(header, no_wrap=True, overflow="ellipsis", width=wide)
    if reason_width:
        table.add_column("because", min_width=reason_width, max_width=_WIDEST_REASON)
    for row, reason in zip(shown, reasons, strict=True):
        cells = [Text(clean(row["cells"][place])) for place, _ in chosen]
        style = _COLOURS[row["outcome"]]
        table.add_row(
            Text(number(row["row_number"])), Text(row["outcome"], style), *cells, *([Text(reason, style)] if reason_width else [])
        )
    return table


def outcome(counts: Mapping[str, int]) -> Text:
    """“created 6,301 · updated 44 · skipped 14 · failed 0 = 6,359 rows in”."""
    text = Text()
    for name in OUTCOMES:
        text.append(" · " if text else "").append(f"{name} {number(counts[name])}", _COLOURS[name] if counts[name] else "dim")
    return text.append(f" = {of_rows(sum(counts[name] for name in OUTCOMES))} in", "dim")


def show(console: Console, preview: Mapping[str, Any], found: Sequence[Mapping[str, Any]], count: int) -> None:
    """Print a whole preview: the answer first, then what it rests on."""
    console.print(plan(preview))
    console.print(columns(found, preview["rows"], console.width))
    if count and preview["rows"]:
        console.print(rows(preview, found, count, console.width))


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, header_style="dim", padding=(0, 1), pad_edge=False
    )


def _field(column: Mapping[str, Any]) -> str:
    return str(column["target"] or "").rpartition(".")[2]


def _that_fit(found: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], room: int) -> list[tuple[int, int]]:
    """Places and widths of the mapped columns that go side by side, the telling ones first chosen, in the file's order."""
    places = [place for place, column in enumerate(found) if column["target"]]
    places.sort(key=lambda place: (_TELLING.index(target) if (target := found[place]["target"]) in _TELLING else len(_TELLING), place))
    chosen = []
    for place in places:
        texts = [clean(found[place]["name"]), _field(found[place]), *(clean(row["cells"][place]) for row in shown)]
        whole = min(max(map(cell_len, texts)), _WIDEST_CELL)
        # Better cut short than not there, as long as something can be read.
        wide = max(min(whole, room - _GAP), min(whole, _NARROWEST_CUT))
        if wide + _GAP <= room:
            chosen.append((place, wide))
            room -= wide + _GAP
    return sorted(chosen)
