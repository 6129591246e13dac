from __future__ import annotations

import threading
from collections.abc import Iterator

import moto
import pytest
from cluster_fakes import NAME, Gate, World, holder, ports, rendering, spec, written

from fmctl.adapters.aws.s3store import S3Store
from fmctl.adapters.aws.session import Session
from fmctl.base.errors import FmctlError, OperationFailed, UsageError
from fmctl.operate.launch import launch
from fmctl.operate.state import StateStore, save
from fmctl.operate.state.files import FileStore
from fmctl.operate.state.locks import release, take
from fmctl.operate.status import status
from fmctl.operate.teardown import teardown


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        session = Session(region="us-east-1")
        session.client("s3").create_bucket(Bucket="team")
        yield session


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StateStore:
    if request.param == "file":
        return FileStore(tmp_path_factory.mktemp("data"))
    return S3Store(request.getfixturevalue("bucket"), "s3://team/ml")


def test_a_new_text_is_written_once(store: StateStore) -> None:
    assert store.read("clusters/a.json") is None
    made = store.create("clusters/a.json", "one")
    assert made is not None
    assert store.read("clusters/a.json") == made
    assert store.create("clusters/a.json", "two") is None
    assert store.keys("clusters") == ("clusters/a.json",)
    assert store.keys("plans") == ()


def test_no_update_is_lost(store: StateStore) -> None:
    made = store.create("clusters/a.json", "one")
    assert made is not None
    second = store.replace("clusters/a.json", "two", made.version)
    assert second is not None
    assert store.replace("clusters/a.json", "three", made.version) is None
    assert store.read("clusters/a.json") == second
    assert store.replace("clusters/none.json", "x", made.version) is None


def test_appending_goes_on_from_what_was_read_or_not_at_all(store: StateStore) -> None:
    first = store.append("journals/a.jsonl", "1\n", None)
    assert first is not None
    second = store.append("journals/a.jsonl", "2\n", first)
    assert second is not None
    assert second.text == "1\n2\n"
    assert store.append("journals/a.jsonl", "3\n", first) is None
    assert store.append("journals/a.jsonl", "3\n", None) is None
    assert store.read("journals/a.jsonl") == second


def test_only_the_version_that_was_meant_is_removed(store: StateStore) -> None:
    made = store.create("locks/a.json", "one")
    assert made is not None
    changed = save(store, "locks/a.json", "two")
    assert not store.remove("locks/a.json", made.version)
    assert store.remove("locks/a.json", changed.version)
    assert store.read("locks/a.json") is None
    assert not store.remove("locks/a.json", changed.version)


def test_of_many_who_want_a_lock_one_gets_it(store: StateStore) -> None:
    got: list[int] = []

    def want(pid: int) -> None:
        seen = ports(World(), Gate(), {}, pid, store=store)
        try:
            take(store, "run1", seen.me, seen.clock, is_alive=lambda _: True)
            got.append(pid)
        except FmctlError:
            return

    if isinstance(store, S3Store):  # S3 compares and writes in one step; whether moto does between threads is not known
        for pid in range(8):
            want(pid)
        assert got == [0]
        return
    crowd = [threading.Thread(target=want, args=(pid,)) for pid in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert len(got) == 1


def test_a_dead_holder_is_followed_and_one_elsewhere_only_by_force(store: StateStore) -> None:
    clock = ports(World(), Gate(), {}).clock
    take(store, "run1", holder(1), clock, is_alive=lambda _: True)
    with pytest.raises(OperationFailed, match="locked") as caught:
        take(store, "run1", holder(2), clock, is_alive=lambda _: None)
    assert "--break-lock" in (caught.value.next or "")
    forced = take(store, "run1", holder(2), clock, is_alive=lambda _: None, break_lock=True)
    assert "process 1" in forced.taken_from
    third = take(store, "run1", holder(3), clock, is_alive=lambda _: False)
    release(store, forced)  # a broken lock is not given back over the head of its new holder
    with pytest.raises(OperationFailed):
        take(store, "run1", holder(4), clock, is_alive=lambda _: True, break_lock=True)
    release(store, third)
    take(store, "run1", holder(5), clock, is_alive=lambda _: True)


def test_an_address_is_checked() -> None:
    for url in ("team/ml", "s3://", "https://team"):
        with pytest.raises(UsageError):
            S3Store(Session(), url)
    assert S3Store(Session(), "s3://team").where == "s3://team"


def test_a_write_whose_answer_was_lost_is_recognised(bucket: Session) -> None:
    store = S3Store(bucket, "s3://team")
    client = bucket.client("s3")
    put = client.put_object

    def twice(**given: object) -> object:
        put(**given)
        return put(**given)  # as boto3 does after a time-out: the second sees the first

    client.put_object = twice
    made = store.create("clusters/a.json", "one")
    assert made is not None
    assert made.text == "one"
    again = store.replace("clusters/a.json", "two", made.version)
    assert again is not None
    assert again.text == "two"


def test_a_missing_bucket_is_one_clear_error(bucket: Session) -> None:
    with pytest.raises(OperationFailed, match="s3://nobody") as caught:
        S3Store(bucket, "s3://nobody").create("clusters/a.json", "x")
    assert "NoSuchBucket" in (caught.value.why or "")


def test_two_operators_share_what_one_launched(bucket: Session) -> None:
    world = World()
    ada = ports(world, Gate(), {}, 1, store=S3Store(bucket, "s3://team/ml"))
    bob = ports(world, Gate(), {}, 2, store=S3Store(bucket, "s3://team/ml"), me=holder(2, "desktop"))
    assert launch(spec(), rendering(), ada, confirm=lambda *_: True).done
    assert status(NAME, bob).condition == "ready"
    assert [record.who for record in written(bob.store, NAME)][-1] == "ada"
    assert teardown(NAME, bob, confirm=lambda *_: True).was
    assert world.nothing()
    assert bob.store.keys("locks") == ()
