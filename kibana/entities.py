"""Dashboard *Entities*: one name over time, with whom, where, and who writes of it."""

from kibana.declarations import (
    Chart,
    Control,
    Dashboard,
    Listing,
    Metric,
    Operation,
    OverTime,
    Panel,
    Row,
    Top,
)
from kibana.news import LATEST_STORIES
from kibana.views import ARTICLES

ENTITIES = Dashboard(
    id="wireroom-entities",
    title="Wireroom: Entities",
    description=(
        "Choose a name above: its articles over time, the people, organizations and places named with it "
        "(itself first), the outlets that write of it, and the articles. Without a choice: all names."
    ),
    since="now-30d",
    controls=(
        Control(id="name", title="Any name", field="entities.all", view=ARTICLES),
        Control(id="person", title="Person", field="entities.person", view=ARTICLES),
        Control(id="organization", title="Organization", field="entities.organization", view=ARTICLES),
        Control(id="place", title="Place", field="entities.place", view=ARTICLES),
        Control(id="language", title="Language", field="language", view=ARTICLES),
    ),
    rows=(
        Row(
            height=12,
            panels=(
                Panel(
                    id="articles",
                    title="Articles",
                    description="Articles that name it in the chosen time.",
                    chart=Chart.NUMBER,
                    view=ARTICLES,
                    width=8,
                ),
                Panel(
                    id="over-time",
                    title="Over time, by outlet",
                    description="When it is written about, and by whom.",
                    chart=Chart.BARS,
                    view=ARTICLES,
                    width=40,
                    splits=(OverTime(), Top(label="outlet", field="outlet.name", size=9, others=True)),
                ),
            ),
        ),
        Row(
            height=14,
            panels=tuple(
                Panel(
                    id=id,
                    title=title,
                    description=description,
                    chart=Chart.TABLE,
                    view=ARTICLES,
                    width=16,
                    splits=(Top(label=label, field=field, size=50),),
                )
                for id, title, label, field, description in (
                    (
                        "with-whom",
                        "With whom",
                        "person",
                        "entities.person",
                        "People in the same articles.",
                    ),
                    (
                        "with-which",
                        "With which organizations",
                        "organization",
                        "entities.organization",
                        "Organizations in the same articles.",
                    ),
                    ("where", "Where", "place", "entities.place", "Places in the same articles."),
                )
            ),
        ),
        Row(
            height=14,
            panels=(
                Panel(
                    id="bound",
                    title="Bound to it",
                    description=(
                        "Names that are more frequent beside it than in all that is indexed (significant "
                        "terms): its own circle, without those who are in every article."
                    ),
                    chart=Chart.CLOUD,
                    view=ARTICLES,
                    width=24,
                    splits=(Top(label="name", field="entities.all", size=40, significant=True),),
                ),
                Panel(
                    id="who-writes",
                    title="Who writes of it",
                    description="Outlets by their articles, with the latest of the chosen time.",
                    chart=Chart.TABLE,
                    view=ARTICLES,
                    width=24,
                    metrics=(
                        Metric(label="articles"),
                        Metric(label="latest", operation=Operation.MAX, field="@timestamp", is_date=True),
                        Metric(label="languages", operation=Operation.UNIQUE, field="language"),
                    ),
                    splits=(Top(label="outlet", field="outlet.name", size=50),),
                ),
            ),
        ),
        Row(height=20, panels=(Listing(id="latest", search=LATEST_STORIES),)),
    ),
)
