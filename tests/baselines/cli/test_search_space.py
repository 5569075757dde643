import pytest

from microgym.agents.core import config
from microgym.baselines.cli.search_space import Choice, Range, search_space

TRAINING = """
[environment]
[training]
total_timesteps = 1000
rate = 1e-3
batch = 64
fast = true
"""


@pytest.fixture
def declare(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "agent_folder", lambda _: tmp_path)

    def write(lines):
        (tmp_path / "Some-v0.toml").write_text(f"{TRAINING}[search]\n{lines}\n")
        return "Some-v0"

    return write


def test_the_space_is_read_in_the_order_of_the_file(declare):
    found = search_space(
        declare(
            "rate = { low = 1, high = 2.5, log = true }\nbatch = { low = 8, high = 64 }\n"
            "fast = { choices = [true, false] }"
        )
    )
    assert list(found.items()) == [
        ("rate", Range(1.0, 2.5, True)),
        ("batch", Range(8, 64)),
        ("fast", Choice((True, False))),
    ]
    assert type(found["rate"].low) is float
    assert list(config.load_config("Some-v0")) == ["environment", "training"]


def test_what_is_in_the_space():
    assert [value in Range(1.0, 2.0) for value in (1.0, 2.0, 2.1, 1, True)] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert [value in Range(1, 3) for value in (1, 3, 2.0, 4)] == [True, True, False, False]
    assert [value in Choice((1, 2)) for value in (1, True, 3)] == [True, False, False]


def test_the_shipped_settings_are_in_their_space():
    space = search_space("Ptycho-v0")
    training = config.load_config("Ptycho-v0")["training"]
    assert {name: training[name] for name in space if training[name] not in space[name]} == {}


MISTAKES = [
    ("", "declares nothing to search"),
    ("rat = { low = 1.0, high = 2.0 }", "rat of Some-v0: unknown setting; there are batch, fast"),
    ("rate = { low = 2.0, high = 2.0 }", "rate of Some-v0: low must be below high, got 2.0 and"),
    ("rate = { low = 2.0, high = 1.0 }", "low must be below high"),
    ("rate = { low = nan, high = 1.0 }", "low must be below high"),
    ("rate = { low = 1.0, high = inf }", "low must be below high"),
    ("rate = { low = 0.0, high = 1.0, log = true }", "low must be above 0, got 0.0"),
    ("rate = { low = 0.1, high = 1.0, log = 1 }", "log must be true or false, got 1"),
    ("rate = { low = 0.1 }", "expected { low, high }"),
    ("rate = { low = 0.1, high = 1.0, step = 0.1 }", "expected { low, high }"),
    ("rate = 0.1", "expected { low, high }"),
    ('rate = { low = "a", high = 1.0 }', "values must be float, got 'a'"),
    ("batch = { low = 1.0, high = 8 }", "values must be int, got 1.0"),
    ("batch = { choices = [8] }", "two or more, got [8]"),
    ("batch = { choices = 8 }", "two or more, got 8"),
    ("batch = { choices = [8, 8] }", "must be distinct"),
    ("batch = { choices = [8, true] }", "values must be int, got True"),
    ("fast = { low = false, high = true }", "a bool needs choices"),
]


@pytest.mark.parametrize(("lines", "message"), MISTAKES)
def test_a_mistake_is_told(declare, lines, message):
    env_id = declare(lines)
    with pytest.raises(ValueError) as caught:  # noqa: PT011, the message is compared as it is
        search_space(env_id)
    assert message in str(caught.value)
