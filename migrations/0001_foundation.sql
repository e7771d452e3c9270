-- The registry, the ledger, the log of batches, and the guard over everything that never changes.

-- The schema firn is there already, with firn.migrations in it.
create schema firn_source;

comment on schema firn is 'What Firn knows of itself: registry, ledger, batches, snapshots.';
comment on schema firn_source is 'One table per source: its rows, as they came.';

-- One function guards every truth table, whoever asks, its owner and replication included.
create function firn.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% on %.% is refused: what is recorded never changes', tg_op, tg_table_schema, tg_table_name
        using errcode = 'integrity_constraint_violation';
end
$$;

create function firn.guard(target regclass) returns void language plpgsql as $$
begin
    execute format('create trigger firn_guard before update or delete or truncate on %s for each statement execute function firn.refuse_change()', target);
    execute format('alter table %s enable always trigger firn_guard', target);
end
$$;

select firn.guard('firn.migrations');

-- Everything registered, loaded or governed, in order; each entry carries the hash of the one before.
create table firn.ledger (
    entry bigint primary key,
    at timestamptz not null,
    actor text not null,
    kind text not null,
    subject text not null,
    body text not null,
    previous bytea not null,
    hash bytea not null
);
select firn.guard('firn.ledger');
comment on column firn.ledger.body is 'Canonical JSON: keys sorted, no spaces.';

-- Definitions as registered. Only a source has several revisions: one for each time it gained columns.
create table firn.definitions (
    kind text not null check (kind in ('entity', 'source', 'feature', 'label', 'set')),
    name text not null,
    revision integer not null,
    fingerprint text not null,
    body text not null,
    entry bigint not null references firn.ledger,
    primary key (kind, name, revision)
);
select firn.guard('firn.definitions');

create table firn.notes (
    kind text not null,
    name text not null,
    entry bigint not null references firn.ledger,
    body text not null,
    primary key (kind, name, entry)
);
select firn.guard('firn.notes');

-- The log: the rows of one push or import, committed together, in commit order. A row's offset is base_offset + firn_position.
create sequence firn.batch_numbers;
create table firn.batches (
    batch bigint primary key,
    source text not null,
    base_offset bigint not null,
    count bigint not null check (count > 0),
    duplicates bigint not null,
    kind text not null check (kind in ('import', 'push')),
    known_at timestamptz,
    committed_at timestamptz not null,
    actor text not null,
    idempotency_key text,
    request_digest bytea,
    file_digest bytea,
    salt bytea not null,
    rows_digest bytea not null,
    previous bytea not null,
    hash bytea not null,
    unique (source, base_offset)
);
create index batches_pushed on firn.batches (source, base_offset) where known_at is not null;
create index batches_by_key on firn.batches (source, idempotency_key) where idempotency_key is not null;
create index batches_by_file on firn.batches (source, file_digest) where file_digest is not null;
select firn.guard('firn.batches');
comment on column firn.batches.known_at is 'Of pushed rows, all of them; NULL for imported rows, which carry their own.';

-- Spines of snapshots by the digest of their text, in pieces of CSV compressed with zstd.
create table firn.spines (
    digest text not null,
    piece integer not null,
    body bytea not null,
    primary key (digest, piece)
);
alter table firn.spines alter column body set storage external;
select firn.guard('firn.spines');

create table firn.snapshots (
    id text primary key,
    name text,
    set_name text not null,
    manifest text not null,
    spine text not null,
    created_at timestamptz not null,
    actor text not null,
    entry bigint not null references firn.ledger
);
create index snapshots_by_name on firn.snapshots (name) where name is not null;
select firn.guard('firn.snapshots');
