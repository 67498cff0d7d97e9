"""What exactly a partner would see of one data subject: examples for the consent page (policy 6.1).

The gate's own expressions redact each value inside the database, so that nothing more than the partner would see reaches Python.
One statement for all; it decides nothing and records nothing: the data subject looks at their own data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.catalogue.definition import Catalogue, LeafList, RowList, Table
from gateway.request.consent import others_agree
from gateway.request.redact import expression
from gateway.store.pool import AnyConnection
from gateway.subject.offer import Offer, OfferedField
from scopes import Redaction, Rung

SUBJECT, PARTNER, PURPOSE = "$1::uuid", "$2::uuid", "$3::text"


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """value: as the partner would see it; of a list its first item; None where there is nothing to see, and for pseudonyms, which
    words describe better. count: how many items the partner would see; None for a single value.
    """

    value: str | None
    count: int | None


Preview = Mapping[tuple[str, Redaction], Example]


async def preview(conn: AnyConnection, catalogue: Catalogue, offer: Offer, subject_id: UUID) -> Preview:
    """An example for each field of the offer, by path and redaction."""
    fields = [field for category in offer.categories for field in category.fields]
    if offer.purpose is None or not fields:
        return {}
    text = statement(catalogue, fields, offer.ordinals)
    row = await conn.fetchrow(text, subject_id, offer.partner.partner_id, offer.purpose.value)
    assert row is not None  # noqa: S101 - the statement starts from one row of constants
    found: dict[tuple[str, Redaction], Example] = {}
    for number, field in enumerate(fields):
        items = row[f"f{number}"]
        count = None if table_of(catalogue, field.path) is None else row[f"n{number}"]
        found[field.path, field.redaction] = Example(items, count)
    return found


def statement(catalogue: Catalogue, fields: Sequence[OfferedField], ordinals: Mapping[str, int]) -> str:
    """SQL of one row: f<n> text, and n<n> bigint for the members of lists. $1 subject_id, $2 partner_id, $3 purpose.

    `caller` stands where the gate's statement has its own: the rules about others (policy 1.4) are the gate's.
    """
    columns = []
    for number, field in enumerate(fields):
        table = table_of(catalogue, field.path)
        value = _value(catalogue, field)
        if table is None:
            columns.append(f"(select {value} from {catalogue.table} where {catalogue.key} = {SUBJECT}) as f{number}")
        else:
            rows = f"from {table.source} where {' and '.join(_rules(table, ordinals))}"
            columns.append(f"(select {value} {rows} order by {table.order} limit 1) as f{number}")
            columns.append(f"(select count(*) {rows}) as n{number}")
    return (
        "with caller as (select p.basis_version, false as contract_run from gateway.partner p"
        f" where p.partner_id = {PARTNER})\n"
        f"select {SUBJECT} as subject_id, {PURPOSE} as purpose,\n  " + ",\n  ".join(columns)
    )


def table_of(catalogue: Catalogue, path: str) -> Table | None:
    """The table of the list that this leaf is an item of, or belongs to an item of; None for the data subject's own row."""
    owner, _, name = path.partition(".")
    shared = catalogue.types[owner].members[name].shared
    if isinstance(shared, LeafList):
        return shared.table
    lists = [member.shared for member in catalogue.subject.members.values() if isinstance(member.shared, RowList)]
    return next((rows.table for rows in lists if rows.type_name == owner), None)


def _value(catalogue: Catalogue, field: OfferedField) -> str:
    if field.redaction.rung is Rung.PSEUDONYMISE:
        return "null::text"
    owner, _, name = field.path.partition(".")
    shared = catalogue.types[owner].members[name].shared
    leaf = shared.leaf if isinstance(shared, LeafList) else shared
    assert not isinstance(leaf, RowList)  # noqa: S101 - the catalogue's leaves are what scopes and offers name
    return expression(leaf.kind, field.redaction, leaf.column, key_pads=("", ""), at="statement_timestamp()")


def _rules(table: Table, ordinals: Mapping[str, int]) -> list[str]:
    rules = [f"{table.subject} = {SUBJECT}"]
    if table.shown:
        rules.append(table.shown)
    if table.others:
        rules.append(others_agree(table.others, ordinals, partner=PARTNER, purpose=PURPOSE, but=SUBJECT))
    return rules
