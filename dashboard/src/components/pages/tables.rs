//! Persisted tables: what they are called, where their partitions are, what is lost of them, and
//! which jobs they are created from and read by.

use crate::charts::{self, Column, Grid, Sort, Table};
use crate::components::parts::{Age, Bar, Panel, Part, Same, Status, icon, job_link, worker_link};
use crate::format::{bytes, counted, grouped};
use crate::live::Live;
use crate::route::Route;
use partita_observe::frame::Topic;
use partita_observe::view::TableView;
use partita_shared::ids::JobId;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job of the only table that is shown.
    pub job: Option<JobId>,
}

/// All persisted tables, or one of them.
#[component]
pub fn Tables(props: &Props) -> Html {
    let live = &props.live;
    let tables = Same::of(&live.tables);
    let now_s = live.now_ms / 1_000;
    let source = use_memo((tables.clone(), now_s), |(tables, now_s)| list(tables, now_s * 1_000));
    if let Some(job) = props.job {
        return match tables.iter().find(|table| table.job == job) {
            Some(table) => one(live, table),
            None if !live.has(Topic::Tables) => {
                html! { <p class="notice" role="status">{ "Loading…" }</p> }
            }
            None => html! {
                <p class="notice">
                    { format!("{job} has no persisted table, or it was dropped. ") }
                    <a href={Route::Tables(None).to_string()}>{ "All tables" }</a>
                </p>
            },
        };
    }
    let status = Status::of(
        live.has(Topic::Tables),
        tables.is_empty(),
        "No tables are persisted. CREATE TABLE name AS SELECT … makes one.",
    );
    let note = if live.has(Topic::Tables) {
        counted(tables.len() as u64, "table", "tables")
    } else {
        String::new()
    };
    html! {
        <>
            <h1 class="offscreen">{ "Tables" }</h1>
            <Panel id="tables" title="Persisted tables" class="flush" {status} {note}>
                <Table source={(*source).clone()} id="tables" label="Persisted tables"
                    sort={Some(Sort { column: 0, is_descending: false })} />
            </Panel>
        </>
    }
}

/// The names of a table; the job's number if it has none.
pub fn name(table: &TableView) -> String {
    let names: Vec<&str> = table.names.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { format!("(result of {})", table.job) } else { names.join(", ") }
}

/// What is lost of it, in words.
fn lost(table: &TableView) -> String {
    match (table.lost, table.can_recompute) {
        (0, _) => "0".to_string(),
        (lost, true) => format!("{} of {}, recomputed when read", lost, table.partitions),
        (lost, false) => format!("{} of {}, cannot be recomputed", lost, table.partitions),
    }
}

fn lost_cell(table: &TableView) -> Html {
    let text = lost(table);
    let class = if table.can_recompute { "state ready" } else { "state failed" };
    if table.lost == 0 {
        return text.into();
    }
    html! { <span {class}><span class="glyph">{ icon("▲") }</span>{ text }</span> }
}

/// A table as a row.
struct Line {
    table: TableView,
    now_ms: u64,
}

const COLUMNS: &[Column<Line>] = &[
    Column::<Line>::new(
        "Name",
        "w9",
        |line| {
            let address = Route::Tables(Some(line.table.job)).to_string();
            html! { <a href={address} tabindex="-1">{ name(&line.table) }</a> }
        },
        |line| name(&line.table),
    )
    .by(|one, other| name(&one.table).cmp(&name(&other.table))),
    Column::<Line>::new(
        "Rows",
        "w6 number p2",
        |line| grouped(line.table.rows).into(),
        |line| line.table.rows.to_string(),
    )
    .by(|one, other| one.table.rows.cmp(&other.table.rows)),
    Column::<Line>::new(
        "Bytes",
        "w6 number",
        |line| bytes(line.table.bytes).into(),
        |line| line.table.bytes.to_string(),
    )
    .by(|one, other| one.table.bytes.cmp(&other.table.bytes))
    .hint("Partitions that workers hold, as they are in memory"),
    Column::<Line>::new(
        "Partitions",
        "w5 number p2",
        |line| grouped(line.table.partitions.into()).into(),
        |line| line.table.partitions.to_string(),
    )
    .by(|one, other| one.table.partitions.cmp(&other.table.partitions)),
    Column::<Line>::new(
        "Lost",
        "w10",
        |line| lost_cell(&line.table),
        |line| line.table.lost.to_string(),
    )
    .by(|one, other| one.table.lost.cmp(&other.table.lost))
    .hint("Partitions whose worker is gone"),
    Column::<Line>::new(
        "Workers",
        "w5 number p2",
        |line| line.table.holders.len().into(),
        |line| line.table.holders.len().to_string(),
    )
    .by(|one, other| one.table.holders.len().cmp(&other.table.holders.len())),
    Column::<Line>::new(
        "Readers",
        "w5 number p3",
        |line| line.table.readers.len().into(),
        |line| line.table.readers.len().to_string(),
    )
    .by(|one, other| one.table.readers.len().cmp(&other.table.readers.len()))
    .hint("Jobs and tables that read it"),
    Column::<Line>::new(
        "Created",
        "w6 number p3",
        |line| html! { <Age at_ms={line.table.since_ms} now_ms={line.now_ms} /> },
        |line| line.table.since_ms.to_string(),
    )
    .by(|one, other| one.table.since_ms.cmp(&other.table.since_ms)),
];

