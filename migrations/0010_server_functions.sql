-- A store's servers have a role of their own, and what is true is written by functions of the owner's: a server hands in what its API writes, and nothing else.

-- The role by the database that it was made for: a copy in the same cluster has one of its own.
create table firn.server_roles (
    name text not null,
    database oid not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (name, database)
);
select firn.guard('firn.server_roles');

-- What servers of this database act as. Whoever may connect may ask.
create function firn.server_role() returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    server text := (select name from firn.server_roles where database = (select oid from pg_database where datname = current_database()));
begin
    if server is null then raise exception 'this database has no role for its servers' using errcode = 'undefined_object'; end if;
    return server;
end
$$;

-- Makes the role where it may, gives it what servers need, and takes every other server's privileges here. Called by the owner, again whenever something is new or restored.
create or replace function firn.admit_server() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    here oid := (select oid from pg_database where datname = current_database());
    store text := (select replace(id::text, '-', '') from firn.store);
    server text := (select name from firn.server_roles where database = here);
    stranger text;
begin
    if server is null then
        server := 'firn_server_' || left(store, 16);
        if server is null then raise exception 'the store has lost its id' using errcode = 'data_exception'; end if;
        -- The original of this copy has that role.
        if exists (select from pg_shdepend d join pg_roles r on r.oid = d.refobjid
            where d.refclassid = 'pg_authid'::regclass and d.dbid not in (0, here) and r.rolname = server)
        then
            server := 'firn_server_' || left(encode(sha256(convert_to(store || here, 'UTF8')), 'hex'), 16);
        end if;
        insert into firn.server_roles (name, database) values (server, here);
    end if;

    for stranger in
        select distinct r.rolname from pg_shdepend d join pg_roles r on r.oid = d.refobjid
        where d.refclassid = 'pg_authid'::regclass and d.dbid = here and r.rolname ~ '^firn_server(_[0-9a-f]{16})?$' and r.rolname <> server
    loop
        execute format('revoke all on all tables in schema firn, firn_source, firn_cache, firn_values, firn_log from %I', stranger);
        execute format('revoke all on all sequences in schema firn, firn_source, firn_cache, firn_values, firn_log from %I', stranger);
        execute format('revoke all on all functions in schema firn from %I', stranger);
        execute format('revoke all on schema firn, firn_source, firn_cache, firn_values, firn_log from %I', stranger);
    end loop;

    if not exists (select from pg_roles where rolname = server) then
        begin
            execute format('create role %I nologin', server);
        exception
            -- Somebody who may has to; then this is called again.
            when insufficient_privilege then return;
        end;
    end if;
    -- Whoever migrates may serve, too. From 16 on who makes a role is a member that can't act as it.
    if not pg_has_role(current_user, server, case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) then
        begin
            execute format('grant %I to %I', server, current_user);
        exception
            when insufficient_privilege then null;
        end;
    end if;

    execute format('grant usage on schema firn, firn_source, firn_cache, firn_values, firn_log to %I', server);
    execute format('grant select on all tables in schema firn, firn_source, firn_values to %I', server);
    execute format('grant insert on firn.spines, firn.snapshots to %I', server);
    execute format('grant insert on all tables in schema firn_source to %I', server);
    execute format('grant select, insert on all tables in schema firn_log to %I', server);
    execute format('grant select, insert, update, delete on all tables in schema firn_cache to %I', server);
    execute format('grant usage on all sequences in schema firn, firn_cache to %I', server);
    execute format(
        'grant execute on function firn.create_source, firn.add_column, firn.index_source, firn.register, firn.note, firn.append_entry, firn.append_batches, firn.keep_lookups to %I',
        server);
end
$$;

-- The ledger

create function firn.little_endian(number bigint) returns bytea language sql immutable set search_path = pg_catalog, pg_temp as $$
    select string_agg(substr(int8send(number), place, 1), ''::bytea order by place desc) from generate_series(1, 8) place
$$;

-- Adds an entry, with the next number and the hash that follows from the one before (Ledger.swift has its parts).
create function firn.write_entry(who text, of_kind text, about text, content text, out entry bigint, out at timestamptz, out hash bytea)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    last record;
    previous bytea;
    part text;
begin
    if who is null or octet_length(who) not between 1 and 200 then raise exception 'an actor has 1 to 200 bytes' using errcode = 'check_violation'; end if;
    if json_typeof(content::json) is distinct from 'object' then raise exception 'the body of an entry is a JSON object' using errcode = 'check_violation'; end if;
    -- Nobody writes between the last entry and this one.
    perform pg_advisory_xact_lock(1718186606, 2);
    select l.entry, l.hash into last from firn.ledger l order by l.entry desc limit 1;
    entry := coalesce(last.entry, 0) + 1;
    previous := coalesce(last.hash, '');
    at := clock_timestamp();
    hash := previous || firn.little_endian(entry) || firn.little_endian((extract(epoch from at) * 1000000)::bigint);
    foreach part in array array[who, of_kind, about, content] loop
        hash := hash || firn.little_endian(octet_length(convert_to(part, 'UTF8'))) || convert_to(part, 'UTF8');
    end loop;
    hash := sha256(hash);
    insert into firn.ledger values (entry, at, who, of_kind, about, content, previous, hash);
