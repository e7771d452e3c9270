-- Columns of dates and decimals.

create or replace function firn.column_type(type text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if type not in ('boolean', 'bigint', 'double precision', 'text', 'timestamptz', 'date') and type !~ '^numeric\([1-9][0-9]?,[0-9][0-9]?\)$' then
        raise 'unknown type of a column';
    end if;
    return type;
end
$$;

-- How PostgreSQL shows the type of a column that is declared so.
create function firn.declared_type(type text) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case type when 'bool' then 'boolean' when 'int64' then 'bigint' when 'float64' then 'double precision' when 'string' then 'text'
        when 'timestamp' then 'timestamp with time zone' when 'date' then 'date' else replace(type, 'decimal', 'numeric') end
$$;

-- Registers a definition; a source again, with more columns. A source's table has to have just these.
create or replace function firn.register(who text, of_kind text, named text, its_fingerprint text, its_body text, revised_at text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    known integer := (select max(d.revision) from firn.definitions d where d.kind = of_kind and d.name = named);
    number bigint;
begin
    if known is not null and of_kind <> 'source' then
        raise exception '% % is registered, and a definition never changes', of_kind, named using errcode = 'integrity_constraint_violation';
    end if;
    if its_fingerprint !~ '^[0-9a-f]{64}$' then raise exception 'a fingerprint has 64 digits' using errcode = 'check_violation'; end if;
    if of_kind = 'source' and exists (
        select from (
            select c ->> 'name', firn.declared_type(c ->> 'type') from json_array_elements(its_body::json #> '{source,_0,columns}') c) declared(name, type)
        full join (
            select attname::text, format_type(atttypid, atttypmod) from pg_attribute
            where attrelid = to_regclass(format('firn_source.%I', named)) and attnum > 3 and not attisdropped) there(name, type) using (name, type)
        where declared is null or there is null)
    then
        raise exception 'the table of source % has other columns', named using errcode = 'integrity_constraint_violation';
    end if;
    number := (firn.write_entry(who, case when known is null then 'register' else 'extend' end, of_kind || ' ' || named,
        '{' || coalesce('"commit":' || to_json(revised_at) || ',', '') || '"definition":' || its_body || ',"fingerprint":"' || its_fingerprint || '"}')).entry;
    insert into firn.definitions (kind, name, revision, fingerprint, body, entry) values (of_kind, named, coalesce(known, 0) + 1, its_fingerprint, its_body, number);
end
$$;