fn list(tables: &[TableView], now_ms: u64) -> Same<dyn charts::Source> {
    Grid {
        rows: tables.iter().map(|table| Line { table: table.clone(), now_ms }).collect(),
        columns: COLUMNS,
        key: |line| line.table.job.0.into(),
        class: |_| "",
        address: |line| Some(Route::Tables(Some(line.table.job)).to_string()),
    }
    .share()
}

fn one(live: &Live, table: &TableView) -> Html {
    let fact = |term: &'static str, value: Html| {
        html! { <div key={term}><dt>{ term }</dt><dd>{ value }</dd></div> }
    };
    let session = table.names.iter().find_map(|(_, session)| session.clone());
    let whose = session.map_or("everyone".to_string(), |session| format!("session {session}"));
    html! {
        <>
            <div class="page-head">
                <h1>{ name(table) }</h1>
                <span class="hint">{ "created by " }{ job_link(table.job) }{ ", " }
                    <Age at_ms={table.since_ms} now_ms={live.now_ms} /></span>
            </div>
            <Panel id="table-facts" title="Facts">
                <dl class="facts">
                    { fact("rows", grouped(table.rows).into()) }
                    { fact("bytes on workers", bytes(table.bytes).into()) }
                    { fact("partitions", grouped(table.partitions.into()).into()) }
                    { fact("lost partitions", lost_cell(table)) }
                    { fact("visible to", whose.into()) }
                </dl>
            </Panel>
            <div class="columns">
                { holders(live, table) }
                <Panel id="table-lineage" title="Lineage">
                    <dl class="facts">
                        { fact("created from", jobs(live, &table.made_from, "files, or rows of a client")) }
                        { fact("read by", jobs(live, &table.readers, "no running job")) }
                    </dl>
                </Panel>
            </div>
        </>
    }
}

/// Where its partitions are.
fn holders(live: &Live, table: &TableView) -> Html {
    let most = table.holders.iter().map(|(_, _, bytes)| *bytes).max().unwrap_or(0);
    let status = Status::of(true, table.holders.is_empty(), "No worker holds a partition of it.");
    html! {
        <Panel id="table-holders" title="Location" note="workers, their partitions and bytes" {status}>
            <ul class="list">
                { for table.holders.iter().map(|(worker, partitions, size)| {
                    let text = format!("{}, {}", counted((*partitions).into(), "partition", "partitions"),
                        bytes(*size));
                    html! {
                        <li key={worker.0} class="stage spent">
                            <span class="name">
                                { worker_link(live, *worker) }
                                <span class="hint">{ format!(" · {}", grouped((*partitions).into())) }</span>
                            </span>
                            <Bar parts={vec![Part { class: "stored", size: *size }]} whole={most}
                                label={text.clone()} />
                            <span class="number">{ bytes(*size) }</span>
                        </li>
                    }
                }) }
            </ul>
        </Panel>
    }
}

/// Links to tables, or to jobs that are not tables.
fn jobs(live: &Live, ids: &[JobId], none: &'static str) -> Html {
    if ids.is_empty() {
        return none.into();
    }
    html! {
        <ul>
            { for ids.iter().map(|id| {
                let table = live.tables.iter().find(|table| table.job == *id);
                html! {
                    <li key={id.0}>
                        { match table {
                            Some(table) => html! {
                                <a href={Route::Tables(Some(*id)).to_string()}>{ name(table) }</a>
                            },
                            None => job_link(*id),
                        } }
                    </li>
                }
            }) }
        </ul>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::told;
    use crate::testing::{assert_hides, assert_shows, draw_page};
    use partita_observe::frame::Update;
    use partita_shared::ids::WorkerId;

    fn table(job: u32, names: &[&str]) -> TableView {
        TableView {
            job: JobId(job),
            names: names.iter().map(|name| (name.to_string(), None)).collect(),
            rows: 6_000_000,
            bytes: 250 << 20,
            partitions: 8,
            lost: 0,
            can_recompute: true,
            holders: vec![(WorkerId(1), 5, 150 << 20), (WorkerId(2), 3, 100 << 20)],
            made_from: Vec::new(),
            readers: Vec::new(),
            since_ms: crate::fixtures::NOW_MS - 60_000,
        }
    }

    fn page(job: Option<JobId>, tables: Vec<TableView>) -> String {
        let live = told(vec![Topic::Tables], vec![Update::Tables(tables)]);
        draw_page("tables", &live, &Route::Tables(job))
    }

    /// Tables have their names, and lost partitions are shown with whether they can be recomputed.
    #[test]
    fn tables_are_named_and_say_what_is_lost() {
        let lost = TableView { lost: 3, readers: vec![JobId(9)], ..table(4, &["late_half"]) };
        let gone = TableView { lost: 2, can_recompute: false, ..table(5, &["uploaded"]) };
        let html = page(None, vec![lost.clone(), gone, table(6, &[])]);
        assert_shows(
            &html,
            &[
                "3 tables",
                "late_half",
                "3 of 8, recomputed when read",
                "2 of 8, cannot be recomputed",
                "(result of job-6)",
            ],
        );
        let reader = TableView { made_from: vec![JobId(4)], ..table(9, &["by_station"]) };
        let html = page(Some(JobId(4)), vec![lost, reader]);
        assert_shows(&html, &["late_half created by job-4", "read by by_station", "worker-1"]);
        assert_hides(&html, &["time left"]);
    }

    /// No table, and a table that was dropped, are said in words.
    #[test]
    fn what_is_not_persisted_is_said() {
        assert_shows(&page(None, Vec::new()), &["No tables are persisted"]);
        assert_shows(&page(Some(JobId(4)), Vec::new()), &["job-4 has no persisted table"]);
    }
}
