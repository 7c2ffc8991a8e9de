"""The 96 routes that homer-app has below its base path: who may ask, before anything else is looked at."""

import re
from typing import NamedTuple

import pytest

from tests.support.api import Api, an_api, bearer

TABLE = """
 1 POST   /auth                                none
 2 GET    /auth/type/list                      none
 3 GET    /oauth2/redirect/{provider}          none
 4 GET    /oauth2/auth/{provider}              none
 5 POST   /oauth2/token                        none
 6 GET    /users                               user
 7 GET    /users/groups                        user
 8 GET    /users/profile                       user
 9 GET    /users/{guid}                        user
10 POST   /users                               admin
11 PUT    /users/{guid}                        user
12 DELETE /users/{guid}                        admin
13 GET    /token/auth                          admin
14 GET    /token/auth/{guid}                   admin
15 POST   /token/auth                          admin
16 PUT    /token/auth/{guid}                   admin
17 DELETE /token/auth/{guid}                   admin
18 POST   /search/call/data                    user
19 POST   /search/call/message                 user
20 POST   /search/call/decode/message          user
21 POST   /call/transaction                    user
22 POST   /call/report/qos                     user
23 POST   /call/report/log                     user
24 POST   /export/call/messages/pcap           user
25 POST   /export/call/messages/text           user
26 POST   /import/data/pcap                    user
27 POST   /import/data/pcap/now                user
28 GET    /mapping/protocol                    user
29 GET    /mapping/protocol/reset              user
30 GET    /mapping/protocol/reset/{guid}       user
31 GET    /mapping/protocol/{id}/{transaction} user
32 GET    /mapping/protocol/{guid}             user
33 POST   /mapping/protocol                    admin
34 PUT    /mapping/protocol/{guid}             admin
35 DELETE /mapping/protocol/{guid}             admin
36 GET    /smart/search/tag/{hepid}/{profile}  user
37 GET    /dashboard/info                      user
38 GET    /dashboard/reset                     user
39 GET    /dashboard/store/{dashboard}         user
40 POST   /dashboard/store/{dashboard}         user
41 PUT    /dashboard/store/{dashboard}         user
42 DELETE /dashboard/store/{dashboard}         user
43 GET    /user/settings                       user
44 GET    /user/settings/{category}            user
45 POST   /user/settings                       user
46 PUT    /user/settings/{category}            user
47 DELETE /user/settings/{category}            user
48 GET    /alias                               user
49 POST   /alias                               admin
50 PUT    /alias/{guid}                        admin
51 DELETE /alias/{guid}                        admin
52 GET    /advanced                            user
53 GET    /advanced/{guid}                     user
54 POST   /advanced                            admin
55 PUT    /advanced/{guid}                     admin
56 DELETE /advanced/{guid}                     admin
57 GET    /hepsub/protocol                     user
58 GET    /hepsub/protocol/{id}/{transaction}  user
59 GET    /hepsub/protocol/{guid}              user
60 POST   /hepsub/protocol                     admin
61 PUT    /hepsub/protocol/{guid}              admin
62 DELETE /hepsub/protocol/{guid}              admin
63 POST   /hepsub/search                       user
64 POST   /agent/subscribe                     agent
65 GET    /agent/subscribe                     user
66 GET    /agent/type                          user
67 GET    /agent/type/{type}                   user
68 GET    /agent/subscribe/{guid}              user
69 PUT    /agent/subscribe/{guid}              admin
70 DELETE /agent/subscribe/{guid}              admin
71 POST   /agent/search/{guid}/{type}          user
72 GET    /admin/profiles                      user
73 GET    /database/node/list                  user
74 GET    /modules/status                      user
75 POST   /statistic/data                      user
76 GET    /statistic/_db                       user
77 POST   /statistic/_retentions               user
78 GET    /statistic/_measurements/{database}  user
79 POST   /statistic/_metrics                  user
80 POST   /statistic/_tags                     user
81 POST   /prometheus/data                     user
82 POST   /prometheus/value                    user
83 GET    /prometheus/labels                   user
84 GET    /prometheus/label/{name}             user
85 GET    /search/remote/label                 user
86 GET    /search/remote/values                user
87 POST   /search/remote/data                  user
88 GET    /proxy/grafana/url                   user
89 GET    /proxy/grafana/path                  user
90 GET    /proxy/grafana/status                user
91 GET    /proxy/grafana/org                   user
92 GET    /proxy/grafana/folders               user
93 GET    /proxy/grafana/search/{uid}          user
94 GET    /proxy/grafana/dashboards/uid/{uid}  user
95 GET    /proxy/grafana/request/d/{uid}/{param} user
"""
"""Route 96, `/ws`, is no HTTP. 69 and 70 were for every user in Homer, who could so have any host asked."""
MISSING = (401, {"message": "missing or malformed jwt"})
NO_ADMIN = (403, {"message": "This API requires admin access."})


class Route(NamedTuple):
    method: str
    path: str
    level: str


ROUTES = [Route(*line.split()[1:]) for line in TABLE.strip().splitlines()]
IDS = [f"{route.method} {route.path}" for route in ROUTES]
ADMINS = [route for route in ROUTES if route.level == "admin"]


async def ask(api: Api, route: Route, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    path = re.sub(r"{\w+}", "x", route.path)
    answer = await api.client.request(route.method, f"/api/v3{path}", headers=headers, json={})
    return answer.status_code, answer.json()


def test_table_has_every_route() -> None:
    assert len(ROUTES) == 95


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
async def test_stranger_is_refused_where_a_login_is_needed(route: Route) -> None:
    async with an_api() as api:
        api.trust(alice="user")
        answer = await ask(api, route, {})

    assert (answer == MISSING) == (route.level in ("user", "admin")), answer


@pytest.mark.parametrize("route", ADMINS, ids=[f"{route.method} {route.path}" for route in ADMINS])
async def test_user_is_refused_where_an_administrator_is_needed(route: Route) -> None:
    async with an_api() as api:
        api.trust(alice="user")
        answer = await ask(api, route, bearer("alice"))

    assert answer == NO_ADMIN


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
async def test_route_is_there_for_who_may_ask(route: Route) -> None:
    async with an_api() as api:
        api.trust(admin="admin")
        status, answer = await ask(api, route, bearer("admin"))

    assert status not in (401, 403, 404, 405, 500), answer
