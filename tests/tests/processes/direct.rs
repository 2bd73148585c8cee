//! Large results that a client reads straight from the workers that hold them.

use arrow_flight::decode::DecodedPayload;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::StreamExt;
use partita_client::Client;
use partita_net::dial::Dial;
use partita_shared::ids::JobId;
use partita_shared::message::{Direct, Request};
use partita_shared::model::JobState;
use partita_shared::{DIRECT_HEADER, JOB_HEADER, PROTOCOL_HEADER, PROTOCOL_VERSION, wire};
use partita_tests::process::data::{NUMBERS_ROWS, WIDE_ROWS, numbers, wide, wide_text_bytes};
use partita_tests::process::{Cluster, LONG, Place, SOON, rows, wait_for};

/// All texts of a table of eight million: partitions of far more than is passed on.
fn query() -> String {
    format!("select s from '{}'", wide().display())
}

/// A client of Partita reads large partitions from their holders, and small ones through the
/// scheduler, in the order in which a sort put them.
#[test]
fn large_partitions_are_read_from_their_holders() {
    let place = Place::new();
    let args = ["scheduler", "--host=127.0.0.1", "--port=0", "--log=partita_scheduler=debug"];
    let scheduler = place.start(args);
    let _workers = [place.start_worker(&[]), place.start_worker(&[])];
    place.run(["wait", "--workers=2", "--timeout=25s"]).ok();
    let sorted = format!("select k from '{}' order by k", wide().display());
    let text = rows(&place.start(["sql", "--output=csv", &sorted]).finish(LONG));
    let mut lines = text.lines();
    assert!((0..WIDE_ROWS).all(|k| lines.next() == Some(k.to_string().as_str())));
    assert_eq!(lines.next(), None);
    wait_for("the log", SOON, || {
        scheduler.log().contains("read a partition from its worker").then_some(())
    });
    let before = scheduler.log().matches("read a partition from its worker").count();
    assert_eq!(rows(&place.run(["sql", "--output=csv", "select 1 as one"])), "1\n");
    assert_eq!(scheduler.log().matches("read a partition from its worker").count(), before);
}

/// A query that is planned again since memory was short is answered by another job than the one that its client
/// was told of: large partitions of that one are read from their holders too, and the client's word of them is
/// heard.
#[test]
fn what_is_planned_again_is_read_from_its_holders() {
    let place = Place::new();
    let args = ["scheduler", "--host=127.0.0.1", "--port=0", "--log=partita_scheduler=debug"];
    let scheduler = place.start(args);
    let access = place.access();
    let mut cluster = Cluster { workers: Vec::new(), scheduler, access, place };
    cluster.add_worker(&["--memory-limit=160MiB"]);
    cluster.wait_workers(1);
    let (folder, padding) = (numbers(), "x".repeat(20));
    let folder = folder.display();
    // The hash join needs more than half of the limit for the rows that it collects, and cannot spill them.
    let query = format!(
        "select x.k, x.s, x.v, concat(y.s, '{padding}') as t from '{folder}' x join '{folder}' y on x.k = y.k"
    );
    let text = rows(&cluster.start_sql(&query).finish(LONG));
    let mut sum = 0;
    for line in text.lines() {
        let (k, _) = line.split_once(',').expect("a row");
        let k: u64 = k.parse().expect("a number");
        let half = k as f64 / 2.0;
        assert_eq!(line, format!("{k},row-{k},{half:?},row-{k}{padding}"));
        sum += k;
    }
    let count = text.lines().count() as u64;
    assert_eq!((count, sum), (NUMBERS_ROWS, NUMBERS_ROWS * (NUMBERS_ROWS - 1) / 2));
    let jobs = wait_for("the end of the second job", SOON, || {
        let jobs = cluster.jobs();
        jobs.iter().all(|job| job.state.is_final()).then_some(jobs)
    });
    let states: Vec<_> = jobs.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Failed, JobState::Done], "{jobs:?}");
    assert!(jobs[0].error.starts_with("not enough memory: "), "{jobs:?}");
    let told = format!("read a partition from its worker job={}", jobs[1].id);
    assert!(cluster.scheduler.log().contains(&told), "no partition was large enough");
}

/// A client that cannot reach a worker says so, and gets this partition and the rest through the
/// scheduler; one that had a part of it gets an error and never half of a partition twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reaches_no_worker_gets_its_rows() {
    let cluster = Cluster::start(2, &[]);
    for passed_on in [false, true] {
        let (messages, job) = ask_directly(&cluster, &query()).await;
        let mut messages = messages;
        let client = Client::connect(&cluster.access).await.expect("a client");
        let mut control = client.control().await.expect("a control link");
        let (mut bytes, mut sent_away, mut error) = (0, 0, None);
        while let Some(message) = messages.next().await {
            let message = match message {
                Ok(message) => message,
                Err(failed) => {
                    error = Some(failed.to_string());
                    break;
                }
            };
            match message.payload {
                DecodedPayload::RecordBatch(batch) => {
                    bytes += batch.num_rows() as u64 * wide_text_bytes() / WIDE_ROWS;
                }
                DecodedPayload::Schema(_) => {}
                DecodedPayload::None => {
                    let direct: Direct =
                        wire::decode(&message.inner.app_metadata).expect("where it is");
                    sent_away += 1;
                    let (index, cause) = (direct.index, "no route to host".to_string());
                    let request = Request::NotTaken { job, index, passed_on, cause };
                    control.ask(request).await.expect("an answer");
                }
            }
        }
        assert_eq!(sent_away, 1, "nobody is sent there again");
        match passed_on {
            false => assert_eq!((bytes, error), (wide_text_bytes(), None)),
            true => assert!(error.expect("an error").contains("no route to host")),
        }
    }
    // Words about partitions that no query waits for change nothing.
    let client = Client::connect(&cluster.access).await.expect("a client");
    let request = Request::Taken { job: JobId(77), index: 0, rows: u64::MAX };
    let refused = client.control().await.expect("a control link").ask(request).await;
    assert!(refused.expect_err("refused").to_string().contains("no query waits"));
}

/// Asks as a client does that reads large partitions from their holders.
async fn ask_directly(
    cluster: &Cluster,
    query: &str,
) -> (arrow_flight::decode::FlightDataDecoder, JobId) {
    let channel = Dial::within(SOON).open(&cluster.access.endpoint()).await;
    let channel = channel.expect("a connection");
    let inner = FlightServiceClient::new(channel).max_decoding_message_size(1 << 30);
    let mut client = FlightSqlServiceClient::new_from_inner(inner);
    client.set_token(cluster.access.token.clone());
    client.set_header(PROTOCOL_HEADER, PROTOCOL_VERSION.to_string());
    client.set_header(DIRECT_HEADER, "1");
    let info = client.execute(query.to_string(), None).await.expect("a plan");
    let ticket = info.endpoint.into_iter().next().and_then(|e| e.ticket).expect("a ticket");
    let stream = client.do_get(ticket).await.expect("a stream");
    let job = stream.headers().get(JOB_HEADER).and_then(|job| job.to_str().ok());
    let job = job.and_then(|job| job.parse().ok()).expect("the job");
    (stream.into_inner(), job)
}
