//! The network between nodes: which addresses are used, and what a broken link costs.

use crate::workers_in;
use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm;

/// A job of two nodes whose command writes down its workers and asks a question that makes them
/// read from each other.
fn script(run: &str, command: &str) -> String {
    format!(
        "#!/bin/bash\n#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=3 --mem=2000M\n\
        srun partita run {run} -- bash -c '\n\
        partita workers --output=json >$HOME/workers-$SLURM_JOB_ID.json\n{command}'\n\
        echo \"exit $?\"\n"
    )
}

/// A question whose stages are spread over all workers and read from all of them.
const QUESTION: &str = "partita sql --output=csv \"select count(*) as n from \
    (select distinct value % 1000 from generate_series(1, 100000)) \
    join generate_series(1, 5) on true\"";

/// The interface or the host that is named is used between the nodes, with addresses of either
/// version; several addresses of a node confuse nobody.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn the_address_that_is_named_is_used() {
    let nodes = slurm::nodes(2);
    for (flags, start) in [
        ("", "198.18.77."),
        ("--interface=eth0", "198.18.77."),
        ("--interface=ib0", "198.18.78."),
        ("--host=$(hostname)-ib", "198.18.78."),
        ("--host=::", "198.18.77."),
        ("--host=$(hostname)-v6", "[fd77::"),
    ] {
        // Each task names its own.
        let text = script("FLAGS", QUESTION).replace(
            "srun partita run FLAGS --",
            &format!("srun bash -c 'exec partita run {flags} \"$@\"' - --"),
        );
        let job = nodes.sbatch(&text, &[]);
        let output = job.finish(LONG);
        assert!(output.contains("n\n5000\n") && output.contains("exit 0"), "{flags}: {output}");
        let rows = workers_in(&nodes, &job);
        let used = rows.iter().filter(|row| row.address.starts_with(start)).count();
        assert_eq!((rows.len(), used), (2, 2), "{flags}: {rows:?}");
    }
}

/// An interface that is not there is an error that names those that are.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn an_interface_that_is_not_there_is_named() {
    let nodes = slurm::nodes(1);
    let text = "#!/bin/bash\n#SBATCH --ntasks=1\nsrun partita run --interface=ib7 -- true\n";
    let output = nodes.sbatch(text, &[]).ends(&["FAILED"], LONG);
    for word in ["ib7", "eth0", "ib0"] {
        assert!(output.contains(word), "{output}");
    }
}

/// A worker that names an address which nobody reaches is refused when it registers, with both ends
/// in the message: no query hangs for it.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn an_address_that_nobody_reaches_is_found_out() {
    let nodes = slurm::nodes(2);
    let text = "#!/bin/bash\n#SBATCH --nodes=2 --ntasks-per-node=1 --mem=2000M\n\
        partita scheduler --port=0 --no-journal & \n\
        srun --nodes=1 --ntasks=1 --nodelist=$(scontrol show hostnames | tail -1) \
        partita worker --contact-address=198.18.99.1:4000\n\
        echo \"exit $?\"; kill %1; wait\n";
    let job = nodes.sbatch(text, &[]);
    let output = job.finish(LONG);
    let first = nodes.names()[0];
    for word in ["198.18.99.1:4000", &format!("the scheduler at {first}:"), nodes.names()[1]] {
        assert!(output.contains(word), "{word}: {output}");
    }
    assert!(output.contains("exit 77"), "{output}");
}

/// A link that is cut in the middle of a job and mended costs time: partitions on the other side
/// are recomputed, and its worker reconnects and works.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_link_is_cut_and_mended() {
    let nodes = slurm::nodes(2);
    let question = "until [ -e go ]; do partita sql --output=csv \
        \"select count(distinct md5(cast(value as varchar))) as n \
        from generate_series(1, 3000000)\"; done";
    let job = nodes.sbatch(&script("", question), &[]);
    let other = nodes.names()[1];
    wait_for("the first answer", LONG, || job.output().contains("3000000").then_some(()));
    nodes.cut(other);
    let up = |count| move |rows: &Vec<_>| rows.len() == count;
    wait_for("the loss", LONG, || Some(nodes.workers_up()).filter(up(1)));
    let before = job.output().matches("3000000").count();
    nodes.heal(other);
    wait_for("the return", LONG, || Some(nodes.workers_up()).filter(up(2)));
    wait_for("two more answers", LONG, || {
        (job.output().matches("3000000").count() > before + 1).then_some(())
    });
    nodes.write("go", "");
    let output = job.finish(SOON);
    assert!(output.contains("exit 0"), "{output}");
    let numbers = output.lines().filter(|line| line.bytes().all(|b| b.is_ascii_digit()));
    assert!(numbers.into_iter().all(|number| number == "3000000"), "{output}");
}
