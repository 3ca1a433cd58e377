"""The command line: typed values, defaults, errors and help."""

import dataclasses
import errno
import logging
import subprocess
import sys

import pytest

from locus.config import HeatmapConfig, TrainConfig
from locus.core.errors import BadValueError, DataError, LocusError, UnknownNameError
from locus.flags.cli import CONFIGS, build, entry_point, parse, read_yaml

PRESETS = sorted(CONFIGS.glob("*.yaml"))
BLOCKED = "import sys; sys.modules['torch'] = None; import main; main.main(['--help'])"
UNKNOWN_FLAG = "unknown flag '--sampling': did you mean '--sampler'? `python main.py --help` lists all flags"


def parsed(*argv):
    return parse(TrainConfig, argv, "main.py")[0]


@pytest.mark.byhand
@pytest.mark.parametrize(("word", "value"), [("False", False), ("false", False), ("True", True), ("true", True)])
def test_a_bool_flag_means_what_it_says(word, value):
    """Pitfall: type=bool makes ``--multi_label False`` True."""
    assert parsed("--multi_label", word).multi_label is value


@pytest.mark.commands
@pytest.mark.parametrize(
    ("argv", "kind", "words"),
    [
        ("--multi_label Flase", BadValueError, ["--multi_label", "'Flase'", "True", "False"]),
        ("--early_stopping Flase", BadValueError, ["--early_stopping", "'Flase'", "True", "False", "number"]),
        ("--epochs many", BadValueError, ["bad value 'many' for --epochs: use a whole number"]),
        ("--epochs 0", BadValueError, ["--epochs 0 is too small: use 1 or more"]),
        ("--logger", BadValueError, ["--logger", "at least one argument"]),
        ("--precision 16-true", UnknownNameError, ["--precision", "auto, 32, 64, 16-mixed, bf16-mixed"]),
        ("--dataset CheXprt", UnknownNameError, ["data set", "'CheXprt'", "'CheXpert'"]),
        ("--epochs", BadValueError, ["--epochs"]),
        ("--batchsize 4", BadValueError, ["'--batchsize'", "'--batch_size'"]),
        ("--sampler wieghted", UnknownNameError, ["--sampler", "'weighted'", "none"]),
        ("--sampling weighted", BadValueError, [UNKNOWN_FLAG]),
        ("--ema 1", BadValueError, ["--ema 1", "0.99999"]),
        ("--seed 99999999999999999999", BadValueError, ["--seed 99999999999999999999", "4294967295"]),
        ("--accumulate 0", BadValueError, ["--accumulate 0", " 1 "]),
        ("--preprocess fj", UnknownNameError, ["'fj' for --preprocess", "none, jf"]),
        ("--evaluate runs/a --resume True", BadValueError, ["--evaluate", "--resume"]),
        ("phantom", BadValueError, ["'phantom'", "need a flag"]),
        ("--loss wieghted_bce", UnknownNameError, ["loss", "'weighted_bce'"]),
        ("--loss foacl:gamma=2", UnknownNameError, ["loss", "'focal'"]),
        ("--optimizer adamw", UnknownNameError, ["--optimizer", "'AdamW'"]),
        ("--logger wandbb", UnknownNameError, ["--logger", "'wandb'", "csv, tensorboard"]),
        ("--global_pool PCAN", UnknownNameError, ["'PCAM'"]),
        ("--attention_map SAN", UnknownNameError, ["'SAM'"]),
        ("--epochs 1:30", BadValueError, ["'1:30' for --epochs"]),
        ("--lr=1_0", BadValueError, ["'1_0' for --lr"]),
        ("--lr=1_0e-3", BadValueError, ["'1_0e-3' for --lr"]),
        ("--seed １０", BadValueError, ["'１０' for --seed"]),
        ("--seed +1", BadValueError, ["'+1' for --seed"]),
        ("--seed 1 --epochs 2 --seed=3", BadValueError, ["--seed is given twice"]),
        ("--root x", BadValueError, ["'--root'", "did you mean '--data_root_dir'"]),
        ("--boxes x.csv", BadValueError, ["'--boxes'", "it is a flag of `python -m benchmark.score`"]),
        ("--config absent.yaml", DataError, ["'absent.yaml'", "configs/"]),
    ],
)
def test_an_invalid_flag_raises_an_error_with_the_value_and_what_is_allowed(argv, kind, words):
    with pytest.raises(kind) as caught:
        parsed(*argv.split())
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


