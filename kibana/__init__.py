"""What Kibana shows of Wireroom, as code: declarations, and the NDJSON that Kibana 8.16 and later imports.

`declarations` has the words; `news`, `entities` and `pipeline_health` say what there is; `lens` and
`saved_objects` write it as Kibana keeps it; `installing` sends it. Nothing here knows store or workers.
"""
