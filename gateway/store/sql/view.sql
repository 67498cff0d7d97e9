-- name: view
-- All that decides what a partner, or the one behind a client, may see, but for the data subjects' evidence, in one snapshot.
-- in:  client_id text, partner_id uuid; one of them null
-- row: partner columns; view_version bigint; loaded_at timestamptz; grants, scopes json (not yet ended or retired); ordinals json;
--      registered_only boolean; registered json (SHA-256 in hexadecimal to document)
-- client_pkey, partner_pkey, partner_grant_by_partner, scope_version_pkey, scope_field_pkey, registered_operation_pkey
select p.partner_id, p.name, p.role, p.processing_location, p.cross_border_mechanism, p.agreement_starts_at,
       p.agreement_ends_at, p.status, p.view_version, statement_timestamp() as loaded_at,
       (select coalesce(json_agg(json_build_object(
                   'grant_id', g.grant_id, 'scope', g.scope, 'starts_at', g.starts_at, 'ends_at', g.ends_at,
                   'retention_s', extract(epoch from g.retention))), '[]')
          from gateway.partner_grant g
         where g.partner_id = p.partner_id and g.revoked_at is null and g.ends_at > statement_timestamp())::text as grants,
       (select coalesce(json_agg(json_build_object(
                   'scope', s.scope, 'version', s.version, 'purpose', s.purpose, 'active_from', s.active_from,
                   'retired_at', s.retired_at, 'fields', (
                       select coalesce(json_agg(json_build_object(
                                  'path', f.path, 'redaction', f.redaction, 'justification', f.justification,
                                  'justification_en', f.justification_en)
                                  order by f.path), '[]')
                         from gateway.scope_field f where f.scope = s.scope and f.version = s.version))), '[]')
          from gateway.scope_version s
         where s.active_from is not null and (s.retired_at is null or s.retired_at > statement_timestamp())
           and exists (select from gateway.partner_grant g
                        where g.partner_id = p.partner_id and g.scope = s.scope and g.revoked_at is null
                          and g.ends_at > statement_timestamp()))::text as scopes,
       (select coalesce(json_object_agg(c.category, c.ordinal), '{}') from gateway.category c)::text as ordinals,
       p.registered_only,
       (select coalesce(json_object_agg(encode(r.document_sha256, 'hex'), r.document), '{}')
          from gateway.registered_operation r
         where r.partner_id = p.partner_id and r.ended_at is null)::text as registered
  from gateway.partner p
 where p.partner_id = coalesce($2::uuid, (select c.partner_id from gateway.client c where c.client_id = $1::text));
