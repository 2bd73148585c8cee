use crate::fixture::fixture;
use partita_tests::oracle::Sameness;
#[test]
fn scratch() -> anyhow::Result<()> {
    let Ok(path) = std::env::var("XSQL") else { return Ok(()) };
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for line in std::fs::read_to_string(path)?.lines() {
            if let Some(line) = line.strip_prefix("both ") {
                oracle.both(line).await?;
                continue;
            }
            if let Some(line) = line.strip_prefix("cluster ") {
                println!("{line}\n{:?}", oracle.cluster(line).await);
                continue;
            }
            println!("{line}\n  => {:?}", oracle.check(line, Sameness::Rows).await);
        }
        Ok(())
    })
}
