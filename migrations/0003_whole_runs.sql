-- How many segments a run has, so that one of which some were dropped isn't taken for a smaller one.
alter table firn_cache.runs add column segments integer;
update firn_cache.runs r set segments = (select count(*) from firn_cache.segments s where s.run = r.run);
alter table firn_cache.runs alter column segments set not null;