end
$$;

-- What servers write into the ledger. Registering has functions of its own; tokens and erasures are the owner's.
create function firn.append_entry(who text, of_kind text, about text, content text, out entry bigint, out at timestamptz, out hash bytea)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    is_fine boolean := case of_kind
        when 'import' then exists (select from firn.definitions d where d.kind = 'source' and about = 'source ' || d.name)
        when 'snapshot' then about ~ '^snapshot snap_[0-9a-f]{16}$'
        when 'model' then about ~ '^model [a-z_][a-z0-9_]*\.v[0-9]+$'
        when 'point' then about ~ '^pointer [a-z_][a-z0-9_]*@[a-z_][a-z0-9_]*$' and (
            exists (select from firn.definitions d where d.kind = 'set' and content::json ->> 'kind' = 'set' and d.name = content::json ->> 'name')
            or content::json ->> 'kind' = 'model' and exists (select from firn.ledger l where l.kind = 'model' and l.subject = 'model ' || (content::json ->> 'name')))
        when 'deprecate' then about ~ '^(feature|label|set|model) [a-z_][a-z0-9_]*\.v[0-9]+$'
        when 'retire' then about ~ '^(feature|label|set|model) [a-z_][a-z0-9_]*\.v[0-9]+$'
        else false
    end;
begin
    if is_fine is not true then raise exception 'no such entry is written by a server' using errcode = 'insufficient_privilege'; end if;
    select w.* into entry, at, hash from firn.write_entry(who, of_kind, about, content) w;
end
$$;

-- The registry