@pytest.mark.byhand
def test_flags_override_the_file_the_data_set_and_the_class_and_those_of_the_file_count_as_typed(tmp_path):
    (tmp_path / "mine.yaml").write_text("lr: 2e-4\nepochs: 3\nlogger: csv\n")
    config, typed = parse(TrainConfig, ["--config", str(tmp_path / "mine.yaml"), "--epochs", "5", "--seed=1"], "main.py")
    assert (config.epochs, config.lr, config.backbone, config.batch_size) == (5, 2e-4, "custom", TrainConfig.batch_size)
    assert (config.logger, typed) == (("csv",), {"logger", "lr", "epochs", "seed"})


@pytest.mark.byhand
def test_a_data_set_sets_defaults_also_with_options_or_named_in_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("dataset: NIH\n")
    assert parsed("--dataset", "phantom:train=3").pretrained is False
    assert parsed("--dataset", "NIH").pretrained is True
    assert parsed("--config", str(tmp_path / "mine.yaml")).backbone == TrainConfig.backbone


@pytest.mark.byhand
def test_defaults_set_by_the_data_set_are_logged_but_not_typed_flags(caplog):
    with caplog.at_level(logging.INFO):
        parsed("--backbone", "custom", "--epochs", "3")
    assert "configs/phantom.yaml: global_pool PCAM" in caplog.text
    assert "epochs" not in caplog.text


@pytest.mark.byhand
@pytest.mark.parametrize("word", ["gradcam++", "Grad-CAM++", "grad_cam_pp", "GradCAMpp"])
def test_a_method_is_accepted_in_any_spelling(word):
    assert parse(HeatmapConfig, ["--method", word, "noise:seed=3"], "heatmap.py")[0].method == ("gradcampp", "noise:seed=3")


@pytest.mark.byhand
def test_a_list_flag_takes_several_values():
    assert parsed("--logger", "csv", "--seed", "1").logger == ("csv",)
    assert parsed("--logger", "csv", "tensorboard").logger == ("csv", "tensorboard")


@pytest.mark.contract
@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.name)
def test_every_preset_parses_and_contains_only_changed_defaults(path):
    assert isinstance(parsed("--config", str(path)), TrainConfig)
    assert [name for name, value in read_yaml(path).items() if value == getattr(TrainConfig, name)] == []


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("text", "kind", "facts"),
    [
        ("lr: 1\nepochs: [1, 2\n", DataError, r"bad\.yaml.*YAML(?!.*unicode string).*line 3, column 1"),
        ("lr: 1\nlr: 2", DataError, r"bad\.yaml.*'lr' is given twice"),
        ("epochs: 1:30", BadValueError, "'1:30' for --epochs"),
        ("- a", DataError, r"bad\.yaml.*list.*'flag: value'"),
        ("learning_rate: 3", BadValueError, "'learning_rate'.*`python main.py --help`"),
        ("epochs: null", BadValueError, "--epochs.*null"),
        ("1: 3", BadValueError, "'1'.*`python main.py --help`"),
    ],
)
def test_a_broken_preset_raises_a_clear_error(tmp_path, text, kind, facts):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(kind, match=facts):
        parsed("--config", str(tmp_path / "bad.yaml"))


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 10), ("0o10", 8), ("-0x1F", "-0x1F"), ("0x1F", 31), ("1:30", "1:30"), ("1_0", "1_0"), ("no", "no"), ("on", "on"),
     ("3e-5", 3e-5), (".5", 0.5), ("2020-01-01", "2020-01-01"), ("True", True), ("~", None), ("", None), ("<<", "<<"), ("+7", 7)],
)  # fmt: skip
def test_words_of_a_file_are_those_of_yaml_1_2(tmp_path, text, value):
    (tmp_path / "a.yaml").write_text(f"a: {text}\n")
    found = read_yaml(tmp_path / "a.yaml")["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.byhand
def test_plain_values_become_a_checked_configuration():
    assert build(TrainConfig, {"dropout": 0.5}).dropout == 0.5
    with pytest.raises(BadValueError, match=r"--dropout 2.*0\.99"):
        build(TrainConfig, {"dropout": 2})


@pytest.mark.commands
def test_help_lists_every_flag_with_its_default_without_torch():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, cwd=CONFIGS.parent, check=False)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for field in dataclasses.fields(TrainConfig):
        assert f"--{field.name} " in text
    assert text.lower().count("default: ") + text.count("Required.") == len(dataclasses.fields(TrainConfig)) + 1
    assert "weighted_bce" in text


def _raising(error):
    @entry_point
    def main(argv=None):
        raise error

    return main


@pytest.mark.commands
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (LocusError("two\nlines"), 2, "error: two lines\n"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 2, "error: runs/x: No space left on device\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_a_command_prints_an_error_on_one_line_and_sets_its_status(error, status, words, capsys):
    assert _raising(error)([]) == status
    assert capsys.readouterr().err == words


@pytest.mark.commands
def test_an_unexpected_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        _raising(ZeroDivisionError())([])
