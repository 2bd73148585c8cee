//! Columns of text files that a sample takes for another type than all of their values have.

use partita_tests::process::{Cluster, Place};
use std::process::Command;

/// The rows of a file that is sampled in pieces.
const ROWS: usize = 300_000;
/// Has files of more than 1,000 bytes sampled in pieces.
const SAMPLED: &str = "set partita.read_whole_bytes = 1000; ";

/// A CSV file with a fraction in the second half, between two of the pieces that a sample has:
/// after the eighth of sixteen parts, of each of which the last 128 KiB are sampled.
fn late_csv() -> String {
    let mut text = "n,x\n".to_string();
    let middle = (0..ROWS).map(|n| n.to_string().len() * 2 + 2).sum::<usize>() / 2;
    let mut is_late = false;
    for n in 0..ROWS {
        if !is_late && text.len() > middle + 50_000 {
            text.push_str("7,0.5\n");
            is_late = true;
        }
        text.push_str(&format!("{n},{n}\n"));
    }
    text
}

/// Objects of JSON of which one, far behind, has a fraction and a field that no other has.
fn late_json() -> String {
    let mut text = String::new();
    for n in 0..60_000 {
        text.push_str(&format!("{{\"n\": {n}, \"x\": {n}}}\n"));
    }
    text.push_str("{\"n\": 7, \"x\": 0.5, \"y\": \"late\"}\n{\"n\": 8, \"x\": 1}\n");
    text
}

fn compress(place: &Place, name: &str) {
    let done = Command::new("gzip").arg("--keep").arg(place.path("data").join(name)).status();
    assert!(done.expect("gzip").success());
}

/// The sum of the numbers below `n`, and a half.
fn sum_and_half(n: usize) -> String {
    format!("{}.5", n * (n - 1) / 2)
}

/// Proves that a later value of a wider type has the statement run again with that type, which a notice names; that the
/// next statement knows it; and that tables are made so too. Plain, compressed, and of many files of which one is wider.
#[test]
fn wider_values_are_read() {
    let cluster = Cluster::start(1, &[]);
    let alone = Place::new();
    for place in [&cluster.place, &alone] {
        place.write("late.csv", late_csv());
        compress(place, "late.csv");
        std::fs::create_dir(place.path("data").join("parts")).expect("a folder");
        for part in 0..20 {
            let x = if part == 4 { "0.5".to_string() } else { part.to_string() };
            let rows = "1,1\n".repeat(100);
            place.write(&format!("parts/{part:02}.csv"), format!("n,x\n{rows}1,{x}\n"));
        }
        let expected = format!("s,n\n{},{}\n", sum_and_half(ROWS), ROWS + 1);
        for name in ["late.csv", "late.csv.gz"] {
            let query = format!("{SAMPLED}select sum(x) as s, count(*) as n from '{name}'");
            let ran = place.run(["sql", "--output=csv", &query]);
            assert_eq!(ran.ok(), expected, "{name}");
            let notice = "column 'x' is read as Float64 instead of Int64";
            assert!(ran.stderr.contains(notice) && ran.stderr.contains(name), "{}", ran.stderr);
        }
        let query = format!("{SAMPLED}select sum(x) as s, count(*) as n from 'parts/'");
        let ran = place.run(["sql", "--output=csv", &query]);
        assert_eq!(ran.ok(), format!("s,n\n{}.5,2020\n", 2000 + 190 - 4));
    }
    // What was learned is known to all statements of this cluster.
    let again = cluster.place.run([
        "sql",
        "--output=csv",
        &format!("{SAMPLED}select max(x) as m from 'late.csv'"),
    ]);
    assert!(again.stderr.is_empty(), "{}", again.stderr);
    cluster.place.write("later.csv", late_csv());
    let table = format!(
        "{SAMPLED}create table t as select x from 'later.csv' order by x; select sum(x) as s from t"
    );
    let ran = cluster.place.run(["sql", "--output=csv", &table]);
    assert!(ran.ok().ends_with(&format!("s\n{}\n", sum_and_half(ROWS))), "{}", ran.ok());
}

/// Proves that a field of JSON whose later values are wider, and one that comes late, are read: by name, among all
/// columns, and from a compressed file.
#[test]
fn later_fields_are_read() {
    let place = Place::new();
    place.write("late.json", late_json());
    compress(&place, "late.json");
    for name in ["late.json", "late.json.gz"] {
        let run = |query: &str| {
            let ran = place.run(["sql", "--output=csv", &format!("{SAMPLED}{query} '{name}'")]);
            ran.ok()
        };
        let expected = format!("s\n{}.5\n", 60_000_u64 * 59_999 / 2 + 1);
        assert_eq!(run("select sum(x) as s from"), expected, "{name}");
        assert_eq!(run("select count(y) as n from"), "n\n1\n", "{name}");
        let all = format!("select * from (select * from '{name}') where n = 7 order by x");
        let ran = place.run(["sql", "--output=csv", &format!("{SAMPLED}{all}")]);
        assert_eq!(ran.ok(), "n,x,y\n7,0.5,late\n7,7.0,\n", "{name}");
    }
}

/// Proves that what was given out is not mixed with rows of another type: a statement whose rows come at once is right or
/// an error that says what to do, and is right when it is run again.
#[test]
fn rows_are_not_mixed() {
    let cluster = Cluster::start(1, &[]);
    cluster.place.write("late.csv", late_csv());
    let query = format!("{SAMPLED}select x from 'late.csv'");
    let halves = |text: &str| text.lines().filter(|line| *line == "0.5").count();
    let first = cluster.place.run(["sql", "--output=csv", &query]);
    match first.code {
        0 => assert_eq!(halves(&first.text()), 1),
        _ => assert!(first.stderr.contains("run the statement again"), "{}", first.stderr),
    }
    let second = cluster.place.run(["sql", "--output=csv", &query]).ok();
    assert_eq!((second.lines().count(), halves(&second)), (ROWS + 2, 1));
}
