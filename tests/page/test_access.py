"""Who may do what: by password, as a user, by a proxy, by a token; every route and every role."""

from __future__ import annotations

import io
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.routing import Mount, Route

from monitor.cli import main
from monitor.config_connections import Secret
from monitor.config_file import load_config
from monitor.journal.asks import AskStore
from monitor.journal.views import JournalViews
from monitor.page import users
from monitor.page.people import Role
from monitor.settings import ConfigError
from tests.browser import chromium
from tests.page.asking import Answer, Asking
from tests.page_stage import fill, serve, write_config

PASSWORD = "correct horse"
NOBODY = None
NEEDED: dict[tuple[str, str], Role | None] = {
    ("GET", "/"): NOBODY,
    ("GET", "/login"): NOBODY,
    ("GET", "/api/login"): NOBODY,
    ("POST", "/api/login"): NOBODY,
    ("POST", "/api/logout"): Role.VIEWER,
    ("GET", "/api/session"): Role.VIEWER,
    ("GET", "/api/live"): Role.VIEWER,
    ("GET", "/api/timeline"): Role.VIEWER,
    ("GET", "/api/rows/{row_id:int}"): Role.VIEWER,
    ("GET", "/api/rows/{row_id:int}/waveform"): Role.VIEWER,
    ("GET", "/api/rows/{row_id:int}/last-ok"): Role.VIEWER,
    ("GET", "/api/diagnosis"): Role.VIEWER,
    ("GET", "/api/promise"): Role.VIEWER,
    ("GET", "/api/trend"): Role.VIEWER,
    ("GET", "/api/trend/points"): Role.VIEWER,
    ("GET", "/api/export"): Role.VIEWER,
    ("GET", "/api/export/sizes"): Role.VIEWER,
    ("GET", "/api/events"): Role.VIEWER,
    ("GET", "/api/events/{event_id:int}/row"): Role.VIEWER,
    ("GET", "/api/refused"): Role.VIEWER,
    ("GET", "/api/delivery"): Role.VIEWER,
    ("GET", "/api/settings"): Role.VIEWER,
    ("GET", "/api/v1/openapi.json"): NOBODY,
    ("GET", "/api/v1/points"): Role.VIEWER,
    ("GET", "/api/v1/verdicts"): Role.VIEWER,
    ("GET", "/api/v1/verdicts/new"): Role.VIEWER,
    ("GET", "/api/v1/verdicts/{row}"): Role.VIEWER,
    ("GET", "/api/v1/verdicts/{row}/map"): Role.VIEWER,
    ("GET", "/api/v1/trend"): Role.VIEWER,
    ("GET", "/api/v1/events"): Role.VIEWER,
    ("GET", "/api/rows/{row_id:int}/spectrum"): Role.VIEWER,
    ("GET", "/api/rows/{row_id:int}/sound"): Role.VIEWER,
    ("POST", "/api/labels"): Role.OPERATOR,
    ("POST", "/api/mutes"): Role.OPERATOR,
    ("POST", "/api/mutes/end"): Role.OPERATOR,
    ("POST", "/api/repairs"): Role.OPERATOR,
    ("POST", "/api/diagnoses"): Role.OPERATOR,
    ("POST", "/api/acknowledgements"): Role.OPERATOR,
    ("POST", "/api/commissionings"): Role.ADMIN,
    ("POST", "/api/commissionings/undo"): Role.ADMIN,
    ("POST", "/api/resend"): Role.ADMIN,
    ("POST", "/api/settings/reload"): Role.ADMIN,
}


