"""CSV as people have it: each layout with its right value or a line that names cause and remedy; memory is bounded."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.data import csv_file
from bench.data.csv_file import Wanted, read_csv
from bench.errors import DataError, UsageError
from datasets.file import load

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(40, 3))
KINDS = [f"k{i % 3}" for i in range(40)]
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])


@pytest.fixture
def read(tmp_path):
    def read(content, label=None, limit=10**9):
        path = tmp_path / "rows.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_csv(path, Wanted(label, limit))

    return read


def text(frame, **settings):
    return frame.to_csv(**settings)


def same(table, values, columns, label=None):
    np.testing.assert_array_equal(table.values, np.asarray(values, dtype=float))
    assert table.columns == list(columns) and table.labels == label


BODY = text(FRAME, index=False, header=False)
PLAIN = text(FRAME, index=False)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_delimiter_and_line_end(read, delimiter, end):
    same(read(PLAIN.replace(",", delimiter).replace("\n", end)), ROWS, "abc")


def test_blocks_and_records_give_the_same(read, monkeypatch):
    frame = FRAME.assign(kind=KINDS)
    whole = read(text(frame, index=False), "kind")
    monkeypatch.setattr(csv_file, "BLOCK", 50)
    monkeypatch.setattr(csv_file, "SAMPLE_LINES", 3)
    blocks = read(text(frame, index=False), "kind")
    quoted = read(text(frame, index=False, quoting=csv.QUOTE_ALL), "kind")
    half = text(frame, index=False).splitlines(True)
    mixed = read("".join([*half[:20], *(line.replace("k", '"k').replace("\n", '"\n') for line in half[20:])]), "kind")
    for table in (whole, blocks, quoted, mixed):
        same(table, ROWS, "abc", KINDS)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30))
def test_every_double_comes_back_to_the_last_bit(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "doubles.csv"
    path.write_text("v\n" + "".join(f"{value!r}\n" for value in values))
    assert read_csv(path, Wanted()).values.tobytes() == np.array(values).tobytes()


@given(st.text(alphabet="0123456789.,\n\r\"'-+eEnaif x\0_١", max_size=60))
@example('1,"2"3\n')
@example("1,2\n \n3,4\n")
@example("1_0,2\n")
def test_the_fast_way_reads_what_the_careful_way_reads(tmp_path_factory, text):
    """Whatever the body: with the block parser switched off the result is the same, values or error."""
    path = tmp_path_factory.getbasetemp() / "ways.csv"
    path.write_bytes(b"a,b\n" + text.encode())

    def outcome():
        try:
            table = read_csv(path, Wanted())
        except (DataError, UsageError) as error:
            return str(error)
        return table.values.tobytes(), [table.line(row) for row in range(len(table.values))]

    fast = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file._Body, "_parse", lambda self, text: None)
        assert outcome() == fast


@pytest.mark.parametrize(
    "cell, reason",
    [
        ("1_0", "only the digits 0 to 9 without _"),
        ("1e1_0", "only the digits 0 to 9 without _"),
        ("١٢", "only the digits 0 to 9 without _"),
        ("１２", "only the digits 0 to 9 without _"),
        ('"1,037"', "has commas between thousands; write 1037"),
        ('"1,037,000.5"', r"has commas between thousands; write 1037000\.5"),
        ('"1,5"', "has a decimal comma; write decimal points"),
        ("1'037", "has marks between thousands"),
        ("1.037.000", "has marks between thousands"),
        ("", "the value is missing"),
        ("n/a", "the value is missing"),
        ("1 2", "is not a number; remove the column.*label=b"),
    ],
)
def test_a_cell_that_is_no_number_is_named_with_its_cause(read, cell, reason):
    with pytest.raises(DataError, match=rf"'rows.csv', line 3, column 2 \('b'\).*{reason}"):
        read(f"a,b\n1,2\n3,{cell}\n")


@pytest.mark.parametrize("gap", [" ", "  "])
def test_a_space_between_delimiter_and_quote_is_no_part_of_a_value(read, gap):
    body = "".join(f'{a!r},{gap}"{b!r}",{gap}"{kind}"\n' for (a, b, _), kind in zip(ROWS.tolist(), KINDS, strict=True))
    same(read(f'a,{gap}"b",{gap}"kind"\n{body}', "kind"), ROWS[:, :2], "ab", KINDS)


def test_spaces_within_quotes_stay(read):
    assert read('a,kind\n1, " x, ""y"" "\n2,"z"\n', "kind").labels == [' x, "y" ', "z"]


def test_a_line_of_spaces_is_blank_and_one_of_quotes_is_a_missing_value(read):
    same(read("a\n1\n   \n2\n"), [[1], [2]], "a")
    for empty in ('""', '"  "'):
        with pytest.raises(DataError, match=r"line 3, column 1.*the value is missing"):
            read(f"a\n1\n{empty}\n2\n")


@pytest.mark.parametrize("label", ["gr\u00f6\u00dfe", "gro\u0308\u00dfe", " gr\u00f6\u00dfe "])
@pytest.mark.parametrize("name", ["gr\u00f6\u00dfe", "gro\u0308\u00dfe", "\u00a0gr\u00f6\u00dfe\u200b"])
def test_a_column_is_found_by_what_is_seen_of_its_name(read, name, label):
    assert read(f"a,{name}\n1,x\n2,y\n", label).labels == ["x", "y"]


@pytest.mark.parametrize(
    "content, line, words",
    [
        ("a,b\ncm,kg\n1,2\n", 2, "cm, kg"),
        ("My table\na,b\n1,2\n", 2, "b"),
        ("a,b\n1,2\na,b\n3,4\n", 3, "a, b"),
        ("a,b\n1,2\nend,\n", 3, "end"),
        ("a,b,kind\ncm,kg,name\n1,2,x\n", 2, "cm, kg"),
    ],
)
def test_a_line_of_words_is_named_as_that(read, content, line, words):
    with pytest.raises(DataError, match=rf"line {line}: '{words}' where a row of numbers is expected; remove the line"):
        read(content, "kind" if "kind" in content else None)


def test_a_quote_that_divides_by_spaces_is_told_what_divides(read):
    with pytest.raises(DataError, match=r"line 1: not readable as CSV.*divided by comma, semicolon, tab or"):
        read('"x" "y"\n"1" 2 3\n')


@pytest.mark.parametrize(
    "content, words",
    [
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "compressed with gzip; unpack it"),
        (b"PK\x03\x04\x14\x00\x06\x00\xff\xfe\x9c", "a zip archive, as .npz and .xlsx files are"),
        ("a,b\n1,2\n".encode("utf-16"), "text in UTF-16; save it with UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 8\n", "a pointer of Git LFS.*git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html>404</html>", "a web page.*download it again"),
    ],
)
def test_what_came_under_the_name_of_a_csv_is_said(read, content, words):
    with pytest.raises(DataError, match=f"^'rows.csv' is {words}"):
        read(content)


@pytest.mark.parametrize("mark, cell", [(";", "1,037"), ("\t", "1,037"), ("|", "1,037")])
def test_a_comma_that_may_be_either_is_said_to_be(read, mark, cell):
    with pytest.raises(DataError, match=r"write 1\.037 or 1037"):
        read(f"a{mark}b\n1{mark}2\n3{mark}{cell}\n")


def test_decimal_commas_without_names_are_named_on_line_1(read):
    with pytest.raises(DataError, match=r"line 1, column 1 \('column1'\): '1,5' has a decimal comma"):
        read("1,5;2,5\n" * 9)
    with pytest.raises(DataError, match=r"line 2, column 2 \('b'\): '1\.037,5' has a decimal comma"):
        read("a;b\n1;1.037,5\n")


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_decimal_commas_of_three_digits_without_names_are_named_on_line_1(tmp_path, mark):
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"2,{n}{mark}{n % 7}\n" for n in range(224, 264)))
    with pytest.raises(DataError, match=r"line 1, column 1 \('column1'\): '2,224' .* write 2\.224 or 2224$"):
        load(path)
    path.write_text(f"1,000{mark}2,000\n" + "".join(f"{n}{mark}{n % 7}\n" for n in range(40)))
    assert load(path).train.shape[1:] == (2,)  # what no row below is written like may be names


@pytest.mark.parametrize("gap", [" ", "   "])
@pytest.mark.parametrize("above, line", [("", 1), ("a b c\n", 2), ("# a b c\n", 2), ("# by hand\na b c\n", 3)])
@pytest.mark.parametrize("few", [False, True])
def test_numbers_divided_by_spaces_are_named(tmp_path, above, line, gap, few):
    path, stream = tmp_path / "rows.csv", io.StringIO()
    np.savetxt(stream, np.rint(ROWS) if few else ROWS, fmt="%.3f", delimiter=gap)
    path.write_text(above + stream.getvalue())
    first = stream.getvalue().partition("\n")[0]
    with pytest.raises(DataError) as caught:
        load(path)
    assert f"'rows.csv', line {line}: '{first}' holds several numbers; separate them by comma" in str(caught.value)
    assert "savetxt" in str(caught.value) and "\n" not in str(caught.value)


def test_one_column_of_texts_with_spaces_is_no_table_of_numbers(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("size\n" + "".join(f"{n % 3} {'to' if n % 4 else 'up'} 9\n" for n in range(40)))
    assert load(path).train.shape[1:] == (6,)


@pytest.mark.parametrize("names", ["2019,2020,2021", '"2019","2020","2021"', "7000,3000,9000.0"])
def test_names_that_are_numbers_are_no_row(read, names):
    table = read(names + "\n" + BODY)
    same(table, ROWS, [name.strip('"') for name in names.split(",")])
    assert "line 1 read as column names" in table.notes


def test_years_above_quantities_of_their_size_are_names(read):
    body = RNG.integers(1500, 2500, (30, 3))
    table = read("2019,2020,2021\n" + text(pd.DataFrame(body), index=False, header=False))
    same(table, body, ["2019", "2020", "2021"])


def test_a_label_says_that_a_line_of_numbers_is_one_of_names(read):
    same(read("1,5,2\n" + BODY, "5"), ROWS[:, [0, 2]], ["1", "2"], [repr(x) for x in ROWS[:, 1].tolist()])


def test_a_first_row_of_data_stays_and_is_said(read):
    table = read(BODY)
    same(table, ROWS, ["column1", "column2", "column3"])
    assert "line 1 read as data, the file has no column names" in table.notes
    whole = RNG.integers(0, 10, (40, 3))
    whole[0], whole[1], whole[2] = (6, 5, 7), (0, 0, 0), (9, 9, 9)
    same(read(text(pd.DataFrame(whole), index=False, header=False)), whole, ["column1", "column2", "column3"])


def test_a_row_with_a_text_is_not_taken_for_names(read):
    body = text(FRAME.assign(kind=KINDS), index=False, header=False)
    with pytest.raises(DataError, match=r"line 1: .* are values like those below, where column names are expected"):
        read(body, KINDS[0])


def test_the_index_of_pandas_is_left_out_and_said(read):
    table = read(text(FRAME))
    same(table, ROWS, "abc")
    assert "column 1 (without a name) read as row names and left out" in table.notes
    twice = FRAME.copy()
    twice.insert(0, "Unnamed: 0", range(40))
    table = read(text(twice))
    same(table, ROWS, "abc")
    assert "column 2 ('Unnamed: 0') read as row names and left out" in table.notes


@pytest.mark.parametrize("corner", ['"",', ""], ids=["write.csv", "write.table"])
def test_the_row_names_of_r_are_left_out(read, corner):
    body = "".join(f'"row {i}",{",".join(map(repr, row))},"{kind}"\n'
                   for i, (row, kind) in enumerate(zip(ROWS.tolist(), KINDS, strict=True)))  # fmt: skip
    same(read(f'{corner}"a","b","c","kind"\n' + body, "kind"), ROWS, "abc", KINDS)
    bare = body.replace('"', "")
    same(read(f"{corner.replace(chr(34), '')}a,b,c,kind\n" + bare, "kind"), ROWS, "abc", KINDS)


def test_rows_that_begin_alike_are_ragged_and_not_named(read):
    with pytest.raises(DataError, match="line 2: 3 values where line 1 has 2"):
        read("a,b\n" + "1,2,3\n" * 5)


def test_the_delimiter_is_found_below_the_names(read):
    names = "Length, cm;Width, cm;species"
    body = "".join(f"{a!r};{b!r};{kind}\n" for (a, b, _), kind in zip(ROWS.tolist(), KINDS, strict=True))
    for mark in (";", "\t"):
        table = read((names + "\n" + body).replace(";", mark), "species")
        same(table, ROWS[:, :2], ["Length, cm", "Width, cm"], KINDS)


def test_the_sep_line_of_excel_is_obeyed(read):
    for line in ("sep=;", '"sep=;"'):
        same(read(f"{line}\n" + PLAIN.replace(",", ";")), ROWS, "abc")
    with pytest.raises(DataError, match="line 4, column 1"):
        read("sep=;\na;b\n1;2\nx;3\n")


@pytest.mark.parametrize("named", [True, False])
def test_a_delimiter_at_every_line_s_end(read, named):
    lines = PLAIN.splitlines()
    marked = "\n".join([lines[0] + "," * named, *(line + "," for line in lines[1:])]) + "\n"
    same(read(marked), ROWS, "abc")
    same(read("".join(line + ",\n" for line in lines[1:])), ROWS, ["column1", "column2", "column3"])
    with pytest.raises(DataError, match="line 82, column 4: 'x' stands where all other lines end with ','"):
        read("a,b,c,\n" + "1,2,3,\n" * 80 + "1,2,3,x\n")


def test_comments_are_no_names(read):
    table = read("# made on Monday, by hand\n#\n" + PLAIN)
    same(table, ROWS, "abc")
    assert "2 lines of comments (#) passed over" in table.notes
    stream = io.StringIO()
    np.savetxt(stream, ROWS, delimiter=",", header="a,b,c", fmt="%.18e")
    same(read(stream.getvalue()), ROWS, "abc")


@pytest.mark.parametrize("mark", ['"\ufeffa"', '\ufeff"a"', '\ufeff\ufeff"a"', "\ufeffa"])
def test_byte_order_marks_are_no_part_of_a_name(read, mark):
    same(read(PLAIN.replace("a", mark, 1)), ROWS, "abc")


def test_places_count_blank_lines_and_lines_within_quotes(read):
    table = read('a,b\n1,2\n\n"3\n",4\n \n5,6\n')
    same(table, [[1, 2], [3, 4], [5, 6]], "ab")
    assert [table.line(row) for row in range(3)] == [2, 4, 7]
    assert read("2019,2020\n\n" + "1,2\n" * 12).line(0) == 3


def test_an_endless_line_is_refused_within_bounds(tmp_path, monkeypatch):
    import tracemalloc

    monkeypatch.setattr(csv_file, "LONGEST_LINE", 1 << 20)
    for content in (b"1," * (20 << 20), b"7" * (20 << 20), b"a,b\n1,2\n" + b"3" * (20 << 20), b'a\n"' + b"3\n" * 9**7):
        (tmp_path / "a.csv").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(DataError, match=r"line of more than|field larger than"):
            read_csv(tmp_path / "a.csv", Wanted())
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
        tracemalloc.stop()


def test_more_columns_than_any_table_has_are_refused(read, monkeypatch):
    monkeypatch.setattr(csv_file, "MOST_COLUMNS", 1000)
    with pytest.raises(DataError, match="or 1000 columns"):
        read(",".join(["1"] * 2000) + "\n")
    with pytest.raises(DataError, match="or 1000 columns"):
        read("a,b\n1,2\n" + ",".join(["1"] * 2000) + "\n")


def test_the_place_of_bytes_that_are_not_utf_8(read, monkeypatch):
    content = b"a,b\n" + b"1,2\n" * 500_000 + b"\xe9,4\n"
    with pytest.raises(DataError, match="line 500002: not UTF-8"):
        read(content)
