"""The conditions under which the statement gives anything: whether the caller still stands, and whom each value needs.

All of it is read in the statement's own snapshot, at its own statement_timestamp(): what has committed before it is seen.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from gateway.catalogue.definition import OtherPersons
from gateway.request.run import RunArguments

IS_OPEN = "(select verdict = 'OK' from caller)"

# `covered` is exact until settled_until; later the ends are compared one by one
SETTLED = (
    "case when s.settled_until > statement_timestamp() then s.covered"
    " else gateway.covered_at(s.cover_until, statement_timestamp()) end"
)

IS_READABLE = (
    "s.basis_version = (select basis_version from caller) and s.is_synthetic = (select contract_run from caller)"
    " and s.visible_until > statement_timestamp()"
)


def caller(arguments: RunArguments, scopes: Sequence[str]) -> str:
    """The CTE `caller`: no row for an unknown token, else one with the verdict OK or why nothing is given.

    STALE says that the plan was made under a view that no longer holds: nothing is given and the worker plans anew.
    scopes: those the plan rests on, for halts of one scope (policy 9.4).
    """
    token = arguments.add("token_id", "uuid", attrgetter("token_id"))
    partner = arguments.add("partner_id", "uuid", attrgetter("partner_id"))
    version = arguments.add("view_version", "bigint", attrgetter("view_version"))
    until = arguments.add("valid_until", "timestamptz", attrgetter("valid_until"))
    halted = arguments.constant(tuple(scopes), "text[]")
    return f"""caller as materialized (
  select case when t.revoked_at is not null or c.status <> 'active' then 'TOKEN_REVOKED'
              when t.expires_at <= statement_timestamp() then 'TOKEN_EXPIRED'
              when exists (select from gateway.halt h where h.lifted_at is null
                            and (h.target = 'all' or h.partner_id = p.partner_id or h.scope = any({halted}))) then 'HALTED'
              when p.view_version <> {version} or statement_timestamp() >= {until} then 'STALE'
              else 'OK' end as verdict,
         t.client_id, t.token_id, t.subject_id, t.contract_run, p.partner_id, p.basis_version
    from gateway.access_token t join gateway.client c on c.client_id = t.client_id
    join gateway.partner p on p.partner_id = c.partner_id
   where t.token_id = {token} and p.partner_id = {partner})"""


def covers(mask: int, *, of: str = "c.covered") -> str:
    """Whether the subject's evidence covers any of the categories in `mask`."""
    return f"({of} & {mask}) <> 0"


def others_agree(
    others: Sequence[OtherPersons], ordinals: Mapping[str, int], *, partner: str, purpose: str, but: str | None = None
) -> str:
    """Whether everybody else whom a row is about covers it under the same partner and purpose (policy 1.4).

    partner, purpose: SQL. but: SQL of type uuid, a data subject who is taken to agree.
    """
    counts = f"o.id is distinct from {but} and " if but else ""
    return " and ".join(
        f"""(cardinality({other.column}) = 0 or not exists (
      select from unnest({other.column}) o (id) where {counts}not exists (
        select from gateway.consent_state s
         where s.partner_id = {partner} and s.purpose = {purpose} and s.subject_id = o.id and {IS_READABLE}
           and {covers(1 << ordinals[other.category], of=f"({SETTLED})")})))"""
        for other in others
    )
