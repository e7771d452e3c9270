-- Checksums over what is kept and derived, looked at whenever it is read. What was kept without them goes: it comes back as it is needed.
truncate firn_cache.runs cascade;
truncate firn_cache.bodies;
truncate firn_cache.online_tables cascade;
truncate firn_cache.statistics;

alter table firn_cache.runs add column checksum bigint not null;
comment on column firn_cache.runs.checksum is 'Of this row, of its segments'' rows, and of whether each has a block of retractions.';
comment on column firn_cache.blocks.checksum is 'Of the uncompressed Arrow file and of this row.';

alter table firn_cache.online_tables add column checksum bigint not null;
comment on column firn_cache.online_tables.checksum is 'Of this row.';

-- Since when an entity is known stands with its rows. Fewer than -1 rows: what was here was damaged, and is to be read again.
alter table firn_cache.online_entities drop column found_from;
comment on column firn_cache.online_entities.body is 'The rows in pieces, each with a checksum of it and of the entity.';
create index online_damaged on firn_cache.online_entities (online) where rows < -1;

alter table firn_cache.statistics add column checksum bigint not null;
comment on column firn_cache.statistics.checksum is 'Of this row.';
