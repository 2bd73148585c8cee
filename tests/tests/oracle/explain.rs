//! `EXPLAIN` and `EXPLAIN ANALYZE`.

use crate::fixture::fixture;
use anyhow::Result;
use partita_tests::oracle::plan_rows;

const QUERY: &str = "select d.name, count(*), sum(f.v) from facts f join dims d on f.k = d.k
    group by d.name order by d.name";

/// `EXPLAIN` gives the logical plan and every stage: its tasks, what it reads and how, and its
/// operators. It runs nothing.
#[test]
fn explain_names_the_stages() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let rows = oracle.explain(QUERY).await?;
        let kinds: Vec<&str> = rows.iter().map(|(kind, _)| kind.as_str()).collect();
        let stages: Vec<String> = (0..rows.len() - 1).map(|n| format!("stage {n}")).collect();
        assert_eq!(kinds[0], "logical_plan");
        assert_eq!(&kinds[1..], stages.iter().map(String::as_str).collect::<Vec<_>>());
        let all: String = rows.iter().map(|(_, text)| text.as_str()).collect();
        for part in [
            "scan",
            "join",
            "4 tasks",
            "1 task",
            "Broadcast of stage",
            "Shuffle of stage",
            "Gather of stage",
            "HashJoinExec",
            "AggregateExec: mode=Partial",
            "AggregateExec: mode=FinalPartitioned",
            "SortPreservingMergeExec",
            "ExchangeExec",
        ] {
            assert!(all.contains(part), "{part} is not in\n{all}");
        }
        Ok(())
    })
}

/// `EXPLAIN ANALYZE`, and the same asked for beside a plain query, run the query and give the
/// figures of each operator, summed over the tasks of its stage, instead of the rows.
#[test]
fn explain_analyze_counts_rows() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let answer = oracle.cluster(&format!("explain analyze {QUERY}")).await?;
        let rows = plan_rows(&answer)?;
        assert!(rows.iter().enumerate().all(|(n, (kind, _))| kind == &format!("stage {n}")));
        let all: String = rows.iter().map(|(_, text)| format!("{text}\n")).collect();
        let scan =
            all.lines().find(|line| line.contains("DataSourceExec") && line.contains("facts"));
        assert!(scan.is_some_and(|line| line.contains("[6000 rows")), "{all}");
        let (expected, _) = oracle.single(QUERY).await?;
        let merge = all.lines().find(|line| line.contains("SortPreservingMergeExec"));
        let count = format!("[{} rows", expected.rows());
        assert!(merge.is_some_and(|line| line.contains(&count)), "{count} is not in\n{all}");
        let client = oracle.client().clone().with_analyze(true);
        let asked: Vec<_> =
            futures::TryStreamExt::try_collect(client.run(QUERY).await?.batches).await?;
        let schema = arrow::array::RecordBatch::schema(&asked[0]);
        let beside = plan_rows(&partita_tests::oracle::Answer { schema, batches: asked })?;
        assert_eq!(beside.len(), rows.len());
        Ok(())
    })
}

/// An explanation is given for every kind of statement that can run.
#[test]
fn everything_is_explained() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for (sql, part) in [
            ("select 1", "ProjectionExec"),
            ("select id from facts union all select k from dims", "UnionExec"),
            (
                "with recursive n (i) as (select 1 union all select i + 1 from n where i < 5)
                select * from n",
                "RecursiveQueryExec",
            ),
            ("copy (select id from facts) to '{dir}/never/' stored as parquet", "DataSinkExec"),
        ] {
            let rows = oracle.explain(sql).await?;
            let all: String = rows.iter().map(|(_, text)| text.as_str()).collect();
            assert!(all.contains(part), "{part} is not in\n{all}");
        }
        assert!(!fixture.folder().join("never").exists(), "an explained COPY wrote");
        Ok(())
    })
}
