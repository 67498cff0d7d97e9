-- What one of the staff begins in a browser is finished as theirs, never as a data subject's. Whose it is stands in its state.

alter table gateway.ceremony
    drop column subject_id,
    drop constraint ceremony_kind_check,
    add constraint ceremony_kind_check check (
        kind in ('passkey_register', 'passkey_sign_in', 'upstream', 'staff_passkey_register', 'staff_passkey_sign_in', 'staff_upstream')
    );
