json_object(array['id', 'realName', 'mobileNumber', 'nationalId', 'email', 'birthDate', 'city', 'registeredAt'], array[
    c.pseudonym::text,
    case when c.covered & {identity_real_name} <> 0 then
        case when length(x.real_name) between 1 and 64
             then left(x.real_name, least(1, length(x.real_name) / 2)) || '**' end end,
    case when c.covered & {identity_mobile_number} <> 0 then
        case when x.mobile_number like '1__________' and ltrim(textsend(x.mobile_number), {digits}) = ''
             then overlay(x.mobile_number placing '****' from 4 for 4)
             when length(x.mobile_number) between 1 and 32 and ltrim(x.mobile_number, '9876543210-+)( ') = ''
                  and ltrim(x.mobile_number, '+-() ') <> ''
             then left(x.mobile_number, least(3, length(x.mobile_number) / 4))
                  || repeat('*', length(x.mobile_number) - least(3, length(x.mobile_number) / 4)
                                 - least(4, length(x.mobile_number) / 4))
                  || right(x.mobile_number, least(4, length(x.mobile_number) / 4)) end end,
    case when c.covered & {identity_national_id} <> 0 then
        case when length(x.national_id) = 18 and ltrim(textsend(x.national_id), {digits}) in ('', '\x58', '\x78')
             then overlay(x.national_id placing '****************' from 2 for 16)
             when length(x.national_id) = 15 and ltrim(textsend(x.national_id), {digits}) = ''
             then overlay(x.national_id placing '*************' from 2 for 13) end end,
    case when c.covered & {identity_email} <> 0 then
        case when x.email like '_%@_%.%' and length(x.email) <= 254 and position('@' in x.email) <= 65
                  and octet_length(rtrim(textsend(x.email), {domain})) = position('\x40'::bytea in textsend(x.email))
                  and x.email not like '% %' and x.email not like '%@.%' and x.email not like '%.'
             then left(x.email, least(1, (position('@' in x.email) - 1) / 2)) || '***@' || split_part(x.email, '@', 2) end end,
    case when c.covered & {profile_birth_date} <> 0 then
        case when x.birth_date > date '0001-01-01' and x.birth_date < date '9999-12-31'
             then to_char(x.birth_date::timestamp, 'YYYY') end end,
    case when c.covered & {profile_city} <> 0 then case when length(x.city) between 1 and 64 then x.city end end,
    case when c.covered & {profile_registered_at} <> 0 then {registered_at} end
])
