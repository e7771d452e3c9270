-- The lookup log: what was served, kept for as long as its retention says. A record, not a truth: its days are dropped whole.
create schema firn_log;
comment on schema firn_log is 'What is kept for a while: its days are dropped whole.';

create table firn_log.lookups (
    receipt uuid not null,
    as_of timestamptz not null,
    -- What was asked for: a set, or else features.
    set_name text,
    features text[] not null,
    outputs text[] not null,
    fingerprints text[] not null,
    engine text not null,
    actor text not null,
    is_stale boolean not null,
    -- Text, not jsonb, which would round numbers and lose the sign of zero.
    cuts text not null,
    inputs text not null,
    answers text not null
) partition by range (as_of);
create index lookups_by_receipt on firn_log.lookups (receipt);
comment on table firn_log.lookups is 'Receipts: lookups as they were answered, a partition for each day (UTC). firn verify lookups computes them again.';

-- Makes the days around now, and drops those that are older than the retention. As the owner, for a server that isn't.
create function firn.keep_lookups(days integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    today date := (clock_timestamp() at time zone 'UTC')::date;
    part record;
begin
    if days < 1 then raise 'a retention is at least a day'; end if;
    -- One at a time.
    perform pg_advisory_xact_lock(1718186606, 4);
    for day in -1 .. 2 loop
        if to_regclass(format('firn_log.lookups_%s', to_char(today + day, 'YYYYMMDD'))) is null then
            execute format('create table firn_log.lookups_%s partition of firn_log.lookups for values from (%L) to (%L)', to_char(today + day, 'YYYYMMDD'),
                (today + day)::text || ' 00:00:00+00', (today + day + 1)::text || ' 00:00:00+00');
        end if;
    end loop;
    for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'firn_log.lookups'::regclass and c.relname < format('lookups_%s', to_char(today - days, 'YYYYMMDD'))
    loop
        execute format('drop table firn_log.%I', part.relname);
    end loop;
end
$$;
revoke execute on function firn.keep_lookups from public;
select firn.admit_server();