-- Registers a definition; a source again, with more columns. A source's table has to have just these.
create function firn.register(who text, of_kind text, named text, its_fingerprint text, its_body text, revised_at text) returns void
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
            select c ->> 'name', case c ->> 'type' when 'bool' then 'boolean' when 'int64' then 'bigint' when 'float64' then 'double precision' when 'string' then 'text'
                when 'timestamp' then 'timestamp with time zone' end from json_array_elements(its_body::json #> '{source,_0,columns}') c) declared(name, type)
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

create function firn.note(who text, of_kind text, named text, its_body text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from firn.definitions d where d.kind = of_kind and d.name = named) then
        raise exception 'only what is registered has notes' using errcode = 'integrity_constraint_violation';
    end if;
    insert into firn.notes (kind, name, entry, body) values (of_kind, named, (firn.write_entry(who, 'note', of_kind || ' ' || named, its_body)).entry, its_body);
end
$$;

-- Which revisions made or changed a source's table: a transaction that does so registers that revision, or fails.
create table firn.source_tables (
    kind text not null default 'source' check (kind = 'source'),
    name text not null,
    revision integer not null,
    foreign key (kind, name, revision) references firn.definitions (kind, name, revision) deferrable initially deferred
);
select firn.guard('firn.source_tables');

create or replace function firn.create_source(source text, names text[], types text[], required boolean[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('create table firn_source.%I (firn_batch bigint not null, firn_position integer not null, firn_known_at timestamptz%s)', source,
        (select string_agg(format(', %I %s', name, firn.column_type(type) || case when needed then ' not null' else '' end), '' order by place)
            from unnest(names, types, required) with ordinality c(name, type, needed, place)));
    execute format('create index on firn_source.%I (firn_batch)', source);
    perform firn.guard(format('firn_source.%I', source)::regclass);
    insert into firn.source_tables (name, revision) values (source, 1);
    if exists (select from pg_roles where rolname = firn.server_role()) then execute format('grant select, insert on firn_source.%I to %I', source, firn.server_role()); end if;
end
$$;

create or replace function firn.add_column(source text, name text, type text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('alter table firn_source.%I add column %I %s', source, name, firn.column_type(type));
    insert into firn.source_tables (name, revision) select source, max(d.revision) + 1 from firn.definitions d where d.kind = 'source' and d.name = source;
end
$$;

create or replace function firn.index_source(index text, source text, columns text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    target regclass := format('firn_source.%I', source)::regclass;
begin
    if (select count(*) from pg_index where indrelid = target) >= 64 then
        raise exception 'source % has 64 indexes: one more choice of keys would slow every write', source using errcode = 'program_limit_exceeded';
    end if;
    perform firn.index_table(index, target, columns);
end
$$;

-- The log

-- From version 2 on a batch's hash covers also what repeated pushes and files are told by, and where it came from (canonical JSON).
alter table firn.batches add column version smallint not null default 1, add column origin text not null default '{}';

create function firn.batch_part(part bytea) returns bytea language sql immutable as $$ select coalesce('\x01'::bytea || int8send(length(part)::bigint) || part, '\x00'::bytea) $$;

create function firn.batch_time(at timestamptz) returns bytea language sql stable as $$
    select int8send(coalesce((extract(epoch from at) * 1000000)::bigint, -9223372036854775808))
$$;

-- BatchLog.swift has its parts. Without settings of its own PostgreSQL writes it out where it is called, which is four times as fast.
create function firn.batch_hash(b firn.batches) returns bytea language sql stable as $$
    select sha256(
        convert_to('firn batch 2', 'UTF8') || b.previous || firn.batch_part(convert_to(b.source, 'UTF8')) || int8send(b.batch) || int8send(b.base_offset) || int8send(b.count)
        || int8send(b.duplicates) || firn.batch_part(convert_to(b.kind, 'UTF8')) || firn.batch_time(b.known_at) || firn.batch_time(b.committed_at)
        || firn.batch_part(convert_to(b.actor, 'UTF8')) || firn.batch_part(convert_to(b.idempotency_key, 'UTF8')) || firn.batch_part(b.request_digest)
        || firn.batch_part(b.file_digest) || firn.batch_part(convert_to(b.origin, 'UTF8')) || b.salt || b.rows_digest)
$$;

-- Adds batches to the end of a source's log, whose lock is held. Each has to follow from the one before, and what is known from its commit on is known at this clock's
-- time, or at the time of the push before, should the clock have gone back.
create function firn.append_batches(
    of_source text, known timestamptz, committed timestamptz, numbers bigint[], bases bigint[], counts bigint[], doubles bigint[], kinds text[], actors text[], keys text[],
    requests bytea[], files bytea[], origins text[], salts bytea[], digests bytea[], befores bytea[], hashes bytea[]
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    head record;
    -- A clock may be set while a transaction is under way.
    earliest timestamptz := transaction_timestamp() - interval '1 s';
    latest timestamptz := clock_timestamp() + interval '1 s';
    is_wrong boolean;
begin
    select b.base_offset + b.count as "end", b.hash into head from firn.batches b where b.source = of_source order by b.base_offset desc limit 1;
    if head is null and not exists (select from firn.definitions d where d.kind = 'source' and d.name = of_source) then
        raise exception 'there is no such source' using errcode = 'integrity_constraint_violation';
    end if;
    if committed not between earliest and latest then raise exception 'a batch is committed at this clock''s time' using errcode = 'integrity_constraint_violation'; end if;
    if known is not null and known not between earliest and latest and known is distinct from (
        select b.known_at from firn.batches b where b.source = of_source and b.known_at is not null order by b.base_offset desc limit 1)
    then
        raise exception 'rows of a push are known at this clock''s time' using errcode = 'integrity_constraint_violation';
    end if;
    -- Rows of a static source are known for all time.
    if known is null and 'push' = any(kinds) and exists (
        select from firn.definitions d where d.kind = 'source' and d.name = of_source and d.body::json #> '{source,_0,eventTime}' is not null)
    then
        raise exception 'rows of a push are known at this clock''s time' using errcode = 'integrity_constraint_violation';
    end if;
    with added as (
        insert into firn.batches as b (batch, source, base_offset, count, duplicates, kind, known_at, committed_at, actor, idempotency_key, request_digest, file_digest, salt,
            rows_digest, previous, hash, version, origin)
        select number, of_source, base, count, doubled, kind, known, committed, actor, key, request, file, salt, digest, before, hash, 2, origin
        from unnest(numbers, bases, counts, doubles, kinds, actors, keys, requests, files, origins, salts, digests, befores, hashes)
            given(number, base, count, doubled, kind, actor, key, request, file, origin, salt, digest, before, hash)
        returning b
    )
    select exists (
        select from (
            select b, lag((b).hash, 1, coalesce(head.hash, '')) over log as before, lag((b).base_offset + (b).count, 1, coalesce(head."end", 0)) over log as "end"
            from added window log as (order by (b).base_offset)) follows
        where (b).previous <> before or (b).base_offset <> "end" or (b).hash <> firn.batch_hash(b)
            or (b).idempotency_key is not null and octet_length((b).idempotency_key) > 255) into is_wrong;
    if is_wrong then raise exception 'a batch doesn''t follow from the one before' using errcode = 'integrity_constraint_violation'; end if;
end
$$;

-- Tokens: an auditor's role, what a token is bounded to (canonical JSON), and when it ends.
alter table firn.tokens drop constraint tokens_role_check;
alter table firn.tokens add constraint tokens_role_check check (role in ('audit', 'read', 'write', 'admin')), add column bounds text not null default '{}', add column ends_at timestamptz;

revoke execute on all functions in schema firn from public;
grant usage on schema firn to public;
grant select on firn.migrations to public;
grant execute on function firn.server_role() to public;
select firn.admit_server();
