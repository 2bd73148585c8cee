//! Statements that are nested deep: run where they are within the limit, refused where they are not. The
//! scheduler and its worker live on.

use partita_tests::process::{Cluster, SOON};

/// Levels of what is planned fast.
const DEEP: usize = 300;
/// Levels of what takes longer to plan for each level more.
const SLOW: usize = 60;
/// Levels that no statement may have.
const TOO_DEEP: usize = 2_000;

/// Statements that repeat something `deep` or `slow` times, and their answers.
fn nested(deep: usize, slow: usize) -> Vec<(String, String)> {
    let fast = |text: &str| text.repeat(deep);
    let few = |text: &str| text.repeat(slow);
    let text = |value: usize| value.to_string();
    vec![
        (format!("select 1{} as x", fast(" + 1")), text(deep + 1)),
        (format!("select count(*) as x from t where a = 1{}", fast(" or a = 2")), text(2)),
        (
            format!("select count(*) as x from (select 1{}) q", fast(" union all select 1")),
            text(deep + 1),
        ),
        (format!("select {}a{} as x from t where a = 3", fast("("), fast(")")), text(3)),
        (format!("select {}(a = 3) as x from t where a = 3", fast("not not ")), "true".to_string()),
        (
            format!("{}select max(a) as x from t{}", fast("select x from ("), fast(") as p")),
            text(4),
        ),
        (format!("select {}-a{} as x from t where a = 3", few("abs("), few(")")), text(3)),
        (
            format!(
                "select {}a{} as x from t where a = 2",
                few("case when a > 1 then "),
                few(" else 0 end")
            ),
            text(2),
        ),
    ]
}

/// Every kind of nesting has its answer within the limit, also from a worker, and an error with the limit
/// beyond it. Nobody else's work is touched.
#[test]
fn depth_is_planned_and_limited() {
    let mut cluster = Cluster::start(1, &[]);
    cluster.sql("create table t as select value as a from generate_series(1, 4)");
    for (query, answer) in nested(DEEP, SLOW) {
        assert_eq!(cluster.sql(&query).trim(), answer, "{}", &query[..60]);
    }
    for (query, _) in nested(TOO_DEEP, TOO_DEEP) {
        let ran = cluster.place.run(["sql", &query]);
        ran.fails(1, &["nested", "1000 levels"]);
    }
    let (scheduler, worker) = (cluster.scheduler.is_running(), cluster.workers[0].is_running());
    assert!(scheduler && worker, "{}", cluster.scheduler.log());
    assert_eq!(cluster.status().workers, 1);
    let file = cluster.place.write("deep.sql", &nested(200_000, 1)[0].0);
    let ran = cluster.place.start(["sql", "--file", &file.display().to_string()]).finish(SOON);
    ran.fails(1, &["are supported"]);
    assert_eq!(cluster.sql("select sum(a) as x from t").trim(), "10");
}
