-- name: hold_partner
-- One registration of a partner's at a time, so that what it may have at most is counted right.
-- in:  partner_id uuid
-- row: partner_id uuid
-- partner_pkey
select partner_id from gateway.partner where partner_id = $1 for no key update;

-- name: others
-- What the partner has beside the document.
-- in:  partner_id uuid, document_sha256 bytea
-- row: documents, characters bigint
-- registered_operation_pkey
select count(*) as documents, coalesce(sum(length(document)), 0) as characters
  from gateway.registered_operation where partner_id = $1 and document_sha256 <> $2 and ended_at is null;

-- name: register
-- A registration that has ended begins again; one that stands gets the label.
-- in:  partner_id uuid, document_sha256 bytea, document text, label text
-- row: none
-- registered_operation_pkey
insert into gateway.registered_operation as r (partner_id, document_sha256, document, label) values ($1, $2, $3, $4)
on conflict (partner_id, document_sha256) do update
   set label = excluded.label, ended_at = null,
       registered_at = case when r.ended_at is null then r.registered_at else statement_timestamp() end;

-- name: end
-- in:  partner_id uuid, document_sha256 bytea
-- row: document_sha256 bytea; none: no such registration stands
-- registered_operation_pkey
update gateway.registered_operation set ended_at = statement_timestamp()
 where partner_id = $1 and document_sha256 = $2 and ended_at is null returning document_sha256;

-- name: of_partner
-- in:  partner_id uuid
-- row: document_sha256 text (hexadecimal), document, label text, registered_at, ended_at timestamptz
-- registered_operation_pkey
select encode(document_sha256, 'hex') as document_sha256, document, label, registered_at, ended_at
  from gateway.registered_operation where partner_id = $1 order by ended_at is not null, label, document_sha256;
