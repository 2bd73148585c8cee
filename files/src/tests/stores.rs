//! Files that are in a store, as those of a file system are found and read.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::Fixture;

/// A session with a bucket that has these files.
async fn bucket(files: &[(&str, &str)]) -> Fixture {
    let (f, store) = (Fixture::new(), InMemory::new());
    for (key, content) in files {
        store.put(&Path::from(*key), content.as_bytes().to_vec().into()).await.expect("put");
    }
    let url = ObjectStoreUrl::parse("s3://bucket").expect("valid");
    f.context.register_object_store(url.as_ref(), Arc::new(store));
    f
}

/// Files, folders and patterns stand for the same as in a file system.
#[tokio::test(flavor = "multi_thread")]
async fn names_stand_for_files() {
    let f = bucket(&[
        ("a/x.csv", "n\n1\n"),
        ("a/b/y.csv", "n\n2\n"),
        ("a/b/_z.csv", "n\n3\n"),
        ("a/.c/w.csv", "n\n4\n"),
        ("ab/x.csv", "n\n5\n"),
        ("j/one.json", "{\"n\": 6}\n"),
    ])
    .await;
    for (name, expected) in [
        ("a/x.csv", "1"),
        ("a/", "1 2"),
        ("a", "1 2"),
        ("a*/x.csv", "1 5"),
        ("a?/*.csv", "5"),
        ("**/x.csv", "1 5"),
        ("**/b", "2"),
        ("a*", "1 2 5"),
        ("j/*.json", "6"),
    ] {
        let rows = f.rows(&format!("select n from 's3://bucket/{name}' order by n")).await;
        assert_eq!(rows.join(" "), expected, "{name}");
    }
    let error = f.error("select * from 's3://bucket/none.csv'").await;
    assert!(error.contains("no such file or folder: 's3://bucket/none.csv'"), "{error}");
    let error = f.error("select * from 's3://bucket/a/*.json'").await;
    assert!(error.contains("no data file matches 's3://bucket/a/*.json'"), "{error}");
    let error = f.error("select * from 's3://bucket/'").await;
    assert!(error.contains("files of different formats: 's3://bucket/"), "{error}");
}

/// Folders named `key=value` are columns, and an error in a file names it by its address.
#[tokio::test(flavor = "multi_thread")]
async fn folders_are_keys() {
    let f = bucket(&[
        ("t/year=2023/a.csv", "n\n1\n"),
        ("t/year=2024/a.csv", "n\n2\n"),
        ("bad/a.csv", "n,m\n1,2\n3\n4,5,6\n"),
    ])
    .await;
    let rows = f.rows("select year, n from 's3://bucket/t' where year > 2023").await;
    assert_eq!(rows, ["2024,2"]);
    let error = f.error("select * from 's3://bucket/bad/a.csv'").await;
    assert!(error.contains("s3://bucket/bad/a.csv"), "{error}");
}
