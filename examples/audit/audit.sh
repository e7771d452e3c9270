#!/usr/bin/env bash
# The whole story of one model, as an auditor asks for it: from definitions to a prediction, a correction, an erasure, and proof.
# Runs on generated card payments, in a directory of its own, and says it as Markdown: examples/audit/audit.sh [DIRECTORY] >docs/audit.md
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
directory=${1:-$root/.demo/audit}

(cd "$root" && swift build -c release --product firn && swift build -c release --product credit-card-data) >/dev/null 2>&1
bin=$(cd "$root" && swift build -c release --show-bin-path)
PATH=$bin:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1):$PATH
unset FIRN_DATABASE_URL
if [ -d "$directory/.firn" ]; then (cd "$directory" && firn stop >/dev/null) || true; fi
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory"
trap 'firn stop >/dev/null 2>&1 || true' EXIT

step() {
    [ -z "${fenced:-}" ] || printf '```\n'
    fenced=yes
    printf '\n## %s\n\n```console\n' "$1"
}
run() {
    printf '$'
    for word in "$@"; do if [[ "$word" == *[[:space:]\;\"]* ]]; then printf " '%s'" "$word"; else printf ' %s' "$word"; fi; done
    printf '\n'
    "$@"
}
# A command that has to fail, since it finds something.
finds() { if run "$@"; then echo "NOTHING WAS FOUND"; exit 1; fi 2>&1; }
member() { sed -n "s/^  \"$1\": \"\(.*\)\",*$/\1/p"; }

cat <<'TEXT'
# An audit

This page follows one model on generated card payments, from its definitions to a prediction, a correction, an erasure and the proof.
`examples/audit/audit.sh` runs every step, and its output is this page.
[provenance.md](provenance.md) explains the commands.
TEXT
step "From definitions to a model"
credit-card-data data
cp "$root/examples/credit-card/definitions.yaml" .
run firn apply definitions.yaml
run firn import transactions data/transactions.csv
run firn import customers data/customers.csv
run firn materialize
run firn snapshot create --set fraud.v1 --spine data/spine.csv --name fraud-may --out training.csv
# Training: the share of payments charged back, by how unusual the amount is. Any library would do.
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { part = $column["amount_surprise"] > 2 ? "unusual" : "usual"; count[part]++; bad[part] += $column["reversed_14d"] == "true" }
    END { for (part in count) printf "%s %.4f\n", part, bad[part] / count[part] }' training.csv | sort >model.txt
run firn model record chargeback.v1 --snapshot fraud-may --set fraud.v1 --commit 3f2c9e1 --metric "lift=1.8" --artifact model.txt
run firn point chargeback@production chargeback.v1
before=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)

step "A prediction"
# The generated payments are of 2024; these are of the last days, as they come in while one serves.
ago() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
{
    head -n 1 data/transactions.csv
    number=0
    while read -r merchant amount country status when; do
        number=$((number + 1))
        awk -F, -v OFS=, -v id="live-$number" -v merchant="$merchant" -v amount="$amount" -v country="$country" -v status="$status" -v at="$(ago "$when")" '
            NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; $c["transaction_id"] = id; $c["customer_id"] = 7; $c["merchant_id"] = merchant; $c["amount"] = amount
                $c["country"] = country; $c["status"] = status; $c["reversed"] = ""; $c["occurred_at"] = at; $c["recorded_at"] = at; print }' data/transactions.csv
    done <<'ROWS'
m1 18.5 ES settled 20 days ago
m4 42 ES settled 9 days ago
m1 23.75 PT settled 5 days ago
m9 61.2 ES declined 2 days ago
m1 19.9 ES settled 40 minutes ago
ROWS
} >live.csv
run firn import transactions live.csv --known-now
run firn lookup --set chargeback@production --log customer_id=7 merchant_id=m1 amount=250
receipt=$(firn lookup --set chargeback@production --log --json customer_id=7 merchant_id=m1 amount=250 | member receipt)
head=$(firn ledger head)

step "Which function computed this value, and which data and features trained the model?"
run firn lineage "$receipt" --up

step "From which rows, known when?"
# firn lineage RECEIPT --up --rows says this of each of its values.
run firn why spend_7d.v1 customer_id=7 --rows 3

step "Which models use this column?"
run firn lineage transactions.amount --down

step "A correction comes, and what was served still stands"
row=$(grep -n '' data/transactions.csv | sed -n 2p | cut -d: -f2-)
printf '%s\n%s\n' "$(head -n 1 data/transactions.csv)" "$row" | awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i } NR == 2 { $c["amount"] = 99999 } { print }' >correction.csv
run firn import transactions correction.csv --known-now
run firn verify lookups
run firn snapshot verify fraud-may

