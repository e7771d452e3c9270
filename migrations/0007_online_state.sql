-- Online state: the rows of entities as memory holds them, so that a server that lacks one reads it at once, and one that starts has them all. Derived.

-- The sets that servers were asked for: what is kept.
create table firn_cache.online_sets (set_name text primary key);

-- Of a source by some key columns, which columns the rows have, how far back (microseconds; NULL: from the beginning), and up to which offset they are whole.
create table firn_cache.online_tables (
    online bigint generated always as identity primary key,
    source text not null,
    keys text[] not null,
    columns text[] not null,
    reach bigint,
    covered bigint not null,
    unique (source, keys)
);

-- The key's parts, since when a row of it is known (microseconds since 1970), and the rows; fewer than 0 where they are more than memory holds for one.
create table firn_cache.online_entities (
    online bigint not null references firn_cache.online_tables on delete cascade,
    entity bytea not null,
    found_from bigint not null,
    rows integer not null,
    rows_at_first integer not null,
    body bytea not null,
    primary key (online, entity)
);
alter table firn_cache.online_entities alter column body set storage external;

select firn.admit_server();
