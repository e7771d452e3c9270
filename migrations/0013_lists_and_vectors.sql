-- Columns of lists and vectors.

create or replace function firn.column_type(type text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if type !~ '^(boolean|bigint|double precision|text|timestamptz|date|numeric\([1-9][0-9]?,[0-9][0-9]?\)|real(?=\[\]))(\[\])?$' then
        raise 'unknown type of a column';
    end if;
    return type;
end
$$;

-- How PostgreSQL shows the type of a column that is declared so.
create or replace function firn.declared_type(type text) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when type like 'list(%' then firn.declared_type(substr(type, 6, length(type) - 6)) || '[]' when type like 'vector(%' then 'real[]' else
        case type when 'bool' then 'boolean' when 'int64' then 'bigint' when 'float64' then 'double precision' when 'string' then 'text'
        when 'timestamp' then 'timestamp with time zone' when 'date' then 'date' else replace(type, 'decimal', 'numeric') end end
$$;
