-- What is decided about what is registered (models, pointers, life cycle) and erased stands in the ledger alone: it is read from there.

-- The newest entry that changes what is registered or served, found at once: servers ask again and again.
create index ledger_governs on firn.ledger (entry) where kind in ('register', 'extend', 'note', 'model', 'point', 'deprecate', 'retire', 'erase');
create index ledger_erases on firn.ledger (entry) where kind = 'erase';
drop index firn.definitions_by_entry, firn.notes_by_entry;
create index ledger_by_subject on firn.ledger (subject, entry);

-- The pointer that a lookup went by, where it did, and the model that it asked for.
alter table firn_log.lookups add column pointer text, add column model text;
create index lookups_by_set on firn_log.lookups (set_name, as_of);

-- What a snapshot's outputs look like. Derived: it is computed again where it is missing.
create table firn_cache.statistics (
    snapshot text primary key references firn.snapshots,
    body text not null
);
select firn.admit_server();
