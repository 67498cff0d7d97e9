"""The demo's screen: the request, what each partner got beside the raw row, the records, and where to go on."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from gateway.demo.scene import Recorded, Seen

_ABSENT: Final = Text("·", style="dim")  # the field does not exist for this partner
_LEGEND: Final = "· the field does not exist for this partner    withheld: in its scope, not covered by this person's consent"
_WITHHELD: Final = Text("withheld", style="yellow")


def show_requests(console: Console, url: str, seen: Sequence[Seen]) -> None:
    """The operation of each partner that got an answer, as it went over the wire."""
    for one in seen:
        head = Text.assemble((f"POST {url}", "bold"), f"\nAuthorization: Bearer <the access token of {one.partner}>\n")
        console.print(head)
        document = Syntax(one.document, "graphql", background_color="default")
        console.print(Panel(document, title=f"{one.partner} asks", title_align="left", expand=False))


def show_values(console: Console, raw: Mapping[str, str | None], seen: Sequence[Seen]) -> None:
    """Raw row and answers, side by side."""
    table = Table(title="One data subject, seen by each of them", title_justify="left", header_style="bold")
    table.add_column("field", no_wrap=True)
    table.add_column("raw row", style="red")
    for one in seen:
        table.add_column(f"{one.partner} gets")
    table.add_row("answer", "", *(Text(_outcome(one), style="bold") for one in seen))
    table.add_section()
    for path, value in raw.items():
        table.add_row(path, _text(value), *(_cell(one, path, value) for one in seen))
    console.print(table)
    console.print(Text(_LEGEND, style="dim"))


def show_records(console: Console, recorded: Sequence[Recorded]) -> None:
    """What the gateway keeps about these answers: which fields, never which values."""
    table = Table(title="The disclosure records that resulted", title_justify="left", header_style="bold")
    for name in ("disclosure", "at (UTC)", "to", "purpose", "subject", "fields"):
        table.add_column(name, overflow="fold")
    for one in recorded:
        fields = "\n".join(f"{path} {outcome}" for path, outcome in one.fields)
        purpose = f"{one.purpose}\n{', '.join(one.scope_versions)}"
        at = f"{one.disclosed_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(one.disclosure_id), at, one.partner, purpose, str(one.subject_id), fields)
        table.add_section()
    console.print(table)


def show_way_on(console: Console, base_url: str, site: str, login: str, document: str) -> None:
    """Where the demo and its partner's site are, who can sign in, where keys and passwords stand, how to stop it."""
    console.print(Text.assemble(("Serving  ", "bold green"), (f"{base_url}/graphql", "bold")))
    console.print(
        Text.assemble(("Click    ", "bold green"), (site, "bold"), " and log in with the platform at shopmate, a partner")
    )
    console.print(f"as       {login}, whose password (and others') stands in the file below under subjects", highlight=False)
    console.print(
        f"Staff    {base_url}/admin, with logins, passwords and second factors that stand there under admins", highlight=False
    )
    console.print(f"Passwords, tokens, keys and canary subjects: {document} (yours alone to read)", highlight=False)
    console.print("Stop it with Ctrl-C; the data is kept for the next time.", highlight=False)


def _outcome(one: Seen) -> str:
    return f"{one.status} {' '.join(sorted(set(one.codes)))}".strip()


def _cell(one: Seen, path: str, raw: str | None) -> Text:
    if path not in one.values:
        return _ABSENT
    value = one.values[path]
    if value is None:
        return _WITHHELD if raw is not None else _text(None)
    return Text(value, style="green" if value == raw else "cyan")


def _text(value: str | None) -> Text:
    return Text("null", style="dim") if value is None else Text(value)
