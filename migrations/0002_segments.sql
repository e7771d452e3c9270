-- Segments: the sources' rows sealed by key, and kept results of snapshots. All of it is derived, and may be dropped at any time.

-- Which store this is, for caches elsewhere.
create table firn.store (id uuid primary key);
insert into firn.store values (gen_random_uuid());
select firn.guard('firn.store');

create schema firn_cache;
comment on schema firn_cache is 'What is kept only for speed: it may be dropped at any time, and comes back with the same content.';

-- A stretch of a source's log, its rows by key, in buckets by hash of the key. Runs of a source and key follow each other from offset 0.
create table firn_cache.runs (
    run bigint generated always as identity primary key,
    source text not null,
    keys text[] not null,
    after_offset bigint not null,
    up_to bigint not null check (up_to > after_offset),
    buckets integer not null,
    segment_rows integer not null,
    unique (source, keys, after_offset)
);
comment on table firn_cache.runs is 'Sealed stretches of the log: offsets after_offset < offset <= up_to. Derived from firn_source.';

-- Some rows of one bucket, sorted by key and time. Times are microseconds since 1970, NULL in a static source.
create table firn_cache.segments (
    run bigint not null references firn_cache.runs on delete cascade,
    segment integer not null,
    bucket integer not null,
    rows integer not null,
    first_time bigint,
    last_time bigint,
    first_known bigint not null,
    one_version boolean not null,
    primary key (run, segment)
);

-- A segment's columns. The address is the SHA-256 of the block's uncompressed Arrow file, of so many bytes.
create table firn_cache.blocks (
    run bigint not null,
    segment integer not null,
    column_name text not null,
    address bytea not null,
    bytes bigint not null,
    checksum bigint not null,
    primary key (run, segment, column_name),
    foreign key (run, segment) references firn_cache.segments on delete cascade
);
create index blocks_by_address on firn_cache.blocks (address);

-- Arrow files with bodies compressed by zstd. A block whose body was dropped is built again, with the same address.
create table firn_cache.bodies (
    address bytea primary key,
    body bytea not null
);
alter table firn_cache.bodies alter column body set storage external;

-- The values of snapshots, for many workers to fetch: an Arrow stream of the outputs in pieces, compressed with zstd.
create table firn_cache.results (
    snapshot text not null references firn.snapshots,
    piece integer not null,
    body bytea not null,
    primary key (snapshot, piece)
);
alter table firn_cache.results alter column body set storage external;

-- Current values of sets, for SQL and batch scoring: a table for each set, refreshed by firn materialize --set.
create schema firn_values;
comment on schema firn_values is 'Current values of sets: one table for each that is kept, as of its own as_of. Derived; may be dropped.';

create table firn_cache.current_values (
    set_name text primary key,
    as_of timestamptz not null,
    cuts jsonb not null
);
