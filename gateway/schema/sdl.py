"""The SDL of a partner's schema, written from the catalogue and what the partner's scopes offer.

A type left without fields disappears with the fields that return it; `access` always remains. Source: DESIGN section 2.
"""

from collections.abc import Iterable, Mapping, Sequence

from gateway.catalogue.definition import Catalogue, Leaf, LeafList, Member, RowList, SharedType
from scopes import CATEGORIES, Basis, Purpose, Sensitivity

Offers = Mapping[str, Sequence[str]]
"""Schema path -> how each scope gives it: `ads.basic: generalise(year)`."""

LIST_DEFAULT = 20

FIXED = '''
"""The purpose an operation runs under, where the token holds scopes of several (policy chapter 2)."""
directive @purpose(is: Purpose!) on QUERY

"""What a field holds and how each scope redacts it before it leaves the database."""
directive @personal(category: String!, sensitivity: Sensitivity!, redaction: [String!]!) on FIELD_DEFINITION

enum Sensitivity {
  ORDINARY
  SENSITIVE
}

"""What has to be there before a data subject's value goes out."""
enum LegalBasis {
%(bases)s
}

enum Purpose {
%(purposes)s
}

type Query {
%(roots)s
  """What this token may do."""
  access: Access!
}

type Access {
  """The partner's registered name."""
  partner: String!
  """The purpose the operation runs under; null while a token with several names none."""
  purpose: Purpose
  """The scopes the token holds."""
  scopes: [String!]!
  """Every field that the partner's grants cover."""
  fields: [AccessField!]!
  """This schema as SDL, with the directives that introspection cannot show."""
  sdl: String!
}

type AccessField {
  """The schema path, such as Subject.city."""
  path: String!
  category: String!
  """How the value is redacted under this token; null where no scope of this token gives the field."""
  redaction: String
  """What each data subject's value needs before it goes out."""
  requires: [LegalBasis!]!
  """The scopes that give the field."""
  scopes: [String!]!
}
'''

DATA_ROOTS = '''  """The data subject this token was issued for; null for a token that is bound to none."""
  me: Subject
  """One data subject by the pseudonym that this partner knows it by under this purpose; null where it cannot be seen."""
  subject(id: ID!): Subject
  """The data subjects that can be seen under this purpose, in order of their pseudonyms."""
  subjects(first: Int!, after: String): SubjectConnection!'''

CONNECTION = """
type SubjectConnection {
  edges: [SubjectEdge!]!
  pageInfo: PageInfo!
}

type SubjectEdge {
  cursor: String!
  node: Subject!
}

type PageInfo {
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
  endCursor: String
}
"""

SUBJECT_ID = '''  """A pseudonym: this partner and this purpose know the data subject by it, and nobody else does."""
  id: ID!'''


def write_sdl(catalogue: Catalogue, offers: Offers) -> str:
    """The schema of a partner to whom `offers` are open, as SDL. An empty mapping leaves `access` alone."""
    kept = _kept(catalogue, offers)
    parts = [
        FIXED
        % {
            "roots": DATA_ROOTS.replace("Subject", catalogue.subject.name) if kept else "",
            "bases": _enum(Basis),
            "purposes": _enum(Purpose),
        }
    ]
    if kept:
        parts.append(CONNECTION.replace("Subject", catalogue.subject.name))
    parts.extend(_type(catalogue, catalogue.types[name], members, offers) for name, members in kept.items())
    return "\n".join(parts).replace("{\n\n", "{\n").strip() + "\n"


def _kept(catalogue: Catalogue, offers: Offers) -> dict[str, list[Member]]:
    kept: dict[str, list[Member]] = {}
    # rows of a subject have no lists of their own, so one pass from the innermost types outwards is enough
    for shared_type in reversed(catalogue.types.values()):
        members = [
            member
            for member in shared_type.members.values()
            if (member.shared.type_name in kept if isinstance(member.shared, RowList) else member.path in offers)
        ]
        if members:
            kept[shared_type.name] = members
    if catalogue.subject.name not in kept:
        return {}
    return dict(reversed(kept.items()))


def _type(catalogue: Catalogue, shared_type: SharedType, members: Iterable[Member], offers: Offers) -> str:
    lines = [f'"""{shared_type.description}"""', f"type {shared_type.name} {{"]
    if shared_type is catalogue.subject:
        lines.append(SUBJECT_ID)
    for member in members:
        lines.extend(_field(member, offers.get(member.path, ())))
    return "\n".join([*lines, "}"]) + "\n"


def _field(member: Member, redaction: Sequence[str]) -> list[str]:
    shared = member.shared
    if isinstance(shared, RowList):
        return [
            f'  """{member.description}"""',
            f"  {member.name}(first: Int! = {LIST_DEFAULT}): [{shared.type_name}]",
        ]
    leaf: Leaf = shared.leaf if isinstance(shared, LeafList) else shared
    sensitivity = CATEGORIES[leaf.category].sensitivity
    told = f"Category {leaf.category} ({sensitivity.value}). " + "; ".join(redaction) + "."
    value = "ID" if member.name == "id" else "String"
    if isinstance(shared, LeafList):
        signature = f"{member.name}(first: Int! = {LIST_DEFAULT}): [{value}]"
    else:
        signature = f"{member.name}: {value}"
    listed = ", ".join(f'"{rule}"' for rule in redaction)
    return [
        f'  """{member.description} {told}"""',
        f'  {signature} @personal(category: "{leaf.category}", sensitivity: {_name(sensitivity)}, redaction: [{listed}])',
    ]


def _enum(values: Iterable[Basis | Purpose]) -> str:
    return "\n".join(f"  {value.value}" for value in values)


def _name(sensitivity: Sensitivity) -> str:
    return sensitivity.value.upper()
