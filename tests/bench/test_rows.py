import json

from bench.rows import Row, print_table, row_of_ratios, row_of_speeds, save_rows


def test_a_ratio_is_that_of_the_same_round_and_the_median_of_all():
    row = row_of_speeds("ours", "theirs", 8, [10, 30, 80], [10, 10, 20])
    assert row == Row("ours", "theirs", 8, 30, 10, ratio=3, spread=(1, 4))


def test_ratios_that_were_measured_themselves_stand_as_they_are():
    row = row_of_ratios("ours", "a share", 1, [100, 120], [0.5, 0.7])
    assert (row.tokens_per_s, row.against_tokens_per_s, row.spread) == (110, None, (0.5, 0.7))


def test_the_file_has_an_object_a_line_with_what_is_promised(tmp_path):
    rows = [row_of_speeds("ours", "theirs", streams, [2.0], [1.0]) for streams in (1, 8)]
    save_rows(rows, tmp_path / "rows.jsonl")
    written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["streams"] for row in written] == [1, 8]
    promised = {"engine", "against", "streams", "tokens_per_s", "ratio", "spread"}
    assert all(promised <= set(row) for row in written)


def test_a_table_has_a_line_a_row_and_none_without_rows(capsys):
    print_table([])
    assert capsys.readouterr().out == ""
    print_table([row_of_ratios("ours", "a share", 1, [100], [0.5])])
    heading, line = capsys.readouterr().out.split("\n")[:2]
    assert heading.split()[:3] == ["engine", "against", "streams"]
    assert line.split() == ["ours", "a", "share", "1", "100.0", "–", "0.50", "0.50–0.50"]
