#!/bin/sh
# Write the passwords of docker-compose.yml, new and random, into ./secrets (or the folder that is named). In a folder
# that is there already, only what is missing is written, as after an update that needs more of them.
# The folder is its owner's alone; the files in it may be read by all, since the users in the containers are others.
set -eu
umask 077
folder=${1:-secrets}
made=$(mktemp -d "$folder.XXXXXX") # a new folder is moved in one step: never half of the passwords
trap 'rm -rf "$made"' EXIT

digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
new() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
password() { [ -s "$folder/${1}_password" ] && cat "$folder/${1}_password" || new; }
# Write FILE VALUE PASSWORD, unless both are there: what names a new password is new, too.
put() { [ -s "$folder/$1" ] && [ -s "$folder/$3" ] || { printf '%s\n' "$2" >"$made/$1" && chmod 444 "$made/$1"; }; }

# These two are set once, with the first start of their servers: a new one would open nothing.
if [ -s "$folder/redis_password" ]; then
    for server in postgres elastic; do
        [ -s "$folder/${server}_password" ] || {
            echo "$folder/${server}_password is gone, and its server has it still: put it back from your copy" >&2
            exit 1
        }
    done
fi

postgres=$(password postgres) owner=$(password owner) store=$(password store) redis=$(password redis)
elastic=$(password elastic) kibana=$(password kibana) wireroom=$(password wireroom) dashboards=$(password dashboards)
put postgres_password "$postgres" postgres_password
put owner_password "$owner" owner_password
put store_password "$store" store_password
put redis_password "$redis" redis_password
put elastic_password "$elastic" elastic_password
put kibana_password "$kibana" kibana_password
put wireroom_password "$wireroom" wireroom_password
put dashboards_password "$dashboards" dashboards_password
put kibana_encryption_key "$(new)" kibana_encryption_key
put redis_acl "user default off
user wireroom on #$(digest "$redis") ~wireroom:* &* +@all -@admin -@dangerous +info" redis_password
put owner_url "postgresql://wireroom_owner:$owner@postgres:5432/wireroom" owner_password
put store_url "postgresql://wireroom:$store@postgres:5432/wireroom" store_password
put broker_url "redis://wireroom:$redis@redis:6379/0" redis_password
put index_url "http://wireroom:$wireroom@elasticsearch:9200" wireroom_password
put kibana_url "http://dashboards:$dashboards@kibana:5601" dashboards_password

if [ ! -e "$folder" ]; then
    mv "$made" "$folder"
    echo "$folder: $(ls "$folder" | wc -l) files; keep a copy where you keep passwords"
elif added=$(ls "$made") && [ -n "$added" ]; then
    for file in "$made"/*_url "$made"/*_acl "$made"/*; do # passwords last: without its own an address is written again
        [ ! -e "$file" ] || mv -f "$file" "$folder"
    done
    echo "$folder: written" $added "and nothing else; keep a copy where you keep passwords"
else
    echo "$folder: nothing is missing"
fi
