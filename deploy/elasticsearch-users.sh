#!/bin/sh
# Give Kibana its password, Wireroom a user that sees no index but its own, and its dashboards one that sees none.
# It may be run again at any time.
set -eu
umask 077
url=${ELASTICSEARCH_URL:-http://elasticsearch:9200}
secrets=${SECRETS:-/run/secrets}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'user = "elastic:%s"\n' "$(cat "$secrets/elastic_password")" >"$work/curl" # not an argument, which `ps` shows

send() {
    curl --config "$work/curl" --silent --show-error --fail-with-body --max-time 30 \
        --request "$1" --header 'Content-Type: application/json' --data @- --output "$work/answer" "$url/$2" ||
        { cat "$work/answer" >&2; exit 1; }
}

send POST _security/user/kibana_system/_password <<END
{"password": "$(cat "$secrets/kibana_password")"}
END
send PUT _security/role/wireroom <<END
{"cluster": ["monitor", "manage_index_templates"],
 "indices": [{"names": ["wireroom-*"], "privileges": ["all"]}],
 "metadata": {"managed_by": "wireroom"}}
END
send PUT _security/user/wireroom <<END
{"password": "$(cat "$secrets/wireroom_password")", "roles": ["wireroom"], "full_name": "Wireroom's workers"}
END
send PUT _security/user/dashboards <<END
{"password": "$(cat "$secrets/dashboards_password")", "roles": ["kibana_admin"], "full_name": "Installs Wireroom's dashboards"}
END
echo "users are as they should be"
