//! The prompt of `partita sql`.

use partita_shared::model::{JobRow, JobState};
use partita_tests::process::data::slow_group_by;
use partita_tests::process::terminal::Terminal;
use partita_tests::process::{Cluster, Place, SOON, wait_for};

const PROMPT: &str = "partita> ";
const WIDTH: u16 = 60;

/// A prompt that waits for its first statement.
fn prompt(place: &Place, args: &[&str]) -> Terminal {
    let mut terminal = Terminal::start(place, WIDTH, args);
    terminal.wait_for(PROMPT);
    terminal
}

/// A statement may take several lines and ends with its semicolon; Ctrl-D leaves, which is not an
/// error.
#[test]
fn a_statement_of_several_lines() {
    let place = Place::new();
    let mut terminal = prompt(&place, &["sql", "--embedded"]);
    terminal.press("select 1 + 1 as two\r");
    terminal.press(", ';' as half;\r");
    terminal.wait_for("| two | half |");
    terminal.wait_for("| 2   | ;    |");
    terminal.wait_for("1 row, ");
    terminal.wait_for(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.finish(), 0);
}

/// A result is cut to the terminal's width and to some rows, and the line below it says so.
#[test]
fn a_result_is_cut() {
    let place = Place::new();
    let mut terminal = prompt(&place, &["sql", "--embedded"]);
    terminal.press(
        "select value, repeat('ab', 50) as long, value as c, value as d, value as e, value as f, \
         value as h, value as i, value as j, value as k, value as l from generate_series(1, 100) t(value);\r",
    );
    terminal.wait_for("+--");
    let table = terminal.wait_for("40 of 100 rows shown, 9 of 11 columns fit, ");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= usize::from(WIDTH)), "{table}");
    assert!(lines.iter().filter(|line| line.contains('…')).count() == 40, "{table}");
    terminal.wait_for(PROMPT);
    terminal.press(".rows 3\r");
    terminal.wait_for(PROMPT);
    terminal.press("select value from generate_series(1, 100) t(value);\r");
    terminal.wait_for("3 of 100 rows shown, ");
    terminal.wait_for(PROMPT);
    terminal.press("select value from generate_series(1, 10000000) t(value);\r");
    terminal.wait_for("3 of more than 1");
    terminal.wait_for("rows shown, ");
}

/// Ctrl-C cancels the statement that runs, also on the cluster, and the prompt goes on; at the prompt it drops
/// what was typed.
#[test]
fn an_interrupt_cancels_the_statement() {
    let cluster = Cluster::start(1, &[]);
    let mut terminal = prompt(&cluster.place, &["sql"]);
    terminal.press(&format!("{};\r", slow_group_by()));
    // The prompt itself asks for the names that it completes, which is a job that ends at once.
    let job = wait_for("the statement to run", SOON, || {
        let is_running = |row: &JobRow| row.state == JobState::Running && row.tasks.running > 0;
        cluster.jobs().into_iter().find(is_running)
    });
    terminal.press("\x03");
    terminal.wait_for("cancelled");
    wait_for("the end of the job", SOON, || {
        cluster
            .jobs()
            .iter()
            .any(|row| row.id == job.id && row.state == JobState::Cancelled)
            .then_some(())
    });
    terminal.wait_for(PROMPT);
    terminal.press("select nothing of this\x03");
    terminal.wait_for(PROMPT);
    terminal.press("select 6 * 7 as answer;\r");
    terminal.wait_for("| 42     |");
}

/// An invalid statement is reported, with the place of the error, and the prompt continues.
#[test]
fn errors_leave_the_prompt() {
    let place = Place::new();
    let mut terminal = prompt(&place, &["sql", "--embedded"]);
    terminal.press("select\r nothing;\r");
    terminal.wait_for("error: ");
    terminal.wait_for("nothing");
    terminal.wait_for(PROMPT);
    terminal.press(".nothing\r");
    terminal.wait_for("unknown command .nothing; .help lists the commands");
    terminal.wait_for(PROMPT);
    terminal.press(".quit\r");
    assert_eq!(terminal.finish(), 0);
}

/// Tables, columns and files are completed, `.tables` lists them, and what was typed comes back in the next prompt.
#[test]
fn names_are_completed_and_statements_are_kept() {
    let cluster = Cluster::start(1, &[]);
    cluster.place.write("measurements.csv", "height\n3\n");
    let mut terminal = prompt(&cluster.place, &["sql"]);
    terminal.press("create table stations as select 7 as elevation;\r");
    terminal.wait_for("1 row, ");
    terminal.wait_for(PROMPT);
    terminal.press("select elev\t from stat\t;\r");
    terminal.wait_for("| 7         |");
    terminal.wait_for(PROMPT);
    terminal.press(".tables\r");
    terminal.wait_for("stations  elevation");
    terminal.wait_for(PROMPT);
    terminal.press("select height + 1 as higher from 'meas\t;\r");
    terminal.wait_for("| 4      |");
    terminal.wait_for(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.finish(), 0);
    let mut terminal = prompt(&cluster.place, &["sql"]);
    terminal.press("\x1b[A\r");
    terminal.wait_for("| 4      |");
}

/// Through a pipe, statements are read to the end without a prompt.
#[test]
fn a_pipe_has_no_prompt() {
    let place = Place::new();
    let ran = place
        .run_with_input(&["sql", "--embedded", "--output=csv"], "select 1 as a;\nselect 2 as b;");
    assert_eq!(ran.ok(), "a\n1\nb\n2\n");
}
