-- Who may ask what over HTTP. A token's secret isn't here, only its hash; a token that was revoked stays as a record.
create table firn.tokens (
    id text primary key,
    name text not null,
    role text not null check (role in ('read', 'write', 'admin')),
    hash bytea not null,
    created_at timestamptz not null,
    actor text not null,
    entry bigint not null references firn.ledger
);
select firn.guard('firn.tokens');

create table firn.token_revocations (
    id text primary key references firn.tokens,
    revoked_at timestamptz not null,
    actor text not null,
    entry bigint not null references firn.ledger
);
select firn.guard('firn.token_revocations');
