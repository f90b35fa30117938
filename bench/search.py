"""Measure searches through Wireroom's Searcher beside the raw query on the same Elasticsearch server, in turn.

The index holds the texts of 181 real pages, many times over with distinct ids, names and dates. The raw side sends
the very same body with the same client and reads nothing of the answer: what is between the two is Wireroom's own
work. Each search is asked once by either side, then the next, so that a slow moment of the machine meets both.

    python -m bench.search [--url http://127.0.0.1:9200] [--documents 10000] [--rounds 200] [--corpora ../shared/corpora]

Without `--url` it starts a server of its own (see tests/servers.py).
"""