# An instance has none of its own; a session that ended would be missed.
OF_THE_PAGE = ("/at/second/api/session", "/at/second/api/live", "/api/logout")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "camshaft.journal"
    fill(path, n_windows=12)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three users; each has the one password, for hashing takes its time."""
    path = tmp_path_factory.mktemp("users") / "page-users"
    hashed = users.hash_password(PASSWORD)
    everybody = [users.User(f"a {role}", role, hashed) for role in Role]
    users.write_file(path, {user.name: user for user in everybody})
    return path


@pytest.fixture(scope="module")
def page(journal: Path, file: Path) -> Asking:
    """With another instance, whose addresses are the same below /at/second."""
    second = "instances: [{name: second, journal: second.journal}]"
    fill(journal.with_name("second.journal"), n_windows=4)
    return Asking(journal.parent, f"page: {{users: {{file: {file}}}, {second}}}")


@pytest.fixture(scope="module")
def sessions(page: Asking) -> dict[Role, dict[str, str]]:
    return {role: log_in(page, f"a {role}", PASSWORD) for role in Role}


def log_in(page: Asking, user: str, password: str) -> dict[str, str]:
    answer = page.ask("POST", "/api/login", {"user": user, "password": password})
    assert answer.status == 200, answer.tree
    return with_csrf(page, {"Cookie": answer.cookie})


def with_csrf(page: Asking, headers: dict[str, str]) -> dict[str, str]:
    session = page.ask("GET", "/api/session", headers=headers).tree
    return {**headers, "X-CSRF-Token": session["csrf"]}


# -- routes ---------------------------------------------------------------------------------------


def routes(page: Asking) -> Iterator[tuple[str, str]]:
    for route in page.app.routes:
        if isinstance(route, Route):
            yield from ((method, route.path) for method in (route.methods or ()))
        else:
            assert isinstance(route, Mount)
            # Scripts and styles, which anybody may have; and other instances, asked below.
            assert route.path in ("/static", "/at/{instance}")


def test_every_route_has_its_role(page: Asking) -> None:
    found = {one for one in routes(page) if one[0] != "HEAD"}
    assert found == NEEDED.keys()


@pytest.mark.parametrize(
    ("method", "path"),
    [*NEEDED, *((method, f"/at/second{path}") for method, path in NEEDED)],
)
def test_no_route_lets_in_whoever_may_not(
    method: str, path: str, page: Asking, sessions: dict[Role, dict[str, str]]
) -> None:
    needed = NEEDED[method, path.removeprefix("/at/second")]
    place = path.replace("{row_id:int}", "1").replace("{event_id:int}", "1")
    place = place.replace("{row}", "1")
    if needed is None or path.endswith(OF_THE_PAGE):
        return  # sessions are needed below
    tree: dict[str, object] | None = {} if method == "POST" else None
    assert page.ask(method, place, tree).status == 401
    for role in Role:
        answer = page.ask(method, place, tree, sessions[role])
        if role.covers(needed):
            assert answer.status not in (401, 403, 500), answer.body
        else:
            assert answer.status == 403
            said = f"a {role} has the role {role}: this needs the role {needed}."
            assert answer.tree["error"] == said
        if method == "POST":  # without the CSRF word not even an admin
            bare = {"Cookie": sessions[role]["Cookie"]}
            assert page.ask(method, place, tree, bare).status == 403


# -- who did what ---------------------------------------------------------------------------------


def test_the_name_of_who_logged_in_is_written_whatever_the_request_says(
    page: Asking, journal: Path, sessions: dict[Role, dict[str, str]]
) -> None:
    views = JournalViews(journal)
    (alarm,) = views.unacknowledged().values()
    claimed = {"author": "The Director", "comment": "ordered"}
    headers = sessions[Role.OPERATOR]
    soon_ms = (time.time_ns() + 3600 * 10**9) // 10**6
    asked = [
        ("/api/acknowledgements", {"event_id": alarm, **claimed}),
        ("/api/labels", {"row_id": 1, "word": "unclear", **claimed}),
        ("/api/mutes", {"sensor": "fan-9/motor", "until_ms": soon_ms, **claimed}),
        ("/api/mutes/end", {"sensor": "fan-9/motor", **claimed}),
        ("/api/diagnoses", {"sensor": "fan-9/motor", **claimed}),
    ]
    for path, tree in asked:
        assert page.ask("POST", path, tree, headers).status == 200
    unmuted, muted, label, acknowledged = [
        event.text for event in views.events_back(None, 4)
    ]
    assert acknowledged == "acknowledged by a operator: ordered"
    assert label == "unclear by a operator: ordered"
    assert muted.endswith(" by a operator: ordered")
    assert unmuted == "unmuted by a operator"
    with closing(AskStore(journal)) as store:
        assert [one.author for one in store.open()] == ["a operator"]
    views.close()


def test_with_the_one_password_people_sign_by_themselves(journal: Path) -> None:
    page = Asking(journal.parent, password=PASSWORD)
    headers = log_in(page, "", PASSWORD)
    session = page.ask("GET", "/api/session", headers=headers).tree
    assert (session["user"], session["role"]) == ("", "admin")
    tree = {"row_id": 2, "word": "unclear", "author": "Ann"}
    assert page.ask("POST", "/api/labels", tree, headers).status == 200
    views = JournalViews(journal)
    assert views.events_back(None, 1)[0].text == "unclear by Ann"
    views.close()


# -- users ----------------------------------------------------------------------------------------


def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nobody(page: Asking) -> None:
    took_s = []
    for user, word in (("a viewer", "wrong horse"), ("nobody", PASSWORD), ("", PASSWORD)):
        began_s = time.process_time()  # of hashing; others may have the machine
        answer = page.ask("POST", "/api/login", {"user": user, "password": word})
        took_s.append(time.process_time() - began_s)
        assert answer.status == 403
        assert answer.tree["error"] == "The name or the password is wrong."
    assert abs(took_s[0] - took_s[1]) < took_s[0] / 2
    for odd in ({"user": 3, "password": PASSWORD}, {"user": "a viewer"}, {}):
        assert page.ask("POST", "/api/login", odd).status == 403


def test_a_session_ends_with_what_it_rests_on(journal: Path, tmp_path: Path) -> None:
    """Removed, another role, another password: from the next request on."""
    file, hashed = tmp_path / "users", users.hash_password(PASSWORD)
    ann = users.User("Ann", Role.ADMIN, hashed)

    def write(*those: users.User) -> None:
        users.write_file(file, {user.name: user for user in those})

    write(ann)
    page = Asking(journal.parent, f"page: {{users: {{file: {file}}}}}")
    changes: list[tuple[users.User, ...]] = [
        (),
        (users.User("Ann", Role.VIEWER, hashed),),
        (users.User("Ann", Role.ADMIN, users.hash_password("other horse")),),
    ]
    for change in changes:
        write(ann)
        headers = log_in(page, "Ann", PASSWORD)
        assert page.ask("GET", "/api/events", headers=headers).status == 200
        write(*change)
        assert page.ask("GET", "/api/events", headers=headers).status == 401


def test_a_file_that_breaks_is_said_and_the_last_good_one_holds(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "users"
    path.write_text(file.read_text())
    known = users.Users(Secret(file=path))
    path.write_text("Ann:admin:hunter2\n")
    assert known.person("a viewer") is not None
    assert known.person("Ann") is None
    assert "page.users, line 1: must be name:role:hash" in caplog.text
    assert "hunter2" not in caplog.text
    path.unlink()
    assert known.person("a viewer") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ann\n", "page.users, line 1: must be name:role:hash"),
        ("# a note\n\nAnn:admin:plain\n", "page.users, line 3: must be name:role:hash"),
        (
            f"Ann:boss:{users.NOBODY}\n",
            "the role 'boss' must be one of viewer, operator, admin.",
        ),
        (f":admin:{users.NOBODY}\n", "user '': a name has 1 to 80 printable characters"),
        (f"A:admin:{users.NOBODY}\n" * 2, "page.users, line 2: 'A' stands there twice."),
        ("#" * (users.MAX_FILE_CHARS + 1), "characters: at most 1048576 are read."),
        (
            "\n".join(f"{n}:viewer:{users.NOBODY}" for n in range(users.MAX_USERS + 1)),
            "page.users has 1001 users: at most 1000 can be known.",
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        users.parse(text, "page.users")
    assert said in str(refused.value)
    assert "plain" not in str(refused.value)


# -- camshaft page-user ---------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, f"page: {{users: {{file: {tmp_path / 'users'}}}}}")


def page_user(
    monkeypatch: pytest.MonkeyPatch, config: Path, *words: str, typed: str = PASSWORD
) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))
    return main(["page-user", "-c", str(config), *words])


def test_a_user_is_added_changed_listed_and_removed(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config.parent / "users"
    assert page_user(monkeypatch, config, "Ann", "--role", "operator") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    assert PASSWORD not in file.read_text()
    known = users.Users(Secret(file=file))
    assert known.log_in("Ann", PASSWORD) is not None
    assert known.log_in("Ann", PASSWORD + " ") is None
    assert page_user(monkeypatch, config, "Ann", typed="another horse") == 0
    person = known.log_in("Ann", "another horse")
    assert person is not None
    assert person.role == Role.OPERATOR  # as it was
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    capsys.readouterr()
    assert page_user(monkeypatch, config) == 0
    assert capsys.readouterr().out == "operator  Ann\n"
    assert page_user(monkeypatch, config, "Ann", "--remove") == 0
    assert known.person("Ann") is None
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err
    assert sorted(path.name for path in config.parent.iterdir()) == [
        "camshaft.yaml",
        "users",
    ]


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["Ann"], "short", "The password has 5 characters: it needs 8 to 1000."),
        (["A:nn"], PASSWORD, "user 'A:nn': a name has"),
        (["Bob", "--remove"], "", "There is no user 'Bob' in "),
        (["--remove"], "", "camshaft page-user needs a NAME for --role and --remove."),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str],
    typed: str,
    said: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert page_user(monkeypatch, config, *words, typed=typed) == 2
    assert said in capsys.readouterr().err
    assert not (config.parent / "users").exists()


def test_without_a_file_named_it_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    assert page_user(monkeypatch, config, "Ann") == 2
    assert "page.users names no file" in capsys.readouterr().err
    named = ["Ann", "--file", str(tmp_path / "elsewhere")]
    assert page_user(monkeypatch, config, *named) == 0
    assert users.read_file(tmp_path / "elsewhere").keys() == {"Ann"}


# -- a proxy --------------------------------------------------------------------------------------

PROXY = "page: {proxy: {address: 192.0.2.1, role_header: X-Groups, role: viewer}}"


def by_proxy(page: Asking, address: str = "192.0.2.1", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return page.ask("GET", "/", headers=named, client=address)


def test_the_proxys_word_counts_from_its_own_address_alone(journal: Path) -> None:
    page = Asking(journal.parent, PROXY)
    assert by_proxy(page, X_Remote_User="Ann").status == 200
    assert by_proxy(page, "::ffff:192.0.2.1", X_Remote_User="Ann").status == 200
    for address in ("192.0.2.2", "127.0.0.1", "", "testclient"):
        forged = by_proxy(page, address, X_Remote_User="Ann", X_Forwarded_For="192.0.2.1")
        assert forged.status == 401
        assert "did not say who you are" in forged.tree["error"]
    assert by_proxy(page).status == 401
    assert by_proxy(page, X_Remote_User="A:nn").status == 403


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("", "viewer"),
        ("staff", "viewer"),
        ("staff, operator", "operator"),
        ("admin;viewer", "admin"),
        ("administrators", "viewer"),
    ],
)
def test_the_highest_role_that_the_proxy_names_holds(
    groups: str, role: str, journal: Path
) -> None:
    page = Asking(journal.parent, PROXY)
    told = {"X-Remote-User": "Zoë", "X-Groups": groups}
    cookie = page.ask("GET", "/", headers=told, client="192.0.2.1").cookie
    headers = {**told, "Cookie": cookie}
    session = page.ask("GET", "/api/session", headers=headers, client="192.0.2.1").tree
    assert (session["user"], session["role"]) == ("Zoë", role)


def test_a_proxied_session_is_of_one_person_in_one_role(journal: Path) -> None:
    page = Asking(journal.parent, PROXY)
    ann = {"X-Remote-User": "Ann", "X-Groups": "admin"}
    cookie = page.ask("GET", "/", headers=ann, client="192.0.2.1").cookie

    def asked(client: str = "192.0.2.1", **changes: str) -> int:
        headers = {**ann, "Cookie": cookie, **changes}
        return page.ask("GET", "/api/events", headers=headers, client=client).status

    assert asked() == 200
    assert asked(**{"X-Remote-User": "Bob"}) == 401
    assert asked(**{"X-Groups": "viewer"}) == 401
    assert asked(**{"X-Remote-User": ""}) == 401
    assert asked("192.0.2.2") == 401


def test_a_proxy_must_be_named_by_its_number(tmp_path: Path) -> None:
    path = write_config(tmp_path, "page: {proxy: {address: proxy.example}}")
    with pytest.raises(ConfigError, match="must be an IP address, not a name"):
        load_config(path)


# -- in a browser ---------------------------------------------------------------------------------


def test_a_browser_shows_what_the_role_may(tmp_path: Path, file: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=12)
    settings = f"page: {{users: {{file: {file}}}}}"
    with chromium() as browser, serve(tmp_path, settings) as served:
        window = browser.new_page()
        for role, fields in (("viewer", 0), ("operator", 1)):
            window.goto(served.address)
            window.fill("#user", f"a {role}")
            window.fill("#password", PASSWORD)
            window.click("button[type=submit]")
            window.wait_for_selector(".tile")
            window.goto(f"{served.address}/#/point/mill-2%2Fspindle")
            window.wait_for_selector("#sum:not(:empty)")
            assert window.locator("#commission-form").count() == 0
            assert window.locator("#label-form").count() == fields
            if role == "viewer":
                assert (
                    "Labelling takes the role operator; yours is viewer."
                    in window.inner_text("body")
                )
            else:
                author = window.locator("#label-form [name=author]")
                assert (author.input_value(), author.is_editable()) == ("a operator", False)
            window.click("#logout")
            window.wait_for_selector("#user")
