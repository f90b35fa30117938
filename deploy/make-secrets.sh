#!/bin/sh
# Write the passwords of docker-compose.yml, new and random, into ./secrets (or the folder that is named).
# The folder is its owner's alone; the files in it may be read by all, since the users in the containers are others.
set -eu
umask 077
folder=${1:-secrets}
if [ -e "$folder" ]; then
    echo "$folder is there already: its passwords are in use; remove it only together with the volumes" >&2
    exit 1
fi
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
put() { printf '%s\n' "$2" >"$made/$1" && chmod 444 "$made/$1"; }

made=$(mktemp -d "$folder.XXXXXX") # moved in one step: never half of the passwords
postgres=$(password) owner=$(password) store=$(password) redis=$(password) elastic=$(password) kibana=$(password) wireroom=$(password) dashboards=$(password)
put postgres_password "$postgres"
put owner_password "$owner"
put store_password "$store"
put redis_password "$redis"
put redis_acl "user default off
user wireroom on #$(digest "$redis") ~wireroom:* &* +@all -@admin -@dangerous +info"
put elastic_password "$elastic"
put kibana_password "$kibana"
put kibana_encryption_key "$(password)"
put wireroom_password "$wireroom"
put dashboards_password "$dashboards"
put owner_url "postgresql://wireroom_owner:$owner@postgres:5432/wireroom"
put store_url "postgresql://wireroom:$store@postgres:5432/wireroom"
put broker_url "redis://wireroom:$redis@redis:6379/0"
put index_url "http://wireroom:$wireroom@elasticsearch:9200"
put kibana_url "http://dashboards:$dashboards@kibana:5601"
mv "$made" "$folder"
echo "$folder: $(ls "$folder" | wc -l) files; keep a copy where you keep passwords"
