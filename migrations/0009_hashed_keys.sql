-- Keys and ids of any length: an index holds no value of more than some 2,700 bytes, so those of texts are over their hashes.

-- An index over columns of a source, or of a set's current values.
create or replace function firn.index_table(index text, target regclass, columns text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute format('create index %I on %s (%s)', index, target, (
        select string_agg(case when atttypid = 'text'::regtype then format('hashtextextended(%I, 0)', name) else format('%I', name) end, ', ' order by place)
        from unnest(columns) with ordinality c(name, place) join pg_attribute on attrelid = target and attname = name));
end
$$;

create or replace function firn.index_source(index text, source text, columns text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform firn.index_table(index, format('firn_source.%I', source)::regclass, columns);
end
$$;

revoke execute on function firn.index_table, firn.index_source from public;
select firn.admit_server();

-- Those of ours that there are, made anew under their names. Current values keep no primary key over texts; a refresh sees to it that each entity has one row.
do $$
declare
    found record;
begin
    for found in
        select c.relname as index, i.indrelid::regclass as target, n.nspname as schema, k.conname,
            (select array_agg(a.attname::text order by p.place) from unnest(i.indkey::int2[]) with ordinality p(number, place)
                join pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.number) as columns
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
            left join pg_constraint k on k.conindid = i.indexrelid and k.contype = 'p'
        where (n.nspname = 'firn_source' and c.relname like 'rows\_%' or n.nspname = 'firn_values' and k.conname is not null
                and not exists (select from pg_constraint f where f.confrelid = i.indrelid)) and exists (
            select from unnest(i.indkey::int2[]) p(number) join pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.number where a.atttypid = 'text'::regtype)
    loop
        if found.conname is null then
            execute format('drop index %I.%I', found.schema, found.index);
        else
            execute format('alter table %s drop constraint %I', found.target, found.conname);
        end if;
        if found.schema = 'firn_values' and array_length(found.columns, 1) = 1 then
            execute format('create index on %s using hash (%I)', found.target, found.columns[1]);
        else
            perform firn.index_table(found.index, found.target, found.columns);
        end if;
    end loop;
end
$$;