step "What was in production then, and now?"
cat >second.yaml <<'YAML'
sets:
  fraud.v2: {features: [spend_7d.v1, payments_1h.v1, countries_30d.v1, home_country.v1], labels: [reversed_14d.v1]}
YAML
run firn apply second.yaml
run firn snapshot create --set fraud.v2 --spine data/spine.csv --name fraud-june
run firn model record chargeback.v2 --snapshot fraud-june
run firn point chargeback@production chargeback.v2
run firn point chargeback@production --as-of "$before"
run firn point chargeback@production --history
finds firn retire fraud.v1 --reason "replaced"
run firn deprecate chargeback.v1 --reason "replaced" --successor chargeback.v2

step "How far are two training sets apart?"
run firn drift fraud-may fraud-june --max-psi 0.2
run firn show spend_7d.v1

step "Can it be rebuilt? On another machine, without a database"
run firn snapshot bundle fraud-may --out fraud-may.tar
(mkdir elsewhere && cd elsewhere && HOME=$PWD run firn eval --bundle ../fraud-may.tar)

step "A customer asks to be forgotten"
run firn erase customer customer_id=7 --reason "request 17" --dry-run
run firn erase customer customer_id=7 --reason "request 17"

step "Is this person's data gone?"
run firn erase customer customer_id=7 --reason "request 17" --dry-run
run firn snapshot verify fraud-may

step "Did anything change since?"
run firn verify --all --expect "$head"
run firn ledger log --count 5

step "Even full control of the database can't change the past unseen"
url=$(firn url)
tampered=${url/@\/firn/@\/tampered} admin=${url/@\/firn/@\/postgres}
for change in \
    "update firn.definitions set body = replace(body, '7d', '8d') where name = 'spend_7d.v1'" \
    "delete from firn.ledger where entry = 3" \
    "update firn_source.transactions set amount = 0 where firn_position = 5" \
    "update firn_cache.bodies set body = (select body from firn_cache.bodies order by address limit 1)" \
    "update firn.snapshots set manifest = replace(manifest, '\"mode\":\"as_served\"', '\"mode\":\"hindsight\"')"; do
    # Each on a copy of its own, and with its guards back as they were.
    psql -qX "$admin" -c "create database tampered template firn"
    psql -qX "$tampered" -c "do \$\$ declare t record; begin for t in select schemaname, tablename from pg_tables where schemaname like 'firn%' loop
        execute format('alter table %I.%I disable trigger all', t.schemaname, t.tablename); end loop; end \$\$" -c "$change" \
        -c "do \$\$ declare t record; begin for t in select schemaname, tablename from pg_tables where schemaname in ('firn', 'firn_source') loop
        execute format('alter table %I.%I enable trigger all', t.schemaname, t.tablename);
        execute format('alter table %I.%I enable always trigger firn_guard', t.schemaname, t.tablename); end loop; end \$\$"
    echo "-- $change"
    FIRN_DATABASE_URL=$tampered finds firn verify --all --expect "$head"
    psql -qX "$admin" -c "drop database tampered"
done
printf '```\n\nEvery change was found.\n'
