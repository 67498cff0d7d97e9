-- Whoever changes a partner's role, location or mechanism, and by whatever door: the states folded before are not read any more.
create function gateway.raise_basis_version() returns trigger language plpgsql as $$
begin
    new.basis_version := greatest(new.basis_version, old.basis_version + 1);
    return new;
end $$;

create trigger basis_version before update on gateway.partner for each row
    when ((old.role, old.processing_location, old.cross_border_mechanism)
          is distinct from (new.role, new.processing_location, new.cross_border_mechanism))
    execute function gateway.raise_basis_version();
