-- The role that a server works under: it reads everything and appends, but can't change, delete or drop what is true, nor lift the guard over it.
do $$
begin
    if not exists (select from pg_roles where rolname = 'firn_server') then create role firn_server nologin; end if;
    -- Whoever migrates may serve, too.
    if not pg_has_role('firn_server', 'member') then execute format('grant firn_server to %I', current_user); end if;
exception
    -- Another database of the same cluster was migrated at the same time.
    when duplicate_object or unique_violation then null;
    -- Somebody who may has to do the same, and then: select firn.admit_server()
    when insufficient_privilege then raise notice 'the role firn_server can''t be made';
end
$$;

-- Gives the server's role what it needs, if there is such a role.
create function firn.admit_server() returns void language plpgsql as $$
begin
    if not exists (select from pg_roles where rolname = 'firn_server') then return; end if;
    grant usage on schema firn, firn_source, firn_cache, firn_values to firn_server;
    grant select, insert on all tables in schema firn, firn_source to firn_server;
    revoke insert on firn.migrations, firn.store from firn_server;
    grant usage on all sequences in schema firn to firn_server;
    grant select, insert, update, delete on all tables in schema firn_cache to firn_server;
    grant usage on all sequences in schema firn_cache to firn_server;
    grant select on all tables in schema firn_values to firn_server;
    grant execute on function firn.create_source, firn.add_column, firn.index_source to firn_server;
    if to_regprocedure('firn.keep_lookups(integer)') is not null then grant execute on function firn.keep_lookups to firn_server; end if;
    if exists (select from pg_namespace where nspname = 'firn_log') then
        grant usage on schema firn_log to firn_server;
        grant select, insert on all tables in schema firn_log to firn_server;
    end if;
end
$$;

-- What registering definitions does to the sources' tables, and nothing more: they run as the owner, for a server that isn't.

create function firn.column_type(type text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if type not in ('boolean', 'bigint', 'double precision', 'text', 'timestamptz') then raise 'unknown type of a column'; end if;
    return type;
end
$$;

create function firn.create_source(source text, names text[], types text[], required boolean[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('create table firn_source.%I (firn_batch bigint not null, firn_position integer not null, firn_known_at timestamptz%s)', source,
        (select string_agg(format(', %I %s', name, firn.column_type(type) || case when needed then ' not null' else '' end), '' order by place)
            from unnest(names, types, required) with ordinality c(name, type, needed, place)));
    execute format('create index on firn_source.%I (firn_batch)', source);
    perform firn.guard(format('firn_source.%I', source)::regclass);
    if exists (select from pg_roles where rolname = 'firn_server') then execute format('grant select, insert on firn_source.%I to firn_server', source); end if;
end
$$;

create function firn.add_column(source text, name text, type text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('alter table firn_source.%I add column %I %s', source, name, firn.column_type(type));
end
$$;

create function firn.index_source(index text, source text, columns text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('create index %I on firn_source.%I (%s)', index, source, (select string_agg(format('%I', name), ', ' order by place)
        from unnest(columns) with ordinality c(name, place)));
end
$$;

-- What came since is found without reading the whole source.
do $$
declare
    source record;
begin
    for source in select tablename from pg_tables where schemaname = 'firn_source' loop
        execute format('create index on firn_source.%I (firn_batch)', source.tablename);
    end loop;
end
$$;

-- The newest entry that registered something, found at once: servers ask again and again.
create index definitions_by_entry on firn.definitions (entry);
create index notes_by_entry on firn.notes (entry);

revoke execute on function firn.create_source, firn.add_column, firn.index_source, firn.admit_server, firn.guard from public;
select firn.admit_server();
