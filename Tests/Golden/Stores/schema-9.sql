--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: firn; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA firn;


--
-- Name: SCHEMA firn; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA firn IS 'What Firn knows of itself: registry, ledger, batches, snapshots.';


--
-- Name: firn_cache; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA firn_cache;


--
-- Name: SCHEMA firn_cache; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA firn_cache IS 'What is kept only for speed: it may be dropped at any time, and comes back with the same content.';


--
-- Name: firn_log; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA firn_log;


--
-- Name: SCHEMA firn_log; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA firn_log IS 'What is kept for a while: its days are dropped whole.';


--
-- Name: firn_source; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA firn_source;


--
-- Name: SCHEMA firn_source; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA firn_source IS 'One table per source: its rows, as they came.';


--
-- Name: firn_values; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA firn_values;


--
-- Name: SCHEMA firn_values; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA firn_values IS 'Current values of sets: one table for each that is kept, as of its own as_of. Derived; may be dropped.';


--
-- Name: add_column(text, text, text); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.add_column(source text, name text, type text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    execute format('alter table firn_source.%I add column %I %s', source, name, firn.column_type(type));
end
$$;


--
-- Name: admit_server(); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.admit_server() RETURNS void
    LANGUAGE plpgsql
    AS $$
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


--
-- Name: column_type(text); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.column_type(type text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if type not in ('boolean', 'bigint', 'double precision', 'text', 'timestamptz') then raise 'unknown type of a column'; end if;
    return type;
end
$$;


--
-- Name: create_source(text, text[], text[], boolean[]); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.create_source(source text, names text[], types text[], required boolean[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    execute format('create table firn_source.%I (firn_batch bigint not null, firn_position integer not null, firn_known_at timestamptz%s)', source,
        (select string_agg(format(', %I %s', name, firn.column_type(type) || case when needed then ' not null' else '' end), '' order by place)
            from unnest(names, types, required) with ordinality c(name, type, needed, place)));
    execute format('create index on firn_source.%I (firn_batch)', source);
    perform firn.guard(format('firn_source.%I', source)::regclass);
    if exists (select from pg_roles where rolname = 'firn_server') then execute format('grant select, insert on firn_source.%I to firn_server', source); end if;
end
$$;


--
-- Name: guard(regclass); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.guard(target regclass) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    execute format('create trigger firn_guard before update or delete or truncate on %s for each statement execute function firn.refuse_change()', target);
    execute format('alter table %s enable always trigger firn_guard', target);
end
$$;


--
-- Name: index_source(text, text, text[]); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.index_source(index text, source text, columns text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform firn.index_table(index, format('firn_source.%I', source)::regclass, columns);
end
$$;


--
-- Name: index_table(text, regclass, text[]); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.index_table(index text, target regclass, columns text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    execute format('create index %I on %s (%s)', index, target, (
        select string_agg(case when atttypid = 'text'::regtype then format('hashtextextended(%I, 0)', name) else format('%I', name) end, ', ' order by place)
        from unnest(columns) with ordinality c(name, place) join pg_attribute on attrelid = target and attname = name));
end
$$;


--
-- Name: keep_lookups(integer); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.keep_lookups(days integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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


--
-- Name: refuse_change(); Type: FUNCTION; Schema: firn; Owner: -
--

CREATE FUNCTION firn.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% on %.% is refused: what is recorded never changes', tg_op, tg_table_schema, tg_table_name
        using errcode = 'integrity_constraint_violation';
end
$$;


--
-- Name: batch_numbers; Type: SEQUENCE; Schema: firn; Owner: -
--

CREATE SEQUENCE firn.batch_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: batches; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.batches (
    batch bigint NOT NULL,
    source text NOT NULL,
    base_offset bigint NOT NULL,
    count bigint NOT NULL,
    duplicates bigint NOT NULL,
    kind text NOT NULL,
    known_at timestamp with time zone,
    committed_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    idempotency_key text,
    request_digest bytea,
    file_digest bytea,
    salt bytea NOT NULL,
    rows_digest bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT batches_count_check CHECK ((count > 0)),
    CONSTRAINT batches_kind_check CHECK ((kind = ANY (ARRAY['import'::text, 'push'::text])))
);


--
-- Name: COLUMN batches.known_at; Type: COMMENT; Schema: firn; Owner: -
--

COMMENT ON COLUMN firn.batches.known_at IS 'Of pushed rows, all of them; NULL for imported rows, which carry their own.';


--
-- Name: definitions; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.definitions (
    kind text NOT NULL,
    name text NOT NULL,
    revision integer NOT NULL,
    fingerprint text NOT NULL,
    body text NOT NULL,
    entry bigint NOT NULL,
    CONSTRAINT definitions_kind_check CHECK ((kind = ANY (ARRAY['entity'::text, 'source'::text, 'feature'::text, 'label'::text, 'set'::text])))
);


--
-- Name: ledger; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.ledger (
    entry bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);


--
-- Name: COLUMN ledger.body; Type: COMMENT; Schema: firn; Owner: -
--

COMMENT ON COLUMN firn.ledger.body IS 'Canonical JSON: keys sorted, no spaces.';


--
-- Name: migrations; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: notes; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.notes (
    kind text NOT NULL,
    name text NOT NULL,
    entry bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: snapshots; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.snapshots (
    id text NOT NULL,
    name text,
    set_name text NOT NULL,
    manifest text NOT NULL,
    spine text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    entry bigint NOT NULL
);


--
-- Name: spines; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.spines (
    digest text NOT NULL,
    piece integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY firn.spines ALTER COLUMN body SET STORAGE EXTERNAL;


--
-- Name: store; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.store (
    id uuid NOT NULL
);


--
-- Name: token_revocations; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.token_revocations (
    id text NOT NULL,
    revoked_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    entry bigint NOT NULL
);


--
-- Name: tokens; Type: TABLE; Schema: firn; Owner: -
--

CREATE TABLE firn.tokens (
    id text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    entry bigint NOT NULL,
    CONSTRAINT tokens_role_check CHECK ((role = ANY (ARRAY['read'::text, 'write'::text, 'admin'::text])))
);


--
-- Name: blocks; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.blocks (
    run bigint NOT NULL,
    segment integer NOT NULL,
    column_name text NOT NULL,
    address bytea NOT NULL,
    bytes bigint NOT NULL,
    checksum bigint NOT NULL
);


--
-- Name: bodies; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.bodies (
    address bytea NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY firn_cache.bodies ALTER COLUMN body SET STORAGE EXTERNAL;


--
-- Name: current_values; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.current_values (
    set_name text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    cuts jsonb NOT NULL
);


--
-- Name: online_entities; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.online_entities (
    online bigint NOT NULL,
    entity bytea NOT NULL,
    found_from bigint NOT NULL,
    rows integer NOT NULL,
    rows_at_first integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY firn_cache.online_entities ALTER COLUMN body SET STORAGE EXTERNAL;


--
-- Name: online_sets; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.online_sets (
    set_name text NOT NULL
);


--
-- Name: online_tables; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.online_tables (
    online bigint NOT NULL,
    source text NOT NULL,
    keys text[] NOT NULL,
    columns text[] NOT NULL,
    reach bigint,
    covered bigint NOT NULL
);


--
-- Name: online_tables_online_seq; Type: SEQUENCE; Schema: firn_cache; Owner: -
--

ALTER TABLE firn_cache.online_tables ALTER COLUMN online ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME firn_cache.online_tables_online_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: results; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.results (
    snapshot text NOT NULL,
    piece integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY firn_cache.results ALTER COLUMN body SET STORAGE EXTERNAL;


--
-- Name: runs; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.runs (
    run bigint NOT NULL,
    source text NOT NULL,
    keys text[] NOT NULL,
    after_offset bigint NOT NULL,
    up_to bigint NOT NULL,
    buckets integer NOT NULL,
    segment_rows integer NOT NULL,
    segments integer NOT NULL,
    CONSTRAINT runs_check CHECK ((up_to > after_offset))
);


--
-- Name: TABLE runs; Type: COMMENT; Schema: firn_cache; Owner: -
--

COMMENT ON TABLE firn_cache.runs IS 'Sealed stretches of the log: offsets after_offset < offset <= up_to. Derived from firn_source.';


--
-- Name: runs_run_seq; Type: SEQUENCE; Schema: firn_cache; Owner: -
--

ALTER TABLE firn_cache.runs ALTER COLUMN run ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME firn_cache.runs_run_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: segments; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.segments (
    run bigint NOT NULL,
    segment integer NOT NULL,
    bucket integer NOT NULL,
    rows integer NOT NULL,
    first_time bigint,
    last_time bigint,
    first_known bigint NOT NULL,
    one_version boolean NOT NULL
);


--
-- Name: statistics; Type: TABLE; Schema: firn_cache; Owner: -
--

CREATE TABLE firn_cache.statistics (
    snapshot text NOT NULL,
    body text NOT NULL
);


--
-- Name: lookups; Type: TABLE; Schema: firn_log; Owner: -
--

CREATE TABLE firn_log.lookups (
    receipt uuid NOT NULL,
    as_of timestamp with time zone NOT NULL,
    set_name text,
    features text[] NOT NULL,
    outputs text[] NOT NULL,
    fingerprints text[] NOT NULL,
    engine text NOT NULL,
    actor text NOT NULL,
    is_stale boolean NOT NULL,
    cuts text NOT NULL,
    inputs text NOT NULL,
    answers text NOT NULL,
    pointer text,
    model text
)
PARTITION BY RANGE (as_of);


--
-- Name: TABLE lookups; Type: COMMENT; Schema: firn_log; Owner: -
--

COMMENT ON TABLE firn_log.lookups IS 'Receipts: lookups as they were answered, a partition for each day (UTC). firn verify lookups computes them again.';


--
-- Name: lookups_20261128; Type: TABLE; Schema: firn_log; Owner: -
--

CREATE TABLE firn_log.lookups_20261128 (
    receipt uuid NOT NULL,
    as_of timestamp with time zone NOT NULL,
    set_name text,
    features text[] NOT NULL,
    outputs text[] NOT NULL,
    fingerprints text[] NOT NULL,
    engine text NOT NULL,
    actor text NOT NULL,
    is_stale boolean NOT NULL,
    cuts text NOT NULL,
    inputs text NOT NULL,
    answers text NOT NULL,
    pointer text,
    model text
);


--
-- Name: lookups_20261129; Type: TABLE; Schema: firn_log; Owner: -
--

CREATE TABLE firn_log.lookups_20261129 (
    receipt uuid NOT NULL,
    as_of timestamp with time zone NOT NULL,
    set_name text,
    features text[] NOT NULL,
    outputs text[] NOT NULL,
    fingerprints text[] NOT NULL,
    engine text NOT NULL,
    actor text NOT NULL,
    is_stale boolean NOT NULL,
    cuts text NOT NULL,
    inputs text NOT NULL,
    answers text NOT NULL,
    pointer text,
    model text
);


--
-- Name: lookups_20261130; Type: TABLE; Schema: firn_log; Owner: -
--

CREATE TABLE firn_log.lookups_20261130 (
    receipt uuid NOT NULL,
    as_of timestamp with time zone NOT NULL,
    set_name text,
    features text[] NOT NULL,
    outputs text[] NOT NULL,
    fingerprints text[] NOT NULL,
    engine text NOT NULL,
    actor text NOT NULL,
    is_stale boolean NOT NULL,
    cuts text NOT NULL,
    inputs text NOT NULL,
    answers text NOT NULL,
    pointer text,
    model text
);


--
-- Name: lookups_20261201; Type: TABLE; Schema: firn_log; Owner: -
--

CREATE TABLE firn_log.lookups_20261201 (
    receipt uuid NOT NULL,
    as_of timestamp with time zone NOT NULL,
    set_name text,
    features text[] NOT NULL,
    outputs text[] NOT NULL,
    fingerprints text[] NOT NULL,
    engine text NOT NULL,
    actor text NOT NULL,
    is_stale boolean NOT NULL,
    cuts text NOT NULL,
    inputs text NOT NULL,
    answers text NOT NULL,
    pointer text,
    model text
);


--
-- Name: clicks; Type: TABLE; Schema: firn_source; Owner: -
--

CREATE TABLE firn_source.clicks (
    firn_batch bigint NOT NULL,
    firn_position integer NOT NULL,
    firn_known_at timestamp with time zone,
    customer_id bigint,
    seconds double precision,
    page text,
    at timestamp with time zone NOT NULL,
    device text
);


--
-- Name: payments; Type: TABLE; Schema: firn_source; Owner: -
--

CREATE TABLE firn_source.payments (
    firn_batch bigint NOT NULL,
    firn_position integer NOT NULL,
    firn_known_at timestamp with time zone,
    payment_id text NOT NULL,
    customer_id bigint,
    country text,
    amount double precision,
    gone boolean,
    at timestamp with time zone NOT NULL,
    recorded timestamp with time zone
);


--
-- Name: people; Type: TABLE; Schema: firn_source; Owner: -
--

CREATE TABLE firn_source.people (
    firn_batch bigint NOT NULL,
    firn_position integer NOT NULL,
    firn_known_at timestamp with time zone,
    customer_id bigint NOT NULL,
    home text
);


--
-- Name: lookups_20261128; Type: TABLE ATTACH; Schema: firn_log; Owner: -
--

ALTER TABLE ONLY firn_log.lookups ATTACH PARTITION firn_log.lookups_20261128 FOR VALUES FROM ('2026-11-28 00:00:00+00') TO ('2026-11-29 00:00:00+00');


--
-- Name: lookups_20261129; Type: TABLE ATTACH; Schema: firn_log; Owner: -
--

ALTER TABLE ONLY firn_log.lookups ATTACH PARTITION firn_log.lookups_20261129 FOR VALUES FROM ('2026-11-29 00:00:00+00') TO ('2026-11-30 00:00:00+00');


--
-- Name: lookups_20261130; Type: TABLE ATTACH; Schema: firn_log; Owner: -
--

ALTER TABLE ONLY firn_log.lookups ATTACH PARTITION firn_log.lookups_20261130 FOR VALUES FROM ('2026-11-30 00:00:00+00') TO ('2026-12-01 00:00:00+00');


--
-- Name: lookups_20261201; Type: TABLE ATTACH; Schema: firn_log; Owner: -
--

ALTER TABLE ONLY firn_log.lookups ATTACH PARTITION firn_log.lookups_20261201 FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2026-12-02 00:00:00+00');


--
-- Data for Name: batches; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.batches (batch, source, base_offset, count, duplicates, kind, known_at, committed_at, actor, idempotency_key, request_digest, file_digest, salt, rows_digest, previous, hash) FROM stdin;
3	clicks	0	2	0	push	2026-11-29 17:19:22.439809+00	2026-11-29 17:19:22.439809+00	root	one	\\x5678b64b468237a2814edf3cf0c13d5671f80791f14101d0bfad39f74d5059df	\N	\\x84fc6d8a622e888f96f81124db510f8c	\\x54413f26d6329d512387e613e12ea5518ec5a46ab5473984e13f6ee882714fe5	\\x	\\x966b0eaf776334a05c7af5cf3295050f0dcf44e2895af4467d87e69a1021ff49
1003	payments	6	1	0	push	2026-11-29 17:19:22.471036+00	2026-11-29 17:19:22.471036+00	root	two	\\xb947c4f7c43716620f1e3c8e09851055cf9771620d753155ff3591edadf7a202	\N	\\xc6b91d8966b3233a3a4199d9ddb58812	\\x661a0b5c99b16f1807b1320623bcc611616064c31cdd2a3af5f50591b888868c	\\xcc7771a4813852b19e420d941b4b3a2b663ff61b448bfbf759153e849a9b327e	\\x95ea2124e0bfaa06b425a637a17f0128b58eccf1faa68adc42c8cc43bd254c35
1	payments	0	6	0	import	\N	2026-11-29 17:19:22.199055+00	root	\N	\N	\\x969e801ed3f102f14e689505cf8c110baf0c982817d22920ce8aa7dc4271030a	\\x37c4813899b1b3745b9303e4c37c185b	\\x8fc10d7f890acf99dd7be05aacab4224c84b9ef1c95885a3266aae3ef3d0d0b1	\\x	\\xcc7771a4813852b19e420d941b4b3a2b663ff61b448bfbf759153e849a9b327e
2	people	0	3	0	import	\N	2026-11-29 17:19:22.27696+00	root	\N	\N	\\x2238481dba79832aefa3c17ecb531d5efc10c3621565c033cadb0ff39fb934a1	\\x1e91dab3efdb3cc36da8ea4ec0905923	\\xd62e8af9023252ae00204f6d3e2cffbf10f1e25fa1fd6a742b3e21027f14a732	\\x	\\x571b0dcf551243ac7977ab40ea951d8d115395ad82688026d6f59d74e1818ac2
\.


--
-- Data for Name: definitions; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.definitions (kind, name, revision, fingerprint, body, entry) FROM stdin;
entity	customer	1	1e4cd054ea221c54f6f43c689c3b5bafc8533037a50a18576436f49602e2dec6	{"entity":{"_0":{"keys":[{"name":"customer_id","type":"int64"}],"name":"customer"}}}	1
entity	country	1	0e0b0a769b2b9ad671535e5eecf9b63993a4218da642197590a04817c6bcbf14	{"entity":{"_0":{"keys":[{"name":"country","type":"string"}],"name":"country"}}}	2
source	payments	1	8065b8ff9c8ef784489f83caccfea7216d33ba94bcce520648124399016cd1f9	{"source":{"_0":{"columns":[{"name":"payment_id","type":"string"},{"name":"customer_id","type":"int64"},{"name":"country","type":"string"},{"name":"amount","type":"float64"},{"name":"gone","type":"bool"},{"name":"at","type":"timestamp"},{"name":"recorded","type":"timestamp"}],"eventTime":"at","id":["payment_id"],"knownAt":{"column":{"_0":"recorded"}},"name":"payments","tombstone":"gone"}}}	3
source	clicks	1	6c9427df4869f41bc3ada8f6028fa9fb6c38a72581811f9cbf637f9e9d0d059d	{"source":{"_0":{"columns":[{"name":"customer_id","type":"int64"},{"name":"seconds","type":"float64"},{"name":"page","type":"string"},{"name":"at","type":"timestamp"}],"eventTime":"at","id":[],"knownAt":{"eventTime":{}},"name":"clicks"}}}	5
source	people	1	93f7b773a0df8d861379571124d054d0cf3b52ed8027fe031c4778f7feaac705	{"source":{"_0":{"columns":[{"name":"customer_id","type":"int64"},{"name":"home","type":"string"}],"id":["customer_id"],"knownAt":{"eventTime":{}},"name":"people"}}}	6
feature	spend_7d.v1	1	0a73772d2d88e9690f63492c69731c739658045783c78f8fb68dc1a33d244142	{"function":{"_0":{"entity":"customer","expression":"sum(amount) over last_7d","join":{},"kind":"feature","name":"spend_7d.v1","request":[],"source":"payments"}}}	7
feature	spread.v1	1	288002fd4831ef5968d7f240734e9aef1041ded853ed0e4fc5368c86709a6f95	{"function":{"_0":{"entity":"customer","expression":"stddev_samp(amount)","join":{},"kind":"feature","name":"spread.v1","request":[],"source":"payments"}}}	8
feature	home.v1	1	c647de198104cc672af6011d19871469cff8405271fcda6f988c2bc87db44f9a	{"function":{"_0":{"entity":"customer","expression":"latest(home)","join":{},"kind":"feature","name":"home.v1","request":[],"source":"people"}}}	9
feature	clicks.v1	1	b9d71077fae6d6f806308b63a38ae5c9a8764aceac520084a4db84382f706b32	{"function":{"_0":{"entity":"customer","expression":"count(*) filter (where page = 'ä')","join":{},"kind":"feature","name":"clicks.v1","request":[],"source":"clicks"}}}	10
feature	usual.v1	1	ae42fe43af8c4c7ad627e85ff67af88a9f7368e9503e67acabbb0f3e746bb13e	{"function":{"_0":{"entity":"country","expression":"percentile(amount, 0.9) over last_30d","join":{},"kind":"feature","name":"usual.v1","request":[],"source":"payments"}}}	11
feature	ratio.v1	1	26d7e74b18bde305b7a0869c7a8c6493eece4990c537ac7152c8dfbbccb1e461	{"function":{"_0":{"entity":"customer","expression":"request.amount / spend_7d.v1","join":{},"kind":"feature","name":"ratio.v1","request":[{"name":"amount","type":"float64"}]}}}	12
label	pays.v1	1	c660819a72ace13e43a99619e2a8ea40338ec7d5c636fd7e66f2b8db0871eb0a	{"function":{"_0":{"entity":"customer","expression":"count(*) over next_7d > 0","join":{},"kind":"label","name":"pays.v1","request":[],"source":"payments"}}}	13
set	risk.v1	1	9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0	{"set":{"_0":{"features":[{"function":"spend_7d.v1","keys":{},"output":"spend_7d"},{"function":"spread.v1","keys":{},"output":"spread"},{"function":"home.v1","keys":{},"output":"home"},{"function":"clicks.v1","keys":{},"output":"clicks"},{"function":"ratio.v1","keys":{},"output":"ratio"}],"labels":[{"function":"pays.v1","keys":{},"output":"pays"}],"name":"risk.v1"}}}	14
source	clicks	2	90b050fe64e438ee562d4e61d82fb2ac3cc0306a14042976a43f37d0342bb356	{"source":{"_0":{"columns":[{"name":"customer_id","type":"int64"},{"name":"seconds","type":"float64"},{"name":"page","type":"string"},{"name":"at","type":"timestamp"},{"name":"device","type":"string"}],"eventTime":"at","id":[],"knownAt":{"eventTime":{}},"name":"clicks"}}}	16
\.


--
-- Data for Name: ledger; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.ledger (entry, at, actor, kind, subject, body, previous, hash) FROM stdin;
1	2026-11-29 17:19:22.022253+00	root	register	entity customer	{"definition":{"entity":{"_0":{"keys":[{"name":"customer_id","type":"int64"}],"name":"customer"}}},"fingerprint":"1e4cd054ea221c54f6f43c689c3b5bafc8533037a50a18576436f49602e2dec6"}	\\x	\\x1b701d5b2b9737c38c32df6d6d33697559780251084c843afa4ed5a97680f4b5
2	2026-11-29 17:19:22.023289+00	root	register	entity country	{"definition":{"entity":{"_0":{"keys":[{"name":"country","type":"string"}],"name":"country"}}},"fingerprint":"0e0b0a769b2b9ad671535e5eecf9b63993a4218da642197590a04817c6bcbf14"}	\\x1b701d5b2b9737c38c32df6d6d33697559780251084c843afa4ed5a97680f4b5	\\x619d47424ec5d294c64566519d83b2f2a1e3ad73b1ce060dedf09c68f0c2e55d
3	2026-11-29 17:19:22.02408+00	root	register	source payments	{"definition":{"source":{"_0":{"columns":[{"name":"payment_id","type":"string"},{"name":"customer_id","type":"int64"},{"name":"country","type":"string"},{"name":"amount","type":"float64"},{"name":"gone","type":"bool"},{"name":"at","type":"timestamp"},{"name":"recorded","type":"timestamp"}],"eventTime":"at","id":["payment_id"],"knownAt":{"column":{"_0":"recorded"}},"name":"payments","tombstone":"gone"}}},"fingerprint":"8065b8ff9c8ef784489f83caccfea7216d33ba94bcce520648124399016cd1f9"}	\\x619d47424ec5d294c64566519d83b2f2a1e3ad73b1ce060dedf09c68f0c2e55d	\\xe0babd3696b1a1fcb690e8c1f35659e6ec67758e3ec1cd2f13795bc56fe6af2c
4	2026-11-29 17:19:22.024637+00	root	note	source payments	{"owner":"risk","tags":[]}	\\xe0babd3696b1a1fcb690e8c1f35659e6ec67758e3ec1cd2f13795bc56fe6af2c	\\x22a022f579e209a7eeef3fc041cfaeedeb0af49e82ba1dcef0e409e81282d3d9
5	2026-11-29 17:19:22.025326+00	root	register	source clicks	{"definition":{"source":{"_0":{"columns":[{"name":"customer_id","type":"int64"},{"name":"seconds","type":"float64"},{"name":"page","type":"string"},{"name":"at","type":"timestamp"}],"eventTime":"at","id":[],"knownAt":{"eventTime":{}},"name":"clicks"}}},"fingerprint":"6c9427df4869f41bc3ada8f6028fa9fb6c38a72581811f9cbf637f9e9d0d059d"}	\\x22a022f579e209a7eeef3fc041cfaeedeb0af49e82ba1dcef0e409e81282d3d9	\\x74c8665f23b79af7e8e22ea1a258dca36a6c657348215a21bea2d277145981a0
6	2026-11-29 17:19:22.025801+00	root	register	source people	{"definition":{"source":{"_0":{"columns":[{"name":"customer_id","type":"int64"},{"name":"home","type":"string"}],"id":["customer_id"],"knownAt":{"eventTime":{}},"name":"people"}}},"fingerprint":"93f7b773a0df8d861379571124d054d0cf3b52ed8027fe031c4778f7feaac705"}	\\x74c8665f23b79af7e8e22ea1a258dca36a6c657348215a21bea2d277145981a0	\\xf4a453a7b9cf91e605105aa1ee1ca07308555dfc67b1df29cc15928078ccadf3
7	2026-11-29 17:19:22.029219+00	root	register	feature spend_7d.v1	{"definition":{"function":{"_0":{"entity":"customer","expression":"sum(amount) over last_7d","join":{},"kind":"feature","name":"spend_7d.v1","request":[],"source":"payments"}}},"fingerprint":"0a73772d2d88e9690f63492c69731c739658045783c78f8fb68dc1a33d244142"}	\\xf4a453a7b9cf91e605105aa1ee1ca07308555dfc67b1df29cc15928078ccadf3	\\x3fc625f866ad64ecf3d2d78a470eff3eb8f5dab0dd141d745892fa50e12137f7
8	2026-11-29 17:19:22.029764+00	root	register	feature spread.v1	{"definition":{"function":{"_0":{"entity":"customer","expression":"stddev_samp(amount)","join":{},"kind":"feature","name":"spread.v1","request":[],"source":"payments"}}},"fingerprint":"288002fd4831ef5968d7f240734e9aef1041ded853ed0e4fc5368c86709a6f95"}	\\x3fc625f866ad64ecf3d2d78a470eff3eb8f5dab0dd141d745892fa50e12137f7	\\x87ad51ffaaa402d0ea106d3a553ec1e38c6f458489b5bf2c670b788409060b0d
9	2026-11-29 17:19:22.030177+00	root	register	feature home.v1	{"definition":{"function":{"_0":{"entity":"customer","expression":"latest(home)","join":{},"kind":"feature","name":"home.v1","request":[],"source":"people"}}},"fingerprint":"c647de198104cc672af6011d19871469cff8405271fcda6f988c2bc87db44f9a"}	\\x87ad51ffaaa402d0ea106d3a553ec1e38c6f458489b5bf2c670b788409060b0d	\\xc126df5e39e5aac24f197a0ee18cddafb9cdf4e01b8a2f155d5bdf48f50e7ae7
10	2026-11-29 17:19:22.030573+00	root	register	feature clicks.v1	{"definition":{"function":{"_0":{"entity":"customer","expression":"count(*) filter (where page = 'ä')","join":{},"kind":"feature","name":"clicks.v1","request":[],"source":"clicks"}}},"fingerprint":"b9d71077fae6d6f806308b63a38ae5c9a8764aceac520084a4db84382f706b32"}	\\xc126df5e39e5aac24f197a0ee18cddafb9cdf4e01b8a2f155d5bdf48f50e7ae7	\\x5e4b382827e634376254def6b2f82f1796b61c95cec8b521fbfe90fa3f51a415
11	2026-11-29 17:19:22.030953+00	root	register	feature usual.v1	{"definition":{"function":{"_0":{"entity":"country","expression":"percentile(amount, 0.9) over last_30d","join":{},"kind":"feature","name":"usual.v1","request":[],"source":"payments"}}},"fingerprint":"ae42fe43af8c4c7ad627e85ff67af88a9f7368e9503e67acabbb0f3e746bb13e"}	\\x5e4b382827e634376254def6b2f82f1796b61c95cec8b521fbfe90fa3f51a415	\\x70a7d2a036c5ce777d89207d4b3abef03b960bb24a7d93edc2b313d2dcc97eed
12	2026-11-29 17:19:22.03135+00	root	register	feature ratio.v1	{"definition":{"function":{"_0":{"entity":"customer","expression":"request.amount / spend_7d.v1","join":{},"kind":"feature","name":"ratio.v1","request":[{"name":"amount","type":"float64"}]}}},"fingerprint":"26d7e74b18bde305b7a0869c7a8c6493eece4990c537ac7152c8dfbbccb1e461"}	\\x70a7d2a036c5ce777d89207d4b3abef03b960bb24a7d93edc2b313d2dcc97eed	\\xe0ab23682193999f2b125cf24d8ad2949b37c1f2ec0cf89db5abd11f86b6c796
13	2026-11-29 17:19:22.031824+00	root	register	label pays.v1	{"definition":{"function":{"_0":{"entity":"customer","expression":"count(*) over next_7d > 0","join":{},"kind":"label","name":"pays.v1","request":[],"source":"payments"}}},"fingerprint":"c660819a72ace13e43a99619e2a8ea40338ec7d5c636fd7e66f2b8db0871eb0a"}	\\xe0ab23682193999f2b125cf24d8ad2949b37c1f2ec0cf89db5abd11f86b6c796	\\xba5e175dab2fe577fdb06ee9d967f8eef3e28374bb651845d0a02ad3a678b387
14	2026-11-29 17:19:22.032516+00	root	register	set risk.v1	{"definition":{"set":{"_0":{"features":[{"function":"spend_7d.v1","keys":{},"output":"spend_7d"},{"function":"spread.v1","keys":{},"output":"spread"},{"function":"home.v1","keys":{},"output":"home"},{"function":"clicks.v1","keys":{},"output":"clicks"},{"function":"ratio.v1","keys":{},"output":"ratio"}],"labels":[{"function":"pays.v1","keys":{},"output":"pays"}],"name":"risk.v1"}}},"fingerprint":"9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0"}	\\xba5e175dab2fe577fdb06ee9d967f8eef3e28374bb651845d0a02ad3a678b387	\\x6704a54805af29da8d4514bc1de1e6284a1e95fcf3441dc49a53d0912a4c9ed5
15	2026-11-29 17:19:22.032897+00	root	note	set risk.v1	{"fresh":"1d","tags":[]}	\\x6704a54805af29da8d4514bc1de1e6284a1e95fcf3441dc49a53d0912a4c9ed5	\\xdc1c4c6286133f013635deb4b83263dddb118c1887b6f5211f38984110768bd7
16	2026-11-29 17:19:22.106176+00	root	extend	source clicks	{"definition":{"source":{"_0":{"columns":[{"name":"customer_id","type":"int64"},{"name":"seconds","type":"float64"},{"name":"page","type":"string"},{"name":"at","type":"timestamp"},{"name":"device","type":"string"}],"eventTime":"at","id":[],"knownAt":{"eventTime":{}},"name":"clicks"}}},"fingerprint":"90b050fe64e438ee562d4e61d82fb2ac3cc0306a14042976a43f37d0342bb356"}	\\xdc1c4c6286133f013635deb4b83263dddb118c1887b6f5211f38984110768bd7	\\x8120ffbcba16c792463450922cb8d71514f43e984797e638732f36b57dbf595c
17	2026-11-29 17:19:22.202208+00	root	import	source payments	{"duplicates":0,"file":"payments.csv","file_digest":"969e801ed3f102f14e689505cf8c110baf0c982817d22920ce8aa7dc4271030a","known_now":false,"last_offset":6,"rows":6}	\\x8120ffbcba16c792463450922cb8d71514f43e984797e638732f36b57dbf595c	\\xd5241c651d349a38e47a4770037b18ae226811bbf717273ee7418e890dfa25a6
18	2026-11-29 17:19:22.278454+00	root	import	source people	{"duplicates":0,"file":"people.csv","file_digest":"2238481dba79832aefa3c17ecb531d5efc10c3621565c033cadb0ff39fb934a1","known_now":false,"last_offset":3,"rows":3}	\\xd5241c651d349a38e47a4770037b18ae226811bbf717273ee7418e890dfa25a6	\\x0c323c93442f56afe8707046e3c75bb9aaf84974fdddfff99ab95963cc723a07
19	2026-11-29 17:19:23.914336+00	root	snapshot	snapshot snap_db1189c73443e9ae	{"digest":"34efe175ebc2106c3522043d83b260f6dc826a5bf1d5fd6c8d7622e88e008662","fingerprint":"9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0","manifest_digest":"71191eef7fec4e923fa152781fbd0f0940c993cb1e695527b8bece18f23e096d","rows":5,"set":"risk.v1"}	\\x0c323c93442f56afe8707046e3c75bb9aaf84974fdddfff99ab95963cc723a07	\\xa4a5a54d8acc1861dad8c3ceae47d621b3281dc571e4076d6054fbd8c71bf980
20	2026-11-29 17:19:24.119571+00	root	snapshot	snapshot snap_ab1590172ddbc13b	{"digest":"8fc553e5aa4d7eb3e29b79676eedfd00b841905770c368d339eacc18346f2196","fingerprint":"9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0","manifest_digest":"d711754baaf9f75b0573b55aea5dbdfccf5233d147ad0a4a8ba612b346a373d9","rows":5,"set":"risk.v1"}	\\xa4a5a54d8acc1861dad8c3ceae47d621b3281dc571e4076d6054fbd8c71bf980	\\x770c78630ce2ae31dfcaa4481a68947e848d43a169a27b7d6b20a75d89c27cb6
21	2026-11-29 17:19:24.2533+00	root	model	model churn.v1	{"artifacts":[],"fingerprint":"9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0","metrics":{},"name":"churn.v1","set":"risk.v1","snapshots":[{"digest":"34efe175ebc2106c3522043d83b260f6dc826a5bf1d5fd6c8d7622e88e008662","id":"snap_db1189c73443e9ae"}]}	\\x770c78630ce2ae31dfcaa4481a68947e848d43a169a27b7d6b20a75d89c27cb6	\\x1b5a232f8591fbd7dc4e7d768dd2952b34ebea2c9aa379508b55eab5d5791df7
22	2026-11-29 17:19:24.375358+00	root	point	pointer risk@production	{"kind":"set","name":"risk.v1"}	\\x1b5a232f8591fbd7dc4e7d768dd2952b34ebea2c9aa379508b55eab5d5791df7	\\x6dfd74c5532db91308a7c35131f0b53e77265ae8f5619ede05a48be0070bb000
23	2026-11-29 17:19:24.508667+00	root	deprecate	feature usual.v1	{"reason":"nobody asks"}	\\x6dfd74c5532db91308a7c35131f0b53e77265ae8f5619ede05a48be0070bb000	\\xa44fdc1cba774f69b7295ca7933dd0bf4d6eb0d44dbf43cd5a80fac4775fb46a
24	2026-11-29 17:19:24.610103+00	root	token	token 39fbcdf35e8143b2	{"hash":"c778fcf07b30e9830f34f10b28dcc88d29555087984419c4b05a436ef6c00a7e","name":"reader","role":"read"}	\\xa44fdc1cba774f69b7295ca7933dd0bf4d6eb0d44dbf43cd5a80fac4775fb46a	\\x02d6f1a3f58f3ea520a112f7975cbc132a8ee8abd331c66b231157d5ee5e85f5
25	2026-11-29 17:19:24.780829+00	root	erase	entity customer	{"batches":[{"batch":1,"rows":1,"seal":"1cfa3dabbba87cc4929794d5100567131d3d760faefdc6e050fb0ec72fba6dcf"},{"batch":2,"rows":1,"seal":"5271fd2d717eff9a7cbe5ca4bd5346b255a58782ee832b5152ddfc3616123779"}],"reason":"asked to","receipts":0,"rows":{"payments":1,"people":1},"runs":[{"after":0,"keys":["country"],"source":"payments","upTo":7},{"after":0,"keys":["customer_id"],"source":"payments","upTo":7},{"after":0,"keys":["customer_id"],"source":"people","upTo":3}],"snapshots":[{"blocks":[0],"id":"snap_db1189c73443e9ae","spine":"3909d725f1aebd0c942562433fe618e40ff46e6e00df2ced6ec3837b44a839e4"},{"blocks":[0],"id":"snap_ab1590172ddbc13b","spine":"3909d725f1aebd0c942562433fe618e40ff46e6e00df2ced6ec3837b44a839e4"}],"spines":[{"from":"b380b3943d873c01d5bc50620b52758a56f2e3916a48d54c2df3ca4575d72b80","rows":1,"to":"3909d725f1aebd0c942562433fe618e40ff46e6e00df2ced6ec3837b44a839e4"}]}	\\x02d6f1a3f58f3ea520a112f7975cbc132a8ee8abd331c66b231157d5ee5e85f5	\\x4724f6047028cd4cb1ab22902ec6df15994603d53b25f6fa48767c7026feba0c
\.


--
-- Data for Name: migrations; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.migrations (number, name, checksum, applied_at) FROM stdin;
1	0001_foundation.sql	c1910283363642f37a6854d5da6c77b397ac6be1788f7fbf4b4a316444b09227	2026-11-29 17:19:21.691962+00
2	0002_segments.sql	f1c7f6c388021b08e40894161d2612530b82f56b0f45929e90e949a148a30c78	2026-11-29 17:19:21.691962+00
3	0003_whole_runs.sql	5411f93b6eb23435a4ae57524e6faf354648ff9df0fba1d9980b643f7d98cf14	2026-11-29 17:19:21.691962+00
4	0004_tokens.sql	5cc27dd41883630e645ba05237b938c6e28c6db443deb44a0670896f80bdba7c	2026-11-29 17:19:21.691962+00
5	0005_server_role.sql	6b975eeabb291a1121040092af75327666cf2afd10f1666de1b5acd3977b8e9b	2026-11-29 17:19:21.691962+00
6	0006_lookups.sql	7f3bf6a38ac4ee92f1cbd1ef4cc157fd750dbb229053eb725a55a45276d20420	2026-11-29 17:19:21.691962+00
7	0007_online_state.sql	4789277ed37034f4c2e0bb3c4ff5a26c322ce8b41bd1069054b5df89cadd0218	2026-11-29 17:19:21.691962+00
8	0008_governance.sql	be959367d38cd66b64ea22860750a5b5aa43fbfe23cc2e0c5749fae8a71f6eed	2026-11-29 17:19:21.691962+00
9	0009_hashed_keys.sql	3a3b03f5106ebf87d634508822982d46bf353af68f5f1fa82c19ed9702b0b19f	2026-11-29 17:19:21.691962+00
\.


--
-- Data for Name: notes; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.notes (kind, name, entry, body) FROM stdin;
source	payments	4	{"owner":"risk","tags":[]}
set	risk.v1	15	{"fresh":"1d","tags":[]}
\.


--
-- Data for Name: snapshots; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.snapshots (id, name, set_name, manifest, spine, created_at, actor, entry) FROM stdin;
snap_db1189c73443e9ae	first	risk.v1	{"actor":"root","blocks":{"clicks":"d7466ef6f9101a459252879ebc5252a608da5990f7cbb9b596ec3bd9eb50d421","home":"72b066ce712c861eaea8d48adc47ccbd9e00ef8ea59de0d682979def321b9a72","pays":"2d0ea9b9e1b82971d9cd4d587c142e58fbf3f48c70591305e566b5bf97db5771","ratio":"df23dea681587ef19382c8d5230b241fa1b347af84ef6a9683b1cbd77336c818","spend_7d":"6ed9336ea2aa37b4fa4cc91fe401852b5cd30b11e219633dfdd7afd6834c126e","spread":"8ceff4ee1ae9633873fe2e7f4fa26d201196e814c2658f0ec20467b956ffefbd"},"createdAt":"2026-11-29T17:19:23.893636Z","cuts":{"clicks":2,"payments":7,"people":3},"digest":"34efe175ebc2106c3522043d83b260f6dc826a5bf1d5fd6c8d7622e88e008662","engine":"firn 1","fingerprint":"9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0","id":"snap_db1189c73443e9ae","mode":"as_served","name":"first","newestCommits":{"clicks":1795972762439809,"payments":1795972762471036,"people":1795972762276960},"outputs":[{"fingerprint":"0a73772d2d88e9690f63492c69731c739658045783c78f8fb68dc1a33d244142","function":"spend_7d.v1","kind":"feature","name":"spend_7d","type":"float64"},{"fingerprint":"288002fd4831ef5968d7f240734e9aef1041ded853ed0e4fc5368c86709a6f95","function":"spread.v1","kind":"feature","name":"spread","type":"float64"},{"fingerprint":"c647de198104cc672af6011d19871469cff8405271fcda6f988c2bc87db44f9a","function":"home.v1","kind":"feature","name":"home","type":"string"},{"fingerprint":"b9d71077fae6d6f806308b63a38ae5c9a8764aceac520084a4db84382f706b32","function":"clicks.v1","kind":"feature","name":"clicks","type":"int64"},{"fingerprint":"26d7e74b18bde305b7a0869c7a8c6493eece4990c537ac7152c8dfbbccb1e461","function":"ratio.v1","kind":"feature","name":"ratio","type":"float64"},{"fingerprint":"c660819a72ace13e43a99619e2a8ea40338ec7d5c636fd7e66f2b8db0871eb0a","function":"pays.v1","kind":"label","name":"pays","type":"bool"}],"rows":5,"set":"risk.v1","spine":{"digest":"b380b3943d873c01d5bc50620b52758a56f2e3916a48d54c2df3ca4575d72b80","timestamp":"event_timestamp"}}	b380b3943d873c01d5bc50620b52758a56f2e3916a48d54c2df3ca4575d72b80	2026-11-29 17:19:23.893636+00	root	19
snap_ab1590172ddbc13b	known	risk.v1	{"actor":"root","blocks":{"clicks":"d7466ef6f9101a459252879ebc5252a608da5990f7cbb9b596ec3bd9eb50d421","home":"72b066ce712c861eaea8d48adc47ccbd9e00ef8ea59de0d682979def321b9a72","pays":"b0f66adc83641586656866813fd9dd0b8ebb63796075661ba45d1aa8089e1d44","ratio":"a61efde20330c13cb3f87f4b530db527aaf2284a04da763d3aba08df7fe74b7a","spend_7d":"db0a38caed003bd632993af423287528ade2dc500513ec3d8b4dc58001d5c1df","spread":"9e1736c43d19118e6ce4302118af337109491ecc52757dfb949bad6a7940b0c2"},"createdAt":"2026-11-29T17:19:24.086226Z","cuts":{"clicks":2,"payments":7,"people":3},"digest":"8fc553e5aa4d7eb3e29b79676eedfd00b841905770c368d339eacc18346f2196","engine":"firn 1","fingerprint":"9afb23423aeeef329d039451bb6d7fd9a150e2dc37b8b7d981bced8fa3a949a0","id":"snap_ab1590172ddbc13b","knownBy":"2024-01-02T12:00:00Z","mode":"as_served","name":"known","newestCommits":{"clicks":1795972762439809,"payments":1795972762471036,"people":1795972762276960},"outputs":[{"fingerprint":"0a73772d2d88e9690f63492c69731c739658045783c78f8fb68dc1a33d244142","function":"spend_7d.v1","kind":"feature","name":"spend_7d","type":"float64"},{"fingerprint":"288002fd4831ef5968d7f240734e9aef1041ded853ed0e4fc5368c86709a6f95","function":"spread.v1","kind":"feature","name":"spread","type":"float64"},{"fingerprint":"c647de198104cc672af6011d19871469cff8405271fcda6f988c2bc87db44f9a","function":"home.v1","kind":"feature","name":"home","type":"string"},{"fingerprint":"b9d71077fae6d6f806308b63a38ae5c9a8764aceac520084a4db84382f706b32","function":"clicks.v1","kind":"feature","name":"clicks","type":"int64"},{"fingerprint":"26d7e74b18bde305b7a0869c7a8c6493eece4990c537ac7152c8dfbbccb1e461","function":"ratio.v1","kind":"feature","name":"ratio","type":"float64"},{"fingerprint":"c660819a72ace13e43a99619e2a8ea40338ec7d5c636fd7e66f2b8db0871eb0a","function":"pays.v1","kind":"label","name":"pays","type":"bool"}],"rows":5,"set":"risk.v1","spine":{"digest":"b380b3943d873c01d5bc50620b52758a56f2e3916a48d54c2df3ca4575d72b80","timestamp":"event_timestamp"},"split":{"by":["customer_id"],"hash":"split 2","parts":[{"name":"train","share":0.5},{"name":"test","share":0.5}]}}	b380b3943d873c01d5bc50620b52758a56f2e3916a48d54c2df3ca4575d72b80	2026-11-29 17:19:24.086226+00	root	20
\.


--
-- Data for Name: spines; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.spines (digest, piece, body) FROM stdin;
3909d725f1aebd0c942562433fe618e40ff46e6e00df2ced6ec3837b44a839e4	0	\\x28b52ffd206b550200c403637573746f6d65725f69642c6576656e745f74696d657374616d702c616d6f756e740a312c323032342d30312d30352c310a32320a0a3432372c330a04006013e0c031393cc24d28
\.


--
-- Data for Name: store; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.store (id) FROM stdin;
0572f46a-942b-4dd6-93f8-28c84aaf8c1c
\.


--
-- Data for Name: token_revocations; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.token_revocations (id, revoked_at, actor, entry) FROM stdin;
\.


--
-- Data for Name: tokens; Type: TABLE DATA; Schema: firn; Owner: -
--

COPY firn.tokens (id, name, role, hash, created_at, actor, entry) FROM stdin;
39fbcdf35e8143b2	reader	read	\\xc778fcf07b30e9830f34f10b28dcc88d29555087984419c4b05a436ef6c00a7e	2026-11-29 17:19:24.611132+00	root	24
\.


--
-- Data for Name: lookups_20261128; Type: TABLE DATA; Schema: firn_log; Owner: -
--

COPY firn_log.lookups_20261128 (receipt, as_of, set_name, features, outputs, fingerprints, engine, actor, is_stale, cuts, inputs, answers, pointer, model) FROM stdin;
\.


--
-- Data for Name: lookups_20261129; Type: TABLE DATA; Schema: firn_log; Owner: -
--

COPY firn_log.lookups_20261129 (receipt, as_of, set_name, features, outputs, fingerprints, engine, actor, is_stale, cuts, inputs, answers, pointer, model) FROM stdin;
61a0bde7-6b5c-4f57-a754-7d4a310d60dd	2026-11-29 17:19:22.516762+00	risk.v1	{}	{spend_7d,spread,home,clicks,ratio}	{0a73772d2d88e9690f63492c69731c739658045783c78f8fb68dc1a33d244142,288002fd4831ef5968d7f240734e9aef1041ded853ed0e4fc5368c86709a6f95,c647de198104cc672af6011d19871469cff8405271fcda6f988c2bc87db44f9a,b9d71077fae6d6f806308b63a38ae5c9a8764aceac520084a4db84382f706b32,26d7e74b18bde305b7a0869c7a8c6493eece4990c537ac7152c8dfbbccb1e461}	0.1.0	root	f	{"clicks":2,"payments":7,"people":3}	{"amount":[5.0,5.0,5.0],"customer_id":[1,2,9]}	[[null,null,null],[1.9672315572906003,null,null],["fr","at",null],[1,0,0],[null,null,null]]	\N	\N
\.


--
-- Data for Name: lookups_20261130; Type: TABLE DATA; Schema: firn_log; Owner: -
--

COPY firn_log.lookups_20261130 (receipt, as_of, set_name, features, outputs, fingerprints, engine, actor, is_stale, cuts, inputs, answers, pointer, model) FROM stdin;
\.


--
-- Data for Name: lookups_20261201; Type: TABLE DATA; Schema: firn_log; Owner: -
--

COPY firn_log.lookups_20261201 (receipt, as_of, set_name, features, outputs, fingerprints, engine, actor, is_stale, cuts, inputs, answers, pointer, model) FROM stdin;
\.


--
-- Data for Name: clicks; Type: TABLE DATA; Schema: firn_source; Owner: -
--

COPY firn_source.clicks (firn_batch, firn_position, firn_known_at, customer_id, seconds, page, at, device) FROM stdin;
3	1	\N	1	1.5	ä	2024-01-03 10:00:00+00	phone
3	2	\N	2	\N	\N	2024-01-03 11:00:00+00	\N
\.


--
-- Data for Name: payments; Type: TABLE DATA; Schema: firn_source; Owner: -
--

COPY firn_source.payments (firn_batch, firn_position, firn_known_at, payment_id, customer_id, country, amount, gone, at, recorded) FROM stdin;
1	1	2024-01-01 00:00:00+00	a	1	at	0.1	\N	2024-01-01 00:00:00+00	2024-01-01 00:00:00+00
1	2	\N	b	1	fr	-0	\N	2024-01-02 00:00:00+00	\N
1	3	2024-01-03 00:00:00+00	b	1	fr	2.5	\N	2024-01-02 00:00:00+00	2024-01-03 00:00:00+00
1	4	2024-01-02 00:00:00+00	c	2	at	7.25	\N	2024-01-02 00:00:00+00	2024-01-02 00:00:00+00
1	5	2024-01-06 00:00:00+00	c	2	at	\N	t	2024-01-02 00:00:00+00	2024-01-06 00:00:00+00
1003	1	\N	e	1	at	4	\N	2024-01-04 00:00:00+00	\N
\.


--
-- Data for Name: people; Type: TABLE DATA; Schema: firn_source; Owner: -
--

COPY firn_source.people (firn_batch, firn_position, firn_known_at, customer_id, home) FROM stdin;
2	1	\N	1	fr
2	2	\N	2	at
\.


--
-- Name: batch_numbers; Type: SEQUENCE SET; Schema: firn; Owner: -
--

SELECT pg_catalog.setval('firn.batch_numbers', 2002, true);


--
-- Name: batches batches_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (batch);


--
-- Name: batches batches_source_base_offset_key; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.batches
    ADD CONSTRAINT batches_source_base_offset_key UNIQUE (source, base_offset);


--
-- Name: definitions definitions_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.definitions
    ADD CONSTRAINT definitions_pkey PRIMARY KEY (kind, name, revision);


--
-- Name: ledger ledger_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (entry);


--
-- Name: migrations migrations_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);


--
-- Name: notes notes_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (kind, name, entry);


--
-- Name: snapshots snapshots_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (id);


--
-- Name: spines spines_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.spines
    ADD CONSTRAINT spines_pkey PRIMARY KEY (digest, piece);


--
-- Name: store store_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.store
    ADD CONSTRAINT store_pkey PRIMARY KEY (id);


--
-- Name: token_revocations token_revocations_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.token_revocations
    ADD CONSTRAINT token_revocations_pkey PRIMARY KEY (id);


--
-- Name: tokens tokens_pkey; Type: CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);


--
-- Name: blocks blocks_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.blocks
    ADD CONSTRAINT blocks_pkey PRIMARY KEY (run, segment, column_name);


--
-- Name: bodies bodies_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.bodies
    ADD CONSTRAINT bodies_pkey PRIMARY KEY (address);


--
-- Name: current_values current_values_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.current_values
    ADD CONSTRAINT current_values_pkey PRIMARY KEY (set_name);


--
-- Name: online_entities online_entities_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.online_entities
    ADD CONSTRAINT online_entities_pkey PRIMARY KEY (online, entity);


--
-- Name: online_sets online_sets_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.online_sets
    ADD CONSTRAINT online_sets_pkey PRIMARY KEY (set_name);


--
-- Name: online_tables online_tables_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.online_tables
    ADD CONSTRAINT online_tables_pkey PRIMARY KEY (online);


--
-- Name: online_tables online_tables_source_keys_key; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.online_tables
    ADD CONSTRAINT online_tables_source_keys_key UNIQUE (source, keys);


--
-- Name: results results_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.results
    ADD CONSTRAINT results_pkey PRIMARY KEY (snapshot, piece);


--
-- Name: runs runs_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run);


--
-- Name: runs runs_source_keys_after_offset_key; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.runs
    ADD CONSTRAINT runs_source_keys_after_offset_key UNIQUE (source, keys, after_offset);


--
-- Name: segments segments_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (run, segment);


--
-- Name: statistics statistics_pkey; Type: CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.statistics
    ADD CONSTRAINT statistics_pkey PRIMARY KEY (snapshot);


--
-- Name: batches_by_file; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX batches_by_file ON firn.batches USING btree (source, file_digest) WHERE (file_digest IS NOT NULL);


--
-- Name: batches_by_key; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX batches_by_key ON firn.batches USING btree (source, idempotency_key) WHERE (idempotency_key IS NOT NULL);


--
-- Name: batches_pushed; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX batches_pushed ON firn.batches USING btree (source, base_offset) WHERE (known_at IS NOT NULL);


--
-- Name: ledger_by_subject; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX ledger_by_subject ON firn.ledger USING btree (subject, entry);


--
-- Name: ledger_erases; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX ledger_erases ON firn.ledger USING btree (entry) WHERE (kind = 'erase'::text);


--
-- Name: ledger_governs; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX ledger_governs ON firn.ledger USING btree (entry) WHERE (kind = ANY (ARRAY['register'::text, 'extend'::text, 'note'::text, 'model'::text, 'point'::text, 'deprecate'::text, 'retire'::text, 'erase'::text]));


--
-- Name: snapshots_by_name; Type: INDEX; Schema: firn; Owner: -
--

CREATE INDEX snapshots_by_name ON firn.snapshots USING btree (name) WHERE (name IS NOT NULL);


--
-- Name: blocks_by_address; Type: INDEX; Schema: firn_cache; Owner: -
--

CREATE INDEX blocks_by_address ON firn_cache.blocks USING btree (address);


--
-- Name: lookups_by_receipt; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_by_receipt ON ONLY firn_log.lookups USING btree (receipt);


--
-- Name: lookups_20261128_receipt_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261128_receipt_idx ON firn_log.lookups_20261128 USING btree (receipt);


--
-- Name: lookups_by_set; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_by_set ON ONLY firn_log.lookups USING btree (set_name, as_of);


--
-- Name: lookups_20261128_set_name_as_of_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261128_set_name_as_of_idx ON firn_log.lookups_20261128 USING btree (set_name, as_of);


--
-- Name: lookups_20261129_receipt_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261129_receipt_idx ON firn_log.lookups_20261129 USING btree (receipt);


--
-- Name: lookups_20261129_set_name_as_of_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261129_set_name_as_of_idx ON firn_log.lookups_20261129 USING btree (set_name, as_of);


--
-- Name: lookups_20261130_receipt_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261130_receipt_idx ON firn_log.lookups_20261130 USING btree (receipt);


--
-- Name: lookups_20261130_set_name_as_of_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261130_set_name_as_of_idx ON firn_log.lookups_20261130 USING btree (set_name, as_of);


--
-- Name: lookups_20261201_receipt_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261201_receipt_idx ON firn_log.lookups_20261201 USING btree (receipt);


--
-- Name: lookups_20261201_set_name_as_of_idx; Type: INDEX; Schema: firn_log; Owner: -
--

CREATE INDEX lookups_20261201_set_name_as_of_idx ON firn_log.lookups_20261201 USING btree (set_name, as_of);


--
-- Name: clicks_firn_batch_idx; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX clicks_firn_batch_idx ON firn_source.clicks USING btree (firn_batch);


--
-- Name: payments_firn_batch_idx; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX payments_firn_batch_idx ON firn_source.payments USING btree (firn_batch);


--
-- Name: people_firn_batch_idx; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX people_firn_batch_idx ON firn_source.people USING btree (firn_batch);


--
-- Name: rows_1hsjeyxcq1cxu; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX rows_1hsjeyxcq1cxu ON firn_source.people USING btree (customer_id);


--
-- Name: rows_2qwjjnefsdd7; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX rows_2qwjjnefsdd7 ON firn_source.payments USING btree (customer_id, at);


--
-- Name: rows_3akqom0u0knl; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX rows_3akqom0u0knl ON firn_source.clicks USING btree (customer_id, at);


--
-- Name: rows_3h0g2q7z1lyww; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX rows_3h0g2q7z1lyww ON firn_source.payments USING btree (hashtextextended(payment_id, (0)::bigint));


--
-- Name: rows_kofe9x34fv7x; Type: INDEX; Schema: firn_source; Owner: -
--

CREATE INDEX rows_kofe9x34fv7x ON firn_source.payments USING btree (hashtextextended(country, (0)::bigint), at);


--
-- Name: lookups_20261128_receipt_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_receipt ATTACH PARTITION firn_log.lookups_20261128_receipt_idx;


--
-- Name: lookups_20261128_set_name_as_of_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_set ATTACH PARTITION firn_log.lookups_20261128_set_name_as_of_idx;


--
-- Name: lookups_20261129_receipt_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_receipt ATTACH PARTITION firn_log.lookups_20261129_receipt_idx;


--
-- Name: lookups_20261129_set_name_as_of_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_set ATTACH PARTITION firn_log.lookups_20261129_set_name_as_of_idx;


--
-- Name: lookups_20261130_receipt_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_receipt ATTACH PARTITION firn_log.lookups_20261130_receipt_idx;


--
-- Name: lookups_20261130_set_name_as_of_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_set ATTACH PARTITION firn_log.lookups_20261130_set_name_as_of_idx;


--
-- Name: lookups_20261201_receipt_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_receipt ATTACH PARTITION firn_log.lookups_20261201_receipt_idx;


--
-- Name: lookups_20261201_set_name_as_of_idx; Type: INDEX ATTACH; Schema: firn_log; Owner: -
--

ALTER INDEX firn_log.lookups_by_set ATTACH PARTITION firn_log.lookups_20261201_set_name_as_of_idx;


--
-- Name: batches firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.batches FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.batches ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: definitions firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.definitions FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.definitions ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: ledger firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.ledger FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.ledger ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: migrations firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.migrations FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.migrations ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: notes firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.notes FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.notes ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: snapshots firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.snapshots FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.snapshots ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: spines firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.spines FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.spines ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: store firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.store FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.store ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: token_revocations firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.token_revocations FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.token_revocations ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: tokens firn_guard; Type: TRIGGER; Schema: firn; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn.tokens FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn.tokens ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: clicks firn_guard; Type: TRIGGER; Schema: firn_source; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn_source.clicks FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn_source.clicks ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: payments firn_guard; Type: TRIGGER; Schema: firn_source; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn_source.payments FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn_source.payments ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: people firn_guard; Type: TRIGGER; Schema: firn_source; Owner: -
--

CREATE TRIGGER firn_guard BEFORE DELETE OR UPDATE OR TRUNCATE ON firn_source.people FOR EACH STATEMENT EXECUTE FUNCTION firn.refuse_change();

ALTER TABLE firn_source.people ENABLE ALWAYS TRIGGER firn_guard;


--
-- Name: definitions definitions_entry_fkey; Type: FK CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.definitions
    ADD CONSTRAINT definitions_entry_fkey FOREIGN KEY (entry) REFERENCES firn.ledger(entry);


--
-- Name: notes notes_entry_fkey; Type: FK CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.notes
    ADD CONSTRAINT notes_entry_fkey FOREIGN KEY (entry) REFERENCES firn.ledger(entry);


--
-- Name: snapshots snapshots_entry_fkey; Type: FK CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.snapshots
    ADD CONSTRAINT snapshots_entry_fkey FOREIGN KEY (entry) REFERENCES firn.ledger(entry);


--
-- Name: token_revocations token_revocations_entry_fkey; Type: FK CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.token_revocations
    ADD CONSTRAINT token_revocations_entry_fkey FOREIGN KEY (entry) REFERENCES firn.ledger(entry);


--
-- Name: token_revocations token_revocations_id_fkey; Type: FK CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.token_revocations
    ADD CONSTRAINT token_revocations_id_fkey FOREIGN KEY (id) REFERENCES firn.tokens(id);


--
-- Name: tokens tokens_entry_fkey; Type: FK CONSTRAINT; Schema: firn; Owner: -
--

ALTER TABLE ONLY firn.tokens
    ADD CONSTRAINT tokens_entry_fkey FOREIGN KEY (entry) REFERENCES firn.ledger(entry);


--
-- Name: blocks blocks_run_segment_fkey; Type: FK CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.blocks
    ADD CONSTRAINT blocks_run_segment_fkey FOREIGN KEY (run, segment) REFERENCES firn_cache.segments(run, segment) ON DELETE CASCADE;


--
-- Name: online_entities online_entities_online_fkey; Type: FK CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.online_entities
    ADD CONSTRAINT online_entities_online_fkey FOREIGN KEY (online) REFERENCES firn_cache.online_tables(online) ON DELETE CASCADE;


--
-- Name: results results_snapshot_fkey; Type: FK CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.results
    ADD CONSTRAINT results_snapshot_fkey FOREIGN KEY (snapshot) REFERENCES firn.snapshots(id);


--
-- Name: segments segments_run_fkey; Type: FK CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.segments
    ADD CONSTRAINT segments_run_fkey FOREIGN KEY (run) REFERENCES firn_cache.runs(run) ON DELETE CASCADE;


--
-- Name: statistics statistics_snapshot_fkey; Type: FK CONSTRAINT; Schema: firn_cache; Owner: -
--

ALTER TABLE ONLY firn_cache.statistics
    ADD CONSTRAINT statistics_snapshot_fkey FOREIGN KEY (snapshot) REFERENCES firn.snapshots(id);


--
-- PostgreSQL database dump complete
--


